/**
 * The log's spare segments on one simulated node: they take a while to prepare, as on the bulk
 * thread, and a full disk is tried again.
 *
 * The files are made by production code; this file must never touch one.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { InlineSegmentSupply, SegmentSupply } from '../../io/wal/segment-supply.js';
import type { SimProcess } from './process.js';

export class SlowSupply implements SegmentSupply {
  readonly #supply: InlineSegmentSupply;
  readonly #process: SimProcess;
  readonly #prng: Prng;
  #isOrdered = false;

  constructor(supply: InlineSegmentSupply, process: SimProcess, prng: Prng) {
    this.#supply = supply;
    this.#process = process;
    this.#prng = prng;
  }

  get ready(): number {
    return this.#supply.ready;
  }

  get isStarved(): boolean {
    return this.#supply.isStarved;
  }

  take(): string | null {
    return this.#supply.take();
  }

  want(): void {
    if (this.#isOrdered || this.#supply.ready > 0) return;
    this.#isOrdered = true;
    this.#process.after(this.#prng.between(1_000, 40_000), () => this.finish());
  }

  recycle(segment: number): void {
    this.#supply.recycle(segment);
  }

  /** Prepares what was ordered. */
  finish(): void {
    if (!this.#isOrdered) return;
    this.#isOrdered = false;
    this.#supply.want();
    if (this.#supply.isStarved) this.want();
  }
}
