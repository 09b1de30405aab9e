/**
 * The server's switches for followers and reads, each on three nodes as processes: every node
 * redirects or forwards whatever the framing, local reads need no majority.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { followersOf, leaderOf, type Node, startCluster } from './processes.js';
import { array, bulk, exchange } from './raw-client.js';

async function untilSeen(node: Node, key: string, value: string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const [reply] = await exchange(node.clientPort, `GET ${key}\r\n`, 1);
    if (reply === bulk(value)) return;
    await sleep(25);
  }
  assert.fail(`node ${node.id} never saw ${key}`);
}

test('--on-follower redirect redirects arrays too; local reads survive alone', async (t) => {
  const args = ['--on-follower', 'redirect', '--reads', 'local', '--timeout', '1s'];
  const nodes = await startCluster(t, 3, { args });
  const leader = await leaderOf(nodes);
  const [follower, other] = (await followersOf(nodes)) as [Node, Node];
  const write = Buffer.concat([array('SET', 'a', '1'), Buffer.from('SET a 1\r\n')]);
  const redirect = `-REDIRECT ${leader.id}\r\n`;
  assert.deepEqual(await exchange(follower.clientPort, write, 2), [redirect, redirect]);
  assert.deepEqual(await exchange(leader.clientPort, write, 2), ['+OK\r\n', '+OK\r\n']);
  await untilSeen(follower, 'a', '1');
  await Promise.all([leader.kill(), other.kill()]);
  assert.deepEqual(await exchange(follower.clientPort, 'GET a\r\n', 1), [bulk('1')]);
});

test('--replication all answers what every node has executed, and names who has not', async (t) => {
  const nodes = await startCluster(t, 3, { args: ['--replication', 'all', '--timeout', '1s'] });
  const leader = await leaderOf(nodes);
  const [follower, other] = (await followersOf(nodes)) as [Node, Node];
  assert.deepEqual(await exchange(leader.clientPort, array('SET', 'a', '1'), 1), ['+OK\r\n']);
  for (const node of nodes) {
    assert.deepEqual(await exchange(node.clientPort, 'GET a LOCAL\r\n', 1), [bulk('1')]);
  }
  const [elsewhere] = await exchange(follower.clientPort, array('SET', 'a', '2'), 1);
  assert.equal(elsewhere, `-REDIRECT ${leader.id}\r\n`);
  await other.kill();
  const [refusal] = await exchange(leader.clientPort, array('SET', 'a', '3'), 1);
  const missing = `^-ERR not on all: committed at \\d+, missing node ${other.id}\r\n$`;
  assert.match(refusal as string, new RegExp(missing));
  assert.deepEqual(await exchange(leader.clientPort, 'GET a\r\n', 1), [bulk('3')]);
});

test('each GET may say what it must see, on every node; --reads says it for the others', async (t) => {
  const args = ['--reads', 'bounded:60000', '--lease-reads', 'on', '--timeout', '2s'];
  const nodes = await startCluster(t, 3, { args });
  const leader = await leaderOf(nodes);
  assert.deepEqual(await exchange(leader.clientPort, 'SET a 1\r\n', 1), ['+OK\r\n']);
  for (const node of nodes) {
    for (const word of ['LINEARIZABLE', 'LEASE', 'BOUNDED 60000']) {
      const [reply] = await exchange(node.clientPort, `GET a ${word}\r\n`, 1);
      assert.equal(reply, bulk('1'), `${word} on node ${node.id}`);
    }
  }
  const [follower, other] = (await followersOf(nodes)) as [Node, Node];
  await Promise.all([leader.kill(), other.kill()]);
  for (const words of ['GET a', 'GET a LOCAL', 'GET a BOUNDED 60000']) {
    assert.deepEqual(await exchange(follower.clientPort, `${words}\r\n`, 1), [bulk('1')], words);
  }
  const [strict] = await exchange(follower.clientPort, 'GET a LINEARIZABLE\r\n', 1);
  assert.match(strict as string, /^-ERR (no leader|.*timeout)/);
});

test('--on-follower forward carries inline writes to the leader, also in memory', async (t) => {
  const args = ['--on-follower', 'forward'];
  const nodes = await startCluster(t, 3, { args, durable: false });
  const followers = await followersOf(nodes);
  for (const node of followers) {
    const lines = `SET f${node.id} x\r\nINCR n\r\nGET f${node.id}\r\n`;
    const replies = await exchange(node.clientPort, lines, 3);
    assert.equal(replies[0], '+OK\r\n');
    assert.equal(replies[2], bulk('x'));
    assert.match(node.run.output, /keeps its log and its vote in memory only/);
    assert.match(node.run.output, /forgotten its vote and its log/);
  }
});
