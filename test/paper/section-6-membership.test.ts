/**
 * Raft §6, cluster membership changes: the part that is decided by counting and by truncation.
 *
 * Each test quotes the rule it checks; init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { type Configuration, logIndex, nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench, recordedConfiguration, withLearners } from './bench.js';

const ids = (...list: number[]) => list.map(nodeId);
const voting = (...list: number[]): Configuration => recordedConfiguration(list);
/** From voters 1 2 3 to voters 1 4 5. */
const JOINT: Configuration = {
  ...voting(1, 2, 3, 4, 5),
  voters: ids(1, 4, 5),
  outgoing: ids(1, 2, 3),
};

/** A follower that has just received a configuration as entry 1 of term 1. */
function configured(configuration: Configuration): Bench {
  const bench = new Bench();
  bench.hearAppend([0, 0], 1, {
    term: term(1),
    configurations: [{ index: logIndex(1), configuration }],
  });
  bench.sent.length = 0;
  return bench;
}

test('a configuration is in force as soon as its entry is in the log', () => {
  // "A server always uses the latest configuration in its log, regardless of whether the entry is
  // committed."
  const bench = configured(JOINT);
  assert.equal(bench.raft.commitIndex, 0);
  assert.deepEqual(bench.raft.configuration, JOINT);
});

test('a configuration whose entry is truncated is in force no more', () => {
  // "... always uses the latest configuration in its log": the one before, when the entry is gone.
  const bench = configured(JOINT);
  bench.hearAppend([0, 0], 1, { term: term(2) });
  assert.deepEqual(bench.terms, [2]);
  assert.deepEqual(bench.raft.configuration.voters, [1, 2, 3]);
  assert.deepEqual(bench.raft.configuration.outgoing, []);
});

test('an election in a joint configuration needs both majorities', () => {
  // "Agreement (for elections and entry commitment) requires separate majorities from both the old
  // and new configurations."
  const bench = configured(JOINT);
  bench.timeOut();
  bench.hearPreVoteReply(2);
  bench.hearPreVoteReply(3);
  assert.equal(bench.raft.role, Role.preCandidate);
  bench.hearPreVoteReply(5);
  assert.equal(bench.raft.role, Role.candidate);
  bench.hearVoteReply(4);
  bench.hearVoteReply(5);
  assert.equal(bench.raft.role, Role.candidate);
  bench.hearVoteReply(2);
  assert.equal(bench.raft.role, Role.leader);
});

test('an entry in a joint configuration needs both majorities', () => {
  // "Agreement (for elections and entry commitment) requires separate majorities ..."
  const bench = configured(JOINT).becomeLeader();
  bench.hearAppendReply(2, 2);
  bench.hearAppendReply(3, 2);
  assert.equal(bench.raft.commitIndex, 0);
  bench.hearAppendReply(4, 2);
  assert.equal(bench.raft.commitIndex, 2);
});

test('the log goes to the members of both configurations', () => {
  // "Log entries are replicated to all servers in both configurations."
  const bench = configured(JOINT).becomeLeader();
  for (const id of [2, 3, 4, 5]) bench.hearAppendReply(id, 2);
  bench.sent.length = 0;
  bench.propose(1);
  const receivers = bench.takeSent(MessageKind.append).map((append) => append.to);
  assert.deepEqual(receivers, [2, 3, 4, 5]);
});

test('a learner receives the log and is not counted', () => {
  // "New servers join the cluster as non-voting members (the leader replicates log entries to them,
  // but they are not considered for majorities)."
  const bench = configured(withLearners(voting(1, 2, 3), 4, 5)).becomeLeader();
  bench.hearAppendReply(4, 2);
  bench.hearAppendReply(5, 2);
  assert.equal(bench.raft.commitIndex, 0);
  assert.ok(bench.takeSent(MessageKind.append).length === 0);
  bench.hearAppendReply(2, 2);
  assert.equal(bench.raft.commitIndex, 2);
});

test('a replica that is no voter does not campaign', () => {
  // "... non-voting members": nobody could count its own vote.
  const bench = configured(withLearners(voting(2, 3), 1));
  bench.hearAppend([1, 1], 0, { term: term(1), commit: logIndex(1) });
  bench.sent.length = 0;
  bench.timeOut();
  bench.timeOut();
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.follower, 1]);
});

test('a vote request is disregarded within the shortest election timeout of a heartbeat', () => {
  // "If a server receives a RequestVote RPC within the minimum election timeout of hearing from a
  // current leader, it does not update its term or grant its vote."
  const bench = new Bench();
  bench.hearHeartbeat({ term: term(1) });
  bench.now += 149;
  bench.hearVote({ from: nodeId(3), term: term(2) });
  assert.deepEqual([bench.raft.term, bench.takeSent(MessageKind.voteReply).length], [1, 0]);
  bench.now += 1;
  bench.hearVote({ from: nodeId(3), term: term(2) });
  assert.deepEqual([bench.raft.term, bench.takeSent(MessageKind.voteReply).length], [2, 1]);
});
