/**
 * KEYS asked in pages: a walk over the whole key space takes a while, and the group's own thread,
 * which leads and follows meanwhile, must never be kept that long. Asks SCAN after SCAN and makes
 * of their answers the one that KEYS has.
 *
 * A key that is there during the whole walk is in the answer once; one that comes or goes meanwhile
 * may be. Pure bytes: whoever owns it asks and waits.
 */

import { readU32, writeU32 } from '../../engine/machines/kv/commands.js';
import {
  encodeScan,
  QueryType,
  SCAN_KEYS_MAX,
  SCAN_OFFSET_PATTERN,
} from '../../engine/machines/kv/queries.js';
import {
  ARRAY_OFFSET_COUNT,
  ARRAY_OFFSET_ITEMS,
  ResultStatus,
  SCAN_RESULT_OFFSET_COUNT,
  SCAN_RESULT_OFFSET_CURSOR,
  SCAN_RESULT_OFFSET_ITEMS,
} from '../../engine/machines/kv/results.js';

export const PageOutcome = {
  /** Ask the next `query`. */
  more: 0,
  /** `result` has the answer. */
  whole: 1,
  /** The answer would be too large. */
  tooLarge: 2,
} as const;
export type PageOutcome = (typeof PageOutcome)[keyof typeof PageOutcome];

export class KeyPages {
  readonly #bytesMax: number;
  readonly #query: Buffer;
  readonly #pattern: Buffer;
  #parts: Buffer[] = [Buffer.alloc(ARRAY_OFFSET_ITEMS, 0)];
  #count = 0;
  #bytes = ARRAY_OFFSET_ITEMS;

  constructor(pattern: Buffer, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#pattern = Buffer.from(pattern);
    this.#query = Buffer.alloc(SCAN_OFFSET_PATTERN + pattern.length);
    this.#ask(0);
  }

  #ask(cursor: number): void {
    const pattern = this.#pattern;
    encodeScan(this.#query, 0, cursor, SCAN_KEYS_MAX, pattern, 0, pattern.length);
    // All pages are one operation.
    if (cursor !== 0) this.#query[0] = QueryType.scanOn;
  }

  /** What to ask next; valid until the next `take`. */
  get query(): Buffer {
    return this.#query;
  }

  /** Bytes gathered so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The answer to `query`, in `buffer[start, end)`, which is copied. */
  take(buffer: Buffer, start: number, end: number): PageOutcome {
    if (buffer[start] !== ResultStatus.scan) throw new Error('assertion failed: SCAN was asked');
    const items = start + SCAN_RESULT_OFFSET_ITEMS;
    if (this.#bytes + end - items > this.#bytesMax) {
      this.#parts = [];
      return PageOutcome.tooLarge;
    }
    this.#count += readU32(buffer, start + SCAN_RESULT_OFFSET_COUNT);
    this.#bytes += end - items;
    this.#parts.push(Buffer.from(buffer.subarray(items, end)));
    const cursor = readU32(buffer, start + SCAN_RESULT_OFFSET_CURSOR);
    this.#ask(cursor);
    return cursor === 0 ? PageOutcome.whole : PageOutcome.more;
  }

  /** The answer as the state machine lays out an array. */
  result(): Buffer {
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    whole[0] = ResultStatus.array;
    writeU32(whole, ARRAY_OFFSET_COUNT, this.#count);
    return whole;
  }

  /** The answer when it would be too large. */
  refusal(): Buffer {
    const text = `KEYS would answer more than ${this.#bytesMax} bytes, use SCAN`;
    return Buffer.concat([Buffer.from([ResultStatus.error]), Buffer.from(text)]);
  }
}
