/**
 * The outline of one group's log: its base, its end, which term each entry carries, and the
 * configurations in it. The writer and the replay keep the same one, changed by the same requests.
 *
 * It must never hold an entry, nor know where one lies. Positions are log indexes.
 */

import type { WalConfiguration } from './record-cursor.js';
import { LOG_START, type LogPoint } from './wal-types.js';

export class LogShape {
  /** The newest entry that was forgotten. */
  base: LogPoint = LOG_START;
  last = 0;
  /** Ascending, the first one not before `base.index + 1`. */
  readonly termRuns: { first: number; term: number }[] = [];
  /** Ascending; of those up to the base the newest alone. */
  readonly configurations: WalConfiguration[] = [];

  /** The term of the entry at `index`, also of the base; 0 when it is not known. */
  termOf(index: number): number {
    if (index === this.base.index) return this.base.term;
    return this.termRuns.findLast((run) => run.first <= index)?.term ?? 0;
  }

  append(term: number, first: number, count: number): void {
    if (term !== this.termRuns.at(-1)?.term) this.termRuns.push({ first, term });
    this.last = first + count - 1;
  }

  truncate(after: number): void {
    this.last = after;
    while ((this.termRuns.at(-1)?.first ?? 0) > after) this.termRuns.pop();
    while ((this.configurations.at(-1)?.index ?? 0) > after) this.configurations.pop();
  }

  /** Forgets everything up to the point; false when it is behind the base and changes nothing. */
  compact(point: LogPoint): boolean {
    if (point.index <= this.base.index) return false;
    const first = point.index + 1;
    const over = this.termRuns.findLastIndex((run) => run.first <= first);
    if (over >= 0) this.termRuns.splice(0, over);
    const [oldest] = this.termRuns;
    if (point.index >= this.last) this.termRuns.length = 0;
    else if (oldest !== undefined && oldest.first < first) oldest.first = first;
    const newest = this.configurations.findLastIndex(({ index }) => index <= point.index);
    if (newest > 0) this.configurations.splice(0, newest);
    this.base = point;
    return true;
  }

  /** Begins anew behind the point: nothing of the log before it counts, configurations included. */
  reset(point: LogPoint): void {
    this.base = point;
    this.last = point.index;
    this.termRuns.length = 0;
    this.configurations.length = 0;
  }

  /**
   * Learns the term of entries whose own records are gone; false when it contradicts the terms
   * around them.
   */
  learn(first: number, term: number): boolean {
    const before = this.termRuns.findLastIndex((run) => run.first <= first);
    const next = this.termRuns[before + 1];
    const previous = this.termRuns[before]?.term ?? this.base.term;
    if (previous > term || (next !== undefined && next.term < term)) return false;
    if (this.termRuns[before]?.term === term) return true;
    if (this.termRuns[before]?.first === first) this.termRuns.splice(before, 1);
    const at = this.termRuns.findLastIndex((run) => run.first < first) + 1;
    this.termRuns.splice(at, next?.term === term ? 1 : 0, { first, term });
    return true;
  }

  /** Keeps a configuration entry at its place; one that is known stays as it is. */
  remember(configuration: WalConfiguration): void {
    const { index } = configuration;
    const before = this.configurations.findLastIndex((known) => known.index <= index);
    if (this.configurations[before]?.index === index) return;
    this.configurations.splice(before + 1, 0, configuration);
  }
}
