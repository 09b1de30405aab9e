/**
 * Answers larger than any record between threads: KEYS of hundreds of thousands of keys, MGET of
 * large values, and the error that says what to do instead when even that is not enough.
 */

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { decodeReply } from '../../codec/resp/reply-value.js';
import { type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const KEYS = 300_000;
const KEYS_PER_COMMAND = 2000;
const MIB = 1024 * 1024;
const [node] = (await startCluster({ after }, 1, { args: ['--sync', 'none'] })) as [Node];
const port = node.clientPort;

const keyOf = (at: number): string => `key:${String(at).padStart(9, '0')}`;

test(`KEYS * answers ${KEYS} keys, in both dialects, and pipelined commands go on`, async () => {
  const client = new RawClient(port);
  for (let from = 0; from < KEYS; from += KEYS_PER_COMMAND) {
    const pairs = Array.from({ length: KEYS_PER_COMMAND }, (_, i) => [keyOf(from + i), 'v']);
    client.send(array('MSET', ...pairs.flat()));
  }
  const stored = await client.replies(KEYS / KEYS_PER_COMMAND);
  assert.ok(stored.every((reply) => reply === '+OK\r\n'));
  client.send(Buffer.concat([array('KEYS', '*'), array('SET', 'after', '1'), array('DBSIZE')]));
  const [keys, set, size] = (await client.replies(3)) as [string, string, string];
  const reply = Buffer.from(keys, 'latin1');
  const found = decodeReply(reply, 0, reply.length);
  assert.ok(Array.isArray(found));
  assert.equal(new Set(found).size, KEYS);
  assert.ok(found.every((key) => /^key:\d{9}$/.test(String(key))));
  assert.deepEqual([set, size], ['+OK\r\n', `:${KEYS + 1}\r\n`]);
  const inline = await client.ask('KEYS key:*\r\n');
  assert.equal(inline.trimEnd().split('\n').length, KEYS + 1);
  client.close();
});

test('MGET of several values of a MiB answers them as of one moment', async () => {
  const client = new RawClient(port);
  const values = Array.from({ length: 8 }, (_, i) => String(i).repeat(MIB - 100));
  for (const [i, value] of values.entries()) {
    assert.equal(await client.ask(array('SET', `large:${i}`, value)), '+OK\r\n');
  }
  const names = values.map((_, i) => `large:${i}`);
  const expected = [...values.map(bulk), '$-1\r\n'].join('');
  const reply = await client.ask(array('MGET', ...names, 'none'));
  assert.ok(reply === `*9\r\n${expected}`, 'the reply holds every value');
  client.close();
});

test('an answer beyond --max-answer is an error that names the remedy', async (t) => {
  const args = ['--max-answer', '1m', '--sync', 'none'];
  const [small] = (await startCluster(t, 1, { args })) as [Node];
  const client = new RawClient(small.clientPort);
  for (let i = 0; i < 3; i += 1) {
    const pairs = Array.from({ length: 20 }, (_, k) => [`${i}:${k}:${'k'.repeat(20_000)}`, 'v']);
    assert.equal(await client.ask(array('MSET', ...pairs.flat())), '+OK\r\n');
  }
  const keys = await client.ask(array('KEYS', '*'));
  assert.equal(keys, '-ERR KEYS would answer more than 1048576 bytes, use SCAN\r\n');
  await client.ask(array('SET', 'v', Buffer.alloc(600_000)));
  const values = await client.ask(array('MGET', 'v', 'v'));
  assert.equal(values, '-ERR MGET would answer more than 1048576 bytes, ask for fewer keys\r\n');
  client.close();
  assert.match(
    (await exchange(port, array('CONFIG', 'GET', 'maxclients'), 1))[0] as string,
    /1024/,
    'the other node serves on',
  );
});

for (const args of [[], ['--max-output', '16k']]) {
  test(`large values in a pipeline after small ones all arrive ${args.join(' ')}`, async (t) => {
    const [other] = (await startCluster(t, 1, { args: [...args, '--sync', 'none'] })) as [Node];
    const client = new RawClient(other.clientPort);
    const value = 'x'.repeat(1_000_000);
    assert.equal(await client.ask(array('SET', 'large', value)), '+OK\r\n');
    assert.equal(await client.ask(array('SET', 'small', 'v')), '+OK\r\n');
    client.send(Buffer.concat(Array.from({ length: 200 }, () => array('GET', 'small'))));
    assert.ok((await client.replies(200)).every((reply) => reply === bulk('v')));
    const count = args.length > 0 ? 20 : 200;
    client.send(Buffer.concat(Array.from({ length: count }, () => array('GET', 'large'))));
    const expected = bulk(value);
    for (let i = 0; i < count; i += 1) {
      assert.ok((await client.replies(1))[0] === expected, `reply ${i} is whole`);
    }
    client.close();
  });
}
