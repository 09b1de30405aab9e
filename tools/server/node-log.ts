/**
 * The server's log: one line per event, each kind of line rarely, so that a peer that comes and
 * goes a thousand times a second fills no disk.
 *
 * Lines of a key beyond the first few of a period are counted and the count is told with the next.
 * This file must never decide what is worth a line.
 */

const PERIOD_MS = 10_000;
const LINES_PER_PERIOD = 5;
/** Keys come from the network; forgetting the oldest only means a line more. */
const KEYS_MAX = 256;

interface Quota {
  periodStart: number;
  lines: number;
  suppressed: number;
}

export class NodeLog {
  readonly #write: (line: string) => void;
  readonly #now: () => number;
  readonly #quotas = new Map<string, Quota>();

  constructor(write: (line: string) => void, now: () => number) {
    this.#write = write;
    this.#now = now;
  }

  /** A line that is always written. */
  always(line: string): void {
    this.#write(clean(line));
  }

  /** A line of a kind that may come often; `key` says what counts as the same. */
  sometimes(key: string, line: string): void {
    const quota = this.#quotaOf(key);
    if (quota.lines >= LINES_PER_PERIOD) {
      quota.suppressed += 1;
      return;
    }
    quota.lines += 1;
    const more = quota.suppressed > 0 ? ` (${quota.suppressed} like it were left out)` : '';
    quota.suppressed = 0;
    this.#write(clean(line) + more);
  }

  #quotaOf(key: string): Quota {
    const now = this.#now();
    const known = this.#quotas.get(key);
    if (known !== undefined) {
      if (now - known.periodStart >= PERIOD_MS) {
        known.periodStart = now;
        known.lines = 0;
      }
      return known;
    }
    const oldest = this.#quotas.keys().next().value;
    if (this.#quotas.size >= KEYS_MAX && oldest !== undefined) this.#quotas.delete(oldest);
    const quota = { periodStart: now, lines: 0, suppressed: 0 };
    this.#quotas.set(key, quota);
    return quota;
  }
}

const LINE_CHARACTERS_MAX = 1000;

/** What others sent must neither forge a line nor move the cursor of a terminal. */
function clean(line: string): string {
  return line.slice(0, LINE_CHARACTERS_MAX).replace(/[^\x20-\x7e\u00a0-\uffff]/g, '?');
}
