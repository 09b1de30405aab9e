/**
 * Entries too large for one frame on their way to a peer: control frames pass between the parts,
 * memory comes back when the last part is gone, a peer that takes no parts gets the frame whole,
 * and whatever is out of place ends the session under its own name.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameDecoder } from '../../codec/frames/frame-decoder.js';
import { FRAME_BYTES_MAX, FrameKind, makeFrame } from '../../codec/frames/frame-format.js';
import { type FramePart, sealParts } from '../../codec/frames/frame-parts.js';
import { encodeHello, type Hello } from '../../codec/frames/handshake.js';
import { Feature, helloTo } from '../../codec/frames/handshake-check.js';
import { encodeMessageHeader, messageHeaderBytes } from '../../codec/frames/message-codec.js';
import { type Message, MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { NOBODY, nodeId } from '../../engine/raft/types.js';
import type { Connection } from '../../io/net/adapter.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import { PEER_LIMITS, peerLimitProblems } from '../../io/net/peer-options.js';
import { PeerSession, type PeerSessionOutput } from '../../io/net/peer-session.js';
import { type Batch, type SendLimits, SendQueue } from '../../io/net/send-queue.js';
import { concat, frameOf, slab, viewOf } from '../codec/frame-samples.js';
import {
  addressOf,
  append,
  Cluster,
  declared,
  heartbeat,
  identityOf,
  type Node,
  voteReply,
} from './net-harness.js';

const KIB = 1024;
const MIB = KIB * KIB;
const SMALL: SendLimits = {
  controlBytesMax: 64 * KIB,
  dataBytesMax: 64 * KIB,
  batchBytesMax: 4 * KIB,
  partBytesMax: 4 * KIB,
};

interface Queue {
  readonly queue: SendQueue;
  readonly released: number[];
}

function queueTo(takesParts: boolean, limits = SMALL): Queue {
  const released: number[] = [];
  const queue = new SendQueue(limits, (token) => released.push(token));
  queue.takesParts = takesParts;
  return { queue, released };
}

const headOf = (message: Message): Uint8Array => {
  const bytes = new Uint8Array(messageHeaderBytes(message.kind));
  encodeMessageHeader(message, 1, viewOf(bytes), 0);
  return bytes;
};

function pushAppend(queue: SendQueue, bytes: number, token: number): boolean {
  const message = append(1, 2, bytes);
  return queue.pushData(FrameKind.append, headOf(message), slab(bytes), null, token);
}

function kindsOf(batch: Batch | null): number[] {
  const kinds: number[] = [];
  const decoder = new FrameDecoder(FRAME_BYTES_MAX, (kind) => kinds.push(kind));
  for (const piece of batch?.pieces ?? []) decoder.push(piece);
  assert.equal(decoder.problem, null);
  assert.equal(kinds.length, batch?.frames ?? 0);
  return kinds;
}

test('a heartbeat leaves between two parts of a frame, and is never behind more than one batch', () => {
  const { queue } = queueTo(true);
  assert.ok(pushAppend(queue, 10_000, 0));
  assert.ok(pushAppend(queue, 100, 0));
  const leaving: number[][] = [];
  for (;;) {
    queue.pushControl(FrameKind.heartbeat, headOf(heartbeat(1, 2)));
    const batch = queue.take();
    const kinds = kindsOf(batch);
    leaving.push(kinds);
    assert.ok((batch?.bytes ?? 0) <= SMALL.batchBytesMax + 44);
    queue.written();
    if (queue.frames === 0) break;
  }
  const { heartbeat: beat, part, append: whole } = FrameKind;
  assert.deepEqual(leaving, [
    [beat, part],
    [beat, part],
    [beat, part, whole],
  ]);
  assert.equal(queue.framesSplit, 1);
  assert.equal(queue.dataBytes, 0);
});

test('a frame at the bound leaves whole, as it always did; one byte more leaves in parts', () => {
  const atBound = SMALL.partBytesMax - 12 - 64;
  const { queue } = queueTo(true);
  assert.ok(pushAppend(queue, atBound, 0));
  assert.deepEqual(kindsOf(queue.take()), [FrameKind.append]);
  queue.written();
  assert.ok(pushAppend(queue, atBound + 1, 0));
  assert.deepEqual(kindsOf(queue.take()), [FrameKind.part]);
  queue.written();
  assert.deepEqual(kindsOf(queue.take()), [FrameKind.part]);
});

test('to a peer that takes no parts a large frame leaves whole', () => {
  const { queue } = queueTo(false);
  assert.ok(pushAppend(queue, 10_000, 0));
  assert.deepEqual(kindsOf(queue.take()), [FrameKind.append]);
  assert.equal(queue.framesSplit, 0);
});

test('the memory of a frame in parts is released once, after its last part', () => {
  const { queue, released } = queueTo(true);
  assert.ok(pushAppend(queue, 10_000, 7));
  for (let part = 0; part < 3; part += 1) {
    assert.deepEqual(released, []);
    assert.ok(queue.take());
    queue.written();
  }
  assert.deepEqual(released, [7]);
  assert.equal(queue.take(), null);
});

test('a connection that ends between the parts gives memory back when the socket has let go', () => {
  const { queue, released } = queueTo(true);
  assert.ok(pushAppend(queue, 10_000, 7));
  assert.ok(pushAppend(queue, 10_000, 8));
  assert.ok(queue.take());
  assert.equal(queue.clear(), 5);
  assert.deepEqual(released, [8], 'of 7, the first part is still with the socket');
  queue.written();
  assert.deepEqual(released, [8, 7]);
  assert.equal(queue.dataBytes, 0);
  const idle = queueTo(true);
  assert.ok(pushAppend(idle.queue, 10_000, 7));
  assert.ok(idle.queue.take());
  idle.queue.written();
  idle.queue.clear();
  assert.deepEqual(idle.released, [7], 'nothing of it is with the socket');
  assert.equal(idle.queue.dataBytes, 0);
});

test('a full queue takes no part of a frame', () => {
  const { queue, released } = queueTo(true);
  let taken = 0;
  while (pushAppend(queue, 10_000, taken + 1)) taken += 1;
  assert.equal(taken, 6);
  assert.ok(queue.dataBytes <= SMALL.dataBytesMax);
  assert.equal(queue.frames, 3 * taken);
  assert.deepEqual(released, []);
});

class Wire implements PeerSessionOutput {
  readonly log: string[] = [];
  readonly bodies: Uint8Array[] = [];
  detail = '';
  transmit(): void {}
  ping(): void {}
  admit(): null {
    return null;
  }
  opened(hello: Hello): void {
    this.log.push(`opened ${hello.from}`);
  }
  frame(kind: FrameKind, bytes: Uint8Array, _: DataView, offset: number, length: number): void {
    this.log.push(`frame ${kind}`);
    this.bodies.push(bytes.slice(offset, offset + length));
  }
  ended(reason: string, detail: string): void {
    this.log.push(`ended ${reason}`);
    this.detail = detail;
  }
}

const groups = new Map([[1, declared(1)]]);

/** An accepted connection of node 1, open after the HELLO of node 2. */
function opened(change: Partial<Hello> = {}): { wire: Wire; end: PeerSession } {
  const wire = new Wire();
  const end = new PeerSession(identityOf(1), groups, PEER_LIMITS, NOBODY, wire, 0);
  end.receive(encodeHello({ ...helloTo(nodeId(1), identityOf(2), groups), ...change }), 1);
  assert.deepEqual(wire.log.splice(0), ['opened 2']);
  return { wire, end };
}

