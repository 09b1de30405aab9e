/**
 * The transport thread's duty: frames of all groups to the peers, frames of the peers to their
 * group.
 *
 * It owns the peers' sockets and nothing else. Frames are routed by their group number without a
 * look at what they say; only heartbeat frames, which carry many groups, are taken apart. Those of
 * groups on different threads are gathered; it never makes a heartbeat of its own. Who the peers
 * are follows from the configurations that the groups tell.
 */

import { decodeConfiguration } from '../codec/configuration.js';
import {
  decodeForward,
  encodeForwarded,
  FORWARDED_BYTES,
  ForwardOutcome,
  forwardNumber,
} from '../codec/frames/forward-codec.js';
import { FrameKind } from '../codec/frames/frame-format.js';
import type { Hello } from '../codec/frames/handshake.js';
import {
  decodeMessages,
  encodeMessageHeader,
  isHeartbeatKind,
  isMessageKind,
  messageGroup,
  messageHeaderBytes,
} from '../codec/frames/message-codec.js';
import type { Message } from '../engine/raft/message.js';
import { logIndex, NOBODY, type NodeId, nodeId, term } from '../engine/raft/types.js';
import { ArenaView } from '../engine/runtime/arena.js';
import { type PeerAddress, SendResult } from '../io/net/peer-handlers.js';
import type { PeerLinks } from '../io/net/peer-links.js';
import { HeartbeatNews } from './heartbeat-news.js';
import { PeerRoster } from './peer-roster.js';
import { OverflowProducer } from './ports/overflow.js';
import {
  FRAME_RECORD_BYTES,
  PeerRecordKind,
  readMembers,
  readPiece,
  readSend,
  type SendRecord,
  writePeerHeader,
} from './records/peer.js';
import type { Doorbell } from './ring/doorbell.js';
import { RECORD_TAKEN, RING_FULL, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import { SlabPool } from './slab-pool.js';
import type { GroupMemory } from './topology.js';

interface TransportGroup {
  readonly arena: ArenaView;
  readonly outgoing: RingConsumer;
  readonly incoming: RingProducer;
  /** UP and DOWN are never lost; frames are when the ring is full. */
  readonly control: OverflowProducer;
  readonly bell: Doorbell;
  readonly news: HeartbeatNews;
}

const RECORDS_PER_TURN = 256;
/** How soon a ring without room for UP and DOWN is looked at again: nobody rings for its room. */
const ROOM_RETRY_MS = 2;
/**
 * How long heartbeats that say nothing new wait for those of other groups: all groups send at the
 * same multiples of their interval, each from its own thread. Nothing else ever waits.
 */
const GATHER_MS = 1;

export class TransportLoop {
  readonly #self: NodeId;
  readonly #groups: TransportGroup[];
  readonly #roster: PeerRoster;
  readonly #pool = new SlabPool();
  readonly #incarnations = new Map<NodeId, number>();
  #links: PeerLinks | null = null;
  #publishing = false;
  #retry: NodeJS.Timeout | null = null;
  /** What was queued in this turn must leave with it. */
  #isUrgent = false;
  #gathering = false;
  /** Frames that a full ring dropped: Raft asks again. */
  droppedFrames = 0;

  /** `peers`: those of the start. */
  constructor(
    self: NodeId,
    groups: readonly { memory: GroupMemory; bell: Doorbell }[],
    peers: readonly PeerAddress[] = [],
  ) {
    this.#self = self;
    this.#roster = new PeerRoster(self, groups.length, peers);
    this.#groups = groups.map(({ memory, bell }) => {
      const incoming = new RingProducer(memory.fromPeers);
      return {
        bell,
        incoming,
        arena: new ArenaView(memory.arena),
        outgoing: new RingConsumer(memory.toPeers),
        news: new HeartbeatNews(),
        control: new OverflowProducer(incoming),
      };
    });
  }

  attach(links: PeerLinks): void {
    this.#links = links;
  }

  hasWork(): boolean {
    return this.#groups.some((group) => group.outgoing.hasRecords());
  }

  /** Sends what the groups have queued; returns how many records that was. */
  doWork(): number {
    let taken = 0;
    this.#isUrgent = false;
    for (const [number, group] of this.#groups.entries()) {
      taken += group.outgoing.drain((kind, at, bytes) => {
        if (kind === PeerRecordKind.members) this.#learn(number, group, at, bytes);
        else this.#send(group, kind, at, bytes);
        return RECORD_TAKEN;
      }, RECORDS_PER_TURN);
    }
    if (this.#isUrgent) this.#links?.flush();
    else if (taken > 0) this.#flushGathered();
    return taken;
  }

  #learn(number: number, { outgoing }: TransportGroup, at: number, bytes: number): void {
    const { configuration, isLost } = readMembers(outgoing.bytes, outgoing.view, at, bytes);
    this.#roster.learn(number, decodeConfiguration(configuration).members, isLost);
    this.#links?.setPeers(this.#roster.peers, this.#roster.letsStrangersIn);
  }

  #flushGathered(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    setTimeout(() => {
      this.#gathering = false;
      this.#links?.flush();
    }, GATHER_MS).unref();
  }

  #send(group: TransportGroup, kind: number, at: number, bytes: number): void {
    const { view, bytes: memory } = group.outgoing;
    const record = readSend(view, at);
    const body = memory.subarray(record.bodyAt, record.bodyAt + record.bodyBytes);
    const slab =
      kind === PeerRecordKind.sendInline
        ? this.#copyInline(memory, record.restAt, at + bytes)
        : this.#copyPieces(group, view, record);
    const to = nodeId(record.to);
    const frameKind = record.frameKind as FrameKind;
    const token = slab?.token ?? 0;
    const isAlone = this.#groups.length === 1;
    if (isAlone || group.news.isNews(to, frameKind, body)) this.#isUrgent = true;
    const result = this.#links?.send(to, frameKind, body, slab?.bytes ?? null, null, token);
    if (result === SendResult.queued) return;
    this.#pool.give(token);
    if (frameKind === FrameKind.forward) this.#answerUnsent(group, to, view, record.bodyAt);
  }

  /**
   * A forward that cannot be sent is answered here, as the other node would: busy, so certainly not
   * executed. Otherwise whoever proposed would wait for an answer that never comes.
   */
  #answerUnsent(group: TransportGroup, to: NodeId, view: DataView, at: number): void {
    const answer = busyAnswer(messageGroup(view, at), forwardNumber(view, at));
    const fill = (bytes: Buffer, into: DataView, start: number): void => {
      const life = this.#incarnations.get(to) ?? 0;
      writePeerHeader(into, start, to, FrameKind.forwarded, life);
      bytes.set(answer, start + FRAME_RECORD_BYTES);
    };
    const length = FRAME_RECORD_BYTES + answer.length;
    group.control.put(PeerRecordKind.frame, length, fill, () => fill);
    this.#publishSoon();
  }

  #copyInline(memory: Buffer, start: number, end: number): { token: number; bytes: Buffer } {
    const { token, buffer } = this.#pool.take(end - start);
    memory.copy(buffer, 0, start, end);
    return { token, bytes: buffer.subarray(0, end - start) };
  }

  #copyPieces(
    group: TransportGroup,
    view: DataView,
    record: SendRecord,
  ): { token: number; bytes: Buffer } | null {
    if (record.pieces === 0) return null;
    let total = 0;
    for (let i = 0; i < record.pieces; i += 1) total += readPiece(view, record.restAt, i).bytes;
    const { token, buffer } = this.#pool.take(total);
    let filled = 0;
    for (let i = 0; i < record.pieces; i += 1) {
      const { position, bytes } = readPiece(view, record.restAt, i);
      const offset = group.arena.offsetOf(position);
      filled += group.arena.bytes.copy(buffer, filled, offset, offset + bytes);
    }
    return { token, bytes: buffer.subarray(0, filled) };
  }

  released(token: number): void {
    this.#pool.give(token);
  }

  onUp(peer: NodeId, hello: Hello, rebooted: boolean): void {
    this.#incarnations.set(peer, hello.incarnation);
    for (const group of this.#groups) {
      this.#control(group, PeerRecordKind.up, peer, rebooted ? 1 : 0, hello.incarnation);
    }
  }

  onDown(peer: NodeId): void {
    for (const group of this.#groups) this.#control(group, PeerRecordKind.down, peer, 0, 0);
  }

  onLeft(peer: NodeId): void {
    this.#incarnations.delete(peer);
    for (const { news } of this.#groups) news.forget(peer);
  }

  #control(
    group: TransportGroup,
    kind: number,
    peer: NodeId,
    detail: number,
    incarnation: number,
  ): void {
    const fill = (_: Buffer, view: DataView, at: number): void =>
      writePeerHeader(view, at, peer, detail, incarnation);
    group.control.put(kind, FRAME_RECORD_BYTES, fill, () => fill);
    this.#publishSoon();
  }

  onFrame(
    peer: NodeId,
    kind: FrameKind,
    bytes: Uint8Array,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    if (isMessageKind(kind) && isHeartbeatKind(kind)) {
      const sink = (group: number, message: Message): void =>
        this.#routeMessage(peer, group, message);
      const whole = decodeMessages(kind, view, offset, length, peer, this.#self, sink);
      if (!whole) this.#links?.drop(peer, 'badMessage', `heartbeat frame of ${length} bytes`);
      return;
    }
    const group = this.#groups[messageGroup(view, offset)];
    if (group === undefined) {
      this.#links?.drop(peer, 'badMessage', `group ${messageGroup(view, offset)} is not here`);
      return;
    }
    const at = this.#claim(group, peer, kind, length);
    if (at !== RING_FULL) group.incoming.bytes.set(bytes.subarray(offset, offset + length), at);
    else if (kind === FrameKind.forward) this.#refuseForward(peer, view, offset, length);
  }

  /** No room for a peer's proposals: it is told at once that they were not taken. */
  #refuseForward(peer: NodeId, view: DataView, offset: number, length: number): void {
    const forward = decodeForward(view, offset, length);
    if (forward === null) return;
    this.#links?.send(peer, FrameKind.forwarded, busyAnswer(forward.group, forward.forwardId));
    this.#links?.flush();
  }

  #routeMessage(peer: NodeId, number: number, message: Message): void {
    const group = this.#groups[number];
    if (group === undefined) return;
    const at = this.#claim(group, peer, message.kind, messageHeaderBytes(message.kind));
    if (at !== RING_FULL) encodeMessageHeader(message, number, group.incoming.view, at);
  }

  /** Room for a frame's body behind its header, or `RING_FULL`. */
  #claim(group: TransportGroup, peer: NodeId, kind: number, bodyBytes: number): number {
    this.#publishSoon();
    const bytes = FRAME_RECORD_BYTES + bodyBytes;
    const fits = !group.control.isWaiting && bytes <= group.incoming.payloadBytesMax;
    const at = fits ? group.incoming.tryClaim(PeerRecordKind.frame, bytes) : RING_FULL;
    if (at === RING_FULL) {
      this.droppedFrames += 1;
      return RING_FULL;
    }
    writePeerHeader(group.incoming.view, at, peer, kind, this.#incarnations.get(peer) ?? 0);
    return at + FRAME_RECORD_BYTES;
  }

  /** Publishes once for everything that one read of a socket brought. */
  #publishSoon(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(() => {
      this.#publishing = false;
      this.#publish();
    });
  }

  #publish(): void {
    for (const group of this.#groups) if (group.control.publish()) group.bell.ring();
    const waits = this.#groups.some((group) => group.control.isWaiting);
    if (!waits || this.#retry !== null) return;
    // It keeps no thread alive: a group that has ended never makes room again.
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#publish();
    }, ROOM_RETRY_MS).unref();
  }
}

function busyAnswer(group: number, forwardId: number): Uint8Array {
  const bytes = new Uint8Array(FORWARDED_BYTES);
  const outcome = ForwardOutcome.busy;
  const nothing = { count: 0, firstIndex: logIndex(0), term: term(0), leaderHint: NOBODY };
  encodeForwarded({ group, forwardId, outcome, ...nothing }, new DataView(bytes.buffer), 0);
  return bytes;
}
