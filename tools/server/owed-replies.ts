/**
 * What one connection still owes its client: takes results as they come and writes replies in the
 * order of the requests.
 *
 * It is the sink of the connection's operations. A result at the head of the queue is rendered
 * straight into the output; one that comes early is rendered aside and waits. Counts of what is in
 * flight are kept here, since here it ends. This file must never touch the socket.
 */

import { ReplyWriter } from '../../codec/resp/reply.js';
import type { CompletionSink } from '../../engine/channel.js';
import type { ErrorNumber } from '../../engine/errors.js';
import { LIMITS } from '../../engine/limits.js';
import type { Plan } from './commands/plan.js';
import { renderRejection, renderResult } from './commands/render-result.js';
import type { Session } from './commands/session.js';
import { FENCE_NONE, FENCE_WIDE, type ReadFence } from './read-fence.js';
import { notOnAllRefusal, readRefusal, writeRefusal } from './refusals.js';
import { ReplyQueue, SlotFlag } from './reply-queue.js';
import { isFiguresShape, type StatusReplies } from './status-replies.js';

/** A value of unknown size is taken for this large; every smaller one lowers it a little. */
const READ_REPLY_BYTES_EXPECTED = 256 * 1024;
/** What one smaller value takes off that, as a power of two. */
const LEARNING_SHIFT = 6;

export class OwedReplies implements CompletionSink {
  /** Replies whose turn has come. */
  readonly out = new ReplyWriter();
  readonly #queue = new ReplyQueue();
  /** Renders replies whose turn has not come. */
  readonly #aside = new ReplyWriter();
  readonly #session: Session;
  readonly #fence: ReadFence;
  readonly #statusReplies: StatusReplies;
  readonly #onProgress: () => void;
  #writes = 0;
  #reads = 0;
  /** Values that the reads in flight ask for. */
  #values = 0;
  #wideReads = 0;
  #gatheredBytes = 0;
  #closed = false;
  #valueBytes = READ_REPLY_BYTES_EXPECTED;

  constructor(
    session: Session,
    fence: ReadFence,
    statusReplies: StatusReplies,
    onProgress: () => void,
  ) {
    this.#session = session;
    this.#fence = fence;
    this.#statusReplies = statusReplies;
    this.#onProgress = onProgress;
  }

  /** Replies owed, known or not. */
  get length(): number {
    return this.#queue.length;
  }

  /** Bytes of replies that are known and not sent. */
  get heldBytes(): number {
    return this.out.length + this.#queue.keptBytes + this.#gatheredBytes;
  }

  /** Bytes more, or fewer, of an answer that is being gathered for a reply owed here. */
  hold(bytes: number): void {
    this.#gatheredBytes += bytes;
    this.#onProgress();
  }

