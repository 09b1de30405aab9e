/**
 * Bulk connections: snapshots travel by streams of their own, so that no heartbeat is ever behind a
 * chunk. Who fetches dials, when it fetches; a while after the last chunk the connection ends.
 *
 * At most one per peer and direction, apart from the ordinary link of the pair, which they never
 * touch: the loss of one costs the transfer and is told, nothing more. Nothing is asked twice by
 * itself. Chunks go from and to the memory of the caller; this file must never copy one.
 */

import type { ChunkSink } from '../../codec/frames/chunk-decoder.js';
import { FrameKind } from '../../codec/frames/frame-format.js';
import type { GroupDeclaration, Hello, Refusal } from '../../codec/frames/handshake.js';
import type { LocalIdentity } from '../../codec/frames/handshake-check.js';
import {
  decodeFetch,
  decodeRefused,
  encodeChunkHead,
  encodeFetch,
  encodeRefused,
  type SnapshotChunkHead,
  type SnapshotFetch,
  type SnapshotRefusal,
} from '../../codec/frames/snapshot-frames.js';
import { assert, type NodeId } from '../../engine/raft/types.js';
import type { PausingAdapter } from './adapter.js';
import { backoffMs, type RandomSource } from './backoff.js';
import type { BulkHandlers } from './bulk-handlers.js';
import { BulkPeer } from './bulk-peer.js';
import { type CloseReason, isRefusalReason, type PeerEvent } from './close-reason.js';
import { duplicateRefusal } from './duplicate-node.js';
import type { NetCounters } from './net-counters.js';
import { type ChannelOwner, PeerChannel } from './peer-channel.js';
import { SendResult } from './peer-handlers.js';
import type { PeerLimits } from './peer-options.js';
import { PeerSession } from './peer-session.js';

/** What the links of this node share with their bulk connections. */
export interface BulkContext {
  readonly adapter: PausingAdapter;
  readonly identity: LocalIdentity;
  readonly groups: ReadonlyMap<number, GroupDeclaration>;
  readonly limits: PeerLimits;
  readonly random: RandomSource;
  readonly counters: NetCounters;
  /** Address and ordinary link of a peer; undefined for a node that is none. */
  peer(id: NodeId): { readonly address: string; readonly channel: PeerChannel | null } | undefined;
  event(event: PeerEvent): void;
  /** A deadline may have come nearer. */
  arm(): void;
}

/** Chunks that wait or are with the socket, per connection. */
const CHUNKS_QUEUED_MAX = 2;

const NEVER = Number.POSITIVE_INFINITY;

export class BulkLinks {
  readonly #context: BulkContext;
  readonly #handlers: BulkHandlers;
  readonly #peers = new Map<NodeId, BulkPeer>();
  /** The connections of chunks whose memory is in use, by token. */
  readonly #sending = new Map<number, PeerChannel>();
  #isClosed = false;

  constructor(context: BulkContext, handlers: BulkHandlers) {
    this.#context = context;
    this.#handlers = handlers;
  }

  /**
   * Asks a peer for chunks, by a connection that is dialled if there is none. Returns why the peer
   * cannot be asked, or null: then chunks or a refusal come, or `down`.
   */
  fetch(to: NodeId, asked: SnapshotFetch): string | null {
    const { identity, adapter } = this.#context;
    const known = this.#context.peer(to);
    if (known === undefined || this.#isClosed) {
      return `node ${to} is not a member that node ${identity.nodeId} knows`;
    }
    if (known.address === '') {
      return `node ${to} has not said where it is reached, which snapshots need: upgrade it`;
    }
    if (known.channel?.wasOpened === true && !known.channel.takesBulk) {
      return `node ${to} runs a version without bulk connections, which snapshots need: upgrade it`;
    }
    const peer = this.#peer(to);
    if (peer.outbound?.isOpen === true) this.#ask(peer, peer.outbound, asked);
    else {
      peer.waiting.set(asked.group, asked);
      if (peer.outbound === null && peer.dialAtMs === NEVER) peer.dialAtMs = adapter.now();
      this.#dialDue(peer, adapter.now());
    }
    this.#context.arm();
    return null;
  }

