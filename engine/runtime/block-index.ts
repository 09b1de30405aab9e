/**
 * Where one group's entries lie on disk: a sparse map from log index to WAL block.
 *
 * One location per 64 KiB of entries, or segment, is enough: a reader scans forward from it. All
 * entries up to the next location lie in its segment. Truncated versions of an entry may lie on the
 * way; the reader recognises them by their term. It must never name a block that entries have left.
 */

import type { LogIndex } from '../raft/types.js';

const BYTES_PER_LOCATION = 64 * 1024;

export interface BlockLocation {
  readonly first: number;
  readonly segment: number;
  readonly offset: number;
}

/** Entries `[first, last]`, and the block that holds them now. */
export interface MovedStretch extends BlockLocation {
  readonly last: number;
}

export class BlockIndex {
  readonly #locations: BlockLocation[];
  #bytesSince = Number.POSITIVE_INFINITY;

  constructor(recovered: readonly BlockLocation[]) {
    this.#locations = [...recovered];
  }

  /** Entries from `first` on, `bytes` of them, were written into the block at (segment, offset). */
  add(first: number, bytes: number, segment: number, offset: number): void {
    // Of entries that were truncated before these were submitted, and acknowledged since.
    if ((this.#locations.at(-1)?.first ?? 0) >= first) this.truncateAfter((first - 1) as LogIndex);
    const newest = this.#locations.at(-1);
    this.#bytesSince += bytes;
    const sameSegment = newest !== undefined && newest.segment === segment;
    if (sameSegment && this.#bytesSince < BYTES_PER_LOCATION) return;
    this.#locations.push({ first, segment, offset });
    this.#bytesSince = bytes;
  }

  truncateAfter(index: LogIndex): void {
    while ((this.#locations.at(-1)?.first ?? 0) > index) this.#locations.pop();
    this.#bytesSince = Number.POSITIVE_INFINITY;
  }

  /** Forgets what lies wholly before the entry after `index`. */
  compact(index: LogIndex): void {
    let passed = 0;
    while ((this.#locations[passed + 1]?.first ?? Number.POSITIVE_INFINITY) <= index + 1)
      passed += 1;
    if (passed > 0) this.#locations.splice(0, passed);
  }

  reset(): void {
    this.#locations.length = 0;
    this.#bytesSince = Number.POSITIVE_INFINITY;
  }

  /** The last location whose first index is ≤ `index`; undefined when the log is empty there. */
  find(index: LogIndex): BlockLocation | undefined {
    return this.#locations[this.#after(index) - 1];
  }

  /** Position of the first location behind `index`. */
  #after(index: number): number {
    let low = 0;
    let high = this.#locations.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#locations[middle] as BlockLocation).first <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * How far from `first` on, at most to `last`, a reader that scans forward comes without passing
   * over segments that hold nothing of it, or going back.
   */
  reach(first: LogIndex, last: LogIndex): LogIndex {
    let at = this.#after(first);
    for (; at > 0 && at < this.#locations.length; at += 1) {
      const { segment, offset } = this.#locations[at - 1]!;
      const next = this.#locations[at]!;
      if (next.first > last) return last;
      const follows = next.segment === segment && next.offset >= offset;
      if (!follows && next.segment !== segment + 1) return (next.first - 1) as LogIndex;
    }
    return last;
  }

  /**
   * Entries were written once more, and where they were before will go. Of entries that the log
   * forgot since, nothing is noted.
   */
  moved({ first, last, segment, offset }: MovedStretch): void {
    const behind = this.#after(last + 1);
    const rest = this.#locations[behind - 1];
    if (rest === undefined) return;
    const before = this.#locations.findLastIndex((location) => location.first < first) + 1;
    const copies = [
      { first, segment, offset },
      { ...rest, first: last + 1 },
    ];
    this.#locations.splice(before, behind - before, ...copies);
    this.#bytesSince = Number.POSITIVE_INFINITY;
  }
}