const wireOf = ({ head, slabA }: FramePart): Uint8Array =>
  concat(slabA === null ? [head] : [head, slabA]);

/** An append of 2,500 bytes of entries in parts of 1 KiB. */
const PARTS = sealParts(FrameKind.append, 7, headOf(append(2, 1, 2500)), slab(2500), null, KIB).map(
  wireOf,
);
const FORWARD_PARTS = sealParts(FrameKind.forward, 7, slab(16), slab(2500), null, KIB).map(wireOf);

test('parts become one frame, with votes and heartbeats handed out between them', () => {
  const { wire, end } = opened();
  const [first, second, third] = PARTS as [Uint8Array, Uint8Array, Uint8Array];
  end.receive(concat([first, frameOf(voteReply(2, 1), 1), second]), 2);
  end.receive(concat([frameOf(heartbeat(2, 1), 1), third]), 3);
  end.receive(frameOf(append(2, 1, 10), 1), 4);
  const kinds = [MessageKind.voteReply, MessageKind.heartbeat];
  const entries = [MessageKind.append, MessageKind.append];
  assert.deepEqual(
    wire.log,
    [...kinds, ...entries].map((kind) => `frame ${kind}`),
  );
  assert.deepEqual(wire.bodies[2], concat([headOf(append(2, 1, 2500)), slab(2500)]));
  assert.ok(end.bufferBytes < 2 * KIB, 'nothing of it is kept');
});

