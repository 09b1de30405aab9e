/**
 * The links of this node to all its peers: who dials whom, who is let in, when to try again, and
 * which link a frame takes.
 *
 * There is one stream per pair of nodes, for all groups: the node with the larger id dials; the
 * other one does when no link comes about, as the first may not know it yet, or not where it is
 * now. (Those of snapshots are apart: see bulk-links.ts.) Sending only queues; `flush`, at the end
 * of a turn, makes one write per peer. Nothing here waits, and nothing is kept for a peer that is
 * away: the caller gets a value and Raft sends again. A misbehaving connection costs itself alone.
 * This file must never read an entry.
 */

import { FRAME_HEADER_BYTES, type FrameKind } from '../../codec/frames/frame-format.js';
import {
  type GroupDeclaration,
  type Hello,
  type Refusal,
  RefuseCode,
} from '../../codec/frames/handshake.js';
import { Feature, isBulkHello, type LocalIdentity } from '../../codec/frames/handshake-check.js';
import { encodeMessageHeader, MESSAGE_HEADER_BYTES_MAX } from '../../codec/frames/message-codec.js';
import type { Message } from '../../engine/raft/message.js';
import { assert, NOBODY, type NodeId } from '../../engine/raft/types.js';
import type { Adapter, Connection, Listener, PausingAdapter, Timer } from './adapter.js';
import { backoffMs, type RandomSource } from './backoff.js';
import type { BulkHandlers } from './bulk-handlers.js';
import { BulkLinks } from './bulk-links.js';
import type { CloseReason, PeerEvent } from './close-reason.js';
import { duplicateRefusal } from './duplicate-node.js';
import { FormerPeers, isGreeted, type LinkPeer, linkPeer, refusalOf } from './link-peer.js';
import { NetCounters } from './net-counters.js';
import { type ChannelOwner, PeerChannel } from './peer-channel.js';
import { type PeerAddress, type PeerHandlers, SendResult } from './peer-handlers.js';
import { PEER_LIMITS, type PeerLimits, peerLimitProblems } from './peer-options.js';
import { PeerSession } from './peer-session.js';

export interface PeerLinksOptions {
  readonly adapter: Adapter;
  readonly identity: LocalIdentity;
  readonly listenAddress: string;
  readonly peers: readonly PeerAddress[];
  /** Nodes that were members once: who dials is told that it was removed. */
  readonly former?: readonly NodeId[];
  readonly groups: readonly GroupDeclaration[];
  readonly random: RandomSource;
  /** Where to count, see `createNetFigures`; own memory when left out. */
  readonly figures?: SharedArrayBuffer;
  readonly limits?: Partial<PeerLimits>;
}

/** What bulk connections need besides; `adapter` is that of the links. */
export interface BulkPart {
  readonly adapter: PausingAdapter;
  readonly handlers: BulkHandlers;
}

const NEVER = Number.POSITIVE_INFINITY;
const TIMER_MS_MIN = 1;
/** Nodes that a node which waits lets in at a time: a cluster has no more members than that. */
const GUESTS_MAX = 256;
/** The other side was not reached, or did not speak. */
const UNREACHED: readonly CloseReason[] = ['connectFailed', 'dialTimeout'];
/** Refusals that only a change of members can end: there is no hurry to dial again. */
const UNWANTED: readonly (RefuseCode | null)[] = [RefuseCode.removed, RefuseCode.unknownNode];

export class PeerLinks {
  readonly counters: NetCounters;
  /** The bulk connections; null when this node has none, and its HELLO says so. */
  readonly bulk: BulkLinks | null;
  readonly #adapter: Adapter;
  readonly #identity: LocalIdentity;
  readonly #listenAddress: string;
  readonly #groups: Map<number, GroupDeclaration>;
  readonly #random: RandomSource;
  readonly #limits: PeerLimits;
  readonly #handlers: PeerHandlers;
  readonly #peers = new Map<NodeId, LinkPeer>();
  readonly #former: FormerPeers;
  /** Accepted and not greeted yet, oldest first. */
  readonly #greeting = new Set<PeerChannel>();
  readonly #timer: Timer;
  readonly #header = new Uint8Array(MESSAGE_HEADER_BYTES_MAX);
  readonly #headerView = new DataView(this.#header.buffer);
  #listener: Listener | null = null;
  #timerAtMs = NEVER;
  #state: 'new' | 'running' | 'closed' = 'new';
  /** Some group does not name this node. */
  #isWaiting = false;

