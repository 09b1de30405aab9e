/**
 * The Redis dialect: commands sent as arrays get the replies and the errors that Redis gives.
 *
 * Error texts are part of the protocol: libraries match them.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplyError } from '../../codec/resp/reply-value.js';
import { Consistency } from '../../engine/config-reads.js';
import { Action } from '../../tools/server/commands/plan.js';
import { Connection, newMachine } from './commands-harness.js';

const NOT_AN_INTEGER = '-ERR value is not an integer or out of range\r\n';

test('writes and reads answer as in Redis', () => {
  const client = new Connection();
  const exchanges: readonly (readonly [string[], string])[] = [
    [['SET', 'a', '1'], '+OK\r\n'],
    [['GET', 'a'], '$1\r\n1\r\n'],
    [['GET', 'none'], '$-1\r\n'],
    [['SETNX', 'a', '2'], ':0\r\n'],
    [['SETNX', 'b', '2'], ':1\r\n'],
    [['MSET', 'c', '3', 'd', '4'], '+OK\r\n'],
    [['MGET', 'a', 'none', 'd'], '*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n4\r\n'],
    [['EXISTS', 'a', 'a', 'none'], ':2\r\n'],
    [['STRLEN', 'a'], ':1\r\n'],
    [['APPEND', 'a', '23'], ':3\r\n'],
    [['INCR', 'a'], ':124\r\n'],
    [['INCRBY', 'a', '-24'], ':100\r\n'],
    [['DECR', 'a'], ':99\r\n'],
    [['DECRBY', 'a', '9'], ':90\r\n'],
    [['TYPE', 'a'], '+string\r\n'],
    [['TYPE', 'none'], '+none\r\n'],
    [['DBSIZE'], ':4\r\n'],
    [['DEL', 'a', 'b', 'none'], ':2\r\n'],
    [['DEL', 'none'], ':0\r\n'],
    [['GETDEL', 'c'], '$1\r\n3\r\n'],
    [['GETDEL', 'c'], '$-1\r\n'],
    [['KEYS', '*'], '*1\r\n$1\r\nd\r\n'],
    [['FLUSHALL', 'ASYNC'], '+OK\r\n'],
    [['DBSIZE'], ':0\r\n'],
    [['FLUSHDB'], '+OK\r\n'],
  ];
  for (const [args, reply] of exchanges) assert.equal(client.resp(...args), reply, args.join(' '));
});

test('GET takes a word for what it must see, in any case, and answers as without one', () => {
  const client = new Connection(newMachine(), true);
  client.resp('SET', 'k', '1');
  const { linearizable, lease, bounded, local } = Consistency;
  for (const [words, consistency, maxStalenessMs = 0] of [
    [['LINEARIZABLE'], linearizable],
    [['Lease'], lease],
    [['bounded', '500'], bounded, 500],
    [['local'], local],
  ] as const) {
    assert.equal(client.resp('GET', 'k', ...words), '$1\r\n1\r\n');
    assert.deepEqual(client.readTerms, { consistency, maxStalenessMs });
  }
  assert.equal(client.resp('GET', 'k'), '$1\r\n1\r\n');
  assert.equal(client.readTerms, null, 'as the server’s reads do');
});

test('a word that a GET cannot end with is refused with the value, the rule and the remedy', () => {
  const client = new Connection();
  const refused = (words: string[], text: RegExp): void => {
    assert.match(client.resp('GET', 'k', ...words), text);
    assert.equal(client.action, Action.refused);
  };
  refused(
    ['LOKAL'],
    /^-ERR wrong number .* 'get' command: 'LOKAL' is not expected here, .*BOUNDED milliseconds or/,
  );
  refused(['LOCAL', 'LOCAL'], /'LOCAL' is not expected here/);
  refused(
    ['BOUNDED'],
    /followed by nothing, must be followed by milliseconds from 1 to \d+, as in/,
  );
  refused(['BOUNDED', '0'], /^-ERR syntax error: BOUNDED is followed by '0', must be/);
  refused(['BOUNDED', 'x'], /^-ERR syntax error: BOUNDED is followed by 'x', must be/);
  refused(['BOUNDED', '5', 'LOCAL'], /'LOCAL' is not expected here/);
  refused(['LEASE'], /^-ERR LEASE is not served, .*start every node with --lease-reads on, or ask/);
});

test('SET takes NX, XX and GET in any order and case, and refuses expiry by name', () => {
  const client = new Connection();
  assert.equal(client.resp('SET', 'k', '1', 'XX'), '$-1\r\n');
  assert.equal(client.resp('SET', 'k', '1', 'nx', 'get'), '$-1\r\n');
  assert.equal(client.resp('SET', 'k', '2', 'GET', 'XX'), '$1\r\n1\r\n');
  assert.equal(client.resp('SET', 'k', '3', 'NX'), '$-1\r\n');
  assert.equal(client.resp('GET', 'k'), '$1\r\n2\r\n');
  assert.equal(client.resp('SET', 'k', '3', 'NX', 'XX'), '-ERR syntax error\r\n');
  assert.equal(client.resp('SET', 'k', '3', 'EX', '10'), expiry('EX'));
  assert.equal(client.resp('SET', 'k', '3', 'NX', 'px', '10'), expiry('PX'));
  assert.equal(client.resp('SET', 'k', '3', 'KEEPTTL'), expiry('KEEPTTL'));
  assert.equal(client.resp('SET', 'k', '3', 'WAT'), '-ERR syntax error\r\n');
  assert.equal(client.resp('GET', 'k'), '$1\r\n2\r\n');

  function expiry(name: string): string {
    return `-ERR syntax error: ${name} is not supported, keys do not expire here\r\n`;
  }
});

test('keys and values are bytes, whatever they spell', () => {
  const client = new Connection();
  const odd = ['', '__proto__', 'constructor', '\0\xff\r\n', '$5', '*1'];
  for (const key of odd) assert.equal(client.resp('SET', key, `${key}\r\n`), '+OK\r\n');
  for (const key of odd) {
    assert.equal(client.resp('GET', key), `$${key.length + 2}\r\n${key}\r\n\r\n`);
  }
  assert.equal(client.resp('DEL', ...odd), `:${odd.length}\r\n`);
});

test('integers have 64 bits and their limits have the texts of Redis', () => {
  const client = new Connection();
  assert.equal(client.resp('SET', 'n', '9223372036854775807'), '+OK\r\n');
  const overflow = '-ERR increment or decrement would overflow\r\n';
  assert.equal(client.resp('INCR', 'n'), overflow);
  assert.equal(client.resp('DECRBY', 'n', '-1'), overflow);
  assert.equal(client.resp('DECR', 'n'), ':9223372036854775806\r\n');
  assert.equal(client.resp('INCRBY', 'n', '9223372036854775808'), NOT_AN_INTEGER);
  assert.equal(client.resp('INCRBY', 'n', '1.5'), NOT_AN_INTEGER);
  assert.equal(client.resp('DECRBY', 'n', ' 1'), NOT_AN_INTEGER);
  const tooLow = '-ERR decrement would overflow\r\n';
  assert.equal(client.resp('DECRBY', 'n', '-9223372036854775808'), tooLow);
  assert.equal(client.resp('INCRBY', 'm', '-9223372036854775808'), ':-9223372036854775808\r\n');
  client.resp('SET', 'n', 'ten');
  assert.equal(client.resp('INCR', 'n'), NOT_AN_INTEGER);
});

test('a wrong number of arguments, and unknown commands, have the texts of Redis', () => {
  const client = new Connection();
  const wrong = (name: string) => `-ERR wrong number of arguments for '${name}' command\r\n`;
  assert.equal(client.resp('GET'), wrong('get'));
  assert.ok(client.resp('get', 'a', 'b').startsWith(wrong('get').trim()));
  assert.equal(client.resp('SET', 'a'), wrong('set'));
  assert.equal(client.resp('MSET', 'a', '1', 'b'), wrong('mset'));
  assert.equal(client.resp('INCR', 'a', '2'), wrong('incr'));
  assert.equal(client.resp('KEYS'), wrong('keys'));
  assert.equal(client.resp('CLIENT', 'SETNAME'), wrong('client|setname'));
  assert.equal(
    client.resp('NOPE', 'a', 'b'),
    "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b' \r\n",
  );
  assert.equal(client.resp(''), "-ERR unknown command '', with args beginning with: \r\n");
  const long = client.resp('X'.repeat(500), 'y'.repeat(10_000), 'z');
  assert.ok(long.length < 400, 'what is shown is bounded');
  assert.equal(client.resp('A\r\nB'), "-ERR unknown command 'A B', with args beginning with: \r\n");
  assert.equal(client.resp('__proto__').startsWith("-ERR unknown command '__proto__'"), true);
});

test('what is refused is refused by name, with the reason', () => {
  const client = new Connection();
  const names = ['MULTI', 'EXEC', 'WATCH', 'EVAL', 'EVALSHA', 'SUBSCRIBE', 'PSUBSCRIBE', 'AUTH'];
  for (const name of [...names, 'EXPIRE', 'SETEX', 'WAIT', 'CLUSTER', 'SCRIPT']) {
    assert.match(client.resp(name, 'x'), new RegExp(`^-ERR ${name} is refused: `), name);
    assert.equal(client.action, Action.refused);
  }
});

test('a key of more than 65,535 bytes is refused, in reads and in writes', () => {
  const client = new Connection();
  const longest = 'k'.repeat(65_535);
  assert.equal(client.resp('SET', longest, 'v'), '+OK\r\n');
  assert.equal(client.resp('GET', longest), '$1\r\nv\r\n');
  const error = '-ERR key of 65536 bytes, at most 65535 are allowed\r\n';
  const requests = [
    ['SET', 'v'],
    ['GET'],
    ['DEL'],
    ['INCR'],
    ['MSET', 'v'],
    ['MGET'],
    ['SETNX', 'v'],
  ];
  for (const [name, ...rest] of [...requests, ['EXISTS'], ['STRLEN'], ['TYPE'], ['GETDEL']]) {
    assert.equal(client.resp(name!, `${longest}k`, ...rest), error, name);
  }
  assert.equal(client.resp('MSET', 'a', 'v', `${longest}k`, 'v'), error);
  assert.equal(client.resp('GET', 'a'), '$-1\r\n');
});

test('SCAN walks all keys, with MATCH, COUNT and TYPE', () => {
  const client = new Connection();
  for (let i = 0; i < 300; i += 1) client.resp('SET', `${i % 2 === 0 ? 'even' : 'odd'}:${i}`, 'v');
  const seen: string[] = [];
  let cursor = '0';
  do {
    const answer = client.value('SCAN', cursor, 'MATCH', 'even:*', 'COUNT', '7', 'TYPE', 'string');
    assert.ok(Array.isArray(answer));
    cursor = String(answer[0]);
    seen.push(...(answer[1] as string[]));
  } while (cursor !== '0');
  assert.equal(new Set(seen).size, 150);
  assert.equal(seen.length, 150);
  assert.deepEqual(client.value('SCAN', '0', 'TYPE', 'hash'), ['0', []]);
  client.resp('SCAN', '0', 'MATCH', 'even:*', 'COUNT', '1000');
  const plain = client.value('SCAN', '0');
  assert.ok(Array.isArray(plain) && Array.isArray(plain[1]));
  assert.ok(plain[1].length >= 10 && plain[1].length < 20, 'options do not stay behind');
  assert.ok(plain[1].some((key) => String(key).startsWith('odd:')));
  assert.equal(client.resp('SCAN', 'x'), '-ERR invalid cursor\r\n');
  assert.equal(client.resp('SCAN', '-1'), '-ERR invalid cursor\r\n');
  assert.equal(client.resp('SCAN', '4294967296'), '-ERR invalid cursor\r\n');
  assert.equal(client.resp('SCAN', '0', 'COUNT', 'x'), NOT_AN_INTEGER);
  assert.equal(client.resp('SCAN', '0', 'COUNT', '0'), '-ERR syntax error\r\n');
  assert.equal(client.resp('SCAN', '0', 'MATCH'), '-ERR syntax error\r\n');
  assert.equal(client.resp('SCAN', '0', 'WAT', 'x'), '-ERR syntax error\r\n');
  const tooLong = '-ERR pattern of 257 bytes, the limit is 256: use a shorter one\r\n';
  assert.equal(client.resp('SCAN', '0', 'MATCH', '*'.repeat(257)), tooLong);
  assert.equal(client.resp('KEYS', '*'.repeat(257)), tooLong);
  assert.ok(Array.isArray(client.value('SCAN', '0', 'MATCH', '*'.repeat(256))));
  const all = client.value('SCAN', '0', 'COUNT', '99999999999999999999999');
  assert.ok(all instanceof ReplyError);
  assert.ok(Array.isArray(client.value('SCAN', '0', 'COUNT', '9223372036854775807')));
});

test('every write and read measures exactly what it encodes', () => {
  const client = new Connection(newMachine());
  const requests = [
    'SET k v',
    'SET k v NX',
    'SETNX k v',
    'MSET a 1 bb 22',
    'DEL k',
    'DEL k l mm',
    'GETDEL k',
    'APPEND k v',
    'INCR k',
    'INCRBY k 5',
    'DECRBY k 5',
    'FLUSHALL',
    'GET k',
    'MGET k ll',
    'EXISTS k ll',
    'STRLEN k',
    'TYPE k',
    'DBSIZE',
    'KEYS a*',
    'SCAN 0',
    'SCAN 0 MATCH ab*',
    'STAT',
  ];
  for (const request of requests) {
    client.resp(...request.split(' '));
    assert.ok(client.action === Action.write || client.action === Action.read, request);
  }
});
