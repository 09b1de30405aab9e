/**
 * The four ports of a group's runtime on rings: what a consensus worker gives a `GroupRuntime`.
 *
 * Nothing here decides anything. Bytes that the runtime lends are copied into the ring or, when it
 * is full, into memory of this thread; a message to a peer is lost instead.
 */

import {
  encodeForwarded,
  encodeForwardHeader,
  FORWARD_HEADER_BYTES,
  FORWARDED_BYTES,
  ForwardOutcome,
} from '../../codec/frames/forward-codec.js';
import { FrameKind } from '../../codec/frames/frame-format.js';
import { encodeMessageHeader, messageHeaderBytes } from '../../codec/frames/message-codec.js';
import { ErrorNumber } from '../../engine/errors.js';
import { LIMITS } from '../../engine/limits.js';
import type { Message } from '../../engine/raft/message.js';
import { type LogIndex, logIndex, type NodeId, type Term, term } from '../../engine/raft/types.js';
import type { LogPiece } from '../../engine/runtime/log-index.js';
import type {
  CompletionPort,
  ForwardReply,
  LoadRequest,
  LogReaderPort,
  NetworkPort,
  RuntimeEvent,
  StoragePort,
  Submission,
} from '../../engine/runtime/ports.js';
import {
  CompletionKind,
  DETAIL_BYTES_MAX,
  REFUSED_BYTES,
  RESULT_HEADER_BYTES,
  writeCompletionHeader,
  writeIndex,
  writeLeader,
} from '../records/completion.js';
import { LOAD_BYTES, LoadKind, writeLoad } from '../records/load.js';
import {
  afterBody,
  membersBytes,
  PeerRecordKind,
  sendBytes,
  writeMembers,
  writePiece,
  writeSendHeader,
} from '../records/peer.js';
import { packRecord, type SnapshotOrder } from '../records/snapshot.js';
import { persistBytes, StorageKind, writePersist } from '../records/storage.js';
import { RING_FULL, type RingProducer } from '../ring/spsc-ring.js';
import type { RoomWords } from '../spare-words.js';
import { type Fill, OverflowProducer } from './overflow.js';

export class RingStoragePort implements StoragePort {
  readonly producer: OverflowProducer;
  readonly #room: RoomWords;

  constructor(ring: RingProducer, room: RoomWords) {
    this.producer = new OverflowProducer(ring);
    this.#room = room;
  }

  get isShort(): boolean {
    return this.#room.isShort;
  }

  get isFull(): boolean {
    return this.#room.isFull;
  }

  get waits(): number {
    return this.#room.waits;
  }

  submit(submission: Submission): void {
    const fill = (bytes: Buffer, view: DataView, at: number): void =>
      writePersist(bytes, view, at, submission);
    this.producer.put(StorageKind.persist, persistBytes(submission), fill, () => fill);
  }

  stopped(): void {
    const fill = (): void => {};
    this.producer.put(StorageKind.stopped, 0, fill, () => fill);
  }
}

export class RingLogReaderPort implements LogReaderPort {
  readonly producer: OverflowProducer;

  constructor(ring: RingProducer) {
    this.producer = new OverflowProducer(ring);
  }

  load(request: LoadRequest): void {
    const fill = (_: Buffer, view: DataView, at: number): void => writeLoad(view, at, request);
    this.producer.put(LoadKind.load, LOAD_BYTES, fill, () => fill);
  }

  /** Orders about snapshots go to the same thread. */
  order(order: SnapshotOrder): void {
    const record = packRecord(order);
    const fill = (bytes: Buffer, _: DataView, at: number): void => {
      bytes.set(record, at);
    };
    this.producer.put(LoadKind.snapshot, record.length, fill, () => fill);
  }
}

/** Parts of a large answer leave room in the ring for others. */
const PART_BYTES_MAX = 256 * 1024;

export class RingCompletionPort implements CompletionPort {
  readonly producer: OverflowProducer;
  readonly #payloadBytesMax: number;

  constructor(ring: RingProducer) {
    this.producer = new OverflowProducer(ring);
    this.#payloadBytesMax = ring.payloadBytesMax;
  }

  results(batch: number, offset: number, count: number, results: Uint8Array, first: number): void {
    if (RESULT_HEADER_BYTES + results.length > this.#payloadBytesMax) {
      this.#putTooLarge(CompletionKind.refused, batch, offset, count);
      return;
    }
    this.#putResults(CompletionKind.results, batch, offset, count, results, first);
  }

