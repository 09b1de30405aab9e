/**
 * Thesis §9.6, preventing disruptions when a server rejoins the cluster: each test quotes its rule.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { logIndex, nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

test('asking for pre-votes raises no term and takes no vote', () => {
  // "In the Pre-Vote algorithm, a candidate only increments its term if it first learns from a
  // majority of the cluster that they would be willing to grant the candidate their votes."
  const bench = new Bench({ term: 3 });
  for (let at = 0; at < 4; at += 1) bench.timeOut();
  assert.deepEqual([bench.raft.role, bench.raft.term, bench.vote], [Role.preCandidate, 3, 0]);
  assert.ok(bench.takeSent(MessageKind.preVote).every((request) => request.term === 4));
});

test('a majority of pre-votes starts the real election', () => {
  // "... only increments its term if it first learns from a majority ..."
  const bench = new Bench({ term: 3 });
  bench.timeOut();
  bench.sent.length = 0;
  bench.hearPreVoteReply(2);
  assert.deepEqual([bench.raft.role, bench.raft.term, bench.vote], [Role.candidate, 4, 1]);
  assert.equal(bench.takeSent(MessageKind.vote).length, 2);
});

test('a granted pre-vote changes nothing on the voter', () => {
  // "... would be willing to grant": nothing is promised yet.
  const bench = new Bench({ term: 3 });
  bench.now = 149;
  bench.hearPreVote({ term: term(4) });
  assert.equal(bench.takeSent(MessageKind.preVoteReply).length, 0);
  bench.now = 150;
  bench.hearPreVote({ term: term(4) });
  const [reply] = bench.takeSent(MessageKind.preVoteReply);
  assert.deepEqual([reply?.grant, reply?.term], [VoteGrant.full, 4]);
  assert.deepEqual([bench.raft.term, bench.vote, bench.raft.role], [3, 0, Role.follower]);
});

test('a pre-vote is refused to a log that is not up to date', () => {
  // "... if the candidate's log is sufficiently up-to-date ..."
  const bench = new Bench({ log: [1, 2], term: 3 });
  bench.now = 1000;
  bench.hearPreVote({ term: term(4), lastTerm: term(1), lastIndex: logIndex(9) });
  const [reply] = bench.takeSent(MessageKind.preVoteReply);
  assert.deepEqual([reply?.grant, reply?.term], [VoteGrant.refused, 3]);
});

test('a pre-vote is not answered while a leader is heard', () => {
  // "... and the voter has not received heartbeats from a valid leader for at least a baseline
  // election timeout."
  const bench = new Bench();
  bench.hearHeartbeat({ term: term(3) });
  bench.now += 100;
  bench.hearPreVote({ from: nodeId(3), term: term(4) });
  assert.equal(bench.takeSent(MessageKind.preVoteReply).length, 0);
});

test('a pre-candidate of an earlier term learns the present one from the refusal', () => {
  // Otherwise it would ask for ever: a pre-vote for a term that has begun is refused with that
  // term.
  const bench = new Bench({ term: 3 });
  bench.timeOut();
  const reply = { kind: MessageKind.preVoteReply, from: nodeId(2), to: nodeId(1) } as const;
  bench.hear({ ...reply, term: term(8), grant: VoteGrant.refused });
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.follower, 8]);
});

test('a pre-vote for a term that the voter has entered is refused', () => {
  // The candidate would campaign in a term in which this voter may have voted already.
  const bench = new Bench({ term: 3 });
  bench.now = 1000;
  bench.hearPreVote({ term: term(3) });
  const [reply] = bench.takeSent(MessageKind.preVoteReply);
  assert.deepEqual([reply?.grant, reply?.term], [VoteGrant.refused, 3]);
});
