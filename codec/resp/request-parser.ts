/**
 * Incremental parser of client requests: RESP arrays of bulk strings, and inline commands (one
 * line, quoted as redis-cli quotes). Which of the two was used is told with each request.
 *
 * A request is a row of (start, end) pairs into `buffer`; pairs and buffer are reused, so a
 * request is valid until the next call of `next` or `push` and costs no allocation. Every length
 * is checked before anything is done because of it. After an error the parser stays in error: the
 * stream has no known boundary any more, and the connection must close.
 */

import { type InlineFailure, splitInline } from './inline.js';
import { StreamBuffer } from './stream-buffer.js';

export interface RequestLimits {
  /** Longest inline command, without its line end. */
  readonly inlineBytesMax: number;
  /** Most arguments of one request, its name included. */
  readonly argumentsMax: number;
  /** Longest argument. */
  readonly bulkBytesMax: number;
  /** Most bytes of one request. A connection holds at most twice that, while it grows. */
  readonly requestBytesMax: number;
}

export const DEFAULT_REQUEST_LIMITS: RequestLimits = {
  inlineBytesMax: 64 * 1024,
  argumentsMax: 1024 * 1024,
  bulkBytesMax: 8 * 1024 * 1024,
  requestBytesMax: 16 * 1024 * 1024,
};

export const Parsed = {
  /** Nothing whole is left: push more. What was cut has been copied, the chunk may be reused. */
  needMore: 0,
  request: 1,
  /** `error` says what; answer it and close. */
  error: 2,
} as const;
export type Parsed = (typeof Parsed)[keyof typeof Parsed];

/** The current request, as everything that looks at arguments sees it. */
export interface Request {
  /** Holds the arguments. */
  readonly buffer: Buffer;
  /** Start and end of argument i at 2i and 2i + 1. */
  readonly ranges: Int32Array;
  /** Number of arguments, the command's name included; never 0. */
  readonly count: number;
  /** Whether it came as an inline command. */
  readonly inline: boolean;
}

const STAR = 42;
const DOLLAR = 36;
const MINUS = 45;
const ZERO = 48;
const CR = 13;
const LF = 10;
/** First byte of a TLS handshake record. */
const TLS_HANDSHAKE = 0x16;

/** Not lengths: what `#readLength` answers beside one. */
const LENGTH_CUT = -2;
const LENGTH_BAD = -3;
/** Any length of at most this many digits is exact. */
const LENGTH_DIGITS_MAX = 10;

/** Room for this many arguments stays with the connection. */
const ARGUMENTS_KEPT = 64;

const HTTP = 'Protocol error: this is not an HTTP port';
const FAILURES: Record<InlineFailure, string> = {
  quotes: 'Protocol error: unbalanced quotes in request',
  http: HTTP,
};

export class RequestParser implements Request {
  count = 0;
  inline = false;
  ranges = new Int32Array(2 * ARGUMENTS_KEPT);
  /** What is wrong with the stream, without the leading `-ERR `; null while it is well. */
  error: string | null = null;

  readonly #limits: RequestLimits;
  readonly #stream = new StreamBuffer();
  /** How far the current request has been read, relative to its start. */
  #read = 0;
  /** Arguments still to come of the array being read; 0 between requests. */
  #missing = 0;
  /** Length of the argument being read; −1 before its header. */
  #bulkLength = -1;
  /** Where the last length ended, relative to the request's start. */
  #lengthEnd = 0;
  readonly #addInline = (start: number, end: number): void => this.#addRange(start, end);

  constructor(limits: RequestLimits = DEFAULT_REQUEST_LIMITS) {
    this.#limits = limits;
  }

  get buffer(): Buffer {
    return this.#stream.buffer;
  }

  /** Bytes that have arrived and not been handed out. */
  get pendingBytes(): number {
    return this.#stream.end - this.#stream.at;
  }

  /** Memory it keeps from being freed, beside the little that every connection has. */
  get heldBytes(): number {
    const beyond = this.ranges.length - 2 * ARGUMENTS_KEPT;
    const rangeBytes = beyond > 0 ? this.ranges.byteLength : 0;
    return this.#stream.heldBytes + rangeBytes;
  }

  /** Gives back memory while nothing has arrived. The last request must not be used any more. */
  trim(): void {
    this.#stream.trim();
  }

  /** Ends parsing for good and gives back all memory; the bytes that have arrived are lost. */
  discard(): void {
    this.#fail('discarded');
    this.#stream.clear();
    this.ranges = new Int32Array(0);
  }

  /** Adds a chunk; quoted inline commands are unquoted in place, so its bytes may change. */
  push(chunk: Buffer): void {
    const moved = this.#stream.at;
    this.#stream.push(chunk);
    this.#moveRanges(this.#stream.at - moved);
  }

  /** To be called when parsing stops early, before the chunk's memory is used again. */
  retain(): void {
    const moved = this.#stream.at;
    this.#stream.retain();
    this.#moveRanges(this.#stream.at - moved);
  }