  /** `index`: of the first command, or the one that all reads reflect. */
  #putResults(
    kind: number,
    batch: number,
    offset: number,
    count: number,
    results: Uint8Array,
    index: number,
  ): void {
    const fillWith =
      (source: Uint8Array) =>
      (bytes: Buffer, view: DataView, at: number): void => {
        writeCompletionHeader(view, at, { batch, offset, count, code: 0 });
        writeIndex(view, at, index);
        bytes.set(source, at + RESULT_HEADER_BYTES);
      };
    const later = (): Fill => fillWith(Uint8Array.from(results));
    this.producer.put(kind, RESULT_HEADER_BYTES + results.length, fillWith(results), later);
  }

  #putTooLarge(kind: number, batch: number, offset: number, count: number): void {
    this.#putRefused(kind, batch, offset, count, ErrorNumber.replyTooLarge, 0);
  }

  readResults(
    batch: number,
    offset: number,
    count: number,
    results: Uint8Array,
    index: number,
  ): void {
    if (RESULT_HEADER_BYTES + results.length > this.#payloadBytesMax) {
      this.#putLarge(batch, offset, count, results, index);
      return;
    }
    this.#putResults(CompletionKind.readResults, batch, offset, count, results, index);
  }

  /** An answer to one read goes in parts; what a command replied has to fit one record. */
  #putLarge(
    batch: number,
    offset: number,
    count: number,
    results: Uint8Array,
    index: number,
  ): void {
    if (count !== 1 || results.length > LIMITS.answerBytesMax) {
      this.#putTooLarge(CompletionKind.readRefused, batch, offset, count);
      return;
    }
    const partBytes = Math.min(PART_BYTES_MAX, this.#payloadBytesMax - RESULT_HEADER_BYTES);
    for (let from = 0; from < results.length; from += partBytes) {
      const part = results.subarray(from, from + partBytes);
      const fillWith =
        (source: Uint8Array) =>
        (bytes: Buffer, view: DataView, at: number): void => {
          const header = { batch, offset, count: results.length, code: from };
          writeCompletionHeader(view, at, header);
          writeIndex(view, at, index);
          bytes.set(source, at + RESULT_HEADER_BYTES);
        };
      const length = RESULT_HEADER_BYTES + part.length;
      const later = (): Fill => fillWith(Uint8Array.from(part));
      this.producer.put(CompletionKind.readPart, length, fillWith(part), later);
    }
  }

  refused(batch: number, offset: number, count: number, code: ErrorNumber, leader: NodeId): void {
    this.#putRefused(CompletionKind.refused, batch, offset, count, code, leader);
  }

  readRefused(batch: number, count: number, code: ErrorNumber, leader: NodeId): void {
    this.#putRefused(CompletionKind.readRefused, batch, 0, count, code, leader);
  }

  readFailed(batch: number, offset: number, text: string): void {
    const { stateMachine } = ErrorNumber;
    this.#putRefused(CompletionKind.readRefused, batch, offset, 1, stateMachine, 0, text);
  }

  #putRefused(
    kind: number,
    batch: number,
    offset: number,
    count: number,
    code: number,
    leader: number,
    text = '',
  ): void {
    const detail = Buffer.from(text).subarray(0, DETAIL_BYTES_MAX);
    const fill = (bytes: Buffer, view: DataView, at: number): void => {
      writeCompletionHeader(view, at, { batch, offset, count, code });
      writeLeader(view, at, leader);
      bytes.set(detail, at + REFUSED_BYTES);
    };
    this.producer.put(kind, REFUSED_BYTES + detail.length, fill, () => fill);
  }

  event(event: RuntimeEvent): void {
    const json =
      event.kind === 'configuration'
        ? { ...event, bytes: Buffer.from(event.bytes).toString('base64') }
        : event;
    const text = Buffer.from(JSON.stringify(json));
    const fill = (bytes: Buffer, _: DataView, at: number): void => {
      bytes.set(text, at);
    };
    this.producer.put(CompletionKind.event, text.length, fill, () => fill);
  }
}

/**
 * Room in the ring that only small frames may take: heartbeats and votes are never behind entries.
 */
const CONTROL_SHARE_BYTES = 64 * 1024;
const NO_FORWARDS: readonly UnsentForward[] = [];

/** A forward that did not leave this node: its commands were certainly not executed. */
export interface UnsentForward {
  readonly to: NodeId;
  readonly forwardId: number;
}

export class RingNetworkPort implements NetworkPort {
  readonly #group: number;
  readonly #ring: RingProducer;
  #unsent: UnsentForward[] = [];
  /** Answers to forwards that found no room: lost ones would end as outcome unknown. */
  #replies: { readonly to: NodeId; readonly reply: ForwardReply }[] = [];
  /** The configuration in force, while the transport has not been told: the ring had no room. */
  #untold: { readonly configuration: Uint8Array; readonly isLost: boolean } | null = null;
  /** Messages that were lost because the ring was full. */
  dropped = 0;

  constructor(group: number, ring: RingProducer) {
    this.#group = group;
    this.#ring = ring;
  }

  send(message: Message): void {
    const body = messageHeaderBytes(message.kind);
    const at = this.#ring.tryClaim(PeerRecordKind.send, sendBytes(body, 0));
    if (at === RING_FULL) this.dropped += 1;
    else this.#writeMessage(at, message, body, 0);
  }

  #writeMessage(at: number, message: Message, body: number, pieces: number): number {
    const { view } = this.#ring;
    const bodyAt = writeSendHeader(view, at, message.to, message.kind, body, pieces);
    encodeMessageHeader(message, this.#group, view, bodyAt);
    return afterBody(bodyAt, body);
  }

