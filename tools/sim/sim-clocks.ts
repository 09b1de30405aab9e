/**
 * The clocks of a simulated process in milliseconds, as a runtime reads them, and as they are when
 * it does not look.
 */

import type { Clocks } from '../../engine/raft/lease.js';
import type { SimProcess } from './process.js';

const US_PER_MS = 1_000;

export class SimClocks implements Clocks {
  readonly #process: SimProcess;
  readonly #wallOffsetMs: number;

  constructor(process: SimProcess, wallOffsetMs: number) {
    this.#process = process;
    this.#wallOffsetMs = wallOffsetMs;
  }

  get now(): number {
    return this.#process.localUs / US_PER_MS;
  }

  /** In whole milliseconds, as the real one is read. */
  get wall(): number {
    return Math.floor(this.#process.wallUs / US_PER_MS) + this.#wallOffsetMs;
  }

  get wallAhead(): number {
    return this.wall - this.now;
  }
}
