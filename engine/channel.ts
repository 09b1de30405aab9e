/**
 * The pipelined face of one group: how proposals and reads enter its inbox ring and how their
 * results come back, without a promise or an object per operation.
 *
 * Commands are written straight into a batch buffer in entry layout; a batch becomes one ring
 * record at the end of the turn. Results arrive in the order of the batch, each at the sink that
 * asked. This file must never know Raft, nor look into a command.
 */

import { EntryMark, entryBytes, writeEntryHeader } from '../codec/entry.js';
import { ResultReader } from '../codec/results.js';
import {
  CompletionKind,
  RESULT_HEADER_BYTES,
  readCompletionHeader,
  readDetail,
  readIndex,
  readLeader,
} from '../workers/records/completion.js';
import { QUERY_HEADER_BYTES, readQueryHeader } from '../workers/records/hosted.js';
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
import { type HostedAnswer, HostedAnswers } from './hosted-answers.js';
import type { HostedRunner } from './hosted-runner.js';
import { LIMITS } from './limits.js';
import { type BatchOptions, OpenBatch, sameOptions } from './open-batch.js';
import { ANSWERED, type CompletionSink } from './sink.js';

export type { BatchOptions } from './open-batch.js';
export type { CompletionSink } from './sink.js';

/** Answer of `claim` when too much is in flight. */
export const CHANNEL_BUSY = -1;
/** Answer of `claim` when the command is larger than the group allows. */
export const CHANNEL_TOO_LARGE = -2;
/** Answer of `claim` once the engine is closing or its node has failed. */
export const CHANNEL_CLOSED = -3;

const QUERY_LENGTH_BYTES = 4;
/** A result may come this much later than the deadline that the worker was given. */
const DEADLINE_GRACE_MS = 250;

interface Batch {
  readonly sinks: CompletionSink[];
  readonly tokens: number[];
  readonly isRead: boolean;
  readonly expiresAt: number;
  done: number;
}

export interface ChannelParts {
  readonly inbox: RingProducer;
  readonly completions: RingConsumer;
  readonly bell: Doorbell;
  readonly entryBytesMax: number;
  /** Asks for a `flush` at the end of this turn of the event loop. */
  readonly flushSoon: () => void;
  /** Asks for a `flush` in a moment: the ring is full. */
  readonly flushLater: () => void;
  /** The machine, when it is hosted on this thread. */
  readonly hosted: HostedRunner | null;
  readonly onEvent: (json: string) => void;
}

export class Channel {
  readonly #parts: ChannelParts;
  readonly #writes = new OpenBatch();
  readonly #reads = new OpenBatch();
  readonly #batches = new Map<number, Batch>();
  /** What a hosted machine did, until the worker is told. */
  readonly #answers = new HostedAnswers();
  /** Requests besides proposals and reads, until the worker is told. */
  readonly #asks: { readonly kind: number; readonly record: Uint8Array }[] = [];
  #nextBatch = 1;
  #inflight = 0;
  /** The answer that is coming in parts, as far as it is here; null between two. */
  #arriving: Buffer | null = null;
  #closed = false;

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
   * Room for a command of `payloadBytes`: fill `writeBuffer` at the returned offset at once. Or a
   * negative number, `CHANNEL_BUSY`, `CHANNEL_TOO_LARGE` or `CHANNEL_CLOSED`: then nothing was
   * taken and nothing will be answered.
   */
  claimWrite(
    payloadBytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    return this.claimEntry(EntryMark.command, payloadBytes, options, sink, token);
  }

