/**
 * One connection with its session and its send queue: the place where bytes meet the adapter.
 *
 * A channel lives as long as its stream and never longer: a peer that comes back gets a new one, so
 * nothing queued for one life of a peer can reach the next. It decides nothing about peers.
 */

import { FRAME_HEADER_BYTES, FrameKind } from '../../codec/frames/frame-format.js';
import { holdsEntries } from '../../codec/frames/frame-parts.js';
import type { Hello, Refusal } from '../../codec/frames/handshake.js';
import { Feature, hasFeature } from '../../codec/frames/handshake-check.js';
import { assert, type NodeId } from '../../engine/raft/types.js';
import type { Adapter, Connection } from './adapter.js';
import type { CloseReason } from './close-reason.js';
import type { NetCounters } from './net-counters.js';
import type { PeerSession, PeerSessionOutput } from './peer-session.js';
import { type Batch, type SendLimits, SendQueue } from './send-queue.js';

/** What a channel tells its owner. */
export interface ChannelOwner {
  admit(channel: PeerChannel, hello: Hello): Refusal | null;
  opened(channel: PeerChannel, hello: Hello): void;
  frame(
    channel: PeerChannel,
    kind: FrameKind,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void;
  ended(channel: PeerChannel, reason: CloseReason, detail: string): void;
  released(token: number): void;
}

const EMPTY = new Uint8Array(0);

export class PeerChannel implements PeerSessionOutput {
  /** Who it is, or who it says it is in a handshake that fails; nobody before. */
  peer: NodeId;
  bootId = 0;
  incarnation = 0;
  /** What the peer's HELLO says of bulk connections. */
  takesBulk = false;
  /** Infinity: the handshake was never done. */
  openedAtMs = Number.POSITIVE_INFINITY;
  readonly #adapter: Adapter;
  #owner: ChannelOwner;
  readonly #counters: NetCounters;
  readonly #queue: SendQueue;
  #session: PeerSession | null = null;
  #connection: Connection | null = null;

  constructor(
    adapter: Adapter,
    owner: ChannelOwner,
    counters: NetCounters,
    limits: SendLimits,
    peer: NodeId,
  ) {
    this.#adapter = adapter;
    this.#owner = owner;
    this.#counters = counters;
    this.#queue = new SendQueue(limits, (token) => this.#owner.released(token));
    this.peer = peer;
  }

  /** Ties session and stream to the channel; once, right after construction. */
  attach(session: PeerSession, connection: Connection): void {
    this.#session = session;
    this.#connection = connection;
    this.#adapter.setReadCallback(connection, (bytes) => {
      this.#counters.values.bytesReceived += bytes.length;
      session.receive(bytes, this.#adapter.now());
    });
    this.#adapter.setCloseCallback(connection, (code) => session.disconnected(code));
  }

  /** An accepted connection has said what it is for: somebody else decides about it from now on. */
  handTo(owner: ChannelOwner): void {
    assert(!this.isOpen, 'a channel is handed over before it opens');
    this.#owner = owner;
  }

  get connection(): Connection {
    assert(this.#connection !== null, 'a channel has its connection from the start');
    return this.#connection;
  }

  get session(): PeerSession {
    assert(this.#session !== null, 'a channel has its session from the start');
    return this.#session;
  }

  get remote(): string {
    return this.#connection?.remote ?? '';
  }

  get isOpen(): boolean {
    return this.#session?.isOpen ?? false;
  }

  get wasOpened(): boolean {
    return Number.isFinite(this.openedAtMs);
  }

  /** Whether this HELLO is of the process, and of the data, that the channel was opened to. */
  isOfLife(hello: Hello): boolean {
    return this.bootId === hello.bootId && this.incarnation === hello.incarnation;
  }

  /** Entry bytes that wait or are with the socket. */
  get dataBytes(): number {
    return this.#queue.dataBytes;
  }

  /** False: the queue is full and nothing was taken. */
  push(
    kind: FrameKind,
    body: Uint8Array,
    slabA: Uint8Array | null,
    slabB: Uint8Array | null,
    token: number,
  ): boolean {
    if (holdsEntries(kind) || kind === FrameKind.snapshotChunk) {
      const splitBefore = this.#queue.framesSplit;
      const queued = this.#queue.pushData(kind, body, slabA, slabB, token);
      this.#counters.values.framesSplit += this.#queue.framesSplit - splitBefore;
      return queued;
    }
    assert(slabA === null && slabB === null && token === 0, 'only entries and chunks have slabs');
    const replacedBefore = this.#queue.heartbeatsReplaced;
    const taken = this.#queue.pushControl(kind, body);
    this.#counters.values.heartbeatsReplaced += this.#queue.heartbeatsReplaced - replacedBefore;
    return taken;
  }

  /**
   * Hands the next batch to the socket, unless one is still there; its completion comes back here.
   */
  pump(): void {
    if (!this.isOpen || this.#connection === null) return;
    const batch = this.#queue.take();
    if (batch === null) return;
    this.#count(batch);
    this.session.sent(this.#adapter.now());
    this.#adapter.write(this.#connection, batch.pieces, this.#onWritten);
  }

  #count({ frames, bytes, heartbeats, heartbeatReplies }: Batch): void {
    const { values } = this.#counters;
    values.writes += 1;
    values.framesSent += frames;
    values.bytesSent += bytes;
    values.heartbeatsSent += heartbeats;
    values.heartbeatRepliesSent += heartbeatReplies;
    if (heartbeats > 0) values.heartbeatFramesSent += 1;
    if (heartbeatReplies > 0) values.heartbeatReplyFramesSent += 1;
  }

  readonly #onWritten = (success: boolean): void => {
    this.#queue.written();
    if (success) this.pump();
  };

  transmit(frame: Uint8Array): void {
    assert(this.#connection !== null, 'a session speaks through its connection');
    this.#counters.values.framesSent += 1;
    this.#counters.values.bytesSent += frame.length;
    this.#adapter.write(this.#connection, [frame], () => {});
  }

  ping(): void {
    if (this.#queue.inFlight) return;
    this.#queue.pushControl(FrameKind.ping, EMPTY);
    this.pump();
  }

  admit(hello: Hello): Refusal | null {
    this.peer = hello.from;
    return this.#owner.admit(this, hello);
  }

  opened(hello: Hello): void {
    assert(this.peer === hello.from, 'a peer is opened as the one that was admitted');
    this.bootId = hello.bootId;
    this.incarnation = hello.incarnation;
    this.takesBulk = hasFeature(hello, Feature.bulk);
    this.#queue.takesParts = !this.session.isBulk && hasFeature(hello, Feature.parts);
    this.openedAtMs = this.#adapter.now();
    this.#owner.opened(this, hello);
  }

  frame(kind: FrameKind, bytes: Uint8Array, view: DataView, offset: number, length: number): void {
    assert(offset >= FRAME_HEADER_BYTES, 'a body comes after its header');
    this.#counters.values.framesReceived += 1;
    this.#owner.frame(this, kind, bytes, view, offset, length);
  }

  ended(reason: CloseReason, detail: string, flush: boolean): void {
    assert(this.#connection !== null, 'a session ends with its connection');
    this.#adapter.close(this.#connection, flush ? 'flush' : 'abort');
    this.#counters.values.droppedClosed += this.#queue.clear();
    this.#owner.ended(this, reason, detail);
  }
}
