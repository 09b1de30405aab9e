/**
 * Thesis chapter 4 (cluster membership changes), applied to the life of one member: a replica that
 * lost its data is readmitted in two entries, as in a joint change.
 *
 * Each test quotes the rule it checks.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bootstrapConfiguration, recordedIncarnation } from '../../engine/raft/membership.js';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { nodeId, Role } from '../../engine/raft/types.js';
import { Cluster } from '../raft/network.js';
import { Bench } from './bench.js';

/** Replica 1 leads; everything is delivered, nothing waits. */
function ledCluster(size: number): Cluster {
  const ids = Array.from({ length: size }, (_, at) => nodeId(at + 1));
  const cluster = new Cluster(
    bootstrapConfiguration(ids.map((id) => ({ id, address: `node-${id}` }))),
    1,
  );
  cluster.startAll();
  cluster.now = cluster.raft(1).deadline;
  cluster.tick(1);
  settle(cluster);
  beat(cluster);
  assert.equal(cluster.raft(1).role, Role.leader);
  return cluster;
}

function settle(cluster: Cluster): void {
  while (cluster.parcels[0] !== undefined) cluster.deliver(cluster.parcels[0]);
}

/** A heartbeat of the leader, and all that follows. */
function beat(cluster: Cluster): void {
  cluster.now = cluster.raft(1).deadline;
  cluster.tick(1);
  settle(cluster);
}

function wipe(cluster: Cluster, id: number): void {
  cluster.crashAndWipe(id);
  cluster.start(id);
}

const recorded = (cluster: Cluster, at: number, of: number): number =>
  recordedIncarnation(cluster.raft(at).configuration, nodeId(of));

test('a life that was lost is first replaced by none, in an entry of its own', () => {
  // "... the cluster first switches to a transitional configuration we call joint consensus; once
  // the joint consensus has been committed, the system then transitions to the new configuration."
  const cluster = ledCluster(3);
  wipe(cluster, 3);
  cluster.replica(2).holdsStorage = true;
  beat(cluster);
  beat(cluster);
  assert.deepEqual([recorded(cluster, 1, 3), recorded(cluster, 3, 3)], [0, 0]);
  cluster.replica(2).holdsStorage = false;
  while (cluster.replica(2).alive.pending.length > 0) cluster.store(2);
  settle(cluster);
  beat(cluster);
  for (const at of [1, 2, 3]) assert.equal(recorded(cluster, at, 3), 302);
});

test('what erases a life is committed without any life of that member', () => {
  // "Agreement (for elections and entry commitment) requires separate majorities from both the old
  // and new configurations": one without the member is a majority of both.
  const cluster = ledCluster(5);
  for (const id of [2, 3]) cluster.replica(id).holdsStorage = true;
  wipe(cluster, 5);
  beat(cluster);
  beat(cluster);
  const { log, progress, membership } = cluster.raft(1).state;
  assert.equal(recorded(cluster, 1, 5), 0);
  assert.equal(progress.get(nodeId(5))?.match, log.last);
  assert.equal(progress.get(nodeId(4))?.match, log.last);
  assert.ok(log.committed < membership.entry.index, 'two of five and the one that was wiped');
});

test('one change waits until the one before is committed', () => {
  // "... a leader must not begin a change while the log holds an uncommitted configuration entry."
  const cluster = ledCluster(5);
  wipe(cluster, 4);
  wipe(cluster, 5);
  cluster.replica(3).holdsStorage = true;
  for (let each = 0; each < 3; each += 1) beat(cluster);
  const { log, membership } = cluster.raft(1).state;
  assert.deepEqual([membership.entry.index, log.last], [2, 2]);
  assert.deepEqual([recorded(cluster, 1, 4), recorded(cluster, 1, 5)], [0, 501]);
});

/** Replica 1 leads; its disk works, replica 2 answers as told, and 3 lives life 33 instead of 3. */
function leading(): Bench {
  const bench = new Bench().becomeLeader();
  bench.lives.set(3, 33);
  return bench;
}

const recordOf3 = ({ raft }: Bench): number => recordedIncarnation(raft.configuration, nodeId(3));

test('a new leader changes nothing before it has committed in its own term', () => {
  // "The solution is that a leader may not append a new configuration entry until it has committed
  // an entry from its current term" (bug of the single-server changes, raft-dev 2015).
  const bench = leading();
  bench.hearAppendReply(3, 1);
  assert.equal(recordOf3(bench), 3);
  bench.hearAppendReply(2, 1);
  bench.hearHeartbeatReply(3);
  assert.equal(recordOf3(bench), 0);
});

