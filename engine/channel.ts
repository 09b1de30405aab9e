/**
 * The pipelined face of one group: how proposals and reads enter its inbox ring and how their
 * results come back, without a promise or an object per operation.
 *
 * Commands are written straight into a batch buffer in entry layout; a batch becomes one ring
 * record at the end of the turn. Results arrive in the order of the batch, each at the sink that
 * asked. This file must never know Raft, nor look into a command.
 */

import { EntryKind, entryBytes, writeEntryHeader } from '../codec/entry.js';
import { ResultReader } from '../codec/results.js';
import {
  COMPLETION_HEADER_BYTES,
  CompletionKind,
  readCompletionHeader,
  readLeader,
} from '../workers/records/completion.js';
import {
  INBOX_HEADER_BYTES,
  InboxKind,
  writeProposeHeader,
  writeReadHeader,
} from '../workers/records/inbox.js';
import type { Doorbell } from '../workers/ring/doorbell.js';
import {
  RECORD_TAKEN,
  RING_FULL,
  type RingConsumer,
  type RingProducer,
} from '../workers/ring/spsc-ring.js';
import { ErrorNumber } from './errors.js';
import { LIMITS } from './limits.js';
import type { Consistency } from './runtime/reads.js';

/** Who gets the result of an operation; `token` is what it gave when it asked. */
export interface CompletionSink {
  /** Bytes at `buffer[start, end)` are lent for the call. */
  result(token: number, buffer: Buffer, start: number, end: number, rejected: boolean): void;
  refused(token: number, code: ErrorNumber, leader: number): void;
}

/** Answer of `claim` when too much is in flight. */
export const CHANNEL_BUSY = -1;
/** Answer of `claim` when the command is larger than the group allows. */
export const CHANNEL_TOO_LARGE = -2;

const QUERY_HEADER_BYTES = 4;
/** A result may come this much later than the deadline that the worker was given. */
const DEADLINE_GRACE_MS = 250;

interface Batch {
  readonly sinks: CompletionSink[];
  readonly tokens: number[];
  readonly isRead: boolean;
  readonly expiresAt: number;
  done: number;
}

/** What makes one record: everything in a batch shares it. */
export interface BatchOptions {
  readonly deadline: number;
  /** Proposals: forward from a follower; reads: consistency and what must be seen. */
  readonly mayForward: boolean;
  readonly consistency: Consistency;
  readonly behindWrites: boolean;
}

class OpenBatch {
  buffer = Buffer.allocUnsafeSlow(LIMITS.batchBytesMax * 2);
  view = new DataView(this.buffer.buffer);
  length = 0;
  sinks: CompletionSink[] = [];
  tokens: number[] = [];
  options: BatchOptions | null = null;

  /** Makes sure that `bytes` more fit. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
    this.view = new DataView(larger.buffer);
  }

  clear(): void {
    this.length = 0;
    this.sinks = [];
    this.tokens = [];
    this.options = null;
  }
}

const sameOptions = (a: BatchOptions, b: BatchOptions): boolean =>
  a.mayForward === b.mayForward &&
  a.consistency === b.consistency &&
  a.behindWrites === b.behindWrites &&
  Math.abs(a.deadline - b.deadline) < 1;

export interface ChannelParts {
  readonly inbox: RingProducer;
  readonly completions: RingConsumer;
  readonly bell: Doorbell;
  readonly entryBytesMax: number;
  /** Asks for a `flush` at the end of this turn of the event loop. */
  readonly flushSoon: () => void;
  readonly onEvent: (json: string) => void;
}

