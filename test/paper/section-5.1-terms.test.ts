/**
 * Raft §5.1, terms: each test quotes the rule it checks and has three parts, init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

test('a follower that hears of a larger term takes it over', () => {
  // "If one server's current term is smaller than the other's, then it updates its current term to
  // the larger value."
  const bench = new Bench({ term: 2 });
  bench.hearHeartbeat({ term: term(5) });
  assert.equal(bench.raft.term, 5);
  assert.equal(bench.raft.role, Role.follower);
});

test('a candidate that hears of a larger term becomes a follower', () => {
  // "If a candidate or leader discovers that its term is out of date, it immediately reverts to
  // follower state."
  const bench = new Bench({ options: { preVote: false } });
  bench.timeOut();
  assert.equal(bench.raft.role, Role.candidate);
  bench.hearVoteReply(2, false, 7);
  assert.deepEqual([bench.raft.role, bench.raft.term, bench.vote], [Role.follower, 7, 0]);
});

test('a leader that hears of a larger term becomes a follower', () => {
  // "If a candidate or leader discovers that its term is out of date, it immediately reverts to
  // follower state."
  const bench = new Bench().becomeLeader();
  bench.hearAppendReply(2, 0, { accepted: false, term: term(7) });
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.follower, 7]);
});

test('a vote request with a stale term is refused', () => {
  // "If a server receives a request with a stale term number, it rejects the request."
  const bench = new Bench({ term: 4 });
  bench.hearVote({ term: term(3) });
  const [reply] = bench.takeSent(MessageKind.voteReply);
  assert.deepEqual([reply?.term, reply?.grant, bench.vote], [4, 0, 0]);
});

test('an append with a stale term is refused, and its sender learns the present one', () => {
  // "If a server receives a request with a stale term number, it rejects the request."
  const bench = new Bench({ term: 4 });
  const placement = bench.hearAppend([0, 0], 1, { term: term(3) });
  assert.equal(placement, null);
  assert.equal(bench.raft.lastIndex, 0);
  const [reply] = bench.takeSent(MessageKind.appendReply);
  assert.deepEqual([reply?.term, reply?.accepted], [4, false]);
});

test('a term never shrinks, whatever is heard', () => {
  // "Each server stores a current term number, which increases monotonically over time."
  const bench = new Bench({ term: 4 });
  for (const stale of [1, 3, 4, 2]) bench.hearHeartbeat({ term: term(stale) });
  assert.equal(bench.raft.term, 4);
});
