/**
 * Writes RESP2 and RESP3 replies one after the other into memory that grows.
 *
 * `resp3` is set before each reply, because a connection can change its protocol between two
 * requests. Text that goes into a line is scrubbed of line ends, so that no error message can forge
 * a reply. What `take` has handed out is never written again.
 */

import { DECIMAL_BYTES_MAX, type Int64, writeDecimal } from '../int64.js';

const BLOCK_BYTES = 64 * 1024;
/** A block beyond this goes with what was taken of it. */
const BLOCK_BYTES_KEPT_MAX = 1024 * 1024;
const NONE = Buffer.alloc(0);

const CR = 13;
const LF = 10;
const SIMPLE = 43;
const ERROR = 45;
const INTEGER = 58;
const BULK = 36;
const ARRAY = 42;
const MAP = 37;
/** A type byte, a number and a line end. */
const LINE_BYTES_MAX = 1 + DECIMAL_BYTES_MAX + 2;

const OK = Buffer.from('+OK\r\n');
const NIL_2 = Buffer.from('$-1\r\n');
const NIL_3 = Buffer.from('_\r\n');
const TRUE_2 = Buffer.from(':1\r\n');
const TRUE_3 = Buffer.from('#t\r\n');
const FALSE_2 = Buffer.from(':0\r\n');
const FALSE_3 = Buffer.from('#f\r\n');

export class ReplyWriter {
  /** Whether the next reply goes to a client that speaks RESP3. */
  resp3 = false;

  #block: Buffer = NONE;
  #start = 0;
  #at = 0;

  /** Bytes written and not taken. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Hands out what was written since the last time. The caller may keep it. */
  take(): Buffer {
    const taken = this.#block.subarray(this.#start, this.#at);
    this.#start = this.#at;
    if (this.#block.length > BLOCK_BYTES_KEPT_MAX) {
      this.#block = NONE;
      this.#start = 0;
      this.#at = 0;
    }
    return taken;
  }

  /** `+OK`. */
  ok(): void {
    this.#constant(OK);
  }

  nil(): void {
    this.#constant(this.resp3 ? NIL_3 : NIL_2);
  }

  boolean(value: boolean): void {
    if (this.resp3) this.#constant(value ? TRUE_3 : FALSE_3);
    else this.#constant(value ? TRUE_2 : FALSE_2);
  }

  /** A status line such as `PONG`. */
  simple(text: string): void {
    this.#line(SIMPLE, text);
  }

  /** An error line; `text` begins with its code, as in `ERR no leader`. */
  error(text: string): void {
    this.#line(ERROR, text);
  }

  integer(value: Int64): void {
    this.#number(INTEGER, value);
  }

  bulk(source: Buffer, start: number, end: number): void {
    this.#reserve(LINE_BYTES_MAX + end - start + 2);
    this.#number(BULK, end - start);
    source.copy(this.#block, this.#at, start, end);
    this.#at += end - start;
    this.#lineEnd();
  }

  /** Text as a bulk string, in UTF-8. */
  bulkText(text: string): void {
    const bytes = Buffer.from(text);
    this.bulk(bytes, 0, bytes.length);
  }

  /** The head of an array; its items follow as replies of their own. */
  array(count: number): void {
    this.#number(ARRAY, count);
  }

  /** The head of a map; keys and values follow in turn. RESP2 gets a flat array. */
  map(count: number): void {
    if (this.resp3) this.#number(MAP, count);
    else this.#number(ARRAY, 2 * count);
  }

  /** Replies that were written elsewhere, as they are. */
  raw(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#block, this.#at);
    this.#at += bytes.length;
  }

  #constant(bytes: Buffer): void {
    this.#reserve(bytes.length);
    for (let i = 0; i < bytes.length; i += 1) this.#block[this.#at + i] = bytes[i]!;
    this.#at += bytes.length;
  }

  #number(type: number, value: Int64): void {
    this.#reserve(LINE_BYTES_MAX);
    this.#block[this.#at] = type;
    this.#at = writeDecimal(this.#block, this.#at + 1, value);
    this.#lineEnd();
  }

  #line(type: number, text: string): void {
    const clean = text.replace(/[\r\n]+/g, ' ');
    this.#reserve(3 + 3 * clean.length);
    this.#block[this.#at] = type;
    this.#at += 1 + this.#block.write(clean, this.#at + 1);
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#block[this.#at] = CR;
    this.#block[this.#at + 1] = LF;
    this.#at += 2;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#block.length) return;
    const kept = this.length;
    const grown = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, 2 * kept, kept + bytes));
    this.#block.copy(grown, 0, this.#start, this.#at);
    this.#block = grown;
    this.#start = 0;
    this.#at = kept;
  }
}