  /** Nobody waits for replies any more. */
  get isClosed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
  }

  get hasWrites(): boolean {
    return this.#writes > 0;
  }

  get hasReads(): boolean {
    return this.#reads > 0;
  }

  /** Values that the reads in flight may answer. */
  get valuesInFlight(): number {
    return this.#values;
  }

  /** Bytes of one value that is asked for next, judged by the last ones. */
  get valueBytesExpected(): number {
    return this.#valueBytes;
  }

  /** Token of the operation that is booked next. */
  get nextToken(): number {
    return this.#queue.nextToken;
  }

  bookWrite(shape: number, redirects: boolean, inSession = false): void {
    let flags: number = redirects ? SlotFlag.write | SlotFlag.redirects : SlotFlag.write;
    if (inSession) flags |= SlotFlag.inSession;
    this.#queue.push(shape, flags, FENCE_NONE);
    this.#writes += 1;
  }

  /**
   * `place` is what a later write of the same key has to wait for, `values` how many values the
   * answer may have.
   */
  bookRead(shape: number, place: number, values: number): void {
    this.#queue.push(shape, 0, place, values);
    this.#reads += 1;
    this.#values += values;
    if (place === FENCE_WIDE) this.#wideReads += 1;
    else if (place !== FENCE_NONE) this.#fence.enter(place);
  }

  /** A reply that comes neither from the log nor from the state machine; returns its token. */
  bookOther(): number {
    const token = this.#queue.nextToken;
    this.#queue.push(0, 0, FENCE_NONE);
    return token;
  }

  /** The reply that was booked by `bookOther`. */
  answerOther(token: number, write: (reply: ReplyWriter) => void): void {
    const isHead = this.#queue.isHead(token);
    write(isHead ? this.out : this.#aside);
    this.#written(token, isHead);
  }

  /** Whether a read in flight might see a write at `place` that goes now. */
  mustWait(place: number): boolean {
    return this.#wideReads > 0 || place === FENCE_WIDE || this.#fence.isBusy(place);
  }

  /** Answers from here, in order. */
  answer(plan: Plan): void {
    if (this.#queue.length === 0) {
      plan.answer(this.out);
    } else {
      plan.answer(this.#aside);
      this.#queue.pushKnown(this.#aside.take());
    }
  }

  answerError(line: string): void {
    if (this.#queue.length === 0) {
      this.out.error(line);
    } else {
      this.#aside.error(line);
      this.#queue.pushKnown(this.#aside.take());
    }
  }

  result(token: number, buffer: Buffer, start: number, end: number, rejected: boolean): void {
    const shape = this.#queue.shapeOf(token);
    this.#settle(token, end - start);
    const isHead = this.#queue.isHead(token);
    const writer = isHead ? this.out : this.#aside;
    if (rejected) {
      renderRejection(writer, buffer.toString('utf8', start, end));
    } else if (isFiguresShape(shape)) {
      this.#statusReplies.take(buffer, start, end);
      this.#statusReplies.write(writer, shape, this.#session);
    } else {
      renderResult(writer, shape, buffer, start, end);
    }
    this.#written(token, isHead);
  }

  refused(token: number, code: ErrorNumber, leader: number): void {
    const shape = this.#queue.shapeOf(token);
    const flags = this.#queue.flagsOf(token);
    this.#settle(token, 0);
    const isHead = this.#queue.isHead(token);
    const writer = isHead ? this.out : this.#aside;
    if (isFiguresShape(shape)) {
      // The last figures will do: STATUS must answer most of all when things go wrong.
      this.#statusReplies.write(writer, shape, this.#session);
    } else if ((flags & SlotFlag.write) === 0) {
      writer.error(readRefusal(code));
    } else {
      const inSession = (flags & SlotFlag.inSession) !== 0;
      writer.error(writeRefusal(code, leader, (flags & SlotFlag.redirects) !== 0, inSession));
    }
    this.#written(token, isHead);
  }

  notOnAll(token: number, index: number, missing: readonly number[]): void {
    this.#settle(token, 0);
    const isHead = this.#queue.isHead(token);
    const writer = isHead ? this.out : this.#aside;
    writer.error(notOnAllRefusal(index, missing));
    this.#written(token, isHead);
  }

  /** Gives back room that a burst needed. */
  trim(): void {
    this.#queue.trim();
  }

  /** The operation is over: its share of the counts ends. */
  #settle(token: number, bytes: number): void {
    if ((this.#queue.flagsOf(token) & SlotFlag.write) !== 0) {
      this.#writes -= 1;
      return;
    }
    this.#reads -= 1;
    const place = this.#queue.fenceOf(token);
    if (place === FENCE_WIDE) this.#wideReads -= 1;
    else if (place !== FENCE_NONE) this.#fence.leave(place);
    const values = this.#queue.valuesOf(token);
    this.#values -= values;
    this.#learn(Math.min(Math.ceil(bytes / values), LIMITS.entryBytesMaxMax));
  }

  /** Larger is believed at once, smaller only little by little. */
  #learn(bytes: number): void {
    const expected = this.#valueBytes;
    this.#valueBytes = bytes > expected ? bytes : expected - ((expected - bytes) >> LEARNING_SHIFT);
  }

  #written(token: number, isHead: boolean): void {
    if (isHead) {
      this.#queue.shift();
      this.#moveKept();
    } else {
      this.#queue.keep(token, this.#aside.take());
    }
    this.#onProgress();
  }

  /** Replies that waited behind the one just written. */
  #moveKept(): void {
    for (;;) {
      const reply = this.#queue.shiftKept();
      if (reply === null) return;
      this.out.raw(reply);
    }
  }
}
