/**
 * Three nodes as processes: writes and linearizable reads on every node, order on one connection,
 * redirecting and forwarding, a killed leader, a lost majority.
 */

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { followersOf, leaderOf, type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const nodes = await startCluster({ after }, 3, { args: ['--timeout', '2s'] });

async function roles(): Promise<{ leader: Node; follower: Node; other: Node }> {
  const leader = await leaderOf(nodes);
  const [follower, other] = (await followersOf(nodes)) as [Node, Node];
  return { leader, follower, other };
}

test('an array can SET on every node, and every node GETs it at once', async () => {
  const clients = nodes.map((node) => new RawClient(node.clientPort));
  for (let round = 0; round < 30; round += 1) {
    const [writer, ...readers] = [0, 1, 2].map((i) => clients[(i + round) % 3] as RawClient);
    assert.equal(await (writer as RawClient).ask(array('SET', 'k', `v${round}`)), '+OK\r\n');
    for (const reader of readers) {
      assert.equal(await reader.ask('GET k\r\n'), bulk(`v${round}`));
    }
  }
  for (const client of clients) client.close();
});

test('program order holds in a pipeline on the leader and on a follower', async () => {
  const { leader, follower } = await roles();
  for (const node of [leader, follower]) {
    const parts: Buffer[] = [array('DEL', 'o', 'o.n')];
    const expected: string[] = [];
    for (let i = 0; i < 100; i += 1) {
      parts.push(array('GET', 'o.n'), array('INCR', 'o.n'), array('SET', 'o', `v${i}`));
      parts.push(array('GET', 'o'), array('GET', 'o.n'), array('ECHO', `e${i}`));
      expected.push(i === 0 ? '$-1\r\n' : bulk(String(i)), `:${i + 1}\r\n`, '+OK\r\n');
      expected.push(bulk(`v${i}`), bulk(String(i + 1)), bulk(`e${i}`));
    }
    const replies = await exchange(node.clientPort, Buffer.concat(parts), expected.length + 1);
    assert.deepEqual(replies.slice(1), expected, `node ${node.id}`);
  }
});

test('inline writes on a follower are redirected and certainly not executed', async () => {
  const { leader, follower } = await roles();
  const lines = 'SET moved 1\r\nINCR moved.n\r\nDEL a\r\nGET moved\r\nEXISTS moved.n\r\nPING\r\n';
  const replies = await exchange(follower.clientPort, lines, 6);
  const redirect = `-REDIRECT ${leader.id}\r\n`;
  assert.deepEqual(replies, [redirect, redirect, redirect, '$-1\r\n', ':0\r\n', '+PONG\r\n']);
  assert.equal((await exchange(leader.clientPort, 'SET moved 1\r\n', 1))[0], '+OK\r\n');
  assert.equal((await exchange(follower.clientPort, 'GET moved\r\n', 1))[0], bulk('1'));
});

test('counters incremented on all nodes at once lose nothing and double nothing', async () => {
  const each = 300;
  const all = await Promise.all(
    nodes.map((node) =>
      exchange(
        node.clientPort,
        Buffer.concat(Array.from({ length: each }, () => array('INCR', 'all'))),
        each,
      ),
    ),
  );
  const numbers = all.flat().map((reply) => Number(reply.slice(1)));
  const expected = Array.from({ length: 3 * each }, (_, i) => i + 1);
  assert.deepEqual(
    numbers.sort((a, b) => a - b),
    expected,
  );
});

test('STATUS names one leader on every node', async () => {
  const { leader } = await roles();
  for (const node of nodes) {
    const status = await node.status();
    assert.equal(status.get('leader_id'), String(leader.id));
    assert.equal(status.get('role'), node === leader ? 'leader' : 'follower');
    assert.equal(status.get('is_leader'), node === leader ? '1' : '0');
  }
});

test('a killed leader is replaced, nothing acknowledged is lost, and it comes back', async () => {
  const { leader, follower } = await roles();
  await exchange(leader.clientPort, array('SET', 'before', 'kept'), 1);
  await leader.kill();
  const survivors = nodes.filter((node) => node !== leader);
  const next = await leaderOf(survivors);
  assert.notEqual(next, leader);
  assert.deepEqual(await exchange(follower.clientPort, array('GET', 'before'), 1), [bulk('kept')]);
  await exchange(follower.clientPort, array('SET', 'while', 'away'), 1);
  await leader.start();
  await leaderOf(nodes);
  const lines = 'GET before\r\nGET while\r\n';
  assert.deepEqual(await exchange(leader.clientPort, lines, 2), [bulk('kept'), bulk('away')]);
});

test('without a majority commands end by an error that says what is known', async () => {
  const { leader, follower, other } = await roles();
  await Promise.all([leader.kill(), other.kill()]);
  const client = new RawClient(follower.clientPort);
  client.send(
    Buffer.concat([array('SET', 'lost', '1'), Buffer.from('SET lost 2\r\nGET lost\r\n')]),
  );
  const [forwarded, inline, read] = await client.replies(3);
  // The leader's death may not be known here yet: then the command went out to it.
  assert.match(forwarded as string, /^-ERR (?:no leader|outcome unknown)/);
  assert.match(inline as string, /^-(?:ERR no leader\r\n|REDIRECT \d+\r\n)$/);
  assert.match(read as string, /^-ERR (?:no leader|timeout)/);
  assert.match(await client.ask('STATUS\r\n'), /is_leader:0/);
  assert.equal(await client.ask('SET lost 3\r\n'), '-ERR no leader\r\n');
  client.close();
  await Promise.all([leader.start(), other.start()]);
  await leaderOf(nodes);
});
