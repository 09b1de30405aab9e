/**
 * The lease of a leader: from when it runs, how long, and what ends it; and the voter's half of it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { dropLease, Lease } from '../../engine/raft/lease.js';
import { withRecord } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { isLeaseContext } from '../../engine/raft/read-index.js';
import { incarnation, logIndex, nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench, type Situation } from '../paper/bench.js';

const DRIFT = 0.1;
/** 150 ms less the drift. */
const LEASE_MS = 135;
const HEARTBEAT_MS = 50;
const ANOTHER = { index: logIndex(1), configuration: new Bench().raft.configuration };

/** A leader of term 1 with leases whose first entry is committed, by an answer without a round. */
function currentLeader(situation: Situation = {}): Bench {
  const bench = new Bench({ ...situation, options: { leaseDrift: DRIFT } }).becomeLeader();
  bench.hearAppendReply(2, 1);
  bench.sent.length = 0;
  return bench;
}

/** A leader whose heartbeats of `now` were answered `delay` later. */
function leaderWithLease(delay = 0): Bench {
  const bench = currentLeader();
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.now += delay;
  bench.hearHeartbeatReply(2, heartbeat?.round);
  return bench;
}

const left = (bench: Bench, wallAhead = 0): number =>
  bench.raft.leaseLeft({ now: bench.now, wallAhead });

test('runs from the time a round was sent, not from its answer', () => {
  const bench = leaderWithLease(30);
  assert.equal(left(bench), LEASE_MS - 30);
  bench.now += LEASE_MS - 31;
  assert.equal(left(bench), 1);
  bench.now += 1;
  assert.equal(left(bench), 0);
});

test('each heartbeat is a round of its own, and renews it', () => {
  const bench = leaderWithLease();
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  assert.equal(left(bench), LEASE_MS - HEARTBEAT_MS);
  bench.hearHeartbeatReply(3, heartbeat?.round);
  assert.equal(left(bench), LEASE_MS);
});

test('an answer to an older round renews it as of that', () => {
  const bench = currentLeader();
  bench.pass(HEARTBEAT_MS);
  const [first] = bench.takeSent(MessageKind.heartbeat);
  bench.pass(HEARTBEAT_MS);
  bench.hearHeartbeatReply(2, first?.round);
  assert.equal(left(bench), LEASE_MS - HEARTBEAT_MS);
});

test('there is none without leases, and heartbeats start no rounds', () => {
  const bench = new Bench().becomeLeader();
  bench.hearAppendReply(2, 1);
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  assert.equal(heartbeat?.round, 0);
  bench.hearHeartbeatReply(2, 0);
  assert.equal(left(bench), 0);
});

test('there is none before an entry of the own term is committed', () => {
  const bench = new Bench({ log: [1], options: { leaseDrift: DRIFT } }).becomeLeader();
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.notEqual(bench.raft.state.lease.from, null);
  assert.equal(left(bench), 0);
  bench.hearAppendReply(2, 2);
  assert.equal(left(bench), LEASE_MS);
});

test('there is none before a quorum has answered', () => {
  const bench = currentLeader({ voters: [1, 2, 3, 4, 5] });
  bench.hearAppendReply(3, 1);
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.equal(left(bench), 0);
  bench.hearHeartbeatReply(3, heartbeat?.round);
  assert.equal(left(bench), LEASE_MS);
});

test('a replica that lives another life than the recorded one answers for nothing', () => {
  const bench = currentLeader();
  bench.lives.set(2, 202);
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.equal(left(bench), 0);
});

test('ends with leadership', () => {
  const bench = leaderWithLease();
  bench.hearAppendReply(2, 0, { accepted: false, term: term(2) });
  assert.equal(bench.raft.role, Role.follower);
  assert.equal(left(bench), 0);
});

test('is dropped before a transfer and stays so for the term', () => {
  const bench = leaderWithLease();
  dropLease(bench.raft.state);
  assert.equal(left(bench), 0);
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.equal(left(bench), 0);
});

test('a leader of a later term has one again', () => {
  const bench = leaderWithLease();
  dropLease(bench.raft.state);
  bench.hearAppendReply(2, 0, { accepted: false, term: term(2) });
  bench.becomeLeader();
  bench.hearAppendReply(2, bench.raft.lastIndex, { round: 1 });
  assert.ok(left(bench) > 0);
});

test('is of the configuration whose quorum answered', () => {
  const bench = leaderWithLease();
  const { state } = bench.raft;
  const configuration = withRecord(state.configuration, nodeId(3), incarnation(0));
  state.appendConfiguration({ index: logIndex(state.log.last + 1), configuration });
  assert.equal(left(bench), 0);
});

test('what the wall clock gains has run as well', () => {
  const bench = leaderWithLease();
  bench.now += 100;
  assert.equal(left(bench, 10), LEASE_MS - 110);
  assert.equal(left(bench, -1000), LEASE_MS - 100, 'a wall clock that was set back says nothing');
});

test('a wall clock that gained more than the drift voids it, until the next round', () => {
  const bench = leaderWithLease();
  assert.ok(left(bench, 15) > 0);
  assert.equal(left(bench, 16), 0);
  bench.raft.noteWallClock(16);
  bench.pass(HEARTBEAT_MS);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.equal(left(bench, 16), LEASE_MS);
});

