/**
 * What one replica of a test cluster has on disk: records that survive a crash, nothing else.
 *
 * Entries are a term and a label instead of bytes. A submission becomes durable as a whole or not
 * at all; what was never made durable is gone after a crash. It must never be read by a running
 * core.
 */

import assert from 'node:assert/strict';
import type { Persist, StorageAck } from '../../engine/raft/ready.js';
import type { Recovered } from '../../engine/raft/state.js';
import {
  type Configuration,
  type ConfigurationEntry,
  type HardState,
  type LogIndex,
  logIndex,
  NO_TERM,
  NOBODY,
  type Term,
  type TermRun,
} from '../../engine/raft/types.js';

/** What every test entry weighs. */
export const ENTRY_BYTES = 100;

/** Stands for the bytes of one entry. */
export interface Entry {
  readonly term: Term;
  readonly label: string;
  readonly configuration: Configuration | null;
}

/** One `persist` of a Ready together with the entries it names. */
export interface Submission {
  readonly persist: Persist;
  readonly entries: readonly Entry[];
}

export function termRunsOf(entries: readonly Entry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const [at, { term }] of entries.entries()) {
    if (runs[runs.length - 1]?.term !== term) runs.push({ first: logIndex(at + 1), term });
  }
  return runs;
}

export function configurationsOf(entries: readonly Entry[]): ConfigurationEntry[] {
  return entries.flatMap(({ configuration }, at) =>
    configuration === null ? [] : [{ index: logIndex(at + 1), configuration }],
  );
}

export class DurableRecords {
  hardState: HardState = { term: NO_TERM, vote: NOBODY };
  entries: Entry[] = [];
  generation = 0;
  /** Something that may have been acknowledged was lost: told to the core at the next start. */
  inDoubt = false;

  get last(): LogIndex {
    return logIndex(this.entries.length);
  }

  termAt(index: LogIndex): Term | undefined {
    return this.entries[index - 1]?.term;
  }

  /** Makes a submission durable and returns what storage acknowledges. */
  write({ persist, entries }: Submission): StorageAck {
    if (persist.hardState !== null) this.hardState = persist.hardState;
    if (persist.truncateAfter !== null) {
      assert.ok(persist.truncateAfter <= this.entries.length, 'a truncation lies within the log');
      this.entries.length = persist.truncateAfter;
    }
    if (entries.length > 0) {
      const first = persist.runs[0]?.range.first;
      assert.equal(first, this.entries.length + 1, 'entries are written without a gap');
      this.entries.push(...entries);
    }
    this.generation = persist.generation;
    if (persist.clearsDoubt) this.inDoubt = false;
    const { seq, generation, term } = persist;
    return { seq, generation, term, lastIndex: this.last };
  }

  /** Forgets the newest entries, as a torn block does; term and vote survive. */
  tear(count: number): void {
    this.entries.length = Math.max(0, this.entries.length - count);
    this.generation += 1;
    this.inDoubt = true;
  }

  recover(bootstrap: Configuration): Recovered {
    return {
      hardState: this.hardState,
      log: {
        last: this.last,
        generation: this.generation,
        termRuns: termRunsOf(this.entries),
        extents: this.entries.map((_, at) => ({
          last: logIndex(at + 1),
          bytes: (at + 1) * ENTRY_BYTES,
        })),
      },
      bootstrap,
      configurations: configurationsOf(this.entries),
      inDoubt: this.inDoubt,
    };
  }
}
