/**
 * When a group takes a snapshot, and how much log it keeps behind one: decisions only.
 *
 * A snapshot is due by entries, by bytes of log or by time, but not before `minIntervalMs` has
 * passed since the last one; pressure of the log overrides that. This file must never take one.
 */

export interface SnapshotOptions {
  /** Entries since the last snapshot. */
  readonly threshold: number;
  /** Bytes of entries since the last snapshot. */
  readonly logBytes: number;
  /** Time since the last snapshot, if anything was written since; 0: never by time alone. */
  readonly intervalMs: number;
  readonly minIntervalMs: number;
  /** Complete files kept. */
  readonly retain: number;
  /** Entries kept in the log behind the newest snapshot, for followers that lag a little. */
  readonly trailingEntries: number;
  /** An image larger than this is told of; 0: none is too large. */
  readonly bytesMax: number;
}

/** How soon a snapshot that failed is tried again. */
export const RETRY_MS = 5_000;

/**
 * How much the log on disk needs room. `room`: the group forgets all but what followers need that
 * are being sent a snapshot. `urgent`: that too; they are sent a newer one.
 */
export type Pressure = 'none' | 'room' | 'urgent';

/** How the log stands since the last snapshot. */
export interface LogSince {
  readonly entries: number;
  /** Asked only when it decides. */
  readonly bytes: () => number;
}

export class SnapshotPolicy {
  readonly #options: SnapshotOptions;
  #lastEndedAt = Number.NEGATIVE_INFINITY;
  /** One that failed is not tried again before this, unless somebody asks by hand. */
  #retryAt = Number.NEGATIVE_INFINITY;

  constructor(options: SnapshotOptions) {
    this.#options = options;
  }

  ended(now: number): void {
    this.#lastEndedAt = now;
  }

  failed(now: number): void {
    this.#retryAt = now + RETRY_MS;
  }

  /** Whether the last failure is long enough ago. */
  mayTry(now: number): boolean {
    return now >= this.#retryAt;
  }

  /** `isPressed`: the log needs room, which overrides the interval. */
  isDue(now: number, since: LogSince, isPressed: boolean): boolean {
    if (since.entries === 0 || !this.mayTry(now)) return false;
    if (isPressed) return true;
    const { threshold, logBytes, intervalMs, minIntervalMs } = this.#options;
    if (now < this.#lastEndedAt + minIntervalMs) return false;
    if (since.entries >= threshold || since.bytes() >= logBytes) return true;
    return intervalMs > 0 && now >= this.#lastEndedAt + intervalMs;
  }

  /**
   * Up to where the log may be forgotten. Without pressure the log reaches back to the snapshot
   * before the newest, so that a damaged newest one costs nothing; with it, to the newest itself.
   */
  compactTo(newest: number, previous: number | null, isPressed: boolean): number {
    if (isPressed) return newest;
    const { retain, trailingEntries } = this.#options;
    const kept = Math.max(0, newest - trailingEntries);
    if (retain < 2) return kept;
    return Math.min(kept, previous ?? 0);
  }
}
