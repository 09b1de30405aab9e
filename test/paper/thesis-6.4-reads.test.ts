/**
 * Thesis §6.4, processing read-only queries more efficiently: each test quotes the step it checks.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { logIndex, nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

/** A leader of term 1 whose first entry is committed. */
function currentLeader(): Bench {
  const bench = new Bench().becomeLeader();
  bench.hearAppendReply(2, 1);
  bench.sent.length = 0;
  return bench;
}

test('a leader serves no read before an entry of its term is committed', () => {
  // "1. If the leader has not yet marked an entry from its current term committed, it waits until
  // it has done so."
  const bench = new Bench({ log: [1] }).becomeLeader();
  bench.read(7);
  assert.equal(bench.takeSent(MessageKind.heartbeat).length, 0);
  bench.hearHeartbeatReply(2, 1);
  assert.deepEqual(bench.grants, []);
  bench.hearAppendReply(2, 2);
  bench.hearHeartbeatReply(2, 1);
  assert.deepEqual(bench.grants, [7]);
});

test('a read is confirmed by a round of heartbeats that began after it was asked', () => {
  // "3. The leader needs to make sure it hasn't been superseded by a newer leader. It issues a new
  // round of heartbeats and waits for their acknowledgments from a majority of the cluster."
  const bench = currentLeader();
  bench.read(7);
  const [heartbeat] = bench.takeSent(MessageKind.heartbeat);
  assert.equal(heartbeat?.round, 1);
  bench.hearHeartbeatReply(2, 0);
  assert.deepEqual(bench.grants, []);
  bench.hearHeartbeatReply(2, 1);
  assert.deepEqual(bench.grants, [7]);
});

test('an answer to an append that carried the round confirms it as well', () => {
  // "The leader could amortize this cost by waiting for acknowledgments of replication instead."
  const bench = currentLeader();
  bench.read(7);
  bench.hearAppendReply(2, 1, { round: 1 });
  assert.deepEqual(bench.grants, [7]);
});

test('one round confirms any number of reads', () => {
  // "... a single round of heartbeats for any number of read-only queries that it has accumulated."
  const bench = currentLeader();
  bench.read(1);
  for (const id of [2, 3, 4]) bench.read(id);
  assert.equal(bench.takeSent(MessageKind.heartbeat).length, 2);
  bench.hearHeartbeatReply(2, 1);
  assert.deepEqual(bench.grants, [1]);
  assert.equal(bench.takeSent(MessageKind.heartbeat).length, 2);
  bench.hearHeartbeatReply(2, 2);
  assert.deepEqual(bench.grants, [1, 2, 3, 4]);
});

test('a leader that was superseded grants nothing', () => {
  // "... hasn't been superseded by a newer leader of which it is unaware."
  const bench = currentLeader();
  bench.read(7);
  bench.hearAppendReply(2, 0, { accepted: false, term: term(2) });
  assert.deepEqual([bench.raft.role, bench.grants], [Role.follower, []]);
});

test('a follower asks the leader for a read index and is granted that', () => {
  // "The follower would issue a request to the leader that just asked for a current readIndex."
  const bench = new Bench();
  bench.hearHeartbeat({ term: term(1) });
  bench.read(7);
  const [request] = bench.takeSent(MessageKind.readIndex);
  assert.equal(request?.to, 2);
  const { context } = request as NonNullable<typeof request>;
  const reply = { kind: MessageKind.readIndexReply, to: nodeId(1), term: term(1) } as const;
  bench.hear({ ...reply, from: nodeId(3), context, index: logIndex(0) });
  assert.deepEqual(bench.grants, [], 'only the leader may answer');
  bench.hear({ ...reply, from: nodeId(2), context, index: logIndex(0) });
  assert.deepEqual(bench.grants, [7]);
});

test('a leader answers a follower after the round', () => {
  // "The leader ... executes steps 1–3 ... and returns the readIndex."
  const bench = currentLeader();
  const request = { kind: MessageKind.readIndex, from: nodeId(3), to: nodeId(1) } as const;
  bench.hear({ ...request, term: term(1), context: 41 });
  assert.equal(bench.takeSent(MessageKind.readIndexReply).length, 0);
  bench.hearHeartbeatReply(2, 1);
  const [reply] = bench.takeSent(MessageKind.readIndexReply);
  assert.deepEqual([reply?.to, reply?.context, reply?.index], [3, 41, 1]);
});
