/**
 * Raft §5.3, log replication: each test quotes the rule it checks; init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { logIndex, Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

/** A leader whose followers are known to match its first entry, which is committed. */
function settledLeader(voters: readonly number[] = [1, 2, 3]): Bench {
  const bench = new Bench({ voters }).becomeLeader();
  for (const id of voters) if (id !== 1) bench.hearAppendReply(id, 1);
  bench.sent.length = 0;
  return bench;
}

test('a proposal is appended and sent to all followers at once', () => {
  // "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
  // parallel to each of the other servers to replicate the entry."
  const bench = settledLeader();
  bench.propose(3);
  assert.deepEqual(bench.terms, [1, 1, 1, 1]);
  const appends = bench.takeSent(MessageKind.append);
  assert.deepEqual(
    appends.map((append) => [append.to, append.prevIndex, append.prevTerm, append.lastIndex]),
    [
      [2, 1, 1, 4],
      [3, 1, 1, 4],
    ],
  );
});

test('only a leader takes proposals', () => {
  // "If a client contacts a follower, the follower redirects it to the leader."
  const bench = new Bench();
  bench.hearHeartbeat({ term: term(1) });
  const proposed = bench.raft.propose(1, 10, bench.now);
  assert.deepEqual(proposed, { refused: 'notLeader', leader: 2 });
  assert.equal(bench.raft.lastIndex, 0);
});

test('an entry that is on a majority is committed and applied', () => {
  // "When the entry has been safely replicated, the leader applies the entry to its state machine."
  const bench = settledLeader();
  bench.propose(1);
  assert.deepEqual(bench.applied, [1]);
  bench.hearAppendReply(2, 2);
  assert.equal(bench.raft.commitIndex, 2);
  assert.deepEqual(bench.applied, [1, 2]);
});

for (const [size, answers, committed] of [
  [1, 0, true],
  [3, 0, false],
  [3, 1, true],
  [4, 1, false],
  [4, 2, true],
  [5, 1, false],
  [5, 2, true],
] as const) {
  const outcome = committed ? 'commits' : 'does not commit';
  test(`an entry on ${answers} of ${size - 1} followers ${outcome}`, () => {
    // "A log entry is committed once the leader that created the entry has replicated it on a
    // majority of the servers."
    const bench = settledLeader(Array.from({ length: size }, (_, at) => at + 1));
    bench.propose(1);
    for (let at = 0; at < answers; at += 1) bench.hearAppendReply(at + 2, 2);
    assert.equal(bench.raft.commitIndex, committed ? 2 : 1);
  });
}

test('committing an entry commits all entries before it', () => {
  // "This also commits all preceding entries in the leader's log, including entries created by
  // previous leaders."
  for (const log of [[1], [2], [1, 2], [1, 2, 3]]) {
    const bench = new Bench({ log }).becomeLeader();
    assert.equal(bench.raft.commitIndex, 0);
    bench.hearAppendReply(2, log.length + 1);
    assert.equal(bench.raft.commitIndex, log.length + 1);
    assert.equal(bench.applied.length, log.length + 1);
  }
});

test('a follower learns from appends what is committed, and applies it in order', () => {
  // "Once a follower learns that a log entry is committed, it applies the entry to its local state
  // machine (in log order)."
  const bench = new Bench();
  bench.hearAppend([0, 0], 3, { term: term(1), commit: logIndex(2) });
  assert.deepEqual(bench.applied, [1, 2]);
  bench.hearHeartbeat({ commit: logIndex(3) });
  assert.deepEqual(bench.applied, [1, 2, 3]);
});

test('a commit index beyond what is known to match waits for the entries', () => {
  // "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)."
  const bench = new Bench({ log: [1, 1, 1, 1] });
  bench.hearAppend([1, 1], 1, { term: term(1), entriesTerm: term(1), commit: logIndex(4) });
  assert.equal(bench.raft.commitIndex, 2);
});

