/**
 * The byte layout of key-value reads, which never enter the log, little-endian and packed:
 *
 *   byte  0      1
 *         ┌──────┬──────────────────────────────────────────────────────────┐
 *         │ type │ GET, STRLEN, TYPE   the key, up to the end               │
 *         │ u8   │ MGET, EXISTS        repeated (u16 keyLen, key)           │
 *         │      │ DBSIZE, STAT, DIGEST  nothing                            │
 *         │      │ KEYS                the glob pattern, up to the end      │
 *         │      │ SCAN, SCAN on       u32 cursor, u32 count, glob pattern  │
 *         └──────┴──────────────────────────────────────────────────────────┘
 *
 * Answers are laid out as in results.ts. Encoders return the offset after what they wrote.
 */

import { copyBytes } from './bytes.js';
import { writeU32 } from './commands.js';

export const QueryType = {
  get: 1,
  getMany: 2,
  exists: 3,
  valueLength: 4,
  type: 5,
  size: 6,
  stat: 7,
  keys: 8,
  scan: 9,
  digest: 10,
  /** A SCAN that is a further page of an operation whose first page was counted. */
  scanOn: 11,
} as const;
export type QueryType = (typeof QueryType)[keyof typeof QueryType];

/** Watching a store must not look like using it, and an operation in pages counts once. */
export function countsAsOperation(type: number | undefined): boolean {
  switch (type) {
    case QueryType.size:
    case QueryType.stat:
    case QueryType.digest:
    case QueryType.scanOn:
      return false;
    default:
      return true;
  }
}

export const QUERY_HEADER_BYTES = 1;
export const SCAN_OFFSET_CURSOR = QUERY_HEADER_BYTES;
export const SCAN_OFFSET_COUNT = SCAN_OFFSET_CURSOR + 4;
export const SCAN_OFFSET_PATTERN = SCAN_OFFSET_COUNT + 4;
/** Keys that one SCAN looks at, whatever its count asks for: about 2 ms of a thread. */
export const SCAN_KEYS_MAX = 2000;

/** A query whose body is one range of bytes: a key, a pattern, or nothing. */
export function encodeQuery(
  target: Buffer,
  at: number,
  type: QueryType,
  source: Buffer,
  start: number,
  end: number,
): number {
  target[at] = type;
  copyBytes(source, start, end, target, at + QUERY_HEADER_BYTES);
  return at + QUERY_HEADER_BYTES + end - start;
}

/** `SCAN_OFFSET_PATTERN` + pattern length long. A cursor of 0 begins. */
export function encodeScan(
  target: Buffer,
  at: number,
  cursor: number,
  count: number,
  source: Buffer,
  start: number,
  end: number,
): number {
  target[at] = QueryType.scan;
  writeU32(target, at + SCAN_OFFSET_CURSOR, cursor);
  writeU32(target, at + SCAN_OFFSET_COUNT, count);
  copyBytes(source, start, end, target, at + SCAN_OFFSET_PATTERN);
  return at + SCAN_OFFSET_PATTERN + end - start;
}
