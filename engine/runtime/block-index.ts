/**
 * Where one group's entries lie on disk: a sparse map from log index to WAL block.
 *
 * One location per 64 KiB of entries is enough: a reader scans forward from it. Truncated versions
 * of an entry may lie on the way; the reader recognises them by their term.
 */

import type { LogIndex } from '../raft/types.js';

const BYTES_PER_LOCATION = 64 * 1024;

export interface BlockLocation {
  readonly first: number;
  readonly segment: number;
  readonly offset: number;
}

export class BlockIndex {
  readonly #locations: BlockLocation[];
  #bytesSince = Number.POSITIVE_INFINITY;

  constructor(recovered: readonly BlockLocation[]) {
    this.#locations = [...recovered];
  }

  /** Entries from `first` on, `bytes` of them, were written into the block at (segment, offset). */
  add(first: number, bytes: number, segment: number, offset: number): void {
    const newest = this.#locations[this.#locations.length - 1];
    this.#bytesSince += bytes;
    const sameSegment = newest !== undefined && newest.segment === segment;
    if (sameSegment && this.#bytesSince < BYTES_PER_LOCATION) return;
    if (newest !== undefined && newest.first >= first) return;
    this.#locations.push({ first, segment, offset });
    this.#bytesSince = bytes;
  }

  truncateAfter(index: LogIndex): void {
    while ((this.#locations[this.#locations.length - 1]?.first ?? 0) > index) this.#locations.pop();
    this.#bytesSince = Number.POSITIVE_INFINITY;
  }

  /** The last location whose first index is ≤ `index`; undefined when the log is empty there. */
  find(index: LogIndex): BlockLocation | undefined {
    let low = 0;
    let high = this.#locations.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#locations[middle] as BlockLocation).first <= index) low = middle + 1;
      else high = middle;
    }
    return this.#locations[low - 1];
  }
}
