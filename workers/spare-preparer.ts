/**
 * The bulk thread's part in the supply of segments: takes freed ones over, prepares the spare that
 * is wanted, from one of those or a slice of zeros at a time, removes files that the log will not
 * want again, and tries a full disk again until there is space.
 *
 * A disk that fails in any other way ends the thread. It must never touch a segment of the log that
 * was not freed.
 */

import { monotonicMs } from '../io/clock.js';
import type { Disk } from '../io/disk/disk.js';
import { KEPT_MIN, RecycleDemand } from '../io/wal/recycle-demand.js';
import { RecycledPool } from '../io/wal/recycled-pool.js';
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
/** Between two files that are removed: a disk may be busy with one for long after the call. */
const REMOVAL_PAUSE_MS = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

/** Where spares are made, and how large. */
export interface SparePlace {
  readonly disk: Disk;
  readonly walDirectory: string;
  readonly segmentBytes: number;
  /** Files that the log has at the start: its segments, and finished spares. */
  readonly filesInUse: number;
}

export class SparePreparer {
  readonly #place: SparePlace;
  readonly #orders: SpareOrders;
  readonly #io: Doorbell;
  readonly #clock: () => number;
  readonly #pool: RecycledPool;
  readonly #demand: RecycleDemand;
  /** Files of the log, its ready spares included. */
  #inUse: number;
  #job: Generator<number, string> | null = null;
  #nextAt = 0;
  #nextRemovalAt = 0;

  /** `io` is rung when a spare is ready, and when there is none to come. */
  constructor(place: SparePlace, orders: SpareOrders, io: Doorbell, clock = monotonicMs) {
    this.#place = place;
    this.#orders = orders;
    this.#io = io;
    this.#clock = clock;
    this.#pool = new RecycledPool(place.disk, place.walDirectory, place.segmentBytes);
    this.#inUse = place.filesInUse;
    this.#demand = new RecycleDemand(clock());
    // What an earlier life kept it had wanted lately.
    this.#demand.note(this.#inUse + this.#pool.size, clock());
  }

  get isDue(): boolean {
    if (this.#orders.freedSegment !== null || this.#isAtHand) return true;
    return this.#clock() >= this.deadline;
  }

  /** The spare that is wanted only has to be renamed: no full disk is waited for. */
  get #isAtHand(): boolean {
    return this.#orders.isWanted && this.#job === null && this.#pool.size > 0;
  }

  get #hasSurplus(): boolean {
    return this.#pool.size > this.#demand.kept(this.#inUse);
  }

  get deadline(): number {
    return Math.min(this.#orders.isWanted ? this.#nextAt : NEVER, this.#removalAt);
  }

  /** When a file is removed, or looked at whether one is to be. */
  get #removalAt(): number {
    if (this.#pool.size <= KEPT_MIN) return NEVER;
    return this.#hasSurplus ? this.#nextRemovalAt : this.#demand.nextPeriodAt;
  }

  /** One freed segment, one slice of the spare that is wanted, or one file that is of no use. */
  step(): void {
    this.#demand.note(this.#inUse, this.#clock());
    const freed = this.#orders.freedSegment;
    if (freed !== null) {
      this.#pool.recycle(freed);
      this.#orders.recycled();
      this.#inUse -= 1;
    } else if (this.#isAtHand) {
      this.#pool.take(this.#orders.nextName);
      this.#ready();
    } else if (this.#orders.isWanted && this.#clock() >= this.#nextAt) {
      this.#prepare();
    } else if (this.#hasSurplus && this.#clock() >= this.#nextRemovalAt) {
      this.#pool.removeOne();
      this.#nextRemovalAt = this.#clock() + REMOVAL_PAUSE_MS;
    }
  }

  #ready(): void {
    this.#inUse += 1;
    this.#orders.prepared();
    this.#io.ring();
  }

  #prepare(): void {
    const begun = this.#clock();
    const { disk, walDirectory, segmentBytes } = this.#place;
    this.#job ??= preparing(disk, walDirectory, this.#orders.nextName, segmentBytes);
    try {
      if (this.#job.next().done !== true) {
        const now = this.#clock();
        this.#nextAt = now + REST_SHARE * (now - begun);
        return;
      }
      this.#job = null;
      this.#ready();
    } catch (cause) {
      this.#job = null;
      if (!isNoSpace(cause)) throw cause;
      this.#orders.failed();
      this.#nextAt = this.#clock() + FULL_RETRY_MS;
      this.#io.ring();
    }
  }
}
