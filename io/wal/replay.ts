/**
 * Rebuilds every group's index from blocks in log order: hard state, term runs, where entries lie.
 *
 * Memory is bounded by what changes, not by what is stored: one chunk per 64 KiB of a group's
 * bytes. It must never keep an entry's bytes (configurations excepted) and never touch a disk.
 * What a valid block says and cannot be true is answered as text; the caller names the place and
 * refuses.
 */

import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryBytes,
  entryKind,
  entryPayloadBytes,
} from '../../codec/entry.js';
import { type BlockFrame, type GroupMask, maskHas, maskUnion, NO_GROUPS } from './block-format.js';
import type { GroupState } from './checkpoint-record.js';
import type { WalConfiguration } from './record-cursor.js';
import type { StoredRequest, StoredRun } from './request-record.js';
import { raisedTo } from './term-floor.js';
import type { BlockLocation, RecoveredGroup } from './wal-types.js';

/** A chunk is closed once it holds this much of a group, or when the segment changes. */
export const CHUNK_BYTES = 64 * 1024;

/** Where a decoded block lies and the window that holds its entries. */
export interface ReplaySource {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly segment: number;
  readonly offset: number;
}

/** A stretch of one group's entries that begins in the block at `segment`, `offset`. */
interface Chunk {
  readonly first: number;
  readonly segment: number;
  readonly offset: number;
  last: number;
  /** Entry bytes from `first` to `last`; unknown once a truncation cut through the chunk. */
  bytes: number | null;
}

/** Answers how many bytes the entries `[first, last]` take, reading them again. */
export type Measure = (
  group: number,
  location: BlockLocation,
  last: number,
  termOf: (index: number) => number,
) => number;

class GroupReplay {
  readonly group: number;
  term = 0;
  vote = 0;
  generation = 0;
  compacted = 0;
  last = 0;
  inDoubt = false;
  readonly termRuns: { first: number; term: number }[] = [];
  readonly chunks: Chunk[] = [];
  readonly configurations: WalConfiguration[] = [];

  constructor(group: number) {
    this.group = group;
  }

  /** A block was cut that may have held anything of this group, up to this term. */
  doubt(termFloor: number, self: number): void {
    const { term, vote } = raisedTo(termFloor, self, this);
    this.term = term;
    this.vote = vote;
    this.inDoubt = true;
  }

  apply(request: StoredRequest, source: ReplaySource): string | null {
    if (request.hardState !== null) {
      this.term = request.hardState.term;
      this.vote = request.hardState.vote;
    }
    if (request.truncateAfter !== null) {
      const after = request.truncateAfter;
      if (after > this.last || after < this.compacted) {
        const log = `${this.compacted}–${this.last}`;
        return `${this.#name()} truncates after ${after}, its log is ${log}`;
      }
      this.#truncate(after);
    }
    this.generation = request.generation;
    for (const run of request.runs) {
      const problem = this.#append(run, source);
      if (problem !== null) return problem;
    }
    if (request.configuration !== null) this.#remember(request.configuration);
    if (request.clearsDoubt) this.inDoubt = false;
    if (this.last === request.lastIndex) return null;
    return `${this.#name()} ends at ${this.last}, its record says ${request.lastIndex}`;
  }