  sendAppend(message: Message, pieces: readonly LogPiece[]): void {
    const body = messageHeaderBytes(message.kind);
    const length = sendBytes(body, pieces.length);
    const at = this.#ring.tryClaim(PeerRecordKind.send, length, CONTROL_SHARE_BYTES);
    if (at === RING_FULL) {
      this.dropped += 1;
      return;
    }
    const rest = this.#writeMessage(at, message, body, pieces.length);
    for (const [which, { position, bytes }] of pieces.entries()) {
      writePiece(this.#ring.view, rest, which, position, bytes);
    }
  }

  sendLoaded(message: Message, slab: Uint8Array): void {
    const body = messageHeaderBytes(message.kind);
    const length = sendBytes(body, 0) + slab.length;
    const at = this.#claimInline(length);
    if (at === RING_FULL) return;
    this.#ring.bytes.set(slab, this.#writeMessage(at, message, body, 0));
  }

  #claimInline(length: number): number {
    if (length > this.#ring.payloadBytesMax) {
      this.dropped += 1;
      return RING_FULL;
    }
    const at = this.#ring.tryClaim(PeerRecordKind.sendInline, length, CONTROL_SHARE_BYTES);
    if (at === RING_FULL) this.dropped += 1;
    return at;
  }

  sendForward(to: NodeId, forwardId: number, term: Term, count: number, slab: Uint8Array): void {
    const at = this.#claimInline(sendBytes(FORWARD_HEADER_BYTES, 0) + slab.length);
    if (at === RING_FULL) {
      this.#unsent.push({ to, forwardId });
      return;
    }
    const { view, bytes } = this.#ring;
    const bodyAt = writeSendHeader(view, at, to, FrameKind.forward, FORWARD_HEADER_BYTES, 0);
    const group = this.#group;
    encodeForwardHeader({ group, forwardId, term, count, bytes: slab.length }, view, bodyAt);
    bytes.set(slab, afterBody(bodyAt, FORWARD_HEADER_BYTES));
  }

  /** Forwards that found no room since this was last asked: whoever waits is told to try again. */
  takeUnsentForwards(): readonly UnsentForward[] {
    if (this.#unsent.length === 0) return NO_FORWARDS;
    const unsent = this.#unsent;
    this.#unsent = [];
    return unsent;
  }

  sendForwardReply(to: NodeId, reply: ForwardReply): void {
    if (this.#replies.length > 0 || !this.#tryReply(to, reply)) this.#replies.push({ to, reply });
  }

  /** Only the newest one counts, so that one at most waits for room. */
  configure(configuration: Uint8Array, isLost: boolean): void {
    this.#untold = { configuration, isLost };
    this.#tellMembers();
  }

  #tellMembers(): void {
    if (this.#untold === null) return;
    const { configuration, isLost } = this.#untold;
    const at = this.#ring.tryClaim(PeerRecordKind.members, membersBytes(configuration));
    if (at === RING_FULL) return;
    writeMembers(this.#ring.bytes, this.#ring.view, at, configuration, isLost);
    this.#untold = null;
  }

  /** Something waits for room: the owner must not sleep without a deadline. */
  get isWaiting(): boolean {
    return this.#replies.length > 0 || this.#untold !== null;
  }

  /** Publishes this turn's records, answers that had to wait among them. */
  publish(): boolean {
    this.#tellMembers();
    let sent = 0;
    while (sent < this.#replies.length) {
      const { to, reply } = this.#replies[sent] as { to: NodeId; reply: ForwardReply };
      if (!this.#tryReply(to, reply)) break;
      sent += 1;
    }
    this.#replies.splice(0, sent);
    return this.#ring.commit();
  }

  #tryReply(to: NodeId, reply: ForwardReply): boolean {
    const at = this.#ring.tryClaim(PeerRecordKind.send, sendBytes(FORWARDED_BYTES, 0));
    if (at === RING_FULL) return false;
    const { view } = this.#ring;
    const bodyAt = writeSendHeader(view, at, to, FrameKind.forwarded, FORWARDED_BYTES, 0);
    const outcome = outcomeOf(reply.code);
    const appended = outcome === ForwardOutcome.appended;
    const answer = {
      group: this.#group,
      forwardId: reply.forwardId,
      count: appended ? reply.count : 0,
      outcome,
      firstIndex: logIndex(reply.first) as LogIndex,
      term: term(reply.term),
      leaderHint: reply.leader,
    };
    encodeForwarded(answer, view, bodyAt);
    return true;
  }

  mark(): number {
    return this.#ring.position;
  }

  isConsumed(mark: number): boolean {
    return this.#ring.hasConsumed(mark);
  }
}

function outcomeOf(code: ErrorNumber | 0): ForwardOutcome {
  if (code === 0) return ForwardOutcome.appended;
  if (code === ErrorNumber.notLeader) return ForwardOutcome.notLeader;
  return code === ErrorNumber.busy ? ForwardOutcome.busy : ForwardOutcome.refused;
}