test('a lone voter has one from its own heartbeat', () => {
  const bench = new Bench({ voters: [1], options: { leaseDrift: DRIFT } });
  bench.timeOut();
  assert.equal(bench.raft.role, Role.leader);
  bench.pass(HEARTBEAT_MS);
  assert.equal(left(bench), LEASE_MS);
});

test('reads by lease are answered without a round, at the commit index', () => {
  const bench = leaderWithLease();
  bench.sent.length = 0;
  bench.readByLease(7);
  assert.deepEqual([bench.grants, bench.sent], [[7], []]);
});

test('reads by lease without one are confirmed by a round', () => {
  const bench = leaderWithLease();
  bench.now += LEASE_MS;
  bench.sent.length = 0;
  bench.readByLease(7);
  assert.deepEqual(bench.grants, []);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
  assert.deepEqual(bench.grants, [7]);
});

test('reads by lease that nobody looked at the clock for are confirmed by a round', () => {
  const bench = leaderWithLease();
  bench.sent.length = 0;
  bench.readsClocks = false;
  bench.readByLease(7);
  assert.deepEqual([bench.grants.length, bench.takeSent(MessageKind.heartbeat).length], [0, 2]);
});

test('a heartbeat of a lease holds up no read that waits for an earlier round', () => {
  const bench = currentLeader();
  bench.read(7);
  const [asked] = bench.takeSent(MessageKind.heartbeat);
  bench.pass(HEARTBEAT_MS);
  bench.hearHeartbeatReply(2, asked?.round);
  assert.deepEqual(bench.grants, [7]);
});

test('a follower asks in a context of its own, and a leader answers it under its lease', () => {
  const follower = new Bench({ options: { leaseDrift: DRIFT } });
  follower.hearHeartbeat({ term: term(1) });
  follower.read(6);
  follower.readByLease(7);
  const asked = follower.takeSent(MessageKind.readIndex).map(({ context }) => context);
  assert.deepEqual(asked.map(isLeaseContext), [false, true]);
  const reply = { kind: MessageKind.readIndexReply, from: nodeId(2), to: nodeId(1) } as const;
  const context = asked[1] as number;
  follower.hear({ ...reply, term: term(1), context, index: logIndex(0) });
  assert.deepEqual(follower.grants, [7]);

  const leader = leaderWithLease();
  leader.sent.length = 0;
  const request = { kind: MessageKind.readIndex, from: nodeId(3), to: nodeId(1) } as const;
  for (const each of asked) leader.hear({ ...request, term: term(1), context: each });
  const answers = leader.sent.filter(({ kind }) => kind === MessageKind.readIndexReply);
  assert.deepEqual(
    answers.map((answer) => 'context' in answer && answer.context),
    [context],
  );
});

test('a follower asks again for each lane that was not answered', () => {
  const bench = new Bench({ options: { leaseDrift: DRIFT } });
  bench.hearHeartbeat({ term: term(1) });
  bench.read(6);
  bench.now += 20;
  bench.readByLease(7);
  bench.sent.length = 0;
  bench.pass(HEARTBEAT_MS - 20);
  assert.equal(bench.takeSent(MessageKind.readIndex).length, 1);
  bench.pass(20);
  assert.equal(bench.takeSent(MessageKind.readIndex).length, 1);
});

test('reads by lease go with the role: a new leader answers them, a fallen one asks', () => {
  const bench = new Bench({ options: { leaseDrift: DRIFT } });
  bench.readByLease(7);
  bench.becomeLeader();
  bench.hearAppendReply(2, 1);
  assert.deepEqual(bench.grants, []);
  bench.hearHeartbeatReply(2, 2);
  assert.deepEqual(bench.grants, [7]);
});

test('more rounds than are kept count as the newest that is', () => {
  const lease = new Lease();
  for (let round = 1; round <= 1000; round += 1) lease.sent(round, round, 0);
  lease.answered(1000, ANOTHER);
  assert.equal(lease.from?.now, 128);
  assert.equal(lease.awaitsAnswer, false);
});

test('a voter dates what it heard by a clock that was read after it', () => {
  const bench = new Bench();
  bench.pass(1000);
  bench.hearHeartbeat({ term: term(1) });
  const deadline = bench.raft.deadline;
  // The thread had paused for 200 ms between reading its clock and looking what had come.
  bench.raft.dateHearing(bench.now + 200);
  assert.equal(bench.raft.deadline, deadline + 200, 'its own vote waits as well');
  bench.now += 200 + 149;
  bench.hearVote({ term: term(5) });
  assert.equal(bench.raft.term, 1, 'the request is not looked at');
  bench.now += 1;
  bench.hearVote({ term: term(5) });
  assert.equal(bench.raft.term, 5);
});

test('a hearing is dated once', () => {
  const bench = new Bench();
  bench.hearHeartbeat({ term: term(1) });
  bench.raft.dateHearing(bench.now + 1);
  const deadline = bench.raft.deadline;
  bench.raft.dateHearing(bench.now + 500);
  assert.equal(bench.raft.deadline, deadline);
});

test('a voter that has just started grants nothing for a whole election timeout', () => {
  const bench = new Bench({ log: [1] });
  bench.now = 149;
  bench.hearVote({ term: term(5), lastTerm: term(4) });
  assert.equal(bench.raft.term, 1);
  bench.now = 150;
  bench.hearVote({ term: term(5), lastTerm: term(4) });
  assert.deepEqual([bench.raft.term, bench.vote], [5, 2]);
});