function partBody(kind: number, total: number, at: number, content: number): Uint8Array {
  const body = new Uint8Array(16 + content);
  [kind, 7, total, at].forEach((word, place) => {
    viewOf(body).setUint32(4 * place, word, true);
  });
  return makeFrame(FrameKind.part, body);
}

test('every sequence of parts that is out of place ends the session under its own name', () => {
  const [first, second, third] = PARTS as [Uint8Array, Uint8Array, Uint8Array];
  const { append: APPEND, forward: FORWARD } = FrameKind;
  const cases: [string, readonly Uint8Array[]][] = [
    ['badPart', [makeFrame(FrameKind.part, new Uint8Array(0))]],
    ['badPart', [makeFrame(FrameKind.part, new Uint8Array(16))]],
    ['badPart', [second]],
    ['badPart', [first, first]],
    ['badPart', [first, third]],
    ['badPart', [first, second, second]],
    ['badPart', [first, FORWARD_PARTS[1]!]],
    ['badPart', [first, FORWARD_PARTS[0]!]],
    ['badPart', [first, frameOf(append(2, 1, 10), 1)]],
    ['badPart', [first, makeFrame(FORWARD, slab(200))]],
    ['badPart', [partBody(FrameKind.vote, 40, 0, 40)]],
    ['badPart', [partBody(FrameKind.part, 4000, 0, 40)]],
    ['badPart', [partBody(APPEND, 40, 0, 41)]],
    ['badMessage', [partBody(APPEND, 40, 0, 40)]],
    ['badMessage', [partBody(FORWARD, 10, 0, 10)]],
    ['oversized', [partBody(APPEND, PEER_LIMITS.frameBytesMax - 11, 0, 40)]],
    ['oversized', [partBody(APPEND, 0xffff_ffff, 0, 40)]],
  ];
  for (const [reason, frames] of cases) {
    const { wire, end } = opened();
    for (const frame of frames) end.receive(frame, 2);
    assert.deepEqual(wire.log, [`ended ${reason}`], wire.detail);
    assert.notEqual(wire.detail, '');
    assert.ok(end.bufferBytes < 2 * KIB, 'what was unfinished is given up');
    for (const frame of PARTS) end.receive(frame, 3);
    assert.equal(wire.log.length, 1, 'and nothing more is heard');
  }
});

test('a part from a peer that did not announce them is an unexpected frame', () => {
  const { wire, end } = opened({ optional: Feature.forwarding });
  end.receive(PARTS[0]!, 2);
  assert.deepEqual(wire.log, ['ended unexpectedFrame']);
});

test('a session that ends between two parts gives the unfinished frame up', () => {
  const { end } = opened();
  end.receive(PARTS[0]!, 2);
  assert.ok(end.bufferBytes > 2500);
  end.disconnected('ECONNRESET');
  assert.ok(end.bufferBytes < 64);
});