  constructor(options: PeerLinksOptions, handlers: PeerHandlers, bulk: BulkPart | null = null) {
    this.#limits = { ...PEER_LIMITS, ...options.limits };
    const problems = peerLimitProblems(this.#limits);
    if (problems.length > 0) throw new RangeError(problems.join('; '));
    this.counters = new NetCounters(options.figures);
    this.#adapter = options.adapter;
    this.#identity = options.identity;
    this.#listenAddress = options.listenAddress;
    this.#groups = new Map(options.groups.map((each) => [each.group, each]));
    this.#random = options.random;
    this.#handlers = handlers;
    this.#former = new FormerPeers(options.former ?? []);
    this.#timer = options.adapter.timerCreate(() => this.#onTimer());
    this.bulk = bulk === null ? null : this.#bulkLinks(bulk);
    assert(this.#identity.nodeId !== NOBODY, 'this node has an id');
    const takesBulk = (this.#identity.optional & Feature.bulk) !== 0;
    assert(takesBulk === (bulk !== null), 'who says that it takes bulk connections takes them');
    this.setPeers(options.peers);
  }

  #bulkLinks({ adapter, handlers }: BulkPart): BulkLinks {
    assert(adapter === this.#adapter, 'all connections of a node have one adapter');
    const context = {
      adapter,
      identity: this.#identity,
      groups: this.#groups,
      limits: this.#limits,
      random: this.#random,
      counters: this.counters,
      peer: (id: NodeId) => this.#peers.get(id),
      event: (event: PeerEvent) => this.#handlers.event(event),
      arm: () => this.#arm(),
    };
    return new BulkLinks(context, handlers);
  }

  start(): void {
    assert(this.#state === 'new', 'links are started once');
    this.#state = 'running';
    const address = this.#listenAddress;
    this.#listener = this.#adapter.listen(address, {
      onConnection: (connection) => this.#accept(connection),
      onListening: (bound) => this.#handlers.listening(bound),
      onListenFailed: (code) => this.#handlers.listenFailed(address, code),
    });
    this.#redialDue(this.#adapter.now());
    this.#arm();
  }

  /**
   * The members from now on, this node left out. New ones are linked to; others keep their link
   * for a while, and are then told that they were removed. An open link stays as it is when its
   * peer has another address: the next one goes there. While this node waits to be added, who dials
   * it is let in and stays as long as its link: it may be the one that adds it.
   */
  setPeers(peers: readonly PeerAddress[], isWaiting = false): void {
    this.#isWaiting = isWaiting;
    const wanted = new Map(peers.map((each) => [each.id, each.address]));
    wanted.delete(this.#identity.nodeId);
    const now = this.#adapter.now();
    for (const peer of this.#peers.values()) {
      const isGuest = !peer.isMember && peer.leavesAtMs === NEVER;
      if (wanted.has(peer.id) || !(peer.isMember || (isGuest && !isWaiting))) continue;
      peer.isMember = false;
      peer.leavesAtMs = now + this.#limits.lingerMs;
    }
    for (const [id, address] of wanted) this.#addPeer(id, address, now);
    if (this.#state === 'running') this.#redialDue(now);
    this.#arm();
  }

  #addPeer(id: NodeId, address: string, nowMs: number): void {
    const known = this.#peers.get(id);
    const peer = known ?? linkPeer(id, address, true);
    // At the start one side of each pair is enough; later the other may not know of this one yet.
    const isNew = known?.isMember !== true;
    if (isNew) peer.redialAtMs = nowMs + (this.#mayDialNow(id) ? 0 : this.#dialAnywayMs(0));
    peer.isMember = true;
    peer.wasMember = true;
    peer.leavesAtMs = NEVER;
    if (peer.address !== address) this.#moved(peer, address, nowMs);
    this.#peers.set(id, peer);
    this.#former.delete(id);
  }

  #mayDialNow(id: NodeId): boolean {
    return this.#dials(id) || this.#state === 'running';
  }

  /** What was being dialled at the former address would come to nothing. */
  #moved(peer: LinkPeer, address: string, nowMs: number): void {
    peer.address = address;
    const { channel } = peer;
    if (channel?.isOpen === true) return;
    peer.attempts = 0;
    if (channel !== null && channel === peer.dialled) {
      peer.channel = null;
      channel.session.end('replaced', `node ${peer.id} is at ${address} now`);
    }
    if (peer.channel === null) peer.redialAtMs = nowMs;
  }

  /** Those whose time is over are no peers any more. */
  #letGoDue(nowMs: number): void {
    for (const peer of [...this.#peers.values()]) if (peer.leavesAtMs <= nowMs) this.#letGo(peer);
  }

  #letGo(peer: LinkPeer): void {
    const { id, channel } = peer;
    if (this.#isWaiting && channel?.isOpen === true) {
      peer.leavesAtMs = NEVER;
      peer.wasMember = false;
      return;
    }
    this.#peers.delete(id);
    if (peer.wasMember) this.#former.add(id);
    this.bulk?.remove(id);
    if (channel !== null) {
      const wasOpen = channel.isOpen;
      peer.channel = null;
      const wasMember = peer.wasMember || this.#former.has(id);
      if (wasOpen) channel.session.refuse(refusalOf(id, this.#identity.nodeId, wasMember));
      else channel.session.end('removed', '');
      if (wasOpen) this.#handlers.down(id, 'removed');
    }
    this.#handlers.left(id);
  }

  /** A group that was made after the start: open links are told, later ones learn it in HELLO. */
  declareGroup(group: GroupDeclaration): void {
    this.#groups.set(group.group, group);
    for (const peer of this.#peers.values()) peer.channel?.session.declare([group]);
    for (const session of this.bulk?.sessions() ?? []) session.declare([group]);
  }

  isUp(peer: NodeId): boolean {
    return this.#peers.get(peer)?.channel?.isOpen ?? false;
  }

  /** Entry bytes to this peer that wait or are with the socket. */
  dataBytes(peer: NodeId): number {
    return this.#peers.get(peer)?.channel?.dataBytes ?? 0;
  }

  /**
   * Queues a frame. `body` (an encoded message header, or heartbeat records) is copied; the slabs
   * of an append or forward are read until `token`, if not 0, comes back by `released`. When the
   * result is not `queued`, nothing was taken and no token comes back.
   */
  send(
    to: NodeId,
    kind: FrameKind,
    body: Uint8Array,
    slabA: Uint8Array | null = null,
    slabB: Uint8Array | null = null,
    token = 0,
  ): SendResult {
    const bytes = FRAME_HEADER_BYTES + body.length + (slabA?.length ?? 0) + (slabB?.length ?? 0);
    assert(bytes <= this.#limits.frameBytesMax, 'a frame is not larger than the limit');
    const channel = this.#peers.get(to)?.channel;
    if (channel === null || channel === undefined || !channel.isOpen) {
      this.counters.values.droppedDown += 1;
      return SendResult.notConnected;
    }
    if (channel.push(kind, body, slabA, slabB, token)) return SendResult.queued;
    this.counters.values.droppedFull += 1;
    return SendResult.queueFull;
  }

  /** `send` for a message that is still a value. */
  sendMessage(
    message: Message,
    group: number,
    slabA: Uint8Array | null = null,
    slabB: Uint8Array | null = null,
    token = 0,
  ): SendResult {
    const bytes = encodeMessageHeader(message, group, this.#headerView, 0);
    const header = this.#header.subarray(0, bytes);
    return this.send(message.to, message.kind, header, slabA, slabB, token);
  }

  /** End of a turn: what was queued leaves, one write per peer. */
  flush(): void {
    for (const peer of this.#peers.values()) peer.channel?.pump();
  }

  /** Ends a link whose frames make no sense to the caller; it is dialled again later. */
  drop(peer: NodeId, reason: CloseReason, detail: string): void {
    this.#peers.get(peer)?.channel?.session.end(reason, detail);
  }

  /** Closes everything; what was flushed before still leaves. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#adapter.timerDestroy(this.#timer);
    this.#listener?.close();
    for (const channel of [...this.#greeting]) channel.session.end('shutdown', '');
    this.bulk?.close();
    for (const peer of this.#peers.values()) peer.channel?.session.end('shutdown', '');
  }

  /** The side of a pair that dials at once; the other one does after a while without a link. */
  #dials(peer: NodeId): boolean {
    return this.#identity.nodeId > peer;
  }

  #channel(peer: NodeId, connect: (channel: PeerChannel) => Connection): PeerChannel {
    const channel = new PeerChannel(this.#adapter, this.#owner, this.counters, this.#limits, peer);
    const now = this.#adapter.now();
    const session = new PeerSession(this.#identity, this.#groups, this.#limits, peer, channel, now);
    channel.attach(session, connect(channel));
    return channel;
  }

  #dial(peer: LinkPeer): void {
    this.counters.values.dials += 1;
    peer.attempts += 1;
    peer.redialAtMs = NEVER;
    const channel = this.#channel(peer.id, (channel) =>
      this.#adapter.connect(peer.address, (failure) => {
        if (failure !== null) channel.session.disconnected(failure);
        else channel.session.connected(this.#adapter.now());
      }),
    );
    peer.channel = channel;
    peer.dialled = channel;
  }

  #accept(connection: Connection): void {
    this.counters.values.accepts += 1;
    if (this.#state === 'closed') {
      this.#adapter.close(connection, 'abort');
      return;
    }
    this.#greeting.add(this.#channel(NOBODY, () => connection));
    if (this.#greeting.size > this.#limits.greetingConnectionsMax) {
      for (const oldest of this.#greeting) {
        oldest.session.end('evicted', `${this.#limits.greetingConnectionsMax} are waiting`);
        break;
      }
    }
    this.#arm();
  }

  readonly #owner: ChannelOwner = {
    admit: (channel, hello) => this.#admit(channel, hello),
    opened: (channel, hello) => this.#opened(channel, hello),
    frame: (channel, kind, bytes, view, offset, length) =>
      this.#handlers.frame(channel.peer, kind, bytes, view, offset, length),
    ended: (channel, reason, detail) => this.#ended(channel, reason, detail),
    released: (token) => this.#handlers.released(token),
  };

  #admit(channel: PeerChannel, hello: Hello): Refusal | null {
    const { nodeId } = this.#identity;
    const peer = this.#peers.get(hello.from);
    if (peer === undefined) return this.#admitStranger(hello);
    if (isBulkHello(hello)) return this.#admitBulk(channel, hello);
    if (peer.channel === channel) return null;
    if (this.#dials(hello.from) && isGreeted(peer)) {
      const text = `node ${nodeId} dials node ${hello.from}, not the other way round`;
      return { code: RefuseCode.direction, text };
    }
    const { duplicateMs } = this.#limits;
    const now = this.#adapter.now();
    return duplicateRefusal(peer.channel, hello, channel.remote, now, duplicateMs);
  }

  #admitStranger(hello: Hello): Refusal | null {
    const { from } = hello;
    if (this.#isWaiting && !isBulkHello(hello) && this.#guests < GUESTS_MAX) return null;
    return refusalOf(from, this.#identity.nodeId, this.#former.has(from));
  }

  get #guests(): number {
    return [...this.#peers.values()].filter(({ wasMember }) => !wasMember).length;
  }

  #guest({ from, address }: Hello): LinkPeer {
    const guest = linkPeer(from, address, false);
    this.#peers.set(from, guest);
    return guest;
  }

  #admitBulk(channel: PeerChannel, hello: Hello): Refusal | null {
    assert(this.bulk !== null, 'a feature that this node lacks was refused before');
    const refusal = this.bulk.admit(channel, hello);
    if (refusal === null) this.#greeting.delete(channel);
    return refusal;
  }

  #opened(channel: PeerChannel, hello: Hello): void {
    const peer = this.#peers.get(hello.from) ?? this.#guest(hello);
    this.#greeting.delete(channel);
    if (peer.channel !== channel) peer.channel?.session.end('replaced', '');
    peer.channel = channel;
    peer.lastFailure = '';
    const rebooted = peer.bootId !== 0 && peer.bootId !== hello.bootId;
    peer.bootId = hello.bootId;
    this.counters.values.handshakes += 1;
    if (rebooted) this.counters.values.reboots += 1;
    this.#arm();
    this.#handlers.up(peer.id, hello, rebooted);
  }