  /** The same for an entry of another mark: see session-calls.ts. */
  claimEntry(
    mark: EntryMark,
    payloadBytes: number,
    options: BatchOptions,
    sink: CompletionSink,
    token: number,
  ): number {
    if (this.#closed) return CHANNEL_CLOSED;
    if (payloadBytes > this.#parts.entryBytesMax) return CHANNEL_TOO_LARGE;
    const bytes = entryBytes(payloadBytes);
    const batch = this.#writes;
    if (!this.#admit(batch, bytes, options)) return CHANNEL_BUSY;
    batch.reserve(bytes);
    const at = writeEntryHeader(batch.view, batch.length, mark, payloadBytes, 0);
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
    if (this.#closed) return CHANNEL_CLOSED;
    if (queryBytes > this.#parts.entryBytesMax) return CHANNEL_TOO_LARGE;
    const bytes = QUERY_LENGTH_BYTES + queryBytes;
    const batch = this.#reads;
    if (!this.#admit(batch, bytes, options)) return CHANNEL_BUSY;
    batch.reserve(bytes);
    batch.view.setUint32(batch.length, queryBytes, true);
    const at = batch.length + QUERY_LENGTH_BYTES;
    batch.length += bytes;
    this.#book(batch, sink, token);
    return at;
  }

  get readBuffer(): Buffer {
    return this.#reads.buffer;
  }

  /** Sends a request that is answered by an event: `record` as `kind` of inbox.ts says. */
  ask(kind: number, record: Uint8Array): void {
    this.#asks.push({ kind, record });
    this.#parts.flushSoon();
  }

  #putAsks(): boolean {
    const { inbox } = this.#parts;
    for (let ask = this.#asks[0]; ask !== undefined; ask = this.#asks[0]) {
      const at = inbox.tryClaim(ask.kind, ask.record.length);
      if (at === RING_FULL) return false;
      inbox.bytes.set(ask.record, at);
      this.#asks.shift();
    }
    return true;
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
    // What a hosted machine did goes before everything that was asked since.
    const told = this.#answers.putInto(this.#parts.inbox);
    const written = told && this.#put(this.#writes, false);
    const asked = written && this.#put(this.#reads, true) && this.#putAsks();
    if (this.#parts.inbox.commit()) this.#parts.bell.ring();
    if (!asked) this.#parts.flushLater();
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
    const { deadline, mayForward } = options;
    const count = batch.sinks.length;
    if (isRead) {
      const { consistency, behindWrites, maxStalenessMs = 0 } = options;
      const { view } = inbox;
      writeReadHeader(view, at, id, count, deadline, consistency, behindWrites, maxStalenessMs);
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
    const records = completions.drain(this.#onRecord, Number.POSITIVE_INFINITY);
    if (!this.#answers.isEmpty) this.flush();
    return records;
  }

  readonly #onRecord = (kind: number, at: number, bytes: number): boolean => {
    const { bytes: buffer, view } = this.#parts.completions;
    switch (kind) {
      case CompletionKind.event:
        this.#parts.onEvent(buffer.toString('utf8', at, at + bytes));
        break;
      case CompletionKind.apply:
        this.#answer(this.#parts.hosted?.apply(buffer, view, at));
        break;
      case CompletionKind.image:
        this.#onImage(at);
        break;
      case CompletionKind.restore:
        this.#answer(this.#parts.hosted?.restore(buffer, view, at, bytes));
        break;
      case CompletionKind.query:
        this.#onQueries(at);
        break;
      case CompletionKind.readPart:
        this.#onPart(at, bytes);
        break;
      default:
        this.#onCompletion(kind, at, bytes);
    }
    return RECORD_TAKEN;
  };

  #onImage(at: number): void {
    const { view } = this.#parts.completions;
    // Beginning or ending one abandons the one before, whose answer may still wait.
    const answer = this.#parts.hosted?.image(view, at);
    if (answer === null) this.#answers.dropImage();
    this.#answer(answer);
  }

  #answer(answer: HostedAnswer | null | undefined): void {
    if (answer !== null && answer !== undefined) this.#answers.add(answer);
  }

  #onCompletion(kind: number, at: number, bytes: number): void {
    const { bytes: buffer, view } = this.#parts.completions;
    const { batch: id, offset, count, code } = readCompletionHeader(view, at);
    if (kind === CompletionKind.results || kind === CompletionKind.readResults) {
      const index = readIndex(view, at);
      this.deliver(id, offset, buffer, at + RESULT_HEADER_BYTES, at + bytes, index);
    } else {
      const detail = readDetail(buffer, at, bytes);
      this.#refuse(id, offset, count, code as ErrorNumber, readLeader(view, at), detail);
    }
  }

  /** The parts of an answer come back to back, and none of another between them. */
  #onPart(at: number, bytes: number): void {
    const { bytes: buffer, view } = this.#parts.completions;
    const { batch: id, offset, count: total, code: from } = readCompletionHeader(view, at);
    // A batch that expired here was answered already: its answer needs no memory.
    if (from === 0) this.#arriving = this.#batches.has(id) ? Buffer.allocUnsafeSlow(total) : null;
    const answer = this.#arriving;
    if (answer === null) return;
    buffer.copy(answer, from, at + RESULT_HEADER_BYTES, at + bytes);
    if (from + bytes - RESULT_HEADER_BYTES < total) return;
    this.#arriving = null;
    this.deliver(id, offset, answer, 0, total, readIndex(view, at));
  }

  /**
   * Results (codec/results.ts) at `buffer[start, end)` for entry or query `offset` and on. Entries:
   * from `index` on in the log; queries: of the state at `index`.
   */
  deliver(
    id: number,
    offset: number,
    buffer: Buffer,
    start: number,
    end: number,
    index: number,
  ): void {
    const batch = this.#batches.get(id);
    // A batch that expired here was answered already.
    if (batch === undefined) return;
    const results = new ResultReader(buffer, start, end - start);
    const step = batch.isRead ? 0 : 1;
    let resultIndex = index;
    for (let i = offset; results.next(); i += 1, resultIndex += step) {
      const sink = this.#take(batch, i);
      const { start: from, end: to, rejected } = results;
      sink.result(batch.tokens[i] as number, buffer, from, to, rejected, resultIndex);
    }
    this.#forgetDone(id, batch);
  }

  /** Entries of a batch end with an error: the hosted machine never sees them. */
  refuse(id: number, offset: number, count: number, code: ErrorNumber): void {
    this.#refuse(id, offset, count, code, 0);
  }

  #refuse(
    id: number,
    offset: number,
    count: number,
    code: ErrorNumber,
    leader: number,
    detail = '',
  ): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) return;
    for (let i = offset; i < offset + count; i += 1) {
      this.#take(batch, i).refused(batch.tokens[i] as number, code, leader, detail);
    }
    this.#forgetDone(id, batch);
  }

  /** The sink of operation `i`, once; afterwards one that does nothing. */
  #take(batch: Batch, i: number): CompletionSink {
    const sink = batch.sinks[i] ?? ANSWERED;
    if (sink === ANSWERED) return sink;
    batch.sinks[i] = ANSWERED;
    batch.done += 1;
    this.#inflight -= 1;
    return sink;
  }

