/**
 * Raft §5.4, safety: each test quotes the rule it checks; init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { logIndex, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

for (const { own, candidate, granted } of [
  { own: [1], candidate: [1, 1], granted: true },
  { own: [1], candidate: [1, 2], granted: true },
  { own: [1, 1], candidate: [1, 1], granted: false },
  { own: [1], candidate: [2, 1], granted: true },
  { own: [1, 1], candidate: [2, 1], granted: true },
  { own: [2], candidate: [1, 1], granted: false },
  { own: [2], candidate: [1, 2], granted: false },
  { own: [1, 2], candidate: [1, 3], granted: false },
] as const) {
  const text = granted ? 'granted' : 'refused';
  test(`with terms ${own.join(' ')}, a candidate of ${candidate.join('/')} is ${text}`, () => {
    // "The voter denies its vote if its own log is more up-to-date than that of the candidate. If
    // the logs have last entries with different terms, then the log with the later term is more
    // up-to-date. If the logs end with the same term, then whichever log is longer is."
    const bench = new Bench({ log: own, term: 3 });
    bench.now = 1000;
    const last = { lastTerm: term(candidate[0]), lastIndex: logIndex(candidate[1]) };
    bench.hearVote({ term: term(4), ...last });
    const [reply] = bench.takeSent(MessageKind.voteReply);
    assert.equal(reply?.grant === VoteGrant.full, granted);
  });
}

test('a candidate says how far its log goes', () => {
  // "The RequestVote RPC implements this restriction: the RPC includes information about the
  // candidate's log."
  const bench = new Bench({ log: [1, 2, 2], term: 5, options: { preVote: false } });
  bench.timeOut();
  for (const request of bench.takeSent(MessageKind.vote)) {
    assert.deepEqual([request.lastTerm, request.lastIndex, request.term], [2, 3, 6]);
  }
});

for (const [match, committed] of [
  [1, 0],
  [2, 0],
  [3, 3],
] as const) {
  test(`after terms 1 and 2, a leader of term 3 commits ${committed} at match ${match}`, () => {
    // "Raft never commits log entries from previous terms by counting replicas. Only log entries
    // from the leader's current term are committed by counting replicas."
    const bench = new Bench({ log: [1, 2] }).becomeLeader();
    assert.deepEqual(bench.terms, [1, 2, 3]);
    bench.hearAppendReply(2, match);
    assert.equal(bench.raft.commitIndex, committed);
  });
}

test('a voter that has voted keeps its vote over a restart', () => {
  // "Each server stores currentTerm and votedFor persistently" (Figure 2): it votes at most once in
  // a term although it crashed.
  const bench = new Bench({ term: 2, vote: 3 });
  bench.now = 1000;
  bench.hearVote({ term: term(2) });
  const [reply] = bench.takeSent(MessageKind.voteReply);
  assert.equal(reply?.grant, VoteGrant.refused);
});

test('a vote leaves only after it is durable', () => {
  // "Updated on stable storage before responding to RPCs." (Figure 2)
  const bench = new Bench({ term: 1 });
  bench.now = 1000;
  bench.holdsStorage = true;
  bench.hearVote({ term: term(2) });
  assert.equal(bench.takeSent(MessageKind.voteReply).length, 0);
  bench.store();
  assert.equal(bench.takeSent(MessageKind.voteReply)[0]?.grant, VoteGrant.full);
});

test('an answer to an append leaves only after its entries are durable', () => {
  // "Updated on stable storage before responding to RPCs." (Figure 2)
  const bench = new Bench({ term: 1 });
  bench.holdsStorage = true;
  bench.hearAppend([0, 0], 2);
  assert.equal(bench.takeSent(MessageKind.appendReply).length, 0);
  bench.store();
  assert.equal(bench.takeSent(MessageKind.appendReply)[0]?.match, 2);
});
