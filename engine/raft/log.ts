/**
 * The log as the core sees it: indexes, terms and sizes, never a byte of an entry.
 *
 *   compacted ≤ applied ≤ committed ≤ last        durable ≤ last
 *
 * `committed ≤ durable` need not hold here: a majority elsewhere may be durable before this disk
 * is. Terms are kept as runs, sizes as extents of at most a few dozen KiB, so a step that handles
 * ten thousand entries costs as much as one that handles one.
 */

import { assert, type LogIndex, NO_INDEX, NO_TERM, type Term, type TermRun } from './types.js';

/**
 * Neighbouring extents below this size are merged: the table stays small for years of small writes.
 */
const EXTENT_MERGE_BYTES = 32 * 1024;

export interface RecoveredLog {
  readonly last: LogIndex;
  readonly generation: number;
  readonly termRuns: readonly TermRun[];
  readonly extents: readonly { readonly last: LogIndex; readonly bytes: number }[];
}

export const EMPTY_LOG: RecoveredLog = {
  last: NO_INDEX,
  generation: 0,
  termRuns: [],
  extents: [],
};

export class RaftLog {
  last: LogIndex;
  /** Last index known to be on this disk, in the current truncation generation. */
  durable: LogIndex;
  committed: LogIndex = NO_INDEX;
  applied: LogIndex = NO_INDEX;
  /** Grows by one at every truncation; storage acknowledgements of an older one are stale. */
  generation: number;
  readonly #runs: TermRun[];
  /** Parallel arrays: last index of each extent and entry bytes up to it. */
  readonly #extentLast: number[];
  readonly #extentBytes: number[];

  constructor(recovered: RecoveredLog) {
    this.last = recovered.last;
    this.durable = recovered.last;
    this.generation = recovered.generation;
    this.#runs = [...recovered.termRuns];
    this.#extentLast = recovered.extents.map((extent) => extent.last);
    this.#extentBytes = recovered.extents.map((extent) => extent.bytes);
  }

  get lastTerm(): Term {
    return this.#runs[this.#runs.length - 1]?.term ?? NO_TERM;
  }

  get termRuns(): readonly TermRun[] {
    return this.#runs;
  }

  #runAt(index: LogIndex): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#runs[middle] as TermRun).first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Term of the entry at `index`; 0 for index 0; undefined past the end. */
  termAt(index: LogIndex): Term | undefined {
    if (index === NO_INDEX) return NO_TERM;
    if (index > this.last) return undefined;
    return (this.#runs[this.#runAt(index)] as TermRun).term;
  }

  /** Last index of the run of equal terms that holds `index`. */
  endOfTerm(index: LogIndex): LogIndex {
    const next = this.#runs[this.#runAt(index) + 1];
    return next === undefined ? this.last : ((next.first - 1) as LogIndex);
  }

  /** Largest index ≤ `index` whose term is ≤ `term`: one conflict hint skips whole terms. */
  lastNotAbove(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.last) as LogIndex;
    while (at > NO_INDEX) {
      const run = this.#runs[this.#runAt(at)] as TermRun;
      if (run.term <= term) return at;
      at = (run.first - 1) as LogIndex;
    }
    return NO_INDEX;
  }

