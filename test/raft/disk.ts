/**
 * What one replica of a test cluster has on disk: records that survive a crash, nothing else.
 *
 * A submission becomes durable as a whole or not at all; what was never made durable is gone after
 * a crash. A snapshot is a file of its own. It must never be read by a running core.
 */

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
  type SnapshotPoint,
  type Term,
} from '../../engine/raft/types.js';
import { type Entry, EntryLog } from './entries.js';

/** What every test entry weighs. */
export const ENTRY_BYTES = 100;

/** One `persist` of a Ready together with the entries it names. */
export interface Submission {
  readonly persist: Persist;
  readonly entries: readonly Entry[];
}

/** A snapshot: stands for the state that the entries up to its point make. */
export interface Image {
  readonly point: SnapshotPoint;
  readonly configuration: ConfigurationEntry;
  /** Of the labels of all entries up to the point, in order. */
  readonly digest: number;
}

export class DurableRecords {
  hardState: HardState = { term: NO_TERM, vote: NOBODY };
  readonly entries = new EntryLog();
  /** Oldest first. */
  images: Image[] = [];
  generation = 0;
  /** Something that may have been acknowledged was lost: told to the core at the next start. */
  inDoubt = false;
  isWitness = false;
  /** The configuration in force at the base. */
  #baseConfiguration: ConfigurationEntry | null = null;

  get last(): LogIndex {
    return this.entries.last;
  }

  get newestImage(): Image | undefined {
    return this.images[this.images.length - 1];
  }

  /** The log has forgotten what no snapshot holds. */
  get missesState(): boolean {
    return this.entries.base.index > (this.newestImage?.point.index ?? 0);
  }

  termAt(index: LogIndex): Term | undefined {
    return this.entries.termAt(index);
  }

  /** Whether the entry, or a snapshot that covers it, is here. */
  holds(index: LogIndex, term: Term | undefined): boolean {
    const covered = Math.max(this.entries.base.index, this.newestImage?.point.index ?? 0);
    return index <= covered || this.entries.termAt(index) === term;
  }

  keep(image: Image): void {
    const others = this.images.filter(({ point }) => point.index !== image.point.index);
    this.images = [...others, image].sort((a, b) => a.point.index - b.point.index);
  }

  /** Makes a submission durable and returns what storage acknowledges. */
  write({ persist, entries }: Submission): StorageAck {
    const { hardState, reset, truncateAfter, compact, configuration } = persist;
    if (hardState !== null) this.hardState = hardState;
    if (reset !== null) {
      this.entries.reset(reset);
      const isOld = configuration !== null && configuration.index <= reset.index;
      this.#baseConfiguration = isOld ? configuration : null;
    }
    if (truncateAfter !== null) this.entries.truncateAfter(truncateAfter);
    const first = persist.runs[0]?.range.first;
    if (first !== undefined) this.entries.append(first, entries);
    if (compact !== null) this.#compact(compact);
    this.generation = persist.generation;
    if (persist.clearsDoubt) this.inDoubt = false;
    const { seq, generation, term } = persist;
    return { seq, generation, term, lastIndex: this.last };
  }

  #compact(point: SnapshotPoint): void {
    const forgotten = this.entries.configurations.filter(({ index }) => index <= point.index);
    this.#baseConfiguration = forgotten[forgotten.length - 1] ?? this.#baseConfiguration;
    this.entries.compact(point);
  }

  /**
   * Forgets the newest entries, as a torn block does; term and vote survive. A block holds at most
   * one change of the configuration: the next one comes when this one is durable.
   */
  tear(count: number): void {
    const { base, last, configurations } = this.entries;
    const held = configurations[configurations.length - 2]?.index ?? 0;
    this.entries.truncateAfter(logIndex(Math.max(base.index, last - count, held)));
    this.generation += 1;
    this.inDoubt = true;
  }

  recover(bootstrap: Configuration): Recovered {
    const { base, configurations } = this.entries;
    const inForce = this.#baseConfiguration === null ? [] : [this.#baseConfiguration];
    const count = this.last - base.index;
    return {
      hardState: this.hardState,
      log: {
        last: this.last,
        generation: this.generation,
        compacted: base.index,
        compactedTerm: base.term,
        termRuns: this.entries.termRuns,
        extents: Array.from({ length: count }, (_, at) => ({
          last: logIndex(base.index + at + 1),
          bytes: (at + 1) * ENTRY_BYTES,
        })),
      },
      bootstrap,
      configurations: [...inForce, ...configurations],
      snapshot: this.newestImage ?? null,
      inDoubt: this.inDoubt,
    };
  }
}
