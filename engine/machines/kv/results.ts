/**
 * The byte layout of what the key-value machine answers, to commands and to queries alike:
 *
 *   byte  0        1
 *         ┌────────┬─────────────────────────────────────────────────────────────┐
 *         │ status │ OK, NIL    nothing                                          │
 *         │ u8     │ VALUE      the bytes, up to the end                         │
 *         │        │ INTEGER    int64                                            │
 *         │        │ ARRAY      u32 count, then items (u32 length, bytes)        │
 *         │        │ SCAN       u32 next cursor (0: finished), then as ARRAY     │
 *         │        │ ERROR      text, up to the end                              │
 *         └────────┴─────────────────────────────────────────────────────────────┘
 *
 * An item of length 2^32 − 1 is a nil and has no bytes. A rejected command does not come here: its
 * text travels as the engine's error value.
 */

import { INT64_BYTES, type Int64, writeInt64 } from '../../../codec/int64.js';
import { copyBytes } from './bytes.js';
import { writeU32 } from './commands.js';

export const ResultStatus = {
  ok: 0,
  nil: 1,
  value: 2,
  integer: 3,
  array: 4,
  scan: 5,
  error: 6,
} as const;
export type ResultStatus = (typeof ResultStatus)[keyof typeof ResultStatus];

export const RESULT_HEADER_BYTES = 1;
export const ARRAY_OFFSET_COUNT = RESULT_HEADER_BYTES;
export const ARRAY_OFFSET_ITEMS = ARRAY_OFFSET_COUNT + 4;
export const SCAN_RESULT_OFFSET_CURSOR = RESULT_HEADER_BYTES;
export const SCAN_RESULT_OFFSET_COUNT = SCAN_RESULT_OFFSET_CURSOR + 4;
export const SCAN_RESULT_OFFSET_ITEMS = SCAN_RESULT_OFFSET_COUNT + 4;
export const ITEM_HEADER_BYTES = 4;
export const ITEM_NIL = 0xffff_ffff;

/** An answer buffer beyond this is given to the garbage collector after use. */
const KEPT_BYTES_MAX = 64 * 1024;

/** Builds one answer at a time in memory that the next answer overwrites. */
export class ResultWriter {
  #bytes = Buffer.allocUnsafeSlow(4096);
  #length = 0;
  #countAt = 0;
  #count = 0;
  readonly #integer = Buffer.alloc(RESULT_HEADER_BYTES + INT64_BYTES, ResultStatus.integer);
  readonly #ok = Buffer.from([ResultStatus.ok]);
  readonly #nil = Buffer.from([ResultStatus.nil]);

  ok(): Uint8Array {
    return this.#ok;
  }

  nil(): Uint8Array {
    return this.#nil;
  }

  integer(value: Int64): Uint8Array {
    writeInt64(this.#integer, RESULT_HEADER_BYTES, value);
    return this.#integer;
  }

  value(source: Buffer, start: number, end: number): Uint8Array {
    this.#begin(ResultStatus.value);
    this.#append(source, start, end);
    return this.#finish();
  }

  error(text: string): Uint8Array {
    this.#begin(ResultStatus.error);
    this.#append(Buffer.from(text), 0, Buffer.byteLength(text));
    return this.#finish();
  }

  /** Bytes of the answer so far. */
  get length(): number {
    return this.#length;
  }

  /** Items in the array so far. */
  get count(): number {
    return this.#count;
  }

  beginArray(): void {
    this.#begin(ResultStatus.array);
    this.#beginItems();
  }

  beginScan(): void {
    this.#begin(ResultStatus.scan);
    this.#u32(0);
    this.#beginItems();
  }

  item(source: Buffer, start: number, end: number): void {
    this.#count += 1;
    this.#u32(end - start);
    this.#append(source, start, end);
  }

  nilItem(): void {
    this.#count += 1;
    this.#u32(ITEM_NIL);
  }

  finishScan(cursor: number): Uint8Array {
    writeU32(this.#bytes, SCAN_RESULT_OFFSET_CURSOR, cursor);
    return this.finishArray();
  }

  finishArray(): Uint8Array {
    writeU32(this.#bytes, this.#countAt, this.#count);
    return this.#finish();
  }

  #finish(): Uint8Array {
    // A plain view costs a third of what Buffer.subarray does.
    const answer = new Uint8Array(this.#bytes.buffer, 0, this.#length);
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(4096);
    return answer;
  }

  #begin(status: ResultStatus): void {
    this.#bytes[0] = status;
    this.#length = RESULT_HEADER_BYTES;
  }

  #beginItems(): void {
    this.#countAt = this.#length;
    this.#count = 0;
    this.#u32(0);
  }

  #u32(value: number): void {
    this.#reserve(4);
    writeU32(this.#bytes, this.#length, value);
    this.#length += 4;
  }

  #append(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    copyBytes(source, start, end, this.#bytes, this.#length);
    this.#length += end - start;
  }

  #reserve(bytes: number): void {
    const need = this.#length + bytes;
    if (need <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(need, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
