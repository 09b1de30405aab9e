/**
 * The log as the core sees it: indexes, terms and sizes, never a byte of an entry.
 *
 *   compacted ≤ applied ≤ committed ≤ last        durable ≤ last
 *
 * `committed ≤ durable` need not hold here: a majority elsewhere may be durable before this disk
 * is. Terms are kept as runs, sizes as extents of at most a few dozen KiB, so a step that handles
 * ten thousand entries costs as much as one that handles one.
 *
 * The base (`compacted`) is the last entry that was forgotten: its term is still known, nothing
 * below it is, and runs and extents begin after it. `compacted ≤ durable` does not hold between a
 * reset and its acknowledgement: what is then below the base is durable in a snapshot.
 */

import {
  assert,
  type LogIndex,
  NO_INDEX,
  NO_TERM,
  type SnapshotPoint,
  type Term,
  type TermRun,
} from './types.js';

/**
 * Neighbouring extents below this size are merged: the table stays small for years of small writes.
 */
const EXTENT_MERGE_BYTES = 32 * 1024;

export interface RecoveredLog {
  readonly last: LogIndex;
  readonly generation: number;
  /** The last entry that was forgotten, and its term; 0 and 0 when the log is whole. */
  readonly compacted: LogIndex;
  readonly compactedTerm: Term;
  /** Runs of what follows the base; a first one that began before it may say so. */
  readonly termRuns: readonly TermRun[];
  /** Last index of each extent, and entry bytes from the base up to it. */
  readonly extents: readonly { readonly last: LogIndex; readonly bytes: number }[];
}

export const EMPTY_LOG: RecoveredLog = {
  last: NO_INDEX,
  generation: 0,
  compacted: NO_INDEX,
  compactedTerm: NO_TERM,
  termRuns: [],
  extents: [],
};

export class RaftLog {
  last: LogIndex;
  /** Last index known to be on this disk, in the current truncation generation. */
  durable: LogIndex;
  committed: LogIndex = NO_INDEX;
  applied: LogIndex = NO_INDEX;
  /**
   * Grows by one at every truncation and reset; storage acknowledgements of an older one are stale.
   */
  generation: number;
  #compacted: LogIndex;
  #compactedTerm: Term;
  /** Entry bytes up to the base, in the count that the extents go on with. */
  #compactedBytes = 0;
  #runs: TermRun[];
  /** Parallel arrays: last index of each extent and entry bytes up to it. */
  readonly #extentLast: number[];
  readonly #extentBytes: number[];