export class Channel {
  readonly #parts: ChannelParts;
  readonly #writes = new OpenBatch();
  readonly #reads = new OpenBatch();
  readonly #batches = new Map<number, Batch>();
  #nextBatch = 1;
  #inflight = 0;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
  }

  /** Operations that were taken and not answered yet. */
  get inflight(): number {
    return this.#inflight;
  }

  hasCompletions(): boolean {
    return this.#parts.completions.hasRecords();
  }

  /**
   * Room for a command of `payloadBytes`: fill `writeBuffer` at the returned offset at once. Or
   * `CHANNEL_BUSY`, `CHANNEL_TOO_LARGE`: then nothing was taken and nothing will be answered.
   */
  claimWrite(
    payloadBytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    if (payloadBytes > this.#parts.entryBytesMax) return CHANNEL_TOO_LARGE;
    const bytes = entryBytes(payloadBytes);
    const batch = this.#writes;
    if (!this.#admit(batch, bytes, options)) return CHANNEL_BUSY;
    batch.reserve(bytes);
    const at = writeEntryHeader(batch.view, batch.length, EntryKind.command, payloadBytes, 0);
    batch.length += bytes;
    this.#book(batch, sink, token);
    return at;
  }

  get writeBuffer(): Buffer {
    return this.#writes.buffer;
  }

  get writeView(): DataView {
    return this.#writes.view;
  }

  /** The same for a query, to be filled into `readBuffer`. */
  claimRead(
    queryBytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    if (queryBytes > this.#parts.entryBytesMax) return CHANNEL_TOO_LARGE;
    const bytes = QUERY_HEADER_BYTES + queryBytes;
    const batch = this.#reads;
    if (!this.#admit(batch, bytes, options)) return CHANNEL_BUSY;
    batch.reserve(bytes);
    batch.view.setUint32(batch.length, queryBytes, true);
    const at = batch.length + QUERY_HEADER_BYTES;
    batch.length += bytes;
    this.#book(batch, sink, token);
    return at;
  }

  get readBuffer(): Buffer {
    return this.#reads.buffer;
  }

  #admit(batch: OpenBatch, bytes: number, options: BatchOptions): boolean {
    if (this.#inflight >= LIMITS.inflightEntriesMax) return false;
    const full = batch.length + bytes > LIMITS.batchBytesMax && batch.length > 0;
    const differs = batch.options !== null && !sameOptions(batch.options, options);
    // Writes always enter the ring before the reads that may have to see them.
    if ((full || differs) && !this.flush()) return false;
    batch.options ??= options;
    return true;
  }

  #book(batch: OpenBatch, sink: CompletionSink, token: number): void {
    if (batch.sinks.length === 0) this.#parts.flushSoon();
    batch.sinks.push(sink);
    batch.tokens.push(token);
    this.#inflight += 1;
  }

  /**
   * Turns what was gathered into ring records; false when the ring has no room: it stays gathered.
   */
  flush(): boolean {
    const written = this.#put(this.#writes, false);
    const asked = written && this.#put(this.#reads, true);
    if (this.#parts.inbox.commit()) this.#parts.bell.ring();
    if (!asked) this.#parts.flushSoon();
    return asked;
  }

  #put(batch: OpenBatch, isRead: boolean): boolean {
    const { options, length } = batch;
    if (options === null) return true;
    const { inbox } = this.#parts;
    const kind = isRead ? InboxKind.read : InboxKind.propose;
    const at = inbox.tryClaim(kind, INBOX_HEADER_BYTES + length);
    if (at === RING_FULL) return false;
    const id = this.#nextBatch;
    this.#nextBatch = id >= 0xffff_ffff ? 1 : id + 1;
    const { deadline, mayForward, consistency, behindWrites } = options;
    const count = batch.sinks.length;
    if (isRead) {
      writeReadHeader(inbox.view, at, id, count, deadline, consistency, behindWrites);
    } else {
      writeProposeHeader(inbox.view, at, id, count, deadline, mayForward);
    }
    batch.buffer.copy(inbox.bytes, at + INBOX_HEADER_BYTES, 0, length);
    const expiresAt = deadline + DEADLINE_GRACE_MS;
    const { sinks, tokens } = batch;
    this.#batches.set(id, { sinks, tokens, isRead, expiresAt, done: 0 });
    batch.clear();
    return true;
  }

  /** Hands out what has come back; returns how many records that was. */
  drain(): number {
    const { completions } = this.#parts;
    return completions.drain((kind, at, bytes) => {
      this.#onRecord(kind, at, bytes);
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
  }

  #onRecord(kind: number, at: number, bytes: number): void {
    const { bytes: buffer, view } = this.#parts.completions;
    if (kind === CompletionKind.event) {
      this.#parts.onEvent(buffer.toString('utf8', at, at + bytes));
      return;
    }
    const { batch: id, offset, count, code } = readCompletionHeader(view, at);
    const batch = this.#batches.get(id);
    // A batch that expired here was answered already.
    if (batch === undefined) return;
    if (kind === CompletionKind.results || kind === CompletionKind.readResults) {
      const start = at + COMPLETION_HEADER_BYTES;
      this.#onResults(batch, offset, new ResultReader(buffer, start, at + bytes - start));
    } else {
      const leader = readLeader(view, at);
      this.#refuse(batch, offset, count, code as ErrorNumber, leader);
    }
    batch.done += count;
    this.#inflight -= count;
    if (batch.done >= batch.sinks.length) this.#batches.delete(id);
  }

  #onResults(batch: Batch, offset: number, results: ResultReader): void {
    const { completions } = this.#parts;
    for (let i = offset; results.next(); i += 1) {
      const sink = batch.sinks[i] as CompletionSink;
      const token = batch.tokens[i] as number;
      batch.sinks[i] = ANSWERED;
      sink.result(token, completions.bytes, results.start, results.end, results.rejected);
    }
  }

  #refuse(batch: Batch, offset: number, count: number, code: ErrorNumber, leader: number): void {
    for (let i = offset; i < offset + count; i += 1) {
      const sink = batch.sinks[i] as CompletionSink;
      batch.sinks[i] = ANSWERED;
      sink.refused(batch.tokens[i] as number, code, leader);
    }
  }

  /** Answers batches that were not answered in time; call `drain` first. */
  sweep(now: number): void {
    for (const [id, batch] of this.#batches) {
      if (batch.expiresAt > now) continue;
      this.#expire(id, batch, batch.isRead ? ErrorNumber.timeout : ErrorNumber.outcomeUnknown);
    }
  }

  #expire(id: number, batch: Batch, code: ErrorNumber): void {
    this.#batches.delete(id);
    this.#inflight -= batch.sinks.length - batch.done;
    this.#refuse(batch, 0, batch.sinks.length, code, 0);
  }

  /** Nothing will come back any more: everything that waits ends. */
  close(code: ErrorNumber): void {
    for (const [id, batch] of this.#batches) {
      this.#expire(id, batch, batch.isRead ? code : ErrorNumber.outcomeUnknown);
    }
    for (const open of [this.#writes, this.#reads]) {
      const { sinks, tokens } = open;
      open.clear();
      this.#inflight -= sinks.length;
      for (const [i, sink] of sinks.entries()) sink.refused(tokens[i] as number, code, 0);
    }
  }
}

/** Stands where a sink was that has its answer: a batch is never answered twice. */
const ANSWERED: CompletionSink = {
  result() {},
  refused() {},
};
