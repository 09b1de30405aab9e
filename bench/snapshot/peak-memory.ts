/**
 * The largest resident size of each node over a stretch of time, sampled from /proc.
 *
 * What a peak between two samples was is not known: they are close together for that.
 */

import { rssBytes } from '../cluster/process-figures.js';

const SAMPLE_MS = 100;
const MIB = 1024 * 1024;

export class PeakMemory {
  readonly #pids: readonly number[];
  readonly #peaks: number[];
  readonly #timer: NodeJS.Timeout;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#peaks = pids.map(() => 0);
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    // A window that is broken off never says `end`: that must not keep the process.
    this.#timer.unref();
  }

  #sample(): void {
    for (const [at, pid] of this.#pids.entries()) {
      this.#peaks[at] = Math.max(this.#peaks[at] as number, rssBytes(pid) ?? 0);
    }
  }

  /** In MiB, in the order of the nodes. */
  end(): number[] {
    this.#sample();
    clearInterval(this.#timer);
    return this.#peaks.map((bytes) => bytes / MIB);
  }
}