  /**
   * Sends a chunk that this peer asked for; `stored` is read until `token`, which is not 0, comes
   * back by `released`. When the result is not `queued`, nothing was taken and no token comes back.
   */
  sendChunk(to: NodeId, head: SnapshotChunkHead, stored: Uint8Array, token: number): SendResult {
    assert(stored.length === head.packed.storedBytes, 'a chunk is as long as its head says');
    const channel = this.#peers.get(to)?.inbound;
    if (channel?.isOpen !== true) return SendResult.notConnected;
    if (!this.#hasRoom(channel)) return SendResult.queueFull;
    const kind = FrameKind.snapshotChunk;
    if (!channel.push(kind, encodeChunkHead(head), stored, null, token)) {
      return SendResult.queueFull;
    }
    this.#sending.set(token, channel);
    this.#context.counters.values.snapshotBytesSent += stored.length;
    channel.pump();
    return SendResult.queued;
  }

  #hasRoom(channel: PeerChannel): boolean {
    let queued = 0;
    for (const each of this.#sending.values()) if (each === channel) queued += 1;
    return queued < CHUNKS_QUEUED_MAX;
  }

  /** Answers a peer that its snapshot cannot be had here; lost when it is gone. */
  refuse(to: NodeId, refusal: SnapshotRefusal): void {
    const channel = this.#peers.get(to)?.inbound;
    if (channel?.isOpen !== true) return;
    channel.push(FrameKind.snapshotRefused, encodeRefused(refusal), null, null, 0);
    channel.pump();
  }

  /** Some connection waits for room. */
  get isPaused(): boolean {
    for (const { outbound } of this.#peers.values()) {
      if (outbound?.session.isPaused === true) return true;
    }
    return false;
  }

  /** There may be room: each connection that waits for some asks again. */
  resume(): void {
    const { adapter } = this.#context;
    for (const { outbound } of [...this.#peers.values()]) {
      if (outbound?.session.isPaused !== true) continue;
      outbound.session.resume(adapter.now());
      if (!outbound.session.isEnded && !outbound.session.isPaused) {
        adapter.setReading(outbound.connection, true);
      }
    }
  }

  /** A HELLO that is one of a bulk connection; null: `channel` belongs here from now on. */
  admit(channel: PeerChannel, hello: Hello): Refusal | null {
    const peer = this.#peer(hello.from);
    const refusal = this.#ofAnotherLife(channel, hello, peer.inbound);
    if (refusal === null) channel.handTo(this.#owner);
    return refusal;
  }

  /** The process that says this must be the one of the other connections of its node. */
  #ofAnotherLife(channel: PeerChannel, hello: Hello, second: PeerChannel | null): Refusal | null {
    const { adapter, limits } = this.#context;
    const ordinary = this.#context.peer(hello.from)?.channel ?? null;
    for (const old of [ordinary, second]) {
      const { duplicateMs } = limits;
      const refusal = duplicateRefusal(old, hello, channel.remote, adapter.now(), duplicateMs);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  sessions(): PeerSession[] {
    const sessions: PeerSession[] = [];
    for (const { outbound, inbound } of this.#peers.values()) {
      for (const channel of [outbound, inbound])
        if (channel !== null) sessions.push(channel.session);
    }
    return sessions;
  }

  /** When `tick` has something to do, at the latest; the sessions have deadlines of their own. */
  deadlineMs(): number {
    let due = NEVER;
    for (const peer of this.#peers.values()) {
      due = Math.min(due, peer.uselessAtMs(this.#context.limits));
      if (peer.outbound === null) due = Math.min(due, peer.dialAtMs);
    }
    return due;
  }

  tick(nowMs: number): void {
    for (const peer of [...this.#peers.values()]) {
      if (peer.outbound?.session.isPaused === true) peer.usedAtMs = nowMs;
      if (peer.uselessAtMs(this.#context.limits) <= nowMs) {
        const silence = `nothing came for ${Math.round(nowMs - peer.lastUseMs)} ms`;
        const [reason, detail] = peer.isAsked
          ? (['idle', silence] as const)
          : (['unused', ''] as const);
        peer.outbound?.session.end(reason, detail);
      }
      this.#dialDue(peer, nowMs);
    }
  }

  /** A node that is no peer any more, or all of them. */
  remove(id: NodeId): void {
    this.#endBoth(this.#peers.get(id), 'removed');
    this.#peers.delete(id);
  }

  close(): void {
    this.#isClosed = true;
    for (const peer of [...this.#peers.values()]) this.#endBoth(peer, 'shutdown');
  }

  #endBoth(peer: BulkPeer | undefined, reason: CloseReason): void {
    peer?.outbound?.session.end(reason, '');
    peer?.inbound?.session.end(reason, '');
  }

  #peer(id: NodeId): BulkPeer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const fresh = new BulkPeer(id);
    this.#peers.set(id, fresh);
    return fresh;
  }

  #dialDue(peer: BulkPeer, nowMs: number): void {
    if (peer.outbound !== null || peer.dialAtMs > nowMs || this.#isClosed) return;
    peer.dialAtMs = NEVER;
    const address = this.#context.peer(peer.id)?.address;
    if (address !== undefined && address !== '' && peer.isAsked) this.#dial(peer, address);
  }

  #dial(peer: BulkPeer, address: string): void {
    const { adapter, identity, groups, limits, counters } = this.#context;
    counters.values.dials += 1;
    peer.attempts += 1;
    const channel = new PeerChannel(adapter, this.#owner, counters, limits, peer.id);
    const sink = this.#sinkOf(peer, channel);
    const now = adapter.now();
    const session = new PeerSession(identity, groups, limits, peer.id, channel, now, sink);
    const connection = adapter.connect(address, (failure) => {
      if (failure !== null) session.disconnected(failure);
      else session.connected(adapter.now());
    });
    channel.attach(session, connection);
    peer.outbound = channel;
  }

  #sinkOf(peer: BulkPeer, channel: PeerChannel): ChunkSink {
    const { adapter, counters } = this.#context;
    return {
      space: (head) => {
        const space = this.#handlers.space(peer.id, head);
        if (typeof space === 'string') {
          channel.session.end('badMessage', space);
          return null;
        }
        if (space === null) adapter.setReading(channel.connection, false);
        else peer.isLanding = true;
        peer.usedAtMs = adapter.now();
        return space;
      },
      landed: (head) => {
        counters.values.framesReceived += 1;
        counters.values.snapshotBytesReceived += head.packed.storedBytes;
        peer.isLanding = false;
        peer.got(head, adapter.now());
        this.#handlers.chunk(peer.id, head);
      },
    };
  }

  #ask(peer: BulkPeer, channel: PeerChannel, asked: SnapshotFetch): void {
    channel.push(FrameKind.snapshotFetch, encodeFetch(asked), null, null, 0);
    channel.pump();
    peer.asked(asked, this.#context.adapter.now());
  }

  readonly #owner: ChannelOwner = {
    admit: (channel, hello) => this.#ofAnotherLife(channel, hello, null),
    opened: (channel) => this.#opened(channel),
    frame: (channel, kind, _, view, offset, length) =>
      this.#onFrame(channel, kind, view, offset, length),
    ended: (channel, reason, detail) => this.#ended(channel, reason, detail),
    released: (token) => {
      this.#sending.delete(token);
      this.#handlers.released(token);
    },
  };

  #opened(channel: PeerChannel): void {
    const peer = this.#peer(channel.peer);
    const { counters, adapter } = this.#context;
    counters.values.handshakes += 1;
    counters.values.bulkConnections += 1;
    if (channel !== peer.outbound) {
      peer.inbound?.session.end('replaced', '');
      peer.inbound = channel;
    } else {
      peer.attempts = 0;
      peer.lastFailure = '';
      peer.usedAtMs = adapter.now();
      for (const asked of peer.waiting.values()) this.#ask(peer, channel, asked);
      peer.waiting.clear();
    }
    this.#context.arm();
  }

  #onFrame(
    channel: PeerChannel,
    kind: FrameKind,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    const isFetch = kind === FrameKind.snapshotFetch;
    const asked = isFetch ? decodeFetch(view, offset, length) : null;
    const refusal = isFetch ? null : decodeRefused(view, offset, length);
    if (asked !== null) this.#handlers.fetch(channel.peer, asked);
    else if (refusal === null) channel.session.end('badMessage', `kind ${kind}, malformed`);
    else {
      this.#peer(channel.peer).refused(refusal.group, this.#context.adapter.now());
      this.#handlers.refused(channel.peer, refusal);
    }
  }

  #ended(channel: PeerChannel, reason: CloseReason, detail: string): void {
    const { counters } = this.#context;
    counters.closes[reason] += 1;
    if (channel.wasOpened) counters.values.bulkConnections -= 1;
    const peer = this.#peers.get(channel.peer);
    if (peer === undefined || channel !== peer.outbound) {
      if (peer?.inbound === channel) {
        peer.inbound = null;
        this.#handlers.left(peer.id);
      }
      // That a peer has fetched what it wanted is no news.
      if (reason !== 'disconnected') this.#tell(channel, reason, detail);
      return;
    }
    const failure = `${reason} ${detail}`;
    const isNews = channel.wasOpened || failure !== peer.lastFailure;
    if (reason !== 'unused' && isNews) this.#tell(channel, reason, detail);
    peer.lastFailure = failure;
    this.#endedOutbound(peer, reason, detail);
  }

  #tell(channel: PeerChannel, reason: CloseReason, detail: string): void {
    const { remote, peer } = channel;
    const which = 'bulk connection';
    this.#context.event({
      remote,
      peer,
      reason,
      detail: detail === '' ? which : `${which}: ${detail}`,
    });
  }

  #endedOutbound(peer: BulkPeer, reason: CloseReason, detail: string): void {
    const { limits, random, adapter } = this.#context;
    const { redialMsMin: minMs, redialMsMax: maxMs } = limits;
    const { isLanding } = peer;
    const unasked = isRefusalReason(reason) ? [...peer.waiting.values()] : [];
    const wasUsed = reason !== 'unused';
    peer.forget();
    // The next fetch dials again, but no faster than that.
    peer.dialAtMs = adapter.now() + backoffMs(peer.attempts, { minMs, maxMs }, random);
    if (isLanding) this.#handlers.spaceLost(peer.id);
    const text = `no bulk connection to node ${peer.id}: ${reason} (${detail})`;
    for (const { group, point } of unasked) this.#handlers.refused(peer.id, { group, point, text });
    if (wasUsed) this.#handlers.down(peer.id);
  }
}
