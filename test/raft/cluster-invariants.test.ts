/**
 * Each invariant across replicas is broken once, by tampering with two of a sound cluster, and must
 * be reported by its name; what only looks like a break is not.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ClusterInvariants } from '../../engine/raft/invariants.js';
import { dropLease, leaseLeft } from '../../engine/raft/lease.js';
import type { CoreState } from '../../engine/raft/state.js';
import { logIndex, Role, term } from '../../engine/raft/types.js';
import { point, soundCluster, stateOf } from './sound-cluster.js';

/** The invariants of a sound cluster, which then sees two of its replicas tampered with. */
function observed(tamper: (leader: CoreState, follower: CoreState) => void): string[] {
  const cluster = soundCluster();
  const [leader, follower] = [stateOf(cluster, 1), stateOf(cluster, 3)];
  tamper(leader, follower);
  return [...cluster.invariants.observe(follower), ...cluster.invariants.observe(leader)];
}

test('reports two leaders of one term', () => {
  const broken = observed((_, follower) => {
    follower.role = Role.leader;
  });
  assert.deepEqual(broken, ['Election safety: a term has at most one leader.']);
});

test('reports logs that hold the same entry after different ones', () => {
  const broken = observed((leader, follower) => {
    follower.log.append(1, term(2), 1);
    follower.log.append(1, term(3), 1);
    leader.log.append(1, term(3), 1);
  });
  assert.deepEqual(broken, ['Log matching: logs that share an entry are equal up to it.']);
});

test('reports logs that enter a term at different indexes', () => {
  const broken = observed((leader, follower) => {
    follower.log.append(1, term(2), 1);
    leader.log.append(1, term(1), 1);
    leader.log.append(1, term(2), 1);
  });
  assert.deepEqual(broken, ['Log matching: logs that share an entry are equal up to it.']);
});

test('reports a term that goes on after a base although it begins later elsewhere', () => {
  const cluster = soundCluster();
  const [leader, follower] = [stateOf(cluster, 1), stateOf(cluster, 3)];
  leader.log.append(2, term(2), 1);
  leader.log.append(1, term(3), 1);
  assert.deepEqual(cluster.invariants.observe(leader), []);
  follower.log.reset(point(7, 3));
  follower.log.append(1, term(3), 1);
  follower.log.committed = logIndex(7);
  const broken = cluster.invariants.observe(follower);
  assert.deepEqual(broken, ['Log matching: logs that share an entry are equal up to it.']);
});

test('compares logs from the larger base on', () => {
  const broken = observed((leader, follower) => {
    leader.log.append(1, term(1), 1);
    leader.log.append(2, term(2), 1);
    leader.log.committed = logIndex(7);
    follower.log.reset(point(7, 2));
    follower.log.append(1, term(2), 1);
    follower.log.committed = logIndex(8);
  });
  assert.deepEqual(broken, []);
});

test('reports snapshots of one index that end with different entries', () => {
  const broken = observed((leader, follower) => {
    leader.snapshot = point(6, 1);
    follower.snapshot = point(6, 2);
  });
  assert.deepEqual(broken, [
    'State machine safety: snapshots of one index end with the same entry.',
  ]);
});

test('reports a base that ends with another entry than was committed there', () => {
  const broken = observed((_, follower) => {
    follower.log.committed = logIndex(4);
    follower.log.reset(point(5, 2));
  });
  assert.deepEqual(broken, [
    'State machine safety: snapshots of one index end with the same entry.',
  ]);
});

test('begins anew after a base beyond everything it has seen committed', () => {
  const cluster = soundCluster();
  const [leader, follower] = [stateOf(cluster, 1), stateOf(cluster, 3)];
  const fresh = new ClusterInvariants();
  follower.log.compact(logIndex(4));
  assert.deepEqual(fresh.observe(follower), []);
  assert.deepEqual([fresh.committed, fresh.committedTermAt(logIndex(4))], [5, 1]);
  assert.equal(fresh.committedTermAt(logIndex(3)), undefined);
  assert.deepEqual(fresh.observe(leader), []);
});

test('reports a later leader that lacks a committed entry', () => {
  const broken = observed((_, follower) => {
    follower.log.committed = logIndex(4);
    follower.truncateAfter(logIndex(4));
    follower.term = term(2);
    follower.role = Role.leader;
  });
  assert.deepEqual(broken, [
    'Leader completeness: a leader holds every entry committed in earlier terms.',
  ]);
});

test('reports an entry that is committed although a later leader lacks it', () => {
  const broken = observed((leader, follower) => {
    follower.log.append(1, term(2), 1);
    follower.term = term(2);
    follower.role = Role.leader;
    leader.log.append(1, term(1), 1);
    leader.log.committed = logIndex(6);
  });
  assert.deepEqual(broken, [
    'Leader completeness: a leader holds every entry committed in earlier terms.',
  ]);
});

test('reports a later leader that was elected while a lease held', () => {
  const cluster = soundCluster({ leaseDrift: 0.1 });
  const [leader, follower] = [stateOf(cluster, 1), stateOf(cluster, 3)];
  assert.ok(leaseLeft(leader, leader) > 0);
  follower.term = term(2);
  follower.role = Role.leader;
  const overlaps = 'Lease: while the lease of a leader holds, no later term has a leader.';
  assert.deepEqual(cluster.invariants.observe(follower), [overlaps]);
  assert.deepEqual(cluster.invariants.observe(leader), [overlaps]);
  dropLease(leader);
  assert.deepEqual(cluster.invariants.observe(follower), []);
});

test('reports an index that is committed with two different entries', () => {
  const broken = observed((leader, follower) => {
    leader.log.append(1, term(1), 1);
    leader.log.committed = logIndex(6);
    follower.log.append(1, term(2), 1);
    follower.log.committed = logIndex(6);
  });
  assert.deepEqual(broken, ['State machine safety: an index is committed with one entry only.']);
});

test('remembers what was committed by replicas that crashed since', () => {
  const cluster = soundCluster();
  cluster.crash(1);
  const follower = stateOf(cluster, 3);
  follower.log.committed = logIndex(3);
  follower.truncateAfter(logIndex(3));
  follower.log.append(2, term(2), 1);
  follower.log.committed = logIndex(5);
  const fresh = new ClusterInvariants();
  assert.deepEqual(fresh.observe(follower), []);
  cluster.invariants.forget(follower.id);
  assert.deepEqual(cluster.invariants.observe(follower), [
    'State machine safety: an index is committed with one entry only.',
  ]);
});