for (const [prev, accepted] of [
  [[0, 0], true],
  [[1, 1], true],
  [[2, 2], true],
  [[1, 2], false],
  [[3, 2], false],
  [[2, 3], false],
] as const) {
  const outcome = accepted ? 'accepted' : 'refused';
  test(`after entries of terms 1 and 2, an append after ${prev.join('/')} is ${outcome}`, () => {
    // "If the follower does not find an entry in its log with the same index and term, then it
    // refuses the new entries."
    const bench = new Bench({ log: [1, 2], term: 3 });
    bench.hearAppend(prev, 0, { term: term(3) });
    const [reply] = bench.takeSent(MessageKind.appendReply);
    assert.equal(reply?.accepted, accepted);
    if (!accepted) assert.equal(reply?.refusedIndex, prev[1]);
  });
}

for (const { name, log, prev, entriesTerm, count, expected } of [
  { name: 'missing entries', log: [1], prev: [1, 1], entriesTerm: 2, count: 1, expected: [1, 2] },
  {
    name: 'an entry that is there',
    log: [1, 2],
    prev: [0, 0],
    entriesTerm: 1,
    count: 1,
    expected: [1, 2],
  },
  {
    name: 'another entry',
    log: [1, 2, 2],
    prev: [1, 1],
    entriesTerm: 3,
    count: 2,
    expected: [1, 3, 3],
  },
  {
    name: 'a shorter prefix',
    log: [1, 1, 1],
    prev: [1, 1],
    entriesTerm: 1,
    count: 1,
    expected: [1, 1, 1],
  },
] as const) {
  test(`a follower that receives ${name} ends up with terms ${expected.join(' ')}`, () => {
    // "If an existing entry conflicts with a new one (same index but different terms), delete the
    // existing entry and all that follow it. Append any new entries not already in the log."
    const bench = new Bench({ log, term: 3 });
    bench.hearAppend(prev, count, { term: term(3), entriesTerm: term(entriesTerm) });
    assert.deepEqual(bench.terms, expected);
  });
}

test('a leader goes back until the logs agree, a whole term at a time', () => {
  // "When rejecting an AppendEntries request, the follower can include the term of the conflicting
  // entry ...; one AppendEntries RPC will be required for each term with conflicting entries."
  const bench = new Bench({ log: [1, 1, 1, 4, 4, 5, 5, 6] }).becomeLeader();
  bench.hearAppendReply(2, 0, {
    accepted: false,
    refusedIndex: logIndex(8),
    conflictIndex: logIndex(8),
    conflictTerm: term(3),
  });
  const [append] = bench.takeSent(MessageKind.append);
  assert.deepEqual([append?.prevIndex, append?.prevTerm], [3, 1]);
});

test('a leader resends until a follower has everything', () => {
  // "If followers crash or run slowly, or if network packets are lost, the leader retries
  // AppendEntries RPCs indefinitely."
  const bench = settledLeader();
  bench.propose(1);
  bench.hearAppendReply(3, 2);
  for (let at = 0; at < 5; at += 1) {
    bench.sent.length = 0;
    bench.pass(50);
    bench.hearHeartbeatReply(2);
    const appends = bench.takeSent(MessageKind.append).filter((message) => message.to === 2);
    assert.equal(appends.length, 1);
    bench.hearAppendReply(3, 2);
  }
});

test('a leader never overwrites or deletes entries of its own log', () => {
  // "Leader Append-Only: a leader never overwrites or deletes entries in its log; it only appends
  // new entries."
  const bench = new Bench({ log: [1, 2, 3] }).becomeLeader();
  bench.propose(2);
  bench.hearAppendReply(2, 0, {
    accepted: false,
    refusedIndex: logIndex(3),
    conflictIndex: logIndex(0),
  });
  assert.deepEqual(bench.terms, [1, 2, 3, 4, 4, 4]);
  assert.equal(bench.raft.role, Role.leader);
});
