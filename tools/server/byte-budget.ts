/**
 * One budget of bytes over all client connections: what they hold of requests that are not whole
 * yet and of replies that are not taken yet. Limits per connection alone would let a thousand
 * clients hold gigabytes.
 *
 * It only counts and judges; who is told to give up what is the port's business.
 */

/** However many clients share a tight budget, each may have this much output waiting. */
const OUTPUT_SHARE_BYTES_MIN = 16 * 1024;
/** Of a tight budget, all output together is held below this part. */
const OUTPUT_PART = 1 / 4;
const TIGHT_PART = 1 / 2;

export class ByteBudget {
  readonly bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get held(): number {
    return this.#held;
  }

  get isOver(): boolean {
    return this.#held > this.bytesMax;
  }

  /** A holder has so many bytes more, or fewer when negative. */
  change(bytes: number): void {
    this.#held += bytes;
    if (this.#held < 0) throw new Error('assertion failed: more was given back than was held');
  }

  /**
   * Reply bytes that one of `holders` may have waiting before its requests are not read any more:
   * `most`, and its share when the budget is tight.
   */
  outputShare(most: number, holders: number): number {
    if (this.#held <= TIGHT_PART * this.bytesMax) return most;
    const share = Math.floor((OUTPUT_PART * this.bytesMax) / Math.max(1, holders));
    return Math.min(most, Math.max(OUTPUT_SHARE_BYTES_MIN, share));
  }
}