  #truncate(after: number): void {
    this.last = after;
    while ((this.termRuns.at(-1)?.first ?? 0) > after) this.termRuns.pop();
    while ((this.configurations.at(-1)?.index ?? 0) > after) this.configurations.pop();
    while ((this.chunks.at(-1)?.first ?? 0) > after) this.chunks.pop();
    const chunk = this.chunks.at(-1);
    if (chunk === undefined || chunk.last <= after) return;
    chunk.last = after;
    chunk.bytes = null;
  }

  #append(run: StoredRun, source: ReplaySource): string | null {
    if (run.first !== this.last + 1) {
      return `${this.#name()} continues at ${run.first}, its log ends at ${this.last}`;
    }
    if (!this.#collect(run, source)) {
      return `${this.#name()} has a run at ${run.first} that is not ${run.count} whole entries`;
    }
    const newest = this.termRuns.at(-1)?.term ?? 0;
    if (run.term < newest) return `${this.#name()} goes from term ${newest} back to ${run.term}`;
    if (run.term !== newest) this.termRuns.push({ first: run.first, term: run.term });
    this.last = run.first + run.count - 1;
    this.#extend(run, source);
    return null;
  }

  #extend(run: StoredRun, source: ReplaySource): void {
    const chunk = this.chunks.at(-1);
    const open = chunk !== undefined && chunk.bytes !== null && chunk.bytes < CHUNK_BYTES;
    if (open && chunk.segment === source.segment) {
      chunk.last = this.last;
      chunk.bytes = (chunk.bytes ?? 0) + run.bytes;
      return;
    }
    const { segment, offset } = source;
    this.chunks.push({ first: run.first, segment, offset, last: this.last, bytes: run.bytes });
  }

  /** Walks a run once: checks that it holds what it says, keeps its configuration entries. */
  #collect(run: StoredRun, source: ReplaySource): boolean {
    const end = run.start + run.bytes;
    let at = run.start;
    for (let n = 0; n < run.count; n += 1) {
      if (end - at < ENTRY_HEADER_BYTES) return false;
      const payload = entryPayloadBytes(source.view, at);
      if (entryKind(source.view, at) === EntryKind.configuration) {
        const start = at + ENTRY_HEADER_BYTES;
        const bytes = source.bytes.slice(start, Math.min(start + payload, end));
        this.#remember({ index: run.first + n, bytes });
      }
      at += entryBytes(payload);
    }
    return at === end && run.count > 0;
  }

  #remember(configuration: WalConfiguration): void {
    const newest = this.configurations.at(-1)?.index ?? -1;
    if (configuration.index > newest) this.configurations.push(configuration);
  }

  /**
   * Takes over what a checkpoint says: only the first segment present is not compared but
   * believed.
   */
  seed(state: GroupState): string | null {
    if (state.lastIndex !== state.compactedIndex) {
      return `${this.#name()} has entries up to ${state.lastIndex} in segments before this one`;
    }
    this.term = state.term;
    this.vote = state.vote;
    this.generation = state.generation;
    this.compacted = state.compactedIndex;
    this.last = state.lastIndex;
    this.inDoubt = state.inDoubt;
    if (state.configuration !== null) this.#remember(state.configuration);
    return null;
  }

  compare(state: GroupState): string | null {
    const same =
      state.term === this.term &&
      state.vote === this.vote &&
      state.generation === this.generation &&
      state.lastIndex === this.last &&
      state.inDoubt === this.inDoubt;
    if (same) return null;
    return (
      `the checkpoint has ${this.#name()} at term ${state.term}, vote ${state.vote}, ` +
      `generation ${state.generation}, last ${state.lastIndex}; the records before it give ` +
      `term ${this.term}, vote ${this.vote}, generation ${this.generation}, last ${this.last}`
    );
  }

  finish(measure: Measure): RecoveredGroup {
    const extents: { last: number; bytes: number }[] = [];
    const locations: BlockLocation[] = [];
    let bytes = 0;
    for (const chunk of this.chunks) {
      const location = { first: chunk.first, segment: chunk.segment, offset: chunk.offset };
      bytes += chunk.bytes ?? measure(this.group, location, chunk.last, (n) => this.#termOf(n));
      locations.push(location);
      extents.push({ last: chunk.last, bytes });
    }
    return {
      group: this.group,
      term: this.term,
      vote: this.vote,
      generation: this.generation,
      first: this.compacted + 1,
      last: this.last,
      termRuns: this.termRuns,
      extents,
      locations,
      configurations: this.configurations,
      inDoubt: this.inDoubt,
    };
  }

  #termOf(index: number): number {
    return this.termRuns.findLast((run) => run.first <= index)?.term ?? 0;
  }

  #name(): string {
    return `group ${this.group}`;
  }
}

/** All groups of a log while it is replayed. */
export class LogReplay {
  readonly #groups = new Map<number, GroupReplay>();
  readonly #self: number;
  /** Groups that recovery cut before it ever saw them: the first record finds them in doubt. */
  #doubt: GroupMask = NO_GROUPS;
  /** One for all of them, as a checkpoint has room for one. */
  #termFloor = 0;

  constructor(self: number) {
    this.#self = self;
  }

  get doubt(): GroupMask {
    return this.#doubt;
  }

  get termFloor(): number {
    return this.#termFloor;
  }

  /** Applies a batch block; text when it contradicts what came before. */
  batch(requests: readonly StoredRequest[], source: ReplaySource): string | null {
    for (const request of requests) {
      const problem = this.#group(request.group).apply(request, source);
      if (problem !== null) return problem;
    }
    return null;
  }

  /** Compares a checkpoint with what was replayed; believes it when nothing came before. */
  checkpoint(
    states: readonly GroupState[],
    { mask, termMax }: Pick<BlockFrame, 'mask' | 'termMax'>,
    believe: boolean,
  ): string | null {
    this.#note(mask, termMax);
    for (const state of states) {
      const known = this.#groups.has(state.group);
      if (!known && !believe) return `the checkpoint knows group ${state.group}, no record does`;
      const group = this.#group(state.group);
      const problem = believe ? group.seed(state) : group.compare(state);
      if (problem !== null) return problem;
    }
    if (states.length === this.#groups.size) return null;
    return `the checkpoint has ${states.length} groups, the records have ${this.#groups.size}`;
  }

  /**
   * A place where recovery cut: from here on the groups in `mask` are in doubt, and none of them
   * goes back before `termFloor`.
   */
  cut(mask: GroupMask, termFloor: number): void {
    this.#note(mask, termFloor);
    for (const group of this.#groups.values()) {
      if (maskHas(mask, group.group)) group.doubt(termFloor, this.#self);
    }
  }

  #note(mask: GroupMask, termFloor: number): void {
    this.#doubt = maskUnion(this.#doubt, mask);
    this.#termFloor = Math.max(this.#termFloor, termFloor);
  }

  finish(measure: Measure): RecoveredGroup[] {
    const groups = [...this.#groups.values()].sort((a, b) => a.group - b.group);
    return groups.map((group) => group.finish(measure));
  }

  #group(id: number): GroupReplay {
    const known = this.#groups.get(id);
    if (known !== undefined) return known;
    const group = new GroupReplay(id);
    if (maskHas(this.#doubt, id)) group.doubt(this.#termFloor, this.#self);
    this.#groups.set(id, group);
    return group;
  }
}
