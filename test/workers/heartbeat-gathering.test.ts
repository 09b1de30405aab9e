/**
 * Heartbeats of groups on different threads meet in the transport: those that say nothing new wait
 * a moment for each other, news and everything else leaves at once and takes them along.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { FrameKind } from '../../codec/frames/frame-format.js';
import { encodeMessageHeader, messageHeaderBytes } from '../../codec/frames/message-codec.js';
import { type Message, MessageKind } from '../../engine/raft/message.js';
import { logIndex, nodeId, term } from '../../engine/raft/types.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import type { PeerLinks } from '../../io/net/peer-links.js';
import { HeartbeatNews } from '../../workers/heartbeat-news.js';
import { PeerRecordKind, sendBytes, writeSendHeader } from '../../workers/records/peer.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RingProducer } from '../../workers/ring/spsc-ring.js';
import { Bell, createGroupMemory } from '../../workers/topology.js';
import { TransportLoop } from '../../workers/transport-loop.js';

const SELF = nodeId(1);
const PEER = nodeId(2);
const MIB = 1024 * 1024;

const heartbeat = (round: number): Message => ({
  kind: MessageKind.heartbeat,
  from: SELF,
  to: PEER,
  term: term(3),
  commit: logIndex(4),
  round,
});

const reply = (durable: number): Message => ({
  kind: MessageKind.heartbeatReply,
  from: SELF,
  to: PEER,
  term: term(3),
  round: 1,
  durable: logIndex(durable),
  applied: logIndex(1),
  needsSnapshot: false,
});

function bodyOf(message: Message, group: number): Uint8Array {
  const body = new Uint8Array(messageHeaderBytes(message.kind));
  encodeMessageHeader(message, group, new DataView(body.buffer), 0);
  return body;
}

/** The loop on some groups, and what it handed to the links: kinds, and `flush`. */
class Transport {
  readonly seen: (FrameKind | 'flush')[] = [];
  readonly loop: TransportLoop;
  readonly #rings: RingProducer[];

  constructor(groups: number) {
    const memories = Array.from({ length: groups }, () => createGroupMemory(64, MIB));
    const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.consensus);
    this.#rings = memories.map((memory) => new RingProducer(memory.toPeers));
    this.loop = new TransportLoop(
      SELF,
      memories.map((memory) => ({ memory, bell })),
    );
    const links = {
      send: (_: unknown, kind: FrameKind): SendResult => {
        this.seen.push(kind);
        return SendResult.queued;
      },
      flush: () => {
        this.seen.push('flush');
      },
    };
    this.loop.attach(links as unknown as PeerLinks);
  }

  /** One turn of a consensus worker: its message is published and the transport wakes. */
  turn(group: number, message: Message): void {
    const ring = this.#rings[group]!;
    const body = bodyOf(message, group);
    const at = ring.tryClaim(PeerRecordKind.send, sendBytes(body.length, 0));
    const bodyAt = writeSendHeader(ring.view, at, message.to, message.kind, body.length, 0);
    ring.bytes.set(body, bodyAt);
    ring.commit();
    assert.equal(this.loop.doWork(), 1);
  }

  take(): (FrameKind | 'flush')[] {
    return this.seen.splice(0);
  }

  async flushed(): Promise<(FrameKind | 'flush')[]> {
    while (!this.seen.includes('flush')) await new Promise((resolve) => setTimeout(resolve, 1));
    return this.take();
  }
}

const { heartbeat: BEAT, heartbeatReply: REPLY, timeoutNow: OTHER } = MessageKind;
const FLUSH = 'flush';

test('repeated heartbeats of four groups, each from its own thread, leave by one flush', async () => {
  const transport = new Transport(4);
  for (let group = 0; group < 4; group += 1) transport.turn(group, heartbeat(1));
  assert.deepEqual(transport.take(), [BEAT, FLUSH, BEAT, FLUSH, BEAT, FLUSH, BEAT, FLUSH]);
  for (let interval = 0; interval < 3; interval += 1) {
    for (let group = 0; group < 4; group += 1) transport.turn(group, heartbeat(1));
    assert.deepEqual(transport.take(), [BEAT, BEAT, BEAT, BEAT], 'they wait for each other');
    assert.deepEqual(await transport.flushed(), [FLUSH]);
  }
});

test('a heartbeat with a new round, and an answer with progress, leave at once', async () => {
  const transport = new Transport(2);
  transport.turn(0, heartbeat(1));
  transport.turn(1, reply(5));
  transport.take();
  transport.turn(0, heartbeat(2));
  assert.deepEqual(transport.take(), [BEAT, FLUSH]);
  transport.turn(1, reply(6));
  assert.deepEqual(transport.take(), [REPLY, FLUSH]);
  transport.turn(0, heartbeat(2));
  transport.turn(1, reply(6));
  assert.deepEqual(transport.take(), [BEAT, REPLY]);
  assert.deepEqual(await transport.flushed(), [FLUSH]);
});

test('anything else leaves at once and takes along what waits', async () => {
  const transport = new Transport(2);
  transport.turn(0, heartbeat(1));
  transport.take();
  transport.turn(0, heartbeat(1));
  transport.turn(1, { kind: OTHER, from: SELF, to: PEER, term: term(3) });
  assert.deepEqual(transport.take(), [BEAT, OTHER, FLUSH]);
  await transport.flushed();
});

test('a node with one group has nothing to gather: its heartbeats never wait', () => {
  const transport = new Transport(1);
  for (let interval = 0; interval < 3; interval += 1) {
    transport.turn(0, heartbeat(1));
    assert.deepEqual(transport.take(), [BEAT, FLUSH]);
  }
});

test('what was said is remembered for each peer and kind apart', () => {
  const news = new HeartbeatNews();
  const body = bodyOf(heartbeat(1), 0);
  assert.ok(news.isNews(2, BEAT, body));
  assert.ok(news.isNews(3, BEAT, body));
  assert.ok(!news.isNews(2, BEAT, body));
  assert.ok(news.isNews(2, REPLY, bodyOf(reply(1), 0)));
  assert.ok(!news.isNews(3, BEAT, body));
  body[20] = 9;
  assert.ok(news.isNews(2, BEAT, body));
  assert.ok(news.isNews(2, OTHER, body));
  assert.ok(news.isNews(2, OTHER, body), 'only heartbeats can be repeated');
});
