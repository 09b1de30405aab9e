/**
 * WITNESS at the client port, on three nodes as processes: it serves stale reads and refuses the
 * rest, whatever becomes of the others, and is a witness again after it was killed.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { followersOf, leaderOf, type Node, startCluster } from './processes.js';
import { bulk, exchange } from './raw-client.js';

async function ask(node: Node, line: string): Promise<string> {
  const [reply] = await exchange(node.clientPort, `${line}\r\n`, 1);
  return reply as string;
}

async function untilAnswers(node: Node, line: string, answer: string): Promise<void> {
  let last = '';
  for (let tries = 0; tries < 400; tries += 1) {
    last = await ask(node, line);
    if (last === answer) return;
    await sleep(25);
  }
  assert.fail(`node ${node.id} answers ${line} with ${last}`);
}

test('a witness serves stale reads and refuses the rest, also when it is started again', async (t) => {
  const nodes = await startCluster(t, 3, { args: ['--timeout', '2s'] });
  const leader = await leaderOf(nodes);
  const [node, other] = (await followersOf(nodes)) as [Node, Node];
  assert.equal(await ask(leader, 'SET a 1'), '+OK\r\n');
  assert.equal(await ask(node, 'WITNESS on'), '+OK\r\n');
  for (const line of ['SET a 2', 'GET a LINEARIZABLE', 'REMOVE 2', 'TRANSFER', 'SESSION OPEN']) {
    assert.match(await ask(node, line), /^-ERR witness mode/, line);
  }
  await untilAnswers(node, 'GET a', bulk('1'));
  assert.match(await ask(node, 'WITNESS'), /witness:1\nindex:[1-9]\d*\nage_ms:\d+\r\n$/);
  assert.match(await ask(node, 'STATUS'), /\nwitness:1\nwitness_age_ms:\d+\r\n$/);
  await node.kill();
  await node.start();
  await untilAnswers(node, 'GET a', bulk('1'));
  assert.match(await ask(node, 'SET a 2'), /^-ERR witness mode/);
  await Promise.all([leader.kill(), other.kill()]);
  assert.equal(await ask(node, 'GET a'), bulk('1'));
  assert.equal(await ask(node, 'WITNESS off'), '+OK\r\n');
  await other.start();
  for (let tries = 0; (await ask(other, 'SET a 3')) !== '+OK\r\n'; tries += 1) {
    assert.ok(tries < 100, 'the two of them elect a leader');
    await sleep(50);
  }
  await untilAnswers(node, 'GET a', bulk('3'));
});
