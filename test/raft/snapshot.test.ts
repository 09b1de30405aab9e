/**
 * Snapshots between the core and its files: restarts, resets before the disk has followed, missing
 * state, offers that last, and what may be forgotten.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { incarnation, logIndex, nodeId, term } from '../../engine/raft/types.js';
import { Bench, pointOf } from '../paper/bench.js';

/** Leads term 3 with [1..8] committed, [1..5] forgotten and a snapshot of [1..8]; 3 is silent. */
function leaderWithBase(): Bench {
  const leader = new Bench({ log: [1, 1, 2, 2, 2, 2, 2] }).becomeLeader();
  leader.hearAppendReply(2, 8);
  leader.compact(5);
  leader.sent.length = 0;
  return leader;
}

const refuses = (refusedIndex: number, conflictIndex: number, conflictTerm: number) => ({
  accepted: false,
  refusedIndex: logIndex(refusedIndex),
  conflictIndex: logIndex(conflictIndex),
  conflictTerm: term(conflictTerm),
});

const offersTo = (leader: Bench, id: number): number[] =>
  leader
    .takeSent(MessageKind.snapshot)
    .filter(({ to }) => to === id)
    .map(({ lastIndex }) => lastIndex);

const peer = (leader: Bench, id: number) =>
  [...leader.raft.state.progress.values()].find((each) => each.id === id)!;

test('whatever a peer answers about what is forgotten, it is offered a snapshot', () => {
  for (const [conflictIndex, conflictTerm] of [
    [4, 2],
    [4, 1],
    [2, 1],
    [1, 1],
    [0, 0],
    [6, 1],
    [7, 1],
  ] as const) {
    const leader = leaderWithBase();
    leader.hearAppendReply(3, 0, refuses(7, conflictIndex, conflictTerm));
    assert.deepEqual(offersTo(leader, 3), [8], `hint ${conflictTerm}/${conflictIndex}`);
    assert.equal(peer(leader, 3).state, 'snapshot');
  }
});

test('a peer whose log ends with the base is sent appends', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 5, 2));
  const [append] = leader.takeSent(MessageKind.append);
  assert.deepEqual([append?.prevIndex, append?.lastIndex], [5, 7]);
});

test('compaction past what a peer needs next offers it the snapshot at once', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 5, 2));
  leader.sent.length = 0;
  leader.compact(8);
  assert.deepEqual(offersTo(leader, 3), [8]);
});

test('an offer is repeated with each heartbeat reply and lasts although newer ones are taken', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 2, 1));
  leader.propose(2);
  leader.hearAppendReply(2, 10);
  leader.compact(10);
  leader.sent.length = 0;
  leader.hearHeartbeatReply(3);
  leader.connect(3, false);
  leader.hearHeartbeatReply(3);
  assert.deepEqual(offersTo(leader, 3), [8, 8]);
  leader.connect(3, true);
  assert.equal(peer(leader, 3).match, 0);
  assert.deepEqual(offersTo(leader, 3), [10], 'a restarted peer is offered the newest');
});

test('a point whose file is gone gives way to the newest', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 2, 1));
  leader.propose(2);
  leader.hearAppendReply(2, 10);
  leader.compact(5);
  leader.sent.length = 0;
  leader.snapshotGone([1, 2]);
  assert.deepEqual(offersTo(leader, 3), []);
  leader.snapshotGone([3, 8]);
  assert.deepEqual(offersTo(leader, 3), [10]);
  assert.deepEqual([peer(leader, 3).state, peer(leader, 3).next], ['snapshot', 11]);
  assert.throws(() => leader.snapshotGone([3, 10]), /newest snapshot is not removed/);
});

test('files for peers that are away are not kept, those for peers that were just silent are', () => {
  const leader = leaderWithBase();
  assert.equal(leader.raft.snapshotFloor, Number.POSITIVE_INFINITY);
  leader.hearAppendReply(3, 0, refuses(7, 2, 1));
  assert.equal(leader.raft.snapshotFloor, 8);
  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at += 50) {
      leader.pass(50);
      leader.hearHeartbeatReply(2);
    }
  };
  pass(32 * 300);
  assert.equal(leader.raft.snapshotFloor, 8, 'its link may come back');
  pass(50);
  assert.equal(leader.raft.snapshotFloor, Number.POSITIVE_INFINITY);
  leader.hearHeartbeatReply(3);
  assert.equal(leader.raft.snapshotFloor, 8);
});

test('nothing is kept for a transfer behind whose point the log is forgotten already', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 2, 1));
  leader.propose(2);
  leader.hearAppendReply(2, 10);
  assert.equal(leader.raft.snapshotFloor, 8);
  leader.compact(10);
  assert.equal(leader.raft.snapshotFloor, Number.POSITIVE_INFINITY);
  assert.deepEqual(leader.raft.snapshotsBeingSent, [pointOf([3, 8])], 'its file is still read');
});

