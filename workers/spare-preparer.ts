/**
 * The bulk thread's part in the supply of segments: prepares the spare that is wanted, a slice at a
 * time, and tries a full disk again until there is space.
 *
 * A disk that fails in any other way ends the thread. It must never touch a segment of the log.
 */

import { monotonicMs } from '../io/clock.js';
import type { Disk } from '../io/disk/disk.js';
import { isNoSpace, preparing } from '../io/wal/segment-supply.js';
import type { Doorbell } from './ring/doorbell.js';
import type { SpareOrders } from './spare-words.js';

/** How soon a full disk is tried again. */
const FULL_RETRY_MS = 200;
/**
 * After a slice the disk is left to the log for this many times as long as the slice took: a spare
 * that is written in one go makes the log's own syncs wait behind all of it.
 */
const REST_SHARE = 2;
const NEVER = Number.POSITIVE_INFINITY;

/** Where spares are made, and how large. */
export interface SparePlace {
  readonly disk: Disk;
  readonly walDirectory: string;
  readonly segmentBytes: number;
}

export class SparePreparer {
  readonly #place: SparePlace;
  readonly #orders: SpareOrders;
  readonly #io: Doorbell;
  readonly #clock: () => number;
  #job: Generator<number, string> | null = null;
  #nextAt = 0;

  /** `io` is rung when a spare is ready, and when there is none to come. */
  constructor(place: SparePlace, orders: SpareOrders, io: Doorbell, clock = monotonicMs) {
    this.#place = place;
    this.#orders = orders;
    this.#io = io;
    this.#clock = clock;
  }

  get isDue(): boolean {
    return this.#orders.isWanted && this.#clock() >= this.#nextAt;
  }

  get deadline(): number {
    return this.#orders.isWanted ? this.#nextAt : NEVER;
  }

  /** One slice of the spare that is wanted. */
  step(): void {
    if (!this.isDue) return;
    const begun = this.#clock();
    const { disk, walDirectory, segmentBytes } = this.#place;
    this.#job ??= preparing(disk, walDirectory, this.#orders.nextName, segmentBytes);
    try {
      if (this.#job.next().done !== true) {
        const now = this.#clock();
        this.#nextAt = now + REST_SHARE * (now - begun);
        return;
      }
      this.#orders.prepared();
    } catch (cause) {
      if (!isNoSpace(cause)) throw cause;
      this.#orders.failed();
      this.#nextAt = this.#clock() + FULL_RETRY_MS;
    }
    this.#job = null;
    this.#io.ring();
  }
}
