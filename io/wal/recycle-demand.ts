/**
 * How many files of freed segments are kept for a log that will grow again: as many as it had more
 * of lately than it has now.
 *
 * A log grows between two compactions and shrinks with each. With all the files that it had at its
 * longest it fills no new ones with zeros and has no old ones removed, each of which costs the disk
 * as much as the entries themselves; and it never takes more space than it took then. This file
 * must never touch a disk.
 */

/** So many may wait beyond what the log had at its longest: a log that does not shrink much. */
export const KEPT_MIN = 4;
/** A length is remembered for as long as this, and twice as long at most; in milliseconds. */
export const PERIOD_MS = 10 * 60_000;

export class RecycleDemand {
  #longest = 0;
  /** The longest of the period before this one. */
  #before = 0;
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** When the answer of `kept` may become smaller by time alone. */
  get nextPeriodAt(): number {
    return this.#since + PERIOD_MS;
  }

  /** The log has so many files now, those that are ready for it included. */
  note(files: number, now: number): void {
    if (now >= this.nextPeriodAt) {
      this.#before = now < this.nextPeriodAt + PERIOD_MS ? this.#longest : 0;
      this.#longest = 0;
      this.#since = now;
    }
    this.#longest = Math.max(this.#longest, files);
  }

  /** Files that may wait beside the `files` of the log. */
  kept(files: number): number {
    return Math.max(KEPT_MIN, Math.max(this.#longest, this.#before) - files);
  }
}