test('a peer that came by an older snapshot goes on with the log where that suffices', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 0, refuses(7, 2, 1));
  leader.hearAppendReply(3, 4);
  assert.equal(peer(leader, 3).state, 'snapshot');
  leader.hearAppendReply(3, 6);
  assert.deepEqual([peer(leader, 3).state, peer(leader, 3).match], ['replicate', 6]);
  assert.equal(leader.takeSent(MessageKind.append)[0]?.prevIndex, 6);
});

test('a reset is acknowledged when the disk has taken it, not before', () => {
  const follower = new Bench({ log: [1, 1], term: 3 });
  follower.hearSnapshot([3, 6]);
  follower.holdsStorage = true;
  follower.install([3, 6]);
  follower.hearSnapshot([3, 6]);
  follower.hearAppend([3, 6], 1);
  follower.hearAppend([3, 6], 1);
  assert.deepEqual(follower.takeSent(MessageKind.appendReply), []);
  const [reset, appended] = follower.submitted.slice(-2);
  assert.deepEqual([reset?.reset?.index, reset?.truncateAfter, reset?.generation], [6, null, 1]);
  assert.deepEqual([appended?.reset, appended?.runs[0]?.range.first], [null, 7]);
  follower.store();
  assert.equal(follower.takeSent(MessageKind.appendReply).at(-1)?.match, 7);
});

test('what a turn did before a reset is not submitted, what it does after is', () => {
  const follower = new Bench({ log: [1, 1], term: 3 });
  const { raft } = follower;
  const envelope = { from: nodeId(2), to: raft.id, term: term(3), commit: logIndex(0), round: 0 };
  const hear = (prev: readonly [number, number], count: number): void => {
    const { index: prevIndex, term: prevTerm } = pointOf(prev);
    const range = { prevIndex, prevTerm, lastIndex: logIndex(prevIndex + count) };
    const rest = { entriesTerm: term(3), bytes: count * 10, configurations: [] };
    raft.receive({ kind: MessageKind.append, ...envelope, ...range, ...rest }, incarnation(2), 0);
  };
  hear([1, 1], 2);
  raft.install(pointOf([3, 6]), raft.state.membership.entry, 0);
  hear([3, 6], 2);
  const { persist, committed } = raft.take();
  assert.deepEqual(persist?.reset, { index: 6, term: 3 });
  assert.deepEqual(persist?.runs, [{ term: 3, range: { first: 7, last: 8 } }]);
  assert.deepEqual([persist?.truncateAfter, persist?.generation, committed], [null, 2, null]);
});

test('a snapshot that the recovered log does not hold is where the log begins', () => {
  for (const log of [
    [1, 1, 1],
    [1, 1, 1, 1, 2, 2, 2],
  ]) {
    const server = new Bench({ log, snapshot: [3, 6], term: 3 });
    assert.deepEqual([server.terms, server.raft.lastIndex, server.raft.durableIndex], [[], 6, 6]);
    assert.deepEqual(
      server.submitted.map(({ reset }) => reset?.index),
      [6],
    );
    assert.equal(server.raft.commitIndex, 6);
  }
});

test('a snapshot that is durable before its term raises the term, and nothing was voted in it', () => {
  const server = new Bench({ log: [1, 1], snapshot: [3, 6], term: 2, vote: 2 });
  assert.deepEqual([server.raft.term, server.vote], [3, 0]);
  assert.deepEqual(server.submitted[0]?.hardState, { term: 3, vote: 0 });
});

const STATELESS = { base: [2, 5], log: [2, 3], snapshot: null, term: 3 } as const;

test('a replica that misses state votes and acknowledges, but neither campaigns nor applies', () => {
  const follower = new Bench(STATELESS);
  assert.equal(follower.raft.missingState, true);
  assert.equal(follower.raft.deadline, Number.POSITIVE_INFINITY);
  follower.timeOut();
  assert.equal(follower.raft.role, 'follower');
  follower.hearVote({ term: term(4) });
  assert.equal(follower.takeSent(MessageKind.voteReply)[0]?.grant, 1);
  follower.hearAppend([3, 7], 1, { commit: logIndex(8) });
  assert.equal(follower.takeSent(MessageKind.appendReply).at(-1)?.match, 8);
  assert.deepEqual([follower.raft.commitIndex, follower.applied], [8, []]);
  follower.hearHeartbeat();
  assert.equal(follower.takeSent(MessageKind.heartbeatReply)[0]?.needsSnapshot, true);
});

test('a replica that misses state ignores a request to take over', () => {
  const follower = new Bench(STATELESS);
  follower.hearHeartbeat();
  const envelope = { from: follower.raft.leader, to: follower.raft.id, term: follower.raft.term };
  follower.hear({ kind: MessageKind.timeoutNow, ...envelope });
  assert.equal(follower.raft.role, 'follower');
});