test('a replica that does not keep up is not readmitted', () => {
  // "... the leader ... waits until the new server has caught up ... so as not to create a gap in
  // availability" (§4.2.1).
  const bench = leading();
  bench.propose(9);
  bench.hearAppendReply(2, 10);
  bench.hearAppendReply(3, 4);
  bench.hearHeartbeatReply(3);
  assert.equal(recordOf3(bench), 3);
  bench.hearAppendReply(3, 10);
  assert.equal(recordOf3(bench), 0);
});

test('a replica is not recorded before it holds what erased its former life', () => {
  const bench = leading();
  for (const peer of [2, 3]) bench.hearAppendReply(peer, 1);
  assert.equal(recordOf3(bench), 0);
  bench.hearAppendReply(2, 2);
  bench.hearHeartbeatReply(3);
  assert.deepEqual([recordOf3(bench), bench.raft.commitIndex], [0, 2]);
  bench.hearAppendReply(3, 2);
  assert.deepEqual([recordOf3(bench), bench.raft.lastIndex], [33, 3]);
});

test('while the commit index runs ahead of it, a replica has caught up by rounds', () => {
  // "The replication of entries to the new server is split into rounds ... if the last round lasts
  // less than an election timeout, the leader adds the new server" (§4.2.1).
  const bench = leading();
  const round = (match: number, lasts: number): void => {
    bench.propose(5);
    bench.hearAppendReply(2, bench.raft.lastIndex);
    bench.pass(lasts);
    bench.hearHeartbeatReply(2);
    bench.hearAppendReply(3, match);
  };
  round(1, 10);
  round(6, 200);
  assert.equal(recordOf3(bench), 3, 'a round that took too long');
  round(11, 100);
  assert.equal(recordOf3(bench), 0);
});

test('what another life acknowledged is not held against the new one', () => {
  const bench = leading();
  for (const peer of [2, 3]) bench.hearAppendReply(peer, 1);
  for (const peer of [2, 3]) bench.hearAppendReply(peer, 2);
  assert.equal(recordOf3(bench), 33);
  bench.hearAppendReply(2, 3);
  bench.lives.set(3, 34);
  bench.hearHeartbeatReply(3);
  assert.deepEqual([recordOf3(bench), bench.raft.state.progress.get(nodeId(3))?.match], [33, 0]);
});

test('nothing is appended when no majority of intact replicas has answered of late', () => {
  const bench = leading();
  bench.hearAppendReply(2, 1);
  bench.pass(101);
  bench.hearAppendReply(3, 1);
  assert.equal(recordOf3(bench), 3);
  bench.hearHeartbeatReply(2);
  bench.hearHeartbeatReply(3);
  assert.equal(recordOf3(bench), 0);
});

test('no candidate counts a member whose life is erased, whatever it grants', () => {
  const cluster = ledCluster(3);
  wipe(cluster, 3);
  cluster.replica(2).holdsStorage = true;
  beat(cluster);
  beat(cluster);
  cluster.isolate(1);
  cluster.replica(2).holdsStorage = false;
  while (cluster.replica(2).alive.pending.length > 0) cluster.store(2);
  cluster.now = cluster.raft(2).deadline;
  cluster.tick(2);
  assert.equal(cluster.raft(2).role, Role.preCandidate);
  const term = (cluster.raft(2).term + 1) as never;
  const grant = { from: nodeId(3), to: nodeId(2), term, grant: VoteGrant.full } as const;
  cluster.step(2, (raft) =>
    raft.receive({ kind: MessageKind.preVoteReply, ...grant }, 302 as never, cluster.now),
  );
  assert.equal(cluster.raft(2).role, Role.preCandidate);
});

test('data that come back after another life was recorded count no more, and may come in anew', () => {
  const cluster = ledCluster(3);
  cluster.propose(1, 2);
  settle(cluster);
  cluster.crash(3);
  const { records, incarnation } = cluster.replica(3);
  wipe(cluster, 3);
  for (let each = 0; each < 3; each += 1) beat(cluster);
  assert.equal(recorded(cluster, 1, 3), 302);
  cluster.crash(3);
  cluster.replica(3).records = records;
  cluster.replica(3).incarnation = incarnation;
  cluster.start(3);
  assert.equal(cluster.raft(3).standing, 'full', 'it cannot know yet');
  cluster.replica(2).holdsStorage = true;
  beat(cluster);
  cluster.propose(1, 1);
  settle(cluster);
  const { log } = cluster.raft(1).state;
  assert.equal(cluster.raft(1).state.progress.get(nodeId(3))?.match, log.last);
  assert.ok(log.committed < log.last, 'what only the leader and it hold is not committed');
  assert.notEqual(cluster.raft(3).standing, 'full');
  cluster.replica(2).holdsStorage = false;
  while (cluster.replica(2).alive.pending.length > 0) cluster.store(2);
  settle(cluster);
  beat(cluster);
  beat(cluster);
  assert.equal(recorded(cluster, 1, 3), 301);
  assert.equal(cluster.raft(3).standing, 'full');
});