  next(): Parsed {
    if (this.error !== null) return Parsed.error;
    const stream = this.#stream;
    while (stream.at < stream.end) {
      let outcome: Parsed | null;
      if (this.#missing > 0) outcome = this.#readArguments();
      else if (stream.buffer[stream.at] === STAR) outcome = this.#readArray();
      else outcome = this.#readInline();
      if (outcome === Parsed.needMore) break;
      if (outcome !== null) return outcome;
    }
    this.retain();
    if (this.#missing === 0 && this.ranges.length > 2 * ARGUMENTS_KEPT) {
      this.ranges = new Int32Array(2 * ARGUMENTS_KEPT);
    }
    return Parsed.needMore;
  }

  /** Null: an empty array or a null one, which Redis skips without an answer. */
  #readArray(): Parsed | null {
    const count = this.#readLength(1);
    if (count === LENGTH_CUT) return Parsed.needMore;
    if (count === LENGTH_BAD || count > this.#limits.argumentsMax) {
      return this.#fail('Protocol error: invalid multibulk length');
    }
    this.#read = this.#lengthEnd;
    if (count <= 0) {
      this.#skip();
      return null;
    }
    this.#missing = count;
    this.count = 0;
    this.inline = false;
    return this.#readArguments();
  }

  #readArguments(): Parsed {
    const { buffer, at, end } = this.#stream;
    while (this.#missing > 0) {
      if (this.#bulkLength < 0) {
        const failed = this.#readBulkLength();
        if (failed !== null) return failed;
      }
      const start = at + this.#read;
      const stop = start + this.#bulkLength;
      if (stop + 2 > end) return Parsed.needMore;
      if (buffer[stop] !== CR || buffer[stop + 1] !== LF) {
        return this.#fail('Protocol error: a bulk string is longer than its length says');
      }
      this.#addRange(start, stop);
      this.#read = stop + 2 - at;
      this.#missing -= 1;
      this.#bulkLength = -1;
    }
    this.#skip();
    return Parsed.request;
  }

  #readBulkLength(): Parsed | null {
    const { buffer, at, end } = this.#stream;
    if (at + this.#read >= end) return Parsed.needMore;
    const first = buffer[at + this.#read]!;
    if (first !== DOLLAR) {
      return this.#fail(`Protocol error: expected '$', got '${printable(first)}'`);
    }
    const length = this.#readLength(this.#read + 1);
    if (length === LENGTH_CUT) return Parsed.needMore;
    if (length < 0 || length > this.#limits.bulkBytesMax) {
      return this.#fail('Protocol error: invalid bulk length');
    }
    if (this.#lengthEnd + length > this.#limits.requestBytesMax) {
      return this.#fail(
        `Protocol error: request of more than ${this.#limits.requestBytesMax} bytes`,
      );
    }
    this.#bulkLength = length;
    this.#read = this.#lengthEnd;
    return null;
  }

  /**
   * Reads `digits CR LF` at `from`, relative to the request's start. Of negative numbers only −1 is
   * a length, that of nothing.
   */
  #readLength(from: number): number {
    const { buffer, at: base, end } = this.#stream;
    let at = base + from;
    const negative = at < end && buffer[at] === MINUS;
    if (negative) at += 1;
    const first = at;
    let value = 0;
    while (at < end) {
      const digit = buffer[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at += 1;
      if (at - first > LENGTH_DIGITS_MAX) return LENGTH_BAD;
    }
    if (at === end) return LENGTH_CUT;
    if (at === first || (buffer[first] === ZERO && at - first > 1)) return LENGTH_BAD;
    if (buffer[at] !== CR) return LENGTH_BAD;
    if (at + 1 === end) return LENGTH_CUT;
    if (buffer[at + 1] !== LF) return LENGTH_BAD;
    this.#lengthEnd = at + 2 - base;
    if (!negative) return value;
    return value === 1 ? -1 : LENGTH_BAD;
  }

  /** Null: a line without arguments. */
  #readInline(): Parsed | null {
    const { buffer, at, end } = this.#stream;
    if (buffer[at] === TLS_HANDSHAKE) {
      return this.#fail('Protocol error: this port does not speak TLS');
    }
    const limit = Math.min(end, at + this.#limits.inlineBytesMax + 2);
    let lineEnd = at + this.#read;
    while (lineEnd < limit && buffer[lineEnd] !== LF) lineEnd += 1;
    this.#read = lineEnd - at;
    if (lineEnd === limit) {
      return this.#read > this.#limits.inlineBytesMax + 1
        ? this.#fail('Protocol error: too big inline request')
        : Parsed.needMore;
    }
    this.inline = true;
    this.count = 0;
    const textEnd = lineEnd > at && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const failure = splitInline(buffer, at, textEnd, this.#addInline);
    if (failure !== null) return this.#fail(FAILURES[failure]);
    this.#read = lineEnd + 1 - at;
    this.#skip();
    return this.count > 0 ? Parsed.request : null;
  }

  /** Leaves the request behind; its ranges stay readable until the next call. */
  #skip(): void {
    this.#stream.at += this.#read;
    this.#read = 0;
  }

  #addRange(start: number, end: number): void {
    if (2 * this.count === this.ranges.length) {
      const grown = new Int32Array(2 * this.ranges.length);
      grown.set(this.ranges);
      this.ranges = grown;
    }
    this.ranges[2 * this.count] = start;
    this.ranges[2 * this.count + 1] = end;
    this.count += 1;
  }

  /** The bytes of a request in progress moved: so do the ranges found so far. */
  #moveRanges(distance: number): void {
    if (this.#missing === 0 || distance === 0) return;
    for (let i = 0; i < 2 * this.count; i += 1) this.ranges[i] = this.ranges[i]! + distance;
  }

  #fail(error: string): Parsed {
    this.error = error;
    this.count = 0;
    this.#missing = 0;
    return Parsed.error;
  }
}

function printable(byte: number): string {
  if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
