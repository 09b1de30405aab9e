/**
 * The entries of one log in a test cluster, in memory or on disk: all that follow its base.
 *
 * Entries are a term and a label instead of bytes. It must never know what is committed: who uses
 * it says what to forget.
 */

import assert from 'node:assert/strict';
import {
  type Configuration,
  type ConfigurationEntry,
  type IndexRange,
  type LogIndex,
  logIndex,
  NO_INDEX,
  NO_TERM,
  type SnapshotPoint,
  type Term,
  type TermRun,
} from '../../engine/raft/types.js';

/** Stands for the bytes of one entry. */
export interface Entry {
  readonly term: Term;
  readonly label: string;
  readonly configuration: Configuration | null;
}

export class EntryLog {
  #base: SnapshotPoint = { index: NO_INDEX, term: NO_TERM };
  #entries: Entry[] = [];

  copy(): EntryLog {
    const copy = new EntryLog();
    copy.#base = this.#base;
    copy.#entries = [...this.#entries];
    return copy;
  }

  get base(): SnapshotPoint {
    return this.#base;
  }

  get last(): LogIndex {
    return logIndex(this.#base.index + this.#entries.length);
  }

  at(index: number): Entry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** The base included. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#base.index ? this.#base.term : this.at(index)?.term;
  }

  slice({ first, last }: IndexRange): Entry[] {
    assert.ok(last < first || first > this.#base.index, 'nothing below the base is read');
    return this.#entries.slice(first - this.#base.index - 1, last - this.#base.index);
  }

  /** Labels of the entries after `index`, which is not below the base. */
  labelsAfter(index: LogIndex): string[] {
    return this.#entries.slice(index - this.#base.index).map(({ label }) => label);
  }

  append(first: LogIndex, entries: readonly Entry[]): void {
    assert.equal(first, this.last + 1, 'entries are added in index order, without a gap');
    this.#entries.push(...entries);
  }

  truncateAfter(index: LogIndex): void {
    assert.ok(index >= this.#base.index && index <= this.last, 'a truncation lies within the log');
    this.#entries.length = index - this.#base.index;
  }

  compact(point: SnapshotPoint): void {
    assert.equal(this.termAt(point.index), point.term, 'the base is an entry of the log');
    this.#entries.splice(0, point.index - this.#base.index);
    this.#base = point;
  }

  reset(point: SnapshotPoint): void {
    this.#entries = [];
    this.#base = point;
  }

  get termRuns(): TermRun[] {
    const runs: TermRun[] = [];
    for (const [at, { term }] of this.#entries.entries()) {
      const first = logIndex(this.#base.index + at + 1);
      if (runs[runs.length - 1]?.term !== term) runs.push({ first, term });
    }
    return runs;
  }

  get configurations(): ConfigurationEntry[] {
    return this.#entries.flatMap(({ configuration }, at) => {
      const index = logIndex(this.#base.index + at + 1);
      return configuration === null ? [] : [{ index, configuration }];
    });
  }
}
