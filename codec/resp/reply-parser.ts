/**
 * The client's side: finds whole replies in a stream of bytes, RESP2 and RESP3, without building
 * them. What the load generator needs of a reply is its kind and, for an error, its text.
 *
 * reply-value.ts builds a value of the current reply for those who want it (the REPL, tests). A
 * stream that is not RESP puts the parser in error for good, and so do attributes (`|`), which no
 * server sends unasked. Sizes are bounded before anything is kept.
 */

import { StreamBuffer } from './stream-buffer.js';

export const ReplyKind = {
  /** Nothing whole is left: push more. */
  needMore: 0,
  simple: 43,
  error: 45,
  integer: 58,
  bulk: 36,
  /** Arrays, maps, sets and pushes. */
  aggregate: 42,
  nil: 95,
  /** Booleans, doubles and big numbers of RESP3. */
  scalar: 35,
  /** The stream is not RESP; `failure` says where. */
  malformed: -1,
} as const;
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind];

const DEFAULT_REPLY_BYTES_MAX = 64 * 1024 * 1024;
const LINE_BYTES_MAX = 64 * 1024;

const CR = 13;
const LF = 10;
const MINUS = 45;
const ZERO = 48;
const NIL_TYPE = 95;

/** What the first byte of a reply says about the rest. */
const Form = { line: 1, bulk: 2, aggregate: 3, map: 4 } as const;

const FORMS = new Uint8Array(256);
const KINDS: ReplyKind[] = [];

function declare(types: string, form: number, kind: ReplyKind): void {
  for (const type of types) {
    FORMS[type.charCodeAt(0)] = form;
    KINDS[type.charCodeAt(0)] = kind;
  }
}

declare('+', Form.line, ReplyKind.simple);
declare('-', Form.line, ReplyKind.error);
declare(':', Form.line, ReplyKind.integer);
declare('_', Form.line, ReplyKind.nil);
declare('#,(', Form.line, ReplyKind.scalar);
declare('$=', Form.bulk, ReplyKind.bulk);
declare('!', Form.bulk, ReplyKind.error);
declare('*~>', Form.aggregate, ReplyKind.aggregate);
declare('%', Form.map, ReplyKind.aggregate);

export class ReplyParser {
  /** The current reply's bytes are `[start, end)` of `buffer`, type byte and line ends included. */
  start = 0;
  end = 0;
  /** Its payload without type, length and line ends, for anything but an aggregate. */
  payloadStart = 0;
  payloadEnd = 0;
  failure: string | null = null;

  readonly #stream = new StreamBuffer();
  readonly #replyBytesMax: number;
  /** How far the current reply was read, relative to its start. */
  #read = 0;
  /** Elements of it still to come; 0 between replies. */
  #missing = 0;
  #kind: ReplyKind = ReplyKind.needMore;
  #payloadFrom = 0;
  #payloadTo = 0;
  #length = 0;

  constructor(replyBytesMax = DEFAULT_REPLY_BYTES_MAX) {
    this.#replyBytesMax = replyBytesMax;
  }

  get buffer(): Buffer {
    return this.#stream.buffer;
  }

  /** Adds a chunk, which must stay as it is until `next` has answered `needMore`. */
  push(chunk: Buffer): void {
    this.#stream.push(chunk);
  }

  /** Moves to the next reply. It is valid until the next call of `next` or `push`. */
  next(): ReplyKind {
    if (this.failure !== null) return ReplyKind.malformed;
    const stream = this.#stream;
    if (this.#missing === 0 && stream.at < stream.end) {
      this.#missing = 1;
      this.#read = 0;
      this.#kind = ReplyKind.needMore;
    }
    while (this.#missing > 0) {
      const known = this.#readElement();
      if (this.failure !== null) return ReplyKind.malformed;
      if (!known) break;
    }
    if (this.#missing > 0 || stream.at === stream.end) {
      stream.retain();
      return ReplyKind.needMore;
    }
    this.start = stream.at;
    this.payloadStart = stream.at + this.#payloadFrom;
    this.payloadEnd = stream.at + this.#payloadTo;
    stream.at += this.#read;
    this.end = stream.at;
    return this.#kind;
  }

  /** The current reply's payload as text; for an error, its message. */
  text(): string {
    return this.buffer.toString('utf8', this.payloadStart, this.payloadEnd);
  }

  /** Whether the current reply's payload begins so; allocates nothing. */
  startsWith(prefix: Uint8Array): boolean {
    if (this.payloadEnd - this.payloadStart < prefix.length) return false;
    for (let i = 0; i < prefix.length; i += 1) {
      if (this.buffer[this.payloadStart + i] !== prefix[i]) return false;
    }
    return true;
  }

  /** Reads one element, leaf or head of an aggregate; false when it is cut. */
  #readElement(): boolean {
    const { buffer, at, end } = this.#stream;
    const from = at + this.#read;
    if (from >= end) return false;
    const type = buffer[from]!;
    const form = FORMS[type]!;
    if (form === 0) return this.#fail(`byte ${type} does not begin a reply`);
    let lineEnd = from + 1;
    while (lineEnd < end && buffer[lineEnd] !== CR) lineEnd += 1;
    if (lineEnd - from > LINE_BYTES_MAX) return this.#fail('a line without an end');
    if (lineEnd + 1 >= end) return false;
    if (buffer[lineEnd + 1] !== LF) return this.#fail('a line end without its line feed');
    const next = lineEnd + 2;
    if (form === Form.line) {
      this.#advance(type, from + 1 - at, lineEnd - at, next - at, 0);
      return true;
    }
    if (!this.#readLength(from + 1, lineEnd)) return this.#fail('a length that is not a number');
    if (form === Form.bulk && this.#length >= 0) return this.#readBulk(type, next);
    const kind = this.#length < 0 ? NIL_TYPE : type;
    const elements = Math.max(this.#length, 0) * (form === Form.map ? 2 : 1);
    this.#advance(kind, lineEnd - at, lineEnd - at, next - at, elements);
    return true;
  }

  #readBulk(type: number, from: number): boolean {
    const { buffer, at, end } = this.#stream;
    const stop = from + this.#length;
    if (stop + 2 - at > this.#replyBytesMax) return this.#fail('a reply larger than the limit');
    if (stop + 2 > end) return false;
    if (buffer[stop] !== CR || buffer[stop + 1] !== LF) {
      return this.#fail('a bulk string longer than its length says');
    }
    this.#advance(type, from - at, stop - at, stop + 2 - at, 0);
    return true;
  }

  /** Takes note of one element, with `more` elements inside it. */
  #advance(type: number, payloadFrom: number, payloadTo: number, read: number, more: number): void {
    if (this.#kind === ReplyKind.needMore) {
      this.#kind = KINDS[type]!;
      this.#payloadFrom = payloadFrom;
      this.#payloadTo = payloadTo;
    }
    this.#missing += more - 1;
    this.#read = read;
    if (read + this.#missing > this.#replyBytesMax) this.#fail('a reply larger than the limit');
  }

  #readLength(from: number, to: number): boolean {
    const { buffer } = this.#stream;
    const negative = buffer[from] === MINUS;
    let value = 0;
    const first = negative ? from + 1 : from;
    if (first === to || to - first > 10) return false;
    for (let at = first; at < to; at += 1) {
      const digit = buffer[at]! - ZERO;
      if (digit < 0 || digit > 9) return false;
      value = value * 10 + digit;
    }
    this.#length = negative ? -1 : value;
    return true;
  }

  #fail(what: string): false {
    this.failure = `not a Redis reply: ${what}`;
    return false;
  }
}
