/**
 * Reads what is left of some groups in an old segment, a slice at a time: the log copies it forward
 * so that the segment becomes free, and no group commit may wait for a whole segment to be read.
 *
 * It must never write, and never decide what is copied: it only has what lies there.
 */

import { entryBytes, entryPayloadBytes } from '../../codec/entry.js';
import { type Disk, DiskError } from '../disk/disk.js';
import { BlockKind, type FramePlace } from './block-format.js';
import type { Holding } from './holdings.js';
import { Gathering } from './log-reader.js';
import { readRequests } from './request-record.js';
import { SECTOR_BYTES, segmentPath } from './segment-format.js';
import { isBlock, SegmentReader, type VerifiedBlock } from './segment-reader.js';
import { WalUnreadable } from './wal-errors.js';
import type { PersistRun } from './wal-types.js';

/** Read in one step, or one block when that is larger. */
const SLICE_BYTES = 256 * 1024;

/** A range of entries and what was found of it. */
export interface Leftover {
  readonly holding: Holding;
  readonly gathering: Gathering;
}

export class LeftoverReader {
  readonly segment: number;
  readonly leftovers: readonly Leftover[];
  readonly #reader: SegmentReader;
  readonly #place: FramePlace;
  #offset = SECTOR_BYTES;
  isDone = false;

  /** `held` are ranges of this segment; `termOf` is the term that a group's log has at an index. */
  constructor(
    disk: Disk,
    directory: string,
    logId: number,
    segment: number,
    held: readonly Holding[],
    termOf: (group: number, index: number) => number,
  ) {
    this.segment = segment;
    this.#reader = new SegmentReader(disk, segmentPath(directory, segment), segment, SLICE_BYTES);
    this.#place = this.#reader.place(logId);
    this.leftovers = held.map((holding) => {
      const { group, first, last } = holding;
      const bytesMax = Number.POSITIVE_INFINITY;
      const wanted = { first, last, bytesMax, termOf: (index: number) => termOf(group, index) };
      return { holding, gathering: new Gathering(wanted) };
    });
  }

  /** Reads on; nothing once `isDone`. */
  step(): void {
    const until = this.#offset + SLICE_BYTES;
    while (!this.isDone && this.#offset < until) this.#readBlock();
  }

  #readBlock(): void {
    const block = this.#blockThere();
    if (block === null) {
      this.close();
      return;
    }
    const { frame, body } = block;
    this.#offset += frame.blockBytes;
    if (frame.kind !== BlockKind.batch) return;
    const { bytes, view } = this.#reader;
    for (const request of readRequests(bytes, view, body, frame.bodyBytes, frame.requests) ?? []) {
      for (const { holding, gathering } of this.leftovers) {
        if (holding.group !== request.group) continue;
        for (const run of request.runs) gathering.take(run, bytes, view);
      }
    }
    if (this.leftovers.every(({ gathering }) => gathering.done)) this.close();
  }

  /** Null where there is none to be had: what lies behind it is nobody's to copy. */
  #blockThere(): VerifiedBlock | null {
    try {
      const found = this.#reader.block(this.#offset, this.#place);
      return isBlock(found) ? found : null;
    } catch (error) {
      // The entries are still where they were for whoever needs them: nothing is lost by it.
      if (isReadFailure(error)) return null;
      throw error;
    }
  }

  close(): void {
    this.isDone = true;
    this.#reader.release();
  }
}

/** The disk failed, which says nothing about the log that is being written. */
export function isReadFailure(error: unknown): boolean {
  return error instanceof WalUnreadable || error instanceof DiskError;
}

/** The entries `[first, last]` of runs that hold at least these; null when they do not. */
export function cutRuns(
  runs: readonly PersistRun[],
  first: number,
  last: number,
): readonly PersistRun[] | null {
  const parts: PersistRun[] = [];
  let next = first;
  for (const run of runs) {
    const end = Math.min(run.first + run.count - 1, last);
    if (run.first > next || end < next) continue;
    const start = bytesUpTo(run, next);
    const bytes = run.bytes.subarray(start, bytesUpTo(run, end + 1));
    parts.push({ term: run.term, first: next, count: end - next + 1, bytes });
    next = end + 1;
  }
  return next > last ? parts : null;
}

/** Bytes of the run's entries before `index`. */
function bytesUpTo({ first, bytes }: PersistRun, index: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  for (let n = first; n < index; n += 1) at += entryBytes(entryPayloadBytes(view, at));
  return at;
}
