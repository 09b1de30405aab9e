/**
 * One group's requests on their way into the log, in order. What finds no room is kept here, so
 * that the log can look behind it: a term, a vote or a compaction goes ahead of entries that wait
 * for space.
 *
 * It must never reorder anything else, and never keep what merely found the block full.
 */

import type { Wal } from './wal.js';
import type { PersistRequest } from './wal-types.js';

export class RequestLane {
  readonly #wal: Wal;
  readonly #waiting: PersistRequest[] = [];
  #hasNoRoom = false;

  constructor(wal: Wal) {
    this.#wal = wal;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** What waits does so for space on the disk, not for the next block. */
  get hasNoRoom(): boolean {
    return this.#hasNoRoom;
  }

  /** Stages what waits, the oldest first. To be called before new requests are offered. */
  resume(): void {
    this.#hasNoRoom = false;
    while (this.#waiting.length > 0) {
      if (!this.#wal.stage(this.#waiting[0]!)) {
        this.#hasNoRoom = this.#wal.busy;
        return;
      }
      this.#waiting.shift();
    }
  }

  /** False: the block is full, offer it again after the commit. What is kept is not copied. */
  offer(request: PersistRequest): boolean {
    if (this.#waiting.length === 0) {
      if (this.#wal.stage(request)) return true;
      this.#hasNoRoom = this.#wal.busy;
    }
    if (this.#hasNoRoom) this.#waiting.push(request);
    return this.#hasNoRoom;
  }

  /** Stages the newest term and vote, and compaction, of what waits, unless that is done. */
  promise(): void {
    if (!this.#hasNoRoom) return;
    // In this order: an older term may not follow the newest one.
    const promised = this.#waiting.findLast(({ hardState }) => hardState !== undefined);
    if (promised !== undefined) this.#wal.promise(promised);
    // What gives space back must not wait for space.
    const compacted = this.#waiting.findLast(({ compact }) => compact !== undefined);
    if (compacted !== undefined) this.#wal.promise(compacted);
  }
}
