/**
 * Witness mode on real threads and sockets: what a witness answers, what it goes on doing for the
 * others, and that a restart finds it as it was.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, TestCluster } from './cluster.js';

const isWitness = { code: 'ERR_WITNESS' };

async function refusesAll(group: ReturnType<TestCluster['group']>): Promise<void> {
  await assert.rejects(group.propose(bytes('add 1')), isWitness);
  await assert.rejects(group.openSession(), isWitness);
  await assert.rejects(group.read(bytes('total')), isWitness);
  const bounded = { consistency: 'bounded', maxStalenessMs: 60_000 } as const;
  await assert.rejects(group.read(bytes('total'), bounded), isWitness);
  await assert.rejects(group.transferLeadership(), isWitness);
  await assert.rejects(group.removeMember(1), isWitness);
}

test('a witness acknowledges, answers local reads with their age, and is one after a restart', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  const leader = await cluster.leader();
  const node = await cluster.follower();
  const other = cluster.ids.find((id) => id !== leader && id !== node) as number;
  await cluster.group(node).enterWitnessMode();
  await cluster.group(node).enterWitnessMode();
  await refusesAll(cluster.group(node));
  // The other follower is away: what is committed now the witness has acknowledged.
  await cluster.close(other);
  await cluster.group(leader).propose(bytes('add 1'));
  const { index } = await cluster.group(leader).readResult(bytes('total'));
  await cluster.group(node).waitForApplied(index);
  const local = { consistency: 'local' } as const;
  const answer = await cluster.group(node).readResult(bytes('total'), local);
  assert.deepEqual([Number(answer.value), answer.servedBy], [1, node]);
  assert.ok(answer.index >= index);
  assert.ok(answer.stale !== null && answer.stale.ageMs < 30_000);
  assert.equal((await cluster.group(leader).readResult(bytes('total'), local)).stale, null);

  await cluster.close(node);
  await cluster.open(other);
  await cluster.open(node);
  assert.equal(cluster.group(node).isWitness, true);
  await eventually('the restarted witness to know the leader', () =>
    cluster.group(node).hasLeader ? true : null,
  );
  const { witness, standingText } = cluster.group(node).status();
  assert.deepEqual([witness, /^a witness: /.test(standingText)], [true, true]);
  await refusesAll(cluster.group(node));
  await cluster.group(await cluster.leader()).propose(bytes('add 1'));
  await cluster.group(node).leaveWitnessMode();
  assert.equal(Number(await cluster.group(node).propose(bytes('add 1'))), 3);
  assert.equal((await cluster.group(node).readResult(bytes('total'))).stale, null);
  await cluster.close(node);
  await cluster.open(node);
  assert.equal(cluster.group(node).isWitness, false);
});

test('a leader hands over before it becomes a witness, and is not led past', async () => {
  await using cluster = await TestCluster.start();
  const first = await cluster.leader();
  await cluster.group(first).enterWitnessMode();
  assert.notEqual(cluster.group(first).status().role, 'leader');
  const next = await cluster.leader();
  assert.notEqual(next, first);
  await cluster.group(next).propose(bytes('add 1'));
  const asked = cluster.group(next).transferLeadership(first);
  await assert.rejects(asked, { code: 'ERR_TRANSFER' });
  await cluster.group(first).leaveWitnessMode();
  await cluster.group(next).transferLeadership(first);
  assert.equal(await cluster.leader(), first);
});

test('who leads alone does not become a witness', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  await assert.rejects(cluster.group(1).enterWitnessMode(), { code: 'ERR_TRANSFER' });
  assert.equal(cluster.group(1).isWitness, false);
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 1);
});
