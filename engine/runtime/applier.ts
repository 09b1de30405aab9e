/**
 * Applies committed entries in order, exactly once, in slices: from the arena, or read back from
 * disk after a restart.
 *
 * One slab is with the machine at a time. A machine that falls behind makes entries pile up in the
 * arena, which refuses proposals as busy; it never costs the leadership.
 */

import type { Raft } from '../raft/raft.js';
import { assert, type LogIndex, NO_INDEX, type SnapshotPoint, type Term } from '../raft/types.js';
import type { EntrySlab } from './apply-cursor.js';
import type { GroupLog } from './group-log.js';
import type { MachineHost } from './machine-host.js';
import type { OldLog } from './old-log.js';
import type { BatchPart, PendingWrites } from './pending-writes.js';
import type { LoadedEntries } from './ports.js';

const SLICE_BYTES_MAX = 128 * 1024;
const LOAD_BYTES_MAX = 512 * 1024;

export class Applier {
  readonly #raft: Raft;
  readonly #log: GroupLog;
  readonly #oldLog: OldLog;
  readonly #host: MachineHost;
  readonly #writes: PendingWrites;
  readonly #lost: (part: BatchPart) => void;
  readonly #skipped: (part: BatchPart) => void;
  readonly #overtaken: (last: LogIndex) => void;
  readonly #unreadable: (index: LogIndex, reason: string) => void;
  #target: LogIndex = NO_INDEX;
  #applied: LogIndex = NO_INDEX;
  #atHost = false;
  /** Who waits for entries of the slab that is with the machine. */
  #partsAtHost: readonly BatchPart[] = [];
  /** The next entries, read back from disk while the machine has those before; null: to come. */
  #ahead: { entries: LoadedEntries | null } | null = null;
  /** The machine is being given an image: nothing is applied until it has it. */
  #isRestoring = false;

  constructor(parts: {
    raft: Raft;
    log: GroupLog;
    oldLog: OldLog;
    host: MachineHost;
    writes: PendingWrites;
    /** Entries of a batch were replaced by another leader's. */
    lost: (part: BatchPart) => void;
    /** Entries of a batch were replaced by a snapshot, applied or not. */
    skipped: (part: BatchPart) => void;
    /** Writes that were expected behind `last` will never come. */
    overtaken: (last: LogIndex) => void;
    /** A committed entry cannot be read back from disk. */
    unreadable: (index: LogIndex, reason: string) => void;
  }) {
    this.#raft = parts.raft;
    this.#log = parts.log;
    this.#oldLog = parts.oldLog;
    this.#host = parts.host;
    this.#writes = parts.writes;
    this.#lost = parts.lost;
    this.#skipped = parts.skipped;
    this.#overtaken = parts.overtaken;
    this.#unreadable = parts.unreadable;
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  /** The machine's host reads entries where they lie in the arena. */
  get isLending(): boolean {
    return this.#atHost;
  }

  /** Entries are committed that could be applied right now. */
  get hasWork(): boolean {
    if (this.#atHost || this.#isRestoring || this.#ahead?.entries === null) return false;
    return this.#applied < this.#target;
  }

  commit(target: LogIndex): void {
    assert(target >= this.#target, 'the commit index never shrinks');
    this.#target = target;
  }

  /** The machine is to be given the state at `point`: what waits for entries up to it ends. */
  restoring({ index, term }: SnapshotPoint): void {
    assert(!this.#atHost, 'a machine is given an image between two slabs');
    this.#isRestoring = true;
    this.#ahead = null;
    this.#target = Math.max(this.#target, index) as LogIndex;
    for (const part of this.#writes.skipUpTo(index, term)) this.#skipped(part);
    this.#overtaken(index);
  }

  /** The machine's state is that of `index`. */
  restored(index: LogIndex): void {
    this.#isRestoring = false;
    this.#applied = index;
  }

  /**
   * Applies one slice; returns how many bytes of entries it took, 0 when there is nothing to do.
   */
  step(): number {
    if (!this.hasWork) return 0;
    const first = (this.#applied + 1) as LogIndex;
    if (this.#log.has(first)) return this.#applyFromMemory(first);
    if (this.#ahead === null) this.#load(first);
    const loaded = this.#ahead?.entries ?? null;
    if (loaded === null) return 0;
    this.#ahead = null;
    if (loaded.count > 0) return this.#applyLoaded(first, loaded);
    this.#unreadable(first, loaded.slab.toString());
    return 0;
  }

  #applyLoaded(first: LogIndex, loaded: LoadedEntries): number {
    assert(loaded.first === first, 'loads follow the applied index');
    const last = (first + loaded.count - 1) as LogIndex;
    const next = (last + 1) as LogIndex;
    if (last < this.#target && !this.#log.has(next)) this.#load(next);
    const buffer = loaded.slab;
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.#apply(first, last, buffer, view, 0, buffer.length);
    return buffer.length;
  }

  #applyFromMemory(first: LogIndex): number {
    this.#ahead = null;
    const { map, arena } = this.#log;
    const bound = Math.min(this.#target, this.#raft.state.log.endOfTerm(first)) as LogIndex;
    const last = map.pieceLast(first, bound, SLICE_BYTES_MAX);
    const start = arena.offsetOf(map.positionOf(first));
    const bytes = (map.endPositionOf(last) - map.positionOf(first)) >>> 0;
    this.#apply(first, last, arena.bytes, arena.view, start, start + bytes);
    return bytes;
  }

  #apply(
    first: LogIndex,
    last: LogIndex,
    buffer: Buffer,
    view: DataView,
    start: number,
    end: number,
  ): void {
    const term = this.#raft.termAt(first) as Term;
    const slab: EntrySlab = { buffer, view, start, end, first, term };
    const claims = this.#writes.claim(first, last, term);
    for (const part of claims.lost) this.#lost(part);
    if (claims.lost.length > 0) this.#overtaken(last);
    this.#atHost = true;
    this.#partsAtHost = claims.wanted;
    this.#host.apply(slab, last, claims.wanted);
  }

  /** The host is done with the slab that ends at `last`. */
  onApplied(last: LogIndex): void {
    assert(this.#atHost, 'a host answers what it was given');
    this.#atHost = false;
    this.#partsAtHost = [];
    this.#applied = last;
    this.#raft.applied(last);
  }

  /** Who waits for entries from `index` on of a slab that the machine will not finish; once. */
  takeUnfinished(index: number): BatchPart[] {
    const parts = this.#partsAtHost.filter((part) => part.last >= index);
    this.#partsAtHost = [];
    return parts.map((part) => {
      const first = Math.max(part.first, index);
      return { ...part, offset: part.offset + first - part.first, first };
    });
  }

  #load(first: LogIndex): void {
    const ahead: { entries: LoadedEntries | null } = { entries: null };
    this.#ahead = ahead;
    const { log } = this.#raft.state;
    const inMemory = this.#log.map.firstInMemory;
    const last = Math.min(this.#target, log.endOfTerm(first), inMemory - 1) as LogIndex;
    this.#oldLog.load(first, last, log.termAt(first) as Term, LOAD_BYTES_MAX, (loaded) => {
      // One that came too late, after an image, is in nobody's hands any more.
      ahead.entries = loaded;
    });
  }
}