function pair(random: Prng): { cluster: Cluster; one: Node; two: Node } {
  const cluster = new Cluster([1, 2], {
    latencyMs: () => 1,
    chunkBytesMax: () => random.between(1, 100_000),
  });
  cluster.run(100);
  return { cluster, one: cluster.node(1), two: cluster.node(2) };
}

function sendAppend(node: Node, bytes: number, prev: number, token = 0): SendResult {
  return node.links.sendMessage(append(1, 2, bytes, prev), 1, slab(bytes, prev), null, token);
}

test('entries of 1 MiB arrive in order between two nodes, heartbeats in their midst', () => {
  const { cluster, one, two } = pair(new Prng(3));
  for (let i = 0; i < 6; i += 1) {
    assert.equal(sendAppend(one, i % 2 === 0 ? MIB : 1000, i, i + 1), SendResult.queued);
  }
  one.links.flush();
  for (let round = 1; round <= 40; round += 1) {
    one.links.sendMessage(heartbeat(1, 2, round), 1);
    one.links.flush();
    cluster.run(1);
  }
  const appends = two.seen.frames.filter(({ kind }) => kind === FrameKind.append);
  assert.equal(appends.length, 6);
  appends.forEach(({ body, messages }, i) => {
    const message = messages[0]?.message;
    assert.ok(message?.kind === MessageKind.append && message.prevIndex === i);
    assert.deepEqual(body.subarray(body.length - message.bytes), slab(message.bytes, i));
  });
  const first = two.seen.frames.findIndex(({ kind }) => kind === FrameKind.append);
  assert.ok(first >= 3, `${first} heartbeats before the first of them was whole`);
  assert.deepEqual(one.seen.tokens, [1, 2, 3, 4, 5, 6]);
  assert.equal(one.links.counters.values.framesSplit, 3);
  assert.equal(one.links.dataBytes(nodeId(2)), 0);
});

test('a link that breaks between two parts comes back clean', () => {
  const { cluster, one, two } = pair(new Prng(4));
  sendAppend(one, MIB, 0, 1);
  sendAppend(one, MIB, 1, 2);
  one.links.flush();
  cluster.run(1);
  one.links.drop(nodeId(2), 'badMessage', 'a test');
  cluster.run(3000);
  assert.deepEqual(
    [...one.seen.tokens].sort((a, b) => a - b),
    [1, 2],
  );
  assert.deepEqual(two.seen.frames, []);
  assert.equal(sendAppend(one, MIB, 2, 3), SendResult.queued);
  one.links.flush();
  cluster.run(100);
  assert.equal(two.seen.frames.length, 1);
  assert.deepEqual(two.seen.reasons(), ['disconnected']);
});

test('a node that knows no parts is sent the frame whole', () => {
  const cluster = new Cluster([1], { latencyMs: () => 1 });
  const old = new MemoryAdapter(cluster.network, addressOf(2));
  const kinds: number[] = [];
  const decoder = new FrameDecoder(FRAME_BYTES_MAX, (kind) => kinds.push(kind));
  const connection: Connection = old.connect(addressOf(1), () => {
    const hello = helloTo(nodeId(1), identityOf(2), groups);
    old.write(connection, [encodeHello({ ...hello, optional: Feature.forwarding })], () => {});
  });
  old.setReadCallback(connection, (bytes) => {
    decoder.push(bytes);
  });
  cluster.run(10);
  assert.equal(sendAppend(cluster.node(1), MIB, 0), SendResult.queued);
  cluster.node(1).links.flush();
  cluster.run(10);
  assert.deepEqual(kinds, [FrameKind.hello, FrameKind.append]);
});

test('a bound of parts that cannot work is named', () => {
  assert.deepEqual(peerLimitProblems({ ...PEER_LIMITS, partBytesMax: 1000 }), [
    'partBytesMax is 1000, must be at least 1024',
  ]);
  assert.match(
    peerLimitProblems({ ...PEER_LIMITS, partBytesMax: PEER_LIMITS.batchBytesMax + 1 })[0] ?? '',
    /partBytesMax is 262145, must be at most batchBytesMax \(262144\)/,
  );
});
