/**
 * A token bucket: how many bytes per second may leave, over all that ask it.
 *
 * What leaves may be larger than what is there: the debt is waited off before the next. It reads no
 * clock and sets no timer.
 */

/** So much of the rate is saved up while nothing leaves. */
const BURST_MS = 100;

export class SendRate {
  readonly #bytesPerMs: number;
  /** When the bucket is out of debt. */
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** 0: no limit. */
  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond === 0 ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000;
  }

  /** Milliseconds until something may leave; 0: now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#freeAtMs - nowMs);
  }

  took(bytes: number, nowMs: number): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - BURST_MS) + bytes / this.#bytesPerMs;
  }
}