test('missing state is cured by a snapshot that reaches the base, and the log is kept', () => {
  for (const [inTerm, index] of [
    [2, 5],
    [3, 7],
  ] as const) {
    const follower = new Bench(STATELESS);
    follower.hearAppend([3, 7], 1, { commit: logIndex(8) });
    follower.hearSnapshot([inTerm, index]);
    assert.equal(follower.wanted?.point.index, index);
    assert.equal(follower.install([inTerm, index]), true);
    assert.deepEqual([follower.raft.missingState, follower.terms], [false, [2, 3, 3]]);
    assert.deepEqual(follower.applied.at(-1), 8);
    assert.equal(follower.applied[0], index + 1);
  }
});

test('missing state is not cured by a snapshot that leaves a gap, and the leader learns it', () => {
  const follower = new Bench({ ...STATELESS, snapshot: [1, 2] });
  follower.hearSnapshot([2, 4]);
  assert.equal(follower.wanted, null);
  const [refusal] = follower.takeSent(MessageKind.appendReply);
  assert.deepEqual(
    [refusal?.accepted, refusal?.refusedIndex, refusal?.conflictIndex],
    [false, 4, 5],
  );
  assert.equal(follower.install([2, 4]), false);
  assert.equal(follower.raft.missingState, true);
});

test('a peer that misses state is offered a snapshot and replicated to all the same', () => {
  const leader = leaderWithBase();
  leader.hearAppendReply(3, 8);
  leader.sent.length = 0;
  leader.hearHeartbeatReply(3, 0, true);
  assert.deepEqual(offersTo(leader, 3), [8]);
  leader.propose(2);
  assert.ok(leader.takeSent(MessageKind.append).some(({ to }) => to === 3));
  leader.hearAppendReply(3, 10);
  assert.equal(leader.raft.commitIndex, 10, 'its log counts');
  leader.compact(5);
  leader.hearHeartbeatReply(3, 0, true);
  assert.deepEqual(offersTo(leader, 3), [8], 'what is fetched goes on');
  leader.hearAppendReply(3, 0, refuses(8, 9, 3));
  leader.hearHeartbeatReply(3, 0, true);
  assert.deepEqual(offersTo(leader, 3), [10], 'a point that is too old gives way');
  leader.hearHeartbeatReply(3, 0, false);
  assert.deepEqual([offersTo(leader, 3), peer(leader, 3).pendingSnapshot], [[], null]);
});

test('a leader without a snapshot offers none, until it has one', () => {
  const leader = new Bench({ log: [1, 1] }).becomeLeader();
  leader.hearAppendReply(2, 3);
  leader.hearHeartbeatReply(3, 0, true);
  assert.deepEqual(offersTo(leader, 3), []);
  leader.compact(2);
  leader.hearHeartbeatReply(3, 0, true);
  assert.deepEqual(offersTo(leader, 3), [3]);
});

test('a candidate whose log is dropped for a snapshot seeks votes no more', () => {
  const candidate = new Bench({ log: [1, 1], term: 3 });
  candidate.hearSnapshot([3, 6]);
  candidate.timeOut();
  candidate.hearPreVoteReply(2);
  assert.equal(candidate.raft.role, 'candidate');
  candidate.install([3, 6]);
  assert.equal(candidate.raft.role, 'follower');
  candidate.hearVoteReply(2);
  assert.equal(candidate.raft.role, 'follower');
});

test('a leader takes over no snapshot: it has every committed entry', () => {
  const leader = new Bench({ log: [1, 1] }).becomeLeader();
  assert.equal(leader.install([1, 2]), false);
  assert.deepEqual([leader.raft.commitIndex, leader.raft.lastIndex], [0, 3]);
});

test('a snapshot covers what is applied and durable, and the log is forgotten no further', () => {
  const leader = leaderWithBase();
  const { raft } = leader;
  leader.propose(1);
  assert.throws(() => raft.snapshotTaken(pointOf([3, 9])), /only what is applied/);
  assert.throws(() => raft.compact(logIndex(9)), /only what a snapshot covers/);
  raft.snapshotTaken(pointOf([2, 6]));
  assert.deepEqual(raft.state.snapshot, { index: 8, term: 3 }, 'an older one changes nothing');
  raft.compact(logIndex(4));
  assert.equal(raft.state.log.compacted, 5);
  leader.compact(8);
  assert.deepEqual(leader.submitted.at(-1)?.compact, { index: 8, term: 3 });
  assert.throws(() => raft.configurationAt(logIndex(7)), /older configurations/);
  assert.equal(raft.configurationAt(logIndex(8)).index, 0);
});
