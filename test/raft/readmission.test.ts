/**
 * The cluster's invariant of readmission: each way of breaking it, reported once it happens.
 *
 * The states are those of real cores, changed by hand where a sound core cannot go.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bootstrapConfiguration, withRecord } from '../../engine/raft/membership.js';
import type { CoreState } from '../../engine/raft/state.js';
import { incarnation, logIndex, nodeId } from '../../engine/raft/types.js';
import { Cluster } from './network.js';

const TOO_EARLY =
  'Readmission: a life is recorded only after the erasure of the one before was committed.';

const BOOTSTRAP = bootstrapConfiguration(
  [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` })),
);

function soundCluster(): Cluster {
  const cluster = new Cluster(BOOTSTRAP, 1);
  cluster.startAll();
  cluster.now = cluster.raft(1).deadline;
  cluster.tick(1);
  while (cluster.parcels[0] !== undefined) cluster.deliver(cluster.parcels[0]);
  return cluster;
}

/** Appends a configuration that records another life of replica 3. */
function record(state: CoreState, life: number): void {
  const index = state.append(1, state.term, 1);
  const configuration = withRecord(state.configuration, nodeId(3), incarnation(life));
  state.membership.append({ index, configuration });
}

test('a life that is replaced by another one is reported', () => {
  const cluster = soundCluster();
  const { state } = cluster.raft(1);
  record(state, 302);
  assert.deepEqual(cluster.invariants.observe(state), [TOO_EARLY]);
});

test('a life that is recorded before the erasing entry is committed is reported', () => {
  const cluster = soundCluster();
  const { state } = cluster.raft(1);
  record(state, 0);
  assert.deepEqual(cluster.invariants.observe(state), []);
  record(state, 302);
  assert.deepEqual(cluster.invariants.observe(state), [TOO_EARLY]);
});

test('a life that is recorded after that is sound, and so is a second one', () => {
  const cluster = soundCluster();
  const { state } = cluster.raft(1);
  for (const life of [302, 303]) {
    record(state, 0);
    state.log.committed = logIndex(state.log.last);
    assert.deepEqual(cluster.invariants.observe(state), []);
    record(state, life);
    assert.deepEqual(cluster.invariants.observe(state), []);
    state.log.committed = logIndex(state.log.last);
  }
});

test('a replica that receives both entries at once is sound when the first one is committed', () => {
  const cluster = soundCluster();
  const [leader, follower] = [cluster.raft(1).state, cluster.raft(2).state];
  record(leader, 0);
  leader.log.committed = logIndex(leader.log.last);
  assert.deepEqual(cluster.invariants.observe(leader), []);
  record(follower, 0);
  record(follower, 302);
  assert.deepEqual(cluster.invariants.observe(follower), []);
});
