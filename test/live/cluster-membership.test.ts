/**
 * `ringraft cluster add`, `remove` and `transfer` on real nodes: one more node comes and votes, one
 * goes and waits, leadership goes where it is told, and each says what it did or why not.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Cluster } from '../../tools/cluster/cluster.js';
import { startedCluster } from './local-cluster.js';

const leaderIn = async (cluster: Cluster): Promise<number> => {
  const views = await cluster.views();
  return views.find(({ status }) => status?.role === 'leader')?.id ?? 0;
};

test('a node is added, leads, restarts, is removed and added again', async (t) => {
  const { cluster, command } = await startedCluster(t);
  const plan = await command('add --dry-run');
  assert.match(plan.output, /1, 2, 3 and 4|1, 2, 3, 4/);
  assert.equal(plan.code, 0);
  assert.deepEqual(cluster.ids(), [1, 2, 3]);
  const added = await command('add');
  assert.equal(added.code, 0, added.output);
  assert.match(
    added.output,
    /node 4 started: pid \d+, peers 127.*\n[\s\S]*node 4 at .* is a voter/,
  );
  const told = (await command('logs 1 -n 100')).output;
  assert.match(told, /node 4 was added [\s\S]*joint configuration began [\s\S]*node 4 votes /);
  const handed = await command('transfer 4');
  assert.match(handed.output, /node 4 leads in term \d+ after \d+ ms, it was node [123]\n/);
  assert.equal(await leaderIn(cluster), 4);
  const restarted = await command('restart all');
  assert.equal(restarted.code, 0, restarted.output);
  const warnings = (await command('logs 1')).output
    .split('\n')
    .filter((l) => /names the mem/.test(l));
  assert.deepEqual(warnings, []);
  const removed = await command('remove 4');
  assert.match(removed.output, /node 4 is no member any more\nIts process waits until it is added/);
  assert.equal((await command('remove 4')).code, 0, 'it may be said again');
  const waiting = await command('restart 4');
  assert.match(waiting.output, /node 4 answers, without a leader, after/);
  const again = await command('add 4 --learner');
  assert.match(again.output, /node 4 at 127\.0\.0\.1:\d+ is a learner/);
  const status = await command('status');
  assert.match(status.output, /\nlearner 4: at entry \d+, \d+ behind/);
  assert.equal((await command('stop')).code, 0);
});

test('what cannot be done is told, with a code that says what kind it is', async (t) => {
  const { cluster, command } = await startedCluster(t);
  const other = await command('transfer 9');
  assert.deepEqual([other.code, /there is no node 9/.test(other.output)], [2, true]);
  assert.equal((await command('remove two')).code, 2);
  assert.equal((await command('add 4')).code, 2);
  assert.equal((await command('add 4 nowhere')).code, 2);
  const taken = await command(`add 4 127.0.0.1:${cluster.node(1).peerPort}`);
  assert.equal(taken.code, 1, taken.output);
  assert.match(taken.output, /is the address of node 1 already/);
  const leader = await leaderIn(cluster);
  for (const id of cluster.ids()) if (id !== leader) await cluster.kill(id);
  await cluster.stop(leader, 10_000);
  const nobody = await command('transfer');
  assert.equal(nobody.code, 5, nobody.output);
  assert.match(nobody.output, /no node in .* runs: start them with/);
});
