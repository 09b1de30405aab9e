/**
 * What leaves first, how much at once, what is dropped, and when borrowed memory comes back. The
 * network is in memory and its time is manual.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind } from '../../codec/frames/frame-format.js';
import { encodeHeartbeats } from '../../codec/frames/message-codec.js';
import { MessageKind } from '../../engine/raft/message.js';
import { nodeId } from '../../engine/raft/types.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import { SendQueue } from '../../io/net/send-queue.js';
import { slab } from '../codec/frame-samples.js';
import { append, Cluster, heartbeat, type Node, voteReply } from './net-harness.js';

const KIB = 1024;

function pair(latencyMs = 1): { cluster: Cluster; one: Node; two: Node } {
  const cluster = new Cluster([1, 2], { latencyMs: () => latencyMs });
  cluster.run(100);
  return { cluster, one: cluster.node(1), two: cluster.node(2) };
}

function sendAppend(node: Node, bytes: number, prev: number, token = 0): SendResult {
  return node.links.sendMessage(append(1, 2, bytes, prev), 1, slab(bytes, prev), null, token);
}

const kinds = (node: Node): number[] => node.seen.frames.map((each) => each.kind);

test('votes, replies and heartbeats leave before appends that were queued earlier', () => {
  const { cluster, one, two } = pair();
  sendAppend(one, 4000, 0);
  one.links.sendMessage(voteReply(1, 2), 1);
  one.links.sendMessage(heartbeat(1, 2), 1);
  one.links.flush();
  cluster.run(5);
  assert.deepEqual(kinds(two), [FrameKind.voteReply, FrameKind.heartbeat, FrameKind.append]);
});

test('appends of one peer arrive in order, with their slabs in one, two or no pieces', () => {
  const { cluster, one, two } = pair();
  for (let i = 0; i < 40; i += 1) {
    const bytes = [0, 24, 1000, 5000, 70_000][i % 5]!;
    const entries = slab(bytes, i);
    const cut = i % 2 === 0 ? Math.floor(bytes / 3) : bytes;
    const [a, b] = [entries.subarray(0, cut), entries.subarray(cut)];
    assert.equal(one.links.sendMessage(append(1, 2, bytes, i), 1, a, b), SendResult.queued);
    if (i % 3 === 0) one.links.flush();
  }
  one.links.flush();
  cluster.run(50);
  assert.equal(two.seen.frames.length, 40);
  two.seen.frames.forEach(({ body, messages }, i) => {
    const message = messages[0]?.message;
    assert.ok(message?.kind === MessageKind.append && message.prevIndex === i);
    assert.deepEqual(body.subarray(body.length - message.bytes), slab(message.bytes, i));
  });
});

test('heartbeats of all groups in one turn are one frame, all frames of it one write', () => {
  const { cluster, one, two } = pair();
  const writes = one.links.counters.values.writes;
  for (let group = 1; group <= 34; group += 1) one.links.sendMessage(heartbeat(1, 2, group), group);
  one.links.sendMessage(voteReply(1, 2), 1);
  sendAppend(one, 2000, 0);
  one.links.flush();
  cluster.run(5);
  assert.equal(one.links.counters.values.writes, writes + 1);
  const frame = two.seen.frames.find((each) => each.kind === FrameKind.heartbeat);
  assert.equal(frame?.messages.length, 34);
  assert.deepEqual(frame?.messages[33], { group: 34, message: heartbeat(1, 2, 34) });
  assert.equal(kinds(two).filter((kind) => kind === FrameKind.heartbeat).length, 1);
});

test('a newer heartbeat replaces one of the same group that has not left yet', () => {
  const { cluster, one, two } = pair();
  for (let round = 1; round <= 500; round += 1) {
    const list = [1, 2].map((group) => ({ group, message: heartbeat(1, 2, round) }));
    const body = new Uint8Array(64);
    encodeHeartbeats(list, new DataView(body.buffer), 0);
    assert.equal(one.links.send(nodeId(2), FrameKind.heartbeat, body), SendResult.queued);
  }
  one.links.flush();
  cluster.run(5);
  assert.deepEqual(two.seen.frames[0]?.messages, [
    { group: 1, message: heartbeat(1, 2, 500) },
    { group: 2, message: heartbeat(1, 2, 500) },
  ]);
  assert.equal(one.links.counters.values.heartbeatsReplaced, 998);
});

test('at most 256 KiB of entries are with the socket, and a heartbeat passes all that wait', () => {
  const { cluster, one, two } = pair(10);
  for (let i = 0; i < 40; i += 1) sendAppend(one, 50_000, i);
  one.links.flush();
  const sent = one.links.counters.values.bytesSent;
  assert.ok(sent <= 256 * KIB + 1000, `${sent} bytes`);
  one.links.sendMessage(heartbeat(1, 2), 1);
  one.links.flush();
  assert.equal(one.links.counters.values.bytesSent, sent, 'one batch is with the socket at a time');
  cluster.run(500);
  assert.equal(two.seen.frames.length, 41);
  assert.equal(kinds(two).indexOf(FrameKind.heartbeat), 5);
});

test('one frame larger than the batch limit still leaves, alone', () => {
  const { cluster, one, two } = pair();
  assert.equal(sendAppend(one, 1024 * KIB, 0), SendResult.queued);
  sendAppend(one, 10, 1);
  one.links.flush();
  cluster.run(10);
  assert.deepEqual(kinds(two), [FrameKind.append, FrameKind.append]);
});

test('a full queue is a value: the frame is dropped and counted, control frames still pass', () => {
  const { cluster, one, two } = pair();
  cluster.network.cut('node1', 'node2');
  let queued = 0;
  let i = 0;
  for (; sendAppend(one, 200 * KIB, i, i + 1) === SendResult.queued; i += 1) {
    queued += 1;
    one.links.flush();
  }
  assert.equal(queued, Math.floor((8 * KIB) / 200));
  assert.ok(one.links.dataBytes(nodeId(2)) <= 8 * KIB * KIB);
  assert.equal(one.links.counters.values.droppedFull, 1);
  assert.equal(one.links.sendMessage(voteReply(1, 2), 1), SendResult.queued);
  cluster.network.heal('node1', 'node2');
  cluster.run(100);
  assert.equal(two.seen.frames.length, queued + 1);
  assert.equal(one.links.dataBytes(nodeId(2)), 0);
});

test('control frames to a peer that takes nothing are bounded too', () => {
  const { cluster, one } = pair();
  cluster.network.cut('node1', 'node2');
  sendAppend(one, 2000, 0);
  one.links.flush();
  let result: SendResult = SendResult.queued;
  for (let i = 0; i < 100_000 && result === SendResult.queued; i += 1) {
    result = one.links.sendMessage(voteReply(1, 2), i);
  }
  assert.equal(result, SendResult.queueFull);
  assert.equal(one.links.sendMessage(heartbeat(1, 2), 1), SendResult.queued);
});

test('every accepted token is released once: after the write, not before', () => {
  const { cluster, one } = pair(10);
  for (let token = 1; token <= 20; token += 1) sendAppend(one, 40_000, token, token);
  one.links.flush();
  cluster.run(9);
  assert.deepEqual(one.seen.tokens, []);
  cluster.run(500);
  assert.deepEqual(
    one.seen.tokens,
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

test('tokens come back when the link ends, those with the socket after it is closed', () => {
  const { cluster, one } = pair(10);
  cluster.network.cut('node1', 'node2');
  for (let token = 1; token <= 20; token += 1) sendAppend(one, 40_000, token, token);
  one.links.flush();
  one.links.drop(nodeId(2), 'badMessage', 'a test');
  assert.equal(one.seen.tokens.length, 14, 'those that waited');
  cluster.run(1);
  assert.deepEqual(
    [...one.seen.tokens].sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.equal(one.links.counters.values.droppedClosed, 14);
  assert.equal(sendAppend(one, 10, 1, 99), SendResult.notConnected);
  cluster.run(3000);
  assert.equal(one.seen.tokens.length, 20);
});

test('a frame above the limit is a mistake of the caller', () => {
  const { one } = pair();
  assert.throws(() => sendAppend(one, 2 * 1024 * KIB, 0), /not larger than the limit/);
  assert.throws(() => one.links.send(nodeId(2), FrameKind.vote, slab(40), slab(4)), /have slabs/);
});

test('the queue gives one batch at a time and reuses its control memory', () => {
  const released: number[] = [];
  const limits = {
    controlBytesMax: 4096,
    dataBytesMax: 100_000,
    batchBytesMax: 10_000,
    partBytesMax: 10_000,
  };
  const queue = new SendQueue(limits, (token) => released.push(token));
  assert.equal(queue.take(), null);
  for (let turn = 0; turn < 1000; turn += 1) {
    assert.ok(queue.pushControl(FrameKind.voteReply, slab(16)));
    assert.ok(queue.pushData(FrameKind.append, slab(64), slab(6000), null, turn + 1));
    const batch = queue.take();
    assert.equal(batch?.frames, 2);
    assert.equal(batch?.pieces.length, 3);
    assert.equal(queue.take(), null);
    queue.written();
  }
  assert.equal(released.length, 1000);
  assert.equal(queue.dataBytes, 0);
  assert.equal(queue.frames, 0);
});
