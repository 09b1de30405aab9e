/**
 * The seed's dialect: inline commands and exactly the replies that the demo documents.
 *
 * The dialect follows the framing, so everything here is sent as lines.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from './commands-harness.js';

test('the session of the demo is answered as the demo shows it', () => {
  const client = new Connection();
  assert.equal(client.send('SET mykey myvalue\r\n'), '+OK\r\n');
  assert.equal(client.send('GET mykey\r\n'), '$7\r\nmyvalue\r\n');
  assert.equal(client.send('INCR counter\r\n'), ':1\r\n');
  assert.equal(client.send('DEL mykey\r\n'), '+OK\r\n');
  assert.equal(client.send('GET mykey\r\n'), '$-1\r\n');
  assert.equal(client.send('DEL mykey\r\n'), '+OK\r\n', 'also for a key that is not there');
});

test('netcat works: bare line feeds, several lines at once', () => {
  const client = new Connection();
  assert.equal(client.send('SET a 1\nINCR a\nGET a\n\n'), '+OK\r\n:2\r\n$1\r\n2\r\n');
  assert.equal(client.send('set a "x y"\nget a\n'), '+OK\r\n$3\r\nx y\r\n');
});

test('STATUS has the ten fields of the seed in their order, then ours, and INFO is its alias', () => {
  const client = new Connection();
  client.inline('SET k v');
  const status =
    'node_id:1\ncluster_id:1\nrole:leader\nterm:3\nleader_id:1\ncommit_index:42\n' +
    'last_applied:42\nis_leader:1\nkv_keys:1\nkv_memory:16\n' +
    'durability:always: an acknowledged entry is on disks\nsnapshots_taken:2\n' +
    'snapshots_failed:1\nsnapshots_restored:3\nsnapshots_installed:4\nsnapshot_index:30\n' +
    'compacted_index:20\nstanding:full';
  assert.equal(client.send('STATUS\r\n'), `$${status.length}\r\n${status}\r\n`);
  assert.equal(client.send('INFO\r\n'), `$${status.length}\r\n${status}\r\n`);
});

test('STAT tells what the store holds', () => {
  const client = new Connection();
  client.inline('SET k v');
  client.inline('GET k');
  assert.equal(client.inline('STAT'), '$31\r\nkv_keys:1\nkv_memory:16\nkv_ops:2');
});

test('counters go up and down by any amount, exactly', () => {
  const client = new Connection();
  assert.equal(client.inline('INCR n 41'), ':41');
  assert.equal(client.inline('INCR n -1'), ':40');
  assert.equal(client.inline('DECR n'), ':39');
  assert.equal(client.inline('DECR n 40'), ':-1');
  assert.equal(client.inline('INCR big 9223372036854775807'), ':9223372036854775807');
  assert.equal(client.inline('INCR big'), '-ERR increment or decrement would overflow');
  assert.equal(client.inline('INCR n 1 2'), "-ERR wrong number of arguments for 'incr' command");
  assert.equal(client.inline('INCR n x'), '-ERR value is not an integer or out of range');
  client.inline('SET word hello');
  assert.equal(client.inline('INCR word'), '-ERR value is not an integer or out of range');
  assert.equal(client.inline('APPEND word !'), ':6');
});

test('KEYS answers one bulk string of lines, which can be typed back', () => {
  const client = new Connection();
  assert.equal(client.inline('KEYS'), '$0\r\n');
  for (const key of ['plain', '"two words"', '"a\\x00\\n\\"b"', '""', "it's"]) {
    const quoted = key === "it's" ? '"it\'s"' : key;
    assert.equal(client.inline(`SET ${quoted} v`), '+OK');
  }
  const lines = client.inline('KEYS').split('\r\n')[1]!.split('\n').sort();
  assert.deepEqual(lines, ['""', '"a\\x00\\n\\"b"', '"it\'s"', '"two words"', 'plain']);
  for (const line of lines) assert.equal(client.inline(`GET ${line}`), '$1\r\nv');
  assert.equal(client.inline('KEYS p*'), '$5\r\nplain');
});

test('a lock is taken by SET NX and given back by DEL', () => {
  const client = new Connection();
  assert.equal(client.inline('SET lock.a node1 NX'), '+OK');
  assert.equal(client.inline('SET lock.a node2 NX'), '$-1');
  assert.equal(client.inline('DEL lock.a'), '+OK');
  assert.equal(client.inline('SET lock.a node2 nx'), '+OK');
});

test('SNAPSHOT answers the three fields of the seed, and takes no argument', async () => {
  const client = new Connection();
  const text = 'size:1234\nlast_index:42\nlast_term:3';
  const snapshot = async () => ({ index: 42, term: 3, imageBytes: 100, fileBytes: 1234 });
  assert.equal(await client.asked('SNAPSHOT', { snapshot }), `$${text.length}\r\n${text}`);
  const wrong = "-ERR wrong number of arguments for 'snapshot' command";
  assert.equal(client.inline('SNAPSHOT now'), wrong);
});

test('inline commands are answered in RESP2 even after HELLO 3', () => {
  const client = new Connection();
  client.resp('HELLO', '3');
  assert.equal(client.inline('GET nothing'), '$-1');
  assert.equal(client.resp('GET', 'nothing'), '_\r\n');
});

test('QUIT closes the connection after its answer', () => {
  const client = new Connection();
  assert.equal(client.inline('QUIT'), '+OK');
  assert.equal(client.closes, true);
  assert.equal(client.inline('PING'), '+PONG');
  assert.equal(client.closes, false);
});
