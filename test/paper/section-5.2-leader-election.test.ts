/**
 * Raft §5.2, leader election: each test quotes the rule it checks; init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

const noPreVote = { preVote: false };

test('a server starts as a follower', () => {
  // "When servers start up, they begin as followers."
  const bench = new Bench();
  assert.deepEqual([bench.raft.role, bench.raft.leader], [Role.follower, 0]);
});

test('a follower stays one as long as it hears its leader', () => {
  // "A server remains in follower state as long as it receives valid RPCs from a leader or
  // candidate."
  const bench = new Bench();
  for (let at = 0; at < 50; at += 1) {
    bench.hearHeartbeat({ term: term(1) });
    bench.pass(100);
  }
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.follower, 1]);
});

test('a leader sends heartbeats to everybody, again and again', () => {
  // "Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all
  // followers in order to maintain their authority."
  const bench = new Bench().becomeLeader();
  for (let at = 0; at < 3; at += 1) {
    bench.hearHeartbeatReply(2);
    bench.pass(50);
    const receivers = bench.takeSent(MessageKind.heartbeat).map((message) => message.to);
    assert.deepEqual(receivers, [2, 3]);
  }
});

test('a follower that hears nobody raises its term, votes for itself and asks all others', () => {
  // "To begin an election, a follower increments its current term and transitions to candidate
  // state. It then votes for itself and issues RequestVote RPCs in parallel to each of the other
  // servers."
  const bench = new Bench({ term: 4, options: noPreVote });
  bench.timeOut();
  assert.deepEqual([bench.raft.role, bench.raft.term, bench.vote], [Role.candidate, 5, 1]);
  const requests = bench.takeSent(MessageKind.vote);
  assert.deepEqual(
    requests.map((request) => [request.to, request.term]),
    [
      [2, 5],
      [3, 5],
    ],
  );
});

for (const [size, votes, wins] of [
  [1, 0, true],
  [3, 0, false],
  [3, 1, true],
  [4, 1, false],
  [4, 2, true],
  [5, 1, false],
  [5, 2, true],
] as const) {
  test(`${votes} votes besides its own ${wins ? 'win' : 'do not win'} among ${size}`, () => {
    // "A candidate wins an election if it receives votes from a majority of the servers in the full
    // cluster for the same term."
    const voters = Array.from({ length: size }, (_, at) => at + 1);
    const bench = new Bench({ voters, options: noPreVote });
    bench.timeOut();
    for (let at = 0; at < votes; at += 1) bench.hearVoteReply(at + 2);
    assert.equal(bench.raft.role, wins ? Role.leader : Role.candidate);
  });
}

test('a repeated vote counts once', () => {
  // "A candidate wins an election if it receives votes from a majority of the servers."
  const bench = new Bench({ voters: [1, 2, 3, 4, 5], options: noPreVote });
  bench.timeOut();
  bench.hearVoteReply(2);
  bench.hearVoteReply(2);
  assert.equal(bench.raft.role, Role.candidate);
});

test('a vote of somebody who is no voter does not count', () => {
  // "... from a majority of the servers in the full cluster."
  const bench = new Bench({ options: noPreVote });
  bench.timeOut();
  bench.hearVoteReply(9);
  assert.equal(bench.raft.role, Role.candidate);
});

for (const [vote, from, granted] of [
  [0, 2, true],
  [0, 3, true],
  [2, 2, true],
  [3, 3, true],
  [2, 3, false],
  [3, 2, false],
] as const) {
  const before = vote === 0 ? 'nobody' : `${vote}`;
  test(`having voted for ${before}, ${from} is ${granted ? 'granted' : 'refused'} a vote`, () => {
    // "Each server will vote for at most one candidate in a given term, on a
    // first-come-first-served basis."
    const bench = new Bench({ term: 1, vote });
    bench.now = 1000;
    bench.hearVote({ from: nodeId(from), term: term(1) });
    const [reply] = bench.takeSent(MessageKind.voteReply);
    assert.equal(reply?.grant === VoteGrant.full, granted);
    assert.equal(bench.vote, granted ? from : vote);
  });
}

for (const leaderTerm of [1, 2]) {
  test(`a candidate of term 1 that hears a leader of term ${leaderTerm} follows it`, () => {
    // "If the leader's term is at least as large as the candidate's current term, then the
    // candidate recognizes the leader as legitimate and returns to follower state."
    const bench = new Bench({ options: noPreVote });
    bench.timeOut();
    assert.equal(bench.raft.term, 1);
    bench.hearAppend([0, 0], 0, { term: term(leaderTerm) });
    assert.deepEqual([bench.raft.role, bench.raft.leader], [Role.follower, 2]);
    assert.equal(bench.raft.term, leaderTerm);
  });
}

test('a candidate that hears a leader of an earlier term stays one', () => {
  // "If the term in the RPC is smaller than the candidate's current term, then the candidate
  // rejects the RPC and continues in candidate state."
  const bench = new Bench({ term: 4, options: noPreVote });
  bench.timeOut();
  bench.hearAppend([0, 0], 0, { term: term(4) });
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.candidate, 5]);
});

test('a candidate that is refused by a majority becomes a follower again', () => {
  // "... the second possible outcome: another server wins; the third: nobody wins."
  const bench = new Bench({ options: noPreVote });
  bench.timeOut();
  bench.hearVoteReply(2, false);
  assert.equal(bench.raft.role, Role.candidate);
  bench.hearVoteReply(3, false);
  assert.equal(bench.raft.role, Role.follower);
});

test('a candidate whom nobody answers starts a new election', () => {
  // "When this happens, each candidate will time out and start a new election by incrementing its
  // term and initiating another round of RequestVote RPCs."
  const bench = new Bench({ options: noPreVote });
  bench.timeOut();
  bench.takeSent(MessageKind.vote);
  bench.timeOut();
  assert.deepEqual([bench.raft.role, bench.raft.term], [Role.candidate, 2]);
  assert.equal(bench.takeSent(MessageKind.vote).length, 2);
});

test('election timeouts are drawn from the whole of their interval', () => {
  // "Raft uses randomized election timeouts to ensure that split votes are rare ... chosen randomly
  // from a fixed interval (e.g., 150–300ms)."
  const drawn = new Set<number>();
  const bench = new Bench();
  for (let at = 0; at < 2000; at += 1) {
    bench.hearHeartbeat({ term: term(1) });
    drawn.add(bench.raft.state.electionDeadline - bench.now);
  }
  assert.deepEqual([Math.min(...drawn), Math.max(...drawn)], [150, 300]);
  assert.ok(drawn.size > 140, `${drawn.size} different timeouts`);
});

test('a granted vote starts the election timeout anew', () => {
  // "If election timeout elapses without receiving AppendEntries RPC from current leader or
  // granting vote to candidate: convert to candidate." (Figure 2)
  const bench = new Bench({ term: 1 });
  bench.now = 149;
  bench.pass(1);
  const before = bench.raft.state.electionDeadline;
  bench.now = before - 1;
  bench.hearVote({ term: term(2) });
  assert.ok(bench.raft.state.electionDeadline >= bench.now + 150);
});
