/**
 * What the io thread has done, in shared memory that any thread reads for status and benches.
 *
 *   f64 each: blocks │ requests │ bytes written │ syncs │ roll-overs │ refusals │ log bytes │
 *             segments
 *   then 128 buckets of sync durations, eight to a factor of two, from 1 µs
 *
 * Written by one thread only. A reader may see numbers of neighbouring commits.
 */

const SLOTS = 8;
const BUCKETS = 128;
const BUCKETS_PER_DOUBLING = 8;

export interface IoNumbers {
  readonly blocks: number;
  readonly requests: number;
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly rollOvers: number;
  /** Times a request found no prepared room on disk. */
  readonly refusals: number;
  readonly logBytes: number;
  readonly segments: number;
  /** Microseconds, upper bounds of their buckets; 0 before the first sync. */
  readonly commitP50Us: number;
  readonly commitP99Us: number;
}

export function createIoFigures(): SharedArrayBuffer {
  return new SharedArrayBuffer((SLOTS + BUCKETS) * Float64Array.BYTES_PER_ELEMENT);
}

export class IoFigures {
  readonly #slots: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#slots = new Float64Array(memory);
  }

  write(slots: readonly number[]): void {
    this.#slots.set(slots.slice(0, SLOTS));
  }

  /** One group commit, write and sync together, took this long. */
  committed(milliseconds: number): void {
    const exponent = Math.log2(Math.max(1, milliseconds * 1000));
    const bucket = Math.min(BUCKETS - 1, Math.floor(exponent * BUCKETS_PER_DOUBLING));
    this.#slots[SLOTS + bucket] = (this.#slots[SLOTS + bucket] as number) + 1;
  }

  read(): IoNumbers {
    const slot = (which: number): number => this.#slots[which] as number;
    return {
      blocks: slot(0),
      requests: slot(1),
      bytesWritten: slot(2),
      syncs: slot(3),
      rollOvers: slot(4),
      refusals: slot(5),
      logBytes: slot(6),
      segments: slot(7),
      commitP50Us: this.#quantile(0.5),
      commitP99Us: this.#quantile(0.99),
    };
  }

  #quantile(quantile: number): number {
    const buckets = this.#slots.subarray(SLOTS);
    const total = buckets.reduce((sum, count) => sum + count, 0);
    if (total === 0) return 0;
    let seen = 0;
    for (const [bucket, count] of buckets.entries()) {
      seen += count;
      if (seen >= total * quantile) return Math.round(2 ** ((bucket + 1) / BUCKETS_PER_DOUBLING));
    }
    return 0;
  }
}
