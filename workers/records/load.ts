/**
 * Records between a consensus worker and the bulk thread: old log entries asked for and given back.
 *
 *   LOAD    │ id │ segment │ offset │ first │ last │ bytesMax │ term │   (seven f64)
 *   SNAPSHOT │ an order or an answer about snapshots: see snapshot.ts
 *   LOADED  │ id u32 │ count u32 │ first f64 │ slab      (count 0: not readable, the reason, UTF-8)
 */

import { logIndex, term } from '../../engine/raft/types.js';
import type { LoadedEntries, LoadRequest } from '../../engine/runtime/ports.js';

export const LoadKind = { load: 1, loaded: 2, snapshot: 3 } as const;

const NUMBER_BYTES = 8;
export const LOAD_BYTES = 7 * NUMBER_BYTES;
const OFFSET_ID = 0;
const OFFSET_COUNT = OFFSET_ID + 4;
const OFFSET_FIRST = OFFSET_COUNT + 4;
export const LOADED_HEADER_BYTES = OFFSET_FIRST + 8;

export function writeLoad(view: DataView, at: number, load: LoadRequest): void {
  const { id, segment, offset, first, last, bytesMax } = load;
  const numbers = [id, segment, offset, first, last, bytesMax, load.term];
  for (const [i, value] of numbers.entries()) view.setFloat64(at + i * NUMBER_BYTES, value, true);
}

export function readLoad(view: DataView, at: number): LoadRequest {
  const number = (which: number): number => view.getFloat64(at + which * NUMBER_BYTES, true);
  return {
    id: number(0),
    segment: number(1),
    offset: number(2),
    first: logIndex(number(3)),
    last: logIndex(number(4)),
    bytesMax: number(5),
    term: term(number(6)),
  };
}

export function writeLoadedHeader(
  view: DataView,
  at: number,
  loaded: Omit<LoadedEntries, 'slab'>,
): void {
  view.setUint32(at + OFFSET_ID, loaded.id, true);
  view.setUint32(at + OFFSET_COUNT, loaded.count, true);
  view.setFloat64(at + OFFSET_FIRST, loaded.first, true);
}

/** The slab is copied: it is read long after the record has left the ring. */
export function readLoaded(
  buffer: Buffer,
  view: DataView,
  at: number,
  bytes: number,
): LoadedEntries {
  return {
    id: view.getUint32(at + OFFSET_ID, true),
    count: view.getUint32(at + OFFSET_COUNT, true),
    first: view.getFloat64(at + OFFSET_FIRST, true),
    slab: Buffer.from(buffer.subarray(at + LOADED_HEADER_BYTES, at + bytes)),
  };
}
