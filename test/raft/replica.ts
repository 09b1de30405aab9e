/**
 * One member of a test cluster: its records on disk, and, while it runs, its core, the entries it
 * keeps in memory and the submissions its disk has not made durable yet.
 *
 * It must never talk to another replica; network.ts does.
 */

import assert from 'node:assert/strict';
import { Raft } from '../../engine/raft/raft.js';
import type { CoreEntry, Persist, Placement, SnapshotWanted } from '../../engine/raft/ready.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  type Configuration,
  type Incarnation,
  incarnation,
  type LogIndex,
  type NodeId,
  type Term,
} from '../../engine/raft/types.js';
import { DurableRecords, type Image, type Submission } from './disk.js';
import type { Entry, EntryLog } from './entries.js';

/** A read that was granted: when it was asked, what had been committed by then. */
export interface AskedRead {
  readonly id: number;
  readonly committedBefore: LogIndex;
  grantedAt: LogIndex | null;
}

/** The core of this life; everything in it is gone after a crash. */
export interface Life {
  readonly boot: number;
  readonly raft: Raft;
  /** The log as this life sees it. */
  readonly entries: EntryLog;
  readonly pending: Submission[];
  readonly reads: Map<number, AskedRead>;
  applied: LogIndex;
  /** Of all that is applied: what a state machine would hold. */
  digest: number;
  /** The snapshot that was asked for last, and by nobody fetched yet. */
  wanted: SnapshotWanted | null;
}

export class Replica {
  readonly id: NodeId;
  readonly bootstrap: Configuration;
  records = new DurableRecords();
  incarnation: Incarnation;
  life: Life | null = null;
  boot = 0;
  /** Submissions stay pending until they are stored by hand. */
  holdsStorage = false;
  /** Records it vouched for are gone and its peers, until it starts again, cannot know. */
  hasLost = false;
  #lives = 0;

  constructor(id: NodeId, bootstrap: Configuration) {
    this.id = id;
    this.bootstrap = bootstrap;
    this.incarnation = incarnation(id * 100 + 1);
  }

  get alive(): Life {
    assert.ok(this.life !== null, `replica ${this.id} runs`);
    return this.life;
  }

  get raft(): Raft {
    return this.alive.raft;
  }

  start(options: RaftOptions, now: number): void {
    assert.equal(this.life, null, 'a running replica is not started again');
    this.boot += 1;
    this.hasLost = false;
    const raft = new Raft(options, this.records.recover(this.bootstrap), now);
    const entries = this.records.entries.copy();
    const { compacted, compactedTerm, applied } = raft.state.log;
    if (compacted > entries.base.index) entries.reset({ index: compacted, term: compactedTerm });
    const digest = this.records.newestImage?.digest ?? 0;
    const nothing = { pending: [], reads: new Map(), wanted: null };
    this.life = { boot: this.boot, raft, entries, applied, digest, ...nothing };
  }

  /** The state machine takes over the state of a snapshot. */
  restore({ point, digest }: Image, isReset: boolean): void {
    const { alive } = this;
    if (isReset) alive.entries.reset(point);
    alive.applied = point.index;
    alive.digest = digest;
    alive.wanted = null;
  }

  /** Ends this life; the first `survivors` of what the disk owes were written just in time. */
  crash(survivors: number): void {
    const { pending } = this.alive;
    for (const submission of pending.slice(0, survivors)) this.records.write(submission);
    this.life = null;
  }

  /** Loses the newest `count` entries, whether they were acknowledged or not. */
  tear(count: number): void {
    assert.equal(this.life, null, 'the disk of a running replica is not torn');
    this.records.tear(count);
    this.hasLost = true;
  }

  /** Loses every record and, with the new data directory, its identity. */
  wipe(): void {
    assert.equal(this.life, null, 'a running replica is not wiped');
    this.records = new DurableRecords();
    this.hasLost = true;
    this.#lives += 1;
    this.incarnation = incarnation(this.id * 100 + 1 + this.#lives);
  }

  /** Adds entries at `first`, the next free index of the log in memory. */
  place(first: LogIndex, entries: readonly Entry[]): void {
    this.alive.entries.append(first, entries);
  }

  placeReceived(placement: Placement, entries: readonly Entry[], first: LogIndex): void {
    const { truncateAfter } = placement;
    if (truncateAfter !== null) this.alive.entries.truncateAfter(truncateAfter);
    this.place(placement.from, entries.slice(placement.from - first, placement.last - first + 1));
  }

  placeCreated(created: readonly CoreEntry[], term: Term): void {
    for (const { index, configuration } of created) {
      const label = configuration === null ? 'no-op' : 'configuration';
      this.place(index, [{ term, label: `${label} of ${this.id} in ${term}`, configuration }]);
    }
  }

  submit(persist: Persist): void {
    const entries = persist.runs.flatMap((run) => this.alive.entries.slice(run.range));
    this.alive.pending.push({ persist, entries });
  }
}