  constructor(recovered: RecoveredLog) {
    this.last = recovered.last;
    this.durable = recovered.last;
    this.generation = recovered.generation;
    this.#compacted = recovered.compacted;
    this.#compactedTerm = recovered.compactedTerm;
    this.#runs = [...recovered.termRuns];
    this.#extentLast = recovered.extents.map((extent) => extent.last);
    this.#extentBytes = recovered.extents.map((extent) => extent.bytes);
    this.#dropRunsBelowBase();
    assert(this.#compacted <= this.last, 'the base of a log lies within it');
  }

  /** The base: the last entry that was forgotten; 0 when the log is whole. */
  get compacted(): LogIndex {
    return this.#compacted;
  }

  get compactedTerm(): Term {
    return this.#compactedTerm;
  }

  get lastTerm(): Term {
    return this.#runs[this.#runs.length - 1]?.term ?? this.#compactedTerm;
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

  /** Term of the entry at `index`, the base included; undefined below it and past the end. */
  termAt(index: LogIndex): Term | undefined {
    if (index > this.last || index < this.#compacted) return undefined;
    if (index === this.#compacted) return this.#compactedTerm;
    return (this.#runs[this.#runAt(index)] as TermRun).term;
  }

  /** Whether the entry at the point is here, or is the base. */
  contains({ index, term }: SnapshotPoint): boolean {
    return this.termAt(index) === term;
  }

  /** Last index of the run of equal terms that holds `index`, an entry after the base. */
  endOfTerm(index: LogIndex): LogIndex {
    assert(index > this.#compacted, 'only what follows the base has a run');
    const next = this.#runs[this.#runAt(index) + 1];
    return next === undefined ? this.last : ((next.first - 1) as LogIndex);
  }

  /**
   * Largest index ≤ `index` whose term is ≤ `term`: one conflict hint skips whole terms. Below the
   * base, where terms are not known, no index is skipped.
   */
  lastNotAbove(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.last) as LogIndex;
    while (at > this.#compacted) {
      const run = this.#runs[this.#runAt(at)] as TermRun;
      if (run.term <= term) return at;
      at = (run.first - 1) as LogIndex;
    }
    const isSkipped = at === this.#compacted && this.#compactedTerm > term;
    return isSkipped ? ((at - 1) as LogIndex) : at;
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
    const total = this.#bytesAtEnd(at);
    const before = this.#bytesAtEnd(at - 1);
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
    if ((this.#extentLast[this.#extentLast.length - 1] ?? this.#compacted) < index) {
      this.#extentLast.push(index);
      this.#extentBytes.push(bytes);
    }
    this.last = index;
    this.durable = Math.min(this.durable, index) as LogIndex;
    this.generation += 1;
  }

  /** Forgets everything up to `index`, which becomes the base. */
  compact(index: LogIndex): void {
    assert(index > this.#compacted, 'the base of a log only moves forwards');
    assert(index <= this.applied, 'only what is applied is forgotten');
    assert(index <= this.durable, 'only what is durable is forgotten');
    const term = this.termAt(index) as Term;
    const bytes = this.#bytesUpTo(index);
    const kept = this.#extentAt((index + 1) as LogIndex);
    this.#extentLast.splice(0, kept);
    this.#extentBytes.splice(0, kept);
    this.#compacted = index;
    this.#compactedTerm = term;
    this.#compactedBytes = bytes;
    this.#dropRunsBelowBase();
  }

  /** Drops the whole log: it begins anew after the point, which a snapshot covers. */
  reset({ index, term }: SnapshotPoint): void {
    assert(index > this.committed, 'a log is reset only past what is committed');
    assert(this.termAt(index) !== term, 'a log that holds the point of a snapshot is kept');
    this.#runs = [];
    this.#extentLast.length = 0;
    this.#extentBytes.length = 0;
    this.#compacted = index;
    this.#compactedTerm = term;
    this.#compactedBytes = 0;
    this.last = index;
    // Nothing of this generation is on disk before storage has dropped the old log as well.
    this.durable = NO_INDEX;
    this.generation += 1;
  }

  #dropRunsBelowBase(): void {
    const next = (this.#compacted + 1) as LogIndex;
    if ((this.#runs[0]?.first ?? next) >= next) return;
    const at = this.#runAt(next);
    const { term } = this.#runs[at] as TermRun;
    this.#runs = this.#runs.slice(at);
    if (next <= this.last) this.#runs[0] = { first: next, term };
    else this.#runs = [];
  }

  /** Entry bytes up to the end of the extent at `at`; up to the base before the first one. */
  #bytesAtEnd(at: number): number {
    return at < 0 ? this.#compactedBytes : (this.#extentBytes[at] as number);
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

  /** Entry bytes up to `index`: exact at extent ends, in proportion inside one. */
  #bytesUpTo(index: LogIndex): number {
    if (index <= this.#compacted) return this.#compactedBytes;
    const at = this.#extentAt(index);
    const last = this.#extentLast[at];
    if (last === undefined) return this.#bytesAtEnd(this.#extentBytes.length - 1);
    const before = at === 0 ? this.#compacted : (this.#extentLast[at - 1] as number);
    const bytesBefore = this.#bytesAtEnd(at - 1);
    const bytes = (this.#extentBytes[at] as number) - bytesBefore;
    return bytesBefore + Math.ceil((bytes * (index - before)) / (last - before));
  }

  /** Entry bytes of `[first, last]`, known to within one extent; nothing for what is forgotten. */
  bytesBetween(first: LogIndex, last: LogIndex): number {
    if (last < first) return 0;
    return this.#bytesUpTo(last) - this.#bytesUpTo((first - 1) as LogIndex);
  }

  /**
   * The last index of one extent that `bytesMax` reaches from `first`, in proportion; at least it.
   */
  #lastWithin(at: number, first: LogIndex, bytesMax: number): number {
    const last = this.#extentLast[at] as number;
    const before = at === 0 ? this.#compacted : (this.#extentLast[at - 1] as number);
    const bytesBefore = this.#bytesAtEnd(at - 1);
    const bytesEach = ((this.#extentBytes[at] as number) - bytesBefore) / (last - before);
    return Math.min(last, first + Math.max(1, Math.floor(bytesMax / bytesEach)) - 1);
  }

  /**
   * The last index such that `[first, it]` is one term and about `bytesMax` bytes; at least first.
   */
  lastFitting(first: LogIndex, entriesMax: number, bytesMax: number): LogIndex {
    assert(first > this.#compacted, 'a range starts after the base of the log');
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