  /**
   * Whether a log ending in (lastTerm, lastIndex) is at least as up to date as this one (§5.4.1).
   */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.last);
  }

  /** Adds `count` entries of `term` and returns the first one's index. */
  append(count: number, term: Term, bytes: number): LogIndex {
    assert(count > 0, 'an append adds at least one entry');
    assert(term >= this.lastTerm, 'terms never shrink along the log');
    const first = (this.last + 1) as LogIndex;
    if (term !== this.lastTerm || this.#runs.length === 0) this.#runs.push({ first, term });
    this.last = (this.last + count) as LogIndex;
    this.#addExtent(this.last, bytes);
    return first;
  }

  #addExtent(last: LogIndex, bytes: number): void {
    const at = this.#extentLast.length - 1;
    const total = at < 0 ? 0 : (this.#extentBytes[at] as number);
    const before = at < 1 ? 0 : (this.#extentBytes[at - 1] as number);
    if (at >= 0 && total - before + bytes <= EXTENT_MERGE_BYTES) {
      this.#extentLast[at] = last;
      this.#extentBytes[at] = total + bytes;
      return;
    }
    this.#extentLast.push(last);
    this.#extentBytes.push(total + bytes);
  }

  truncateAfter(index: LogIndex): void {
    assert(index >= this.committed, 'a committed entry is never truncated');
    assert(index < this.last, 'a truncation removes something');
    const bytes = this.#bytesUpTo(index);
    while (this.#runs.length > 0 && this.#runs[this.#runs.length - 1]!.first > index) {
      this.#runs.pop();
    }
    while (this.#extentLast.length > 0 && this.#extentLast[this.#extentLast.length - 1]! > index) {
      this.#extentLast.pop();
      this.#extentBytes.pop();
    }
    if ((this.#extentLast[this.#extentLast.length - 1] ?? 0) < index) {
      this.#extentLast.push(index);
      this.#extentBytes.push(bytes);
    }
    this.last = index;
    this.durable = Math.min(this.durable, index) as LogIndex;
    this.generation += 1;
  }

  /** First extent whose last index is ≥ `index`. */
  #extentAt(index: LogIndex): number {
    let low = 0;
    let high = this.#extentLast.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#extentLast[middle] as number) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Entry bytes of `[1, index]`: exact at extent ends, in proportion inside one. */
  #bytesUpTo(index: LogIndex): number {
    if (index === NO_INDEX) return 0;
    const at = this.#extentAt(index);
    const last = this.#extentLast[at];
    if (last === undefined) return this.#extentBytes[this.#extentBytes.length - 1] ?? 0;
    const before = at === 0 ? 0 : (this.#extentLast[at - 1] as number);
    const bytesBefore = at === 0 ? 0 : (this.#extentBytes[at - 1] as number);
    const bytes = (this.#extentBytes[at] as number) - bytesBefore;
    return bytesBefore + Math.ceil((bytes * (index - before)) / (last - before));
  }

  /** Entry bytes of `[first, last]`, known to within one extent. */
  bytesBetween(first: LogIndex, last: LogIndex): number {
    if (last < first) return 0;
    return this.#bytesUpTo(last) - this.#bytesUpTo((first - 1) as LogIndex);
  }

  /**
   * The last index of one extent that `bytesMax` reaches from `first`, in proportion; at least it.
   */
  #lastWithin(at: number, first: LogIndex, bytesMax: number): number {
    const last = this.#extentLast[at] as number;
    const before = at === 0 ? 0 : (this.#extentLast[at - 1] as number);
    const bytesBefore = at === 0 ? 0 : (this.#extentBytes[at - 1] as number);
    const bytesEach = ((this.#extentBytes[at] as number) - bytesBefore) / (last - before);
    return Math.min(last, first + Math.max(1, Math.floor(bytesMax / bytesEach)) - 1);
  }

  /**
   * The last index such that `[first, it]` is one term and about `bytesMax` bytes; at least first.
   */
  lastFitting(first: LogIndex, entriesMax: number, bytesMax: number): LogIndex {
    assert(first > NO_INDEX, 'a range starts after the beginning of the log');
    assert(first <= this.last, 'a range starts before the end of the log');
    const base = this.#bytesUpTo((first - 1) as LogIndex);
    let at = this.#extentAt(first);
    let fitting = this.#lastWithin(at, first, bytesMax);
    while (fitting === this.#extentLast[at] && at + 1 < this.#extentLast.length) {
      if ((this.#extentBytes[at + 1] as number) - base > bytesMax) break;
      at += 1;
      fitting = this.#extentLast[at] as number;
    }
    return Math.min(fitting, first + entriesMax - 1, this.endOfTerm(first)) as LogIndex;
  }
}
