/**
 * How far a learner is, in the status of its leader, whether it answers or not; and in no other
 * one's, nor of a voter.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, TestCluster } from './cluster.js';

test('status of the leader shows how far each learner is', async () => {
  await using cluster = await TestCluster.start();
  const leader = await cluster.leader();
  const gone = await cluster.follower();
  const group = cluster.group(leader);
  await group.propose(bytes('add 1'));
  const catchUpOf = (node: number, id: number) =>
    cluster
      .group(node)
      .status()
      .members.find((member) => member.id === id)?.catchUp;
  assert.equal(catchUpOf(leader, gone), undefined, 'a voter is no learner');
  await group.addMember({ id: 4, address: '127.0.0.1:1', as: 'learner' });
  const silent = await eventually('the silent one', () => catchUpOf(leader, 4) ?? null);
  assert.equal(silent.match, 0);
  assert.ok(silent.lag > 0);
  assert.equal(silent.leftMs, null);
  await group.removeMember(gone);
  await group.addMember({ id: gone, address: cluster.members[gone] as string, as: 'learner' });
  await eventually('the one that follows', () =>
    catchUpOf(leader, gone)?.lag === 0 ? true : null,
  );
  assert.equal(catchUpOf(leader, gone)?.state, 'replicate');
  const other = cluster.ids.find((id) => id !== leader && id !== gone) as number;
  assert.equal(catchUpOf(other, gone), undefined);
  await group.removeMember(4);
  await group.addMember({ id: gone, address: cluster.members[gone] as string });
  await eventually('no learner', () => (catchUpOf(leader, gone) === undefined ? true : null));
});
