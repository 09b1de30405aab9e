/**
 * Records between a consensus worker and a state machine hosted on the main thread. APPLY and QUERY
 * travel in the completion ring, their answers in the inbox ring.
 *
 *   APPLY    │ first f64 │ last f64 │ term f64 │ position u32 │ bytes u32 │ inline u32 │
 *            │ parts u32 │
 *            │ per part: batch u32 │ offset u32 │ first f64 │ last f64 │
 *            │ entry slab, when it is inline; else it lies at `position` of the arena's memory
 *   QUERY    │ batch u32 │ count u32 │ queries: u32 length + bytes, back to back
 *   APPLIED  │ last f64 │ time f64 │ sessions f64 │ the log's clock as the machine saw it last, and
 *            │                                    │ how many client sessions there are
 *   FAILED   │ index f64 │ what was thrown, UTF-8, cut
 *
 * Results have no record: who waits for them is on the main thread as well. Images have records of
 * their own, see hosted-image.ts.
 */

import type { EntrySlab } from '../../engine/runtime/apply-cursor.js';
import type { BatchPart } from '../../engine/runtime/pending-writes.js';

const NUMBER_BYTES = 8;
const OFFSET_FIRST = 0;
const OFFSET_LAST = OFFSET_FIRST + NUMBER_BYTES;
const OFFSET_TERM = OFFSET_LAST + NUMBER_BYTES;
const OFFSET_POSITION = OFFSET_TERM + NUMBER_BYTES;
const OFFSET_BYTES = OFFSET_POSITION + 4;
const OFFSET_INLINE = OFFSET_BYTES + 4;
const OFFSET_PARTS = OFFSET_INLINE + 4;
const APPLY_HEADER_BYTES = OFFSET_PARTS + 4;
const PART_OFFSET = 4;
const PART_FIRST = PART_OFFSET + 4;
const PART_LAST = PART_FIRST + NUMBER_BYTES;
const PART_BYTES = PART_LAST + NUMBER_BYTES;
const QUERY_COUNT = 4;
export const QUERY_HEADER_BYTES = QUERY_COUNT + 4;
const APPLIED_TIME = NUMBER_BYTES;
const APPLIED_SESSIONS = APPLIED_TIME + NUMBER_BYTES;
export const APPLIED_BYTES = APPLIED_SESSIONS + NUMBER_BYTES;
const FAILED_TEXT_BYTES_MAX = 2048;

/** A piece of a slab on its way to the machine. */
export interface ApplyPiece {
  readonly slab: EntrySlab;
  readonly last: number;
  readonly parts: readonly BatchPart[];
  /** Its bytes travel in the record; otherwise they are read in the arena. */
  readonly inline: boolean;
}

export function applyBytes(piece: ApplyPiece): number {
  const { slab, parts, inline } = piece;
  return APPLY_HEADER_BYTES + parts.length * PART_BYTES + (inline ? slab.end - slab.start : 0);
}

export function writeApply(bytes: Buffer, view: DataView, at: number, piece: ApplyPiece): void {
  const { slab, last, parts, inline } = piece;
  view.setFloat64(at + OFFSET_FIRST, slab.first, true);
  view.setFloat64(at + OFFSET_LAST, last, true);
  view.setFloat64(at + OFFSET_TERM, slab.term, true);
  view.setUint32(at + OFFSET_POSITION, inline ? 0 : slab.start, true);
  view.setUint32(at + OFFSET_BYTES, slab.end - slab.start, true);
  view.setUint32(at + OFFSET_INLINE, inline ? 1 : 0, true);
  view.setUint32(at + OFFSET_PARTS, parts.length, true);
  let part = at + APPLY_HEADER_BYTES;
  for (const { batch, offset, first, last: end } of parts) {
    view.setUint32(part, batch, true);
    view.setUint32(part + PART_OFFSET, offset, true);
    view.setFloat64(part + PART_FIRST, first, true);
    view.setFloat64(part + PART_LAST, end, true);
    part += PART_BYTES;
  }
  if (inline) slab.buffer.copy(bytes, part, slab.start, slab.end);
}

/** `arena` is the whole of the group's arena memory. */
export function readApply(bytes: Buffer, view: DataView, at: number, arena: Buffer): ApplyPiece {
  const parts: BatchPart[] = [];
  const count = view.getUint32(at + OFFSET_PARTS, true);
  let part = at + APPLY_HEADER_BYTES;
  for (let i = 0; i < count; i += 1, part += PART_BYTES) {
    parts.push({
      batch: view.getUint32(part, true),
      offset: view.getUint32(part + PART_OFFSET, true),
      first: view.getFloat64(part + PART_FIRST, true),
      last: view.getFloat64(part + PART_LAST, true),
    });
  }
  const inline = view.getUint32(at + OFFSET_INLINE, true) === 1;
  const buffer = inline ? bytes : arena;
  const start = inline ? part : view.getUint32(at + OFFSET_POSITION, true);
  const slab = {
    buffer,
    view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length),
    start,
    end: start + view.getUint32(at + OFFSET_BYTES, true),
    first: view.getFloat64(at + OFFSET_FIRST, true),
    term: view.getFloat64(at + OFFSET_TERM, true),
  };
  return { slab, last: view.getFloat64(at + OFFSET_LAST, true), parts, inline };
}

export function writeQueryHeader(view: DataView, at: number, batch: number, count: number): void {
  view.setUint32(at, batch, true);
  view.setUint32(at + QUERY_COUNT, count, true);
}

export function readQueryHeader(view: DataView, at: number): { batch: number; count: number } {
  return { batch: view.getUint32(at, true), count: view.getUint32(at + QUERY_COUNT, true) };
}

/** What a machine has done: entries up to `last`, and what it knows then. */
export interface Applied {
  readonly last: number;
  readonly timeMs: number;
  readonly sessions: number;
}

export function writeApplied(view: DataView, at: number, applied: Applied): void {
  view.setFloat64(at, applied.last, true);
  view.setFloat64(at + APPLIED_TIME, applied.timeMs, true);
  view.setFloat64(at + APPLIED_SESSIONS, applied.sessions, true);
}

export function readApplied(view: DataView, at: number): Applied {
  return {
    last: view.getFloat64(at, true),
    timeMs: view.getFloat64(at + APPLIED_TIME, true),
    sessions: view.getFloat64(at + APPLIED_SESSIONS, true),
  };
}

/** What was thrown, as it travels. */
export function failureText(text: string): Buffer {
  return Buffer.from(text).subarray(0, FAILED_TEXT_BYTES_MAX);
}

export function writeFailed(
  bytes: Buffer,
  view: DataView,
  at: number,
  index: number,
  text: Buffer,
): void {
  view.setFloat64(at, index, true);
  bytes.set(text, at + NUMBER_BYTES);
}

export function failedBytes(text: Buffer): number {
  return NUMBER_BYTES + text.length;
}

export function readFailed(
  bytes: Buffer,
  view: DataView,
  at: number,
  length: number,
): { index: number; text: string } {
  const text = bytes.toString('utf8', at + NUMBER_BYTES, at + length);
  return { index: view.getFloat64(at, true), text };
}
