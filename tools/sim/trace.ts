/**
 * The trace of a run: one aligned line per event, the last ones kept, all of them digested.
 *
 * Two runs of one seed must give the same digest: that is how determinism is checked. Nothing here
 * may depend on the real clock or on the length of the run.
 */

export interface TraceOptions {
  /** How many of the last lines are kept. */
  readonly keptLinesMax?: number;
  /** Receives every line as it is made, for `--trace`. */
  readonly sink?: (line: string) => void;
}

/** Node 0 is the simulator itself: faults, clients, the verdict. */
export const OUTSIDE = 0;

const KEPT_LINES_MAX = 2_000;

/** Microseconds as milliseconds with three decimals, right-aligned: `    1234.567`. */
export function formatTime(timeUs: number): string {
  const whole = Math.floor(timeUs / 1_000);
  const rest = String(timeUs - whole * 1_000).padStart(3, '0');
  return `${whole}.${rest}`.padStart(12);
}

/** `    1234.567  n2  text`; the simulator's own events have no node. */
export function renderEvent(timeUs: number, node: number, text: string): string {
  const who = node === OUTSIDE ? '--' : `n${node}`;
  return `${formatTime(timeUs)}  ${who.padEnd(3)} ${text.replaceAll('\n', ' ')}`;
}

/** Rows with every column padded to its widest cell; the last column is left as it is. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const pad = (cell: string, column: number) => cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

export class Trace {
  readonly #kept: string[] = [];
  readonly #keptLinesMax: number;
  readonly #sink: ((line: string) => void) | null;
  #count = 0;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;

  constructor(options: TraceOptions = {}) {
    this.#keptLinesMax = options.keptLinesMax ?? KEPT_LINES_MAX;
    this.#sink = options.sink ?? null;
  }

  event(timeUs: number, node: number, text: string): void {
    const line = renderEvent(timeUs, node, text);
    this.#digest(line);
    if (this.#keptLinesMax > 0) this.#kept[this.#count % this.#keptLinesMax] = line;
    this.#count += 1;
    this.#sink?.(line);
  }

  /** How many events there were, kept or not. */
  get count(): number {
    return this.#count;
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    const oldest = this.#count > this.#kept.length ? this.#count % this.#keptLinesMax : 0;
    return [...this.#kept.slice(oldest), ...this.#kept.slice(0, oldest)];
  }

  /** Sixteen hex digits over every line so far. */
  digest(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  /** Two FNV-1a words with different primes: enough to compare two runs, not a checksum of data. */
  #digest(line: string): void {
    let low = this.#low;
    let high = this.#high;
    for (let at = 0; at < line.length; at += 1) {
      const code = line.charCodeAt(at);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x85ebca6b);
      high ^= high >>> 15;
    }
    this.#low = Math.imul(low ^ 10, 0x01000193);
    this.#high = high ^ low;
  }
}