  #forgetDone(id: number, batch: Batch): void {
    if (batch.done >= batch.sinks.length) this.#batches.delete(id);
  }

  /** Reads that may be answered now by the machine on this thread. */
  #onQueries(at: number): void {
    const { bytes: buffer, view } = this.#parts.completions;
    const { hosted } = this.#parts;
    const { batch: id, count } = readQueryHeader(view, at);
    const batch = this.#batches.get(id);
    if (batch === undefined || hosted === null) return;
    if (hosted.failed) {
      this.#refuse(id, 0, count, ErrorNumber.stateMachine, 0);
      return;
    }
    let query = at + QUERY_HEADER_BYTES;
    for (let i = 0; i < count; i += 1) {
      const end = query + QUERY_LENGTH_BYTES + view.getUint32(query, true);
      const answer = hosted.query(buffer.subarray(query + QUERY_LENGTH_BYTES, end));
      const token = batch.tokens[i] as number;
      const sink = this.#take(batch, i);
      if ('failure' in answer) sink.refused(token, ErrorNumber.stateMachine, 0, answer.failure);
      else {
        const { bytes, rejected } = answer;
        const lent = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        sink.result(token, lent, 0, lent.length, rejected, hosted.applied);
      }
      query = end;
    }
    this.#forgetDone(id, batch);
  }

  /** Answers batches that were not answered in time; call `drain` first. */
  sweep(now: number): void {
    for (const [id, batch] of this.#batches) {
      if (batch.expiresAt > now) continue;
      this.#expire(id, batch, batch.isRead ? ErrorNumber.timeout : ErrorNumber.outcomeUnknown);
    }
  }

  #expire(id: number, batch: Batch, code: ErrorNumber): void {
    this.#refuse(id, 0, batch.sinks.length, code, 0);
  }

  /** From now on nothing is taken; what was taken before is still answered. */
  stopAdmitting(): void {
    this.#closed = true;
  }

  /** Nothing will come back any more: everything that waits ends. */
  close(code: ErrorNumber): void {
    this.#closed = true;
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
