/**
 * Thesis §6.4.1, using clocks to reduce messaging for read-only queries: each test quotes the
 * sentence it checks.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { dropLease } from '../../engine/raft/lease.js';
import { MessageKind } from '../../engine/raft/message.js';
import { term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

const HEARTBEAT_MS = 50;
/** The shortest election timeout of 150 ms, less a tenth for the drift of clocks. */
const LEASE_MS = 135;

/** A leader whose first entry is committed and whose last heartbeats were sent now. */
function leader(): Bench {
  const bench = new Bench({ options: { leaseDrift: 0.1 } }).becomeLeader();
  bench.hearAppendReply(2, 1);
  bench.pass(HEARTBEAT_MS);
  return bench;
}

function answerHeartbeat(bench: Bench): void {
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  bench.hearHeartbeatReply(2, heartbeat?.round);
}

test('a majority that acknowledged the heartbeats extends the lease by an election timeout', () => {
  // "Once the leader's heartbeats were acknowledged by a majority of the cluster, the leader would
  // assume that no other server will become leader for about an election timeout, and it could
  // extend its lease accordingly."
  const bench = leader();
  const left = (): number => bench.raft.leaseLeft({ now: bench.now, wallAhead: 0 });
  assert.equal(left(), 0, 'nobody has answered yet');
  answerHeartbeat(bench);
  assert.equal(left(), LEASE_MS);
});

test('reads during that period need no communication', () => {
  // "The leader would then reply to read-only queries during that period without any additional
  // communication."
  const bench = leader();
  answerHeartbeat(bench);
  bench.now += LEASE_MS - 1;
  bench.readByLease(1);
  assert.deepEqual([bench.grants, bench.sent], [[1], []]);
  bench.now += 1;
  bench.readByLease(2);
  assert.deepEqual(bench.grants, [1]);
});

test('the lease ends before leadership is handed over', () => {
  // "The leadership transfer mechanism presented in Chapter 3 allows the leader to be replaced
  // early; a leader would need to expire its lease before transferring leadership."
  const bench = leader();
  answerHeartbeat(bench);
  dropLease(bench.raft.state);
  bench.readByLease(1);
  assert.deepEqual(bench.grants, []);
});

test('whoever acknowledged a heartbeat elects nobody else for an election timeout', () => {
  // §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of
  // hearing from a current leader, it does not update its term or grant its vote."
  const bench = new Bench();
  bench.pass(1000);
  bench.hearHeartbeat({ term: term(1) });
  bench.now += 149;
  bench.hearVote({ term: term(2) });
  assert.deepEqual([bench.raft.term, bench.vote], [1, 0]);
});