  #ended(channel: PeerChannel, reason: CloseReason, detail: string): void {
    this.counters.closes[reason] += 1;
    this.#greeting.delete(channel);
    const peer = this.#peers.get(channel.peer);
    const event = { remote: channel.remote, peer: channel.peer, reason, detail };
    if (peer === undefined || peer.channel !== channel) {
      this.#handlers.event(event);
      return;
    }
    const failure = `${reason} ${detail}`;
    const wasOpen = channel.wasOpened;
    const isNews = failure !== peer.lastFailure && !this.#isExpected(peer, reason, channel);
    if (wasOpen || isNews) this.#handlers.event(event);
    peer.lastFailure = failure;
    peer.channel = null;
    if (!peer.isMember) peer.leavesAtMs = Math.min(peer.leavesAtMs, this.#lingerEndMs);
    this.#scheduleRedial(peer, channel);
    if (wasOpen) this.#handlers.down(peer.id, reason);
  }

  get #lingerEndMs(): number {
    return this.#adapter.now() + this.#limits.lingerMs;
  }

  /** That a dial which was the other side's to make came to nothing says nothing new. */
  #isExpected(peer: LinkPeer, reason: CloseReason, { session }: PeerChannel): boolean {
    if (this.#dials(peer.id)) return false;
    return UNREACHED.includes(reason) || session.refusedWith === RefuseCode.direction;
  }

  #scheduleRedial(peer: LinkPeer, channel: PeerChannel): void {
    if (this.#state === 'closed') return;
    const now = this.#adapter.now();
    const { redialMsMin: minMs, redialMsMax, refusedMsMax } = this.#limits;
    const isUnwanted = UNWANTED.includes(channel.session.refusedWith);
    const maxMs = isUnwanted ? refusedMsMax : redialMsMax;
    if (channel.openedAtMs <= now - maxMs) peer.attempts = 1;
    const attempt = Math.max(0, peer.attempts - 1);
    const waitMs = this.#dials(peer.id)
      ? backoffMs(attempt, { minMs, maxMs }, this.#random)
      : this.#dialAnywayMs(attempt);
    peer.redialAtMs = now + waitMs;
    this.#arm();
  }

  #dialAnywayMs(attempt: number): number {
    const { dialAnywayMs: minMs, refusedMsMax: maxMs } = this.#limits;
    return backoffMs(attempt, { minMs, maxMs }, this.#random);
  }

  #redialDue(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.channel === null && peer.wasMember && peer.redialAtMs <= nowMs) this.#dial(peer);
    }
  }

  #sessions(): PeerSession[] {
    const channels = [...this.#greeting];
    for (const { channel } of this.#peers.values()) if (channel !== null) channels.push(channel);
    return [...channels.map(({ session }) => session), ...(this.bulk?.sessions() ?? [])];
  }

  #onTimer(): void {
    const now = this.#adapter.now();
    const lateMs = now - this.#timerAtMs;
    this.#timerAtMs = NEVER;
    const sessions = this.#sessions();
    if (lateMs > this.#limits.pingMs) for (const each of sessions) each.forgive(lateMs, now);
    for (const each of sessions) each.tick(now);
    this.bulk?.tick(now);
    this.#letGoDue(now);
    this.#redialDue(now);
    this.#arm();
  }

  /** Sets the one timer to the earliest deadline, unless it already fires by then. */
  #arm(): void {
    if (this.#state !== 'running') return;
    let due = this.bulk?.deadlineMs() ?? NEVER;
    for (const session of this.#sessions()) due = Math.min(due, session.deadlineMs());
    for (const peer of this.#peers.values()) {
      if (peer.channel === null) due = Math.min(due, peer.redialAtMs);
      due = Math.min(due, peer.leavesAtMs);
    }
    if (due >= this.#timerAtMs) return;
    const now = this.#adapter.now();
    const delayMs = Math.max(TIMER_MS_MIN, Math.ceil(due - now));
    this.#timerAtMs = now + delayMs;
    this.#adapter.timerStart(this.#timer, delayMs, false);
  }
}
