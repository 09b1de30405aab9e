/**
 * The timetable of one connection under `--rate`: when each command is to be sent, whatever became
 * of those before it.
 *
 * Latencies count from these times, not from when a command could be sent at last: a node that
 * stalls for a second has made every command of that second wait, though few of them were on their
 * way (else: coordinated omission). It must never skip a command or shift the timetable.
 */

/** Commands of so long a stretch share one time, that of the first: none is told too short. */
const BATCH_MS = 1;

export class Pace {
  /** Commands that may share one time. */
  readonly batchMax: number;
  readonly #perMs: number;
  readonly #startAt: number;
  #taken = 0;

  /** `startAt` is on the clock that `due` is asked by, in milliseconds. */
  constructor(perSecond: number, startAt: number) {
    this.#perMs = perSecond / 1000;
    this.#startAt = startAt;
    this.batchMax = Math.max(1, Math.floor(this.#perMs * BATCH_MS));
  }

  /** Commands whose time has come and that nobody has taken. */
  due(now: number): number {
    return Math.max(0, Math.floor((now - this.#startAt) * this.#perMs) - this.#taken);
  }

  /** Takes the next `count` commands; returns the time of the first. */
  take(count: number): number {
    const at = this.#startAt + (this.#taken + 1) / this.#perMs;
    this.#taken += count;
    return at;
  }
}
