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
import { ChunkList } from './chunk-list.js';
import { LogShape } from './log-shape.js';
import type { WalConfiguration } from './record-cursor.js';
import type { StoredRequest, StoredRun } from './request-record.js';
import { raisedTo } from './term-floor.js';
import type { BlockLocation, LogPoint, RecoveredGroup } from './wal-types.js';

/** Where a decoded block lies and the window that holds its entries. */
export interface ReplaySource {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly segment: number;
  readonly offset: number;
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
  readonly log = new LogShape();
  readonly chunks = new ChunkList();
  term = 0;
  vote = 0;
  generation = 0;
  inDoubt = false;

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
    const problem = request.isCopy
      ? this.#relocateAll(request, source)
      : this.#change(request, source);
    if (problem !== null) return problem;
    if (this.log.last === request.lastIndex) return null;
    return `${this.#name()} ends at ${this.log.last}, its record says ${request.lastIndex}`;
  }

  #change(request: StoredRequest, source: ReplaySource): string | null {
    const { hardState, truncateAfter, reset } = request;
    if (hardState !== null) {
      this.term = hardState.term;
      this.vote = hardState.vote;
    }
    if (reset !== null) {
      this.log.reset(reset);
      this.chunks.truncate(0);
    }
    if (truncateAfter !== null) {
      const { base, last } = this.log;
      if (truncateAfter > last || truncateAfter < base.index) {
        const log = `${base.index}–${last}`;
        return `${this.#name()} truncates after ${truncateAfter}, its log is ${log}`;
      }
      this.log.truncate(truncateAfter);
      this.chunks.truncate(truncateAfter);
    }
    this.generation = request.generation;
    for (const run of request.runs) {
      const problem = this.#append(run, source);
      if (problem !== null) return problem;
    }
    if (request.configuration !== null) this.#rememberNewer(request.configuration);
    if (request.clearsDoubt) this.inDoubt = false;
    return request.compact === null ? null : this.#compact(request.compact);
  }

  #compact(point: LogPoint): string | null {
    const { base, last } = this.log;
    if (point.index <= base.index) return null;
    // Of an entry whose copy is still to come, the term is not known.
    const known = this.chunks.covers(point.index) ? this.log.termOf(point.index) : point.term;
    if (point.index > last || known !== point.term) {
      const log = `${base.index}–${last}, its term there ${known}`;
      return `${this.#name()} is compacted up to ${point.index}@${point.term}, its log is ${log}`;
    }
    this.log.compact(point);
    this.chunks.compact(point.index);
    return null;
  }

  #append(run: StoredRun, source: ReplaySource): string | null {
    const { last } = this.log;
    if (run.first !== last + 1) {
      return `${this.#name()} continues at ${run.first}, its log ends at ${last}`;
    }
    if (!this.#collect(run, source, (found) => this.#rememberNewer(found))) {
      return `${this.#name()} has a run at ${run.first} that is not ${run.count} whole entries`;
    }
    const newest = this.log.termOf(last);
    if (run.term < newest) return `${this.#name()} goes from term ${newest} back to ${run.term}`;
    this.log.append(run.term, run.first, run.count);
    const { segment, offset } = source;
    this.chunks.append({
      first: run.first,
      last: this.log.last,
      segment,
      offset,
      bytes: run.bytes,
    });
    return null;
  }

  /** Entries that a copy repeats: from here on they lie in its block. */
  #relocateAll({ runs }: StoredRequest, source: ReplaySource): string | null {
    for (const run of runs) {
      const problem = this.#relocate(run, source);
      if (problem !== null) return problem;
    }
    return null;
  }

  #relocate(run: StoredRun, source: ReplaySource): string | null {
    const { base, last: end } = this.log;
    const first = Math.max(run.first, base.index + 1);
    const last = Math.min(run.first + run.count - 1, end);
    // Truncated or compacted since.
    if (first > last) return null;
    const isKnown = this.chunks.covers(first);
    if (isKnown && this.log.termOf(first) !== run.term) return null;
    const what = `${this.#name()} has a copy of ${first}–${last}`;
    if (!isKnown && !this.log.learn(first, run.term)) {
      return `${what} of term ${run.term}, which the terms around it contradict`;
    }
    const keep = (found: WalConfiguration): void => {
      if (found.index >= first && found.index <= last) this.log.remember(found);
    };
    if (!this.#collect(run, source, keep)) return `${what} that is not ${run.count} whole entries`;
    const { segment, offset } = source;
    const bytes = last - first + 1 === run.count ? run.bytes : null;
    this.chunks.replace({ first, last, segment, offset, bytes });
    return null;
  }

  /** Walks a run once: checks that it holds what it says, finds its configuration entries. */
  #collect(run: StoredRun, source: ReplaySource, keep: (found: WalConfiguration) => void): boolean {
    const end = run.start + run.bytes;
    let at = run.start;
    for (let n = 0; n < run.count; n += 1) {
      if (end - at < ENTRY_HEADER_BYTES) return false;
      const payload = entryPayloadBytes(source.view, at);
      if (entryKind(source.view, at) === EntryKind.configuration) {
        const start = at + ENTRY_HEADER_BYTES;
        const bytes = source.bytes.slice(start, Math.min(start + payload, end));
        keep({ index: run.first + n, bytes });
      }
      at += entryBytes(payload);
    }
    return at === end && run.count > 0;
  }

  #rememberNewer(configuration: WalConfiguration): void {
    const newest = this.log.configurations.at(-1)?.index ?? -1;
    if (configuration.index > newest) this.log.remember(configuration);
  }

  /**
   * Takes over what a checkpoint says: only the first segment present is not compared but
   * believed. Entries that it counts and that lay in segments before it must come as copies.
   */
  seed(state: GroupState): void {
    this.term = state.term;
    this.vote = state.vote;
    this.generation = state.generation;
    this.log.base = { index: state.compactedIndex, term: state.compactedTerm };
    this.log.last = state.lastIndex;
    this.inDoubt = state.inDoubt;
    if (state.configuration !== null) this.log.remember(state.configuration);
  }

  compare(state: GroupState): string | null {
    const { base, last } = this.log;
    const same =
      state.term === this.term &&
      state.vote === this.vote &&
      state.generation === this.generation &&
      state.lastIndex === last &&
      state.compactedIndex === base.index &&
      state.compactedTerm === base.term &&
      state.inDoubt === this.inDoubt;
    if (same) return null;
    return (
      `the checkpoint has ${this.#name()} at term ${state.term}, vote ${state.vote}, ` +
      `generation ${state.generation}, compacted ${state.compactedIndex}@${state.compactedTerm}, ` +
      `last ${state.lastIndex}; the records before it give term ${this.term}, ` +
      `vote ${this.vote}, generation ${this.generation}, compacted ${base.index}@${base.term}, ` +
      `last ${last}`
    );
  }

  /** Entries of which no segment that is left holds a record; null when there are none. */
  get missing(): string | null {
    const { base, last } = this.log;
    const gap = this.chunks.gap(base.index + 1, last);
    if (gap === null) return null;
    return `entries ${gap.first}–${gap.last} of ${this.#name()} are in no segment that is left`;
  }

  finish(measure: Measure): RecoveredGroup {
    const { base, last, termRuns, configurations } = this.log;
    const extents: { last: number; bytes: number }[] = [];
    const locations: BlockLocation[] = [];
    let bytes = 0;
    for (const chunk of this.chunks.all) {
      const location = { first: chunk.first, segment: chunk.segment, offset: chunk.offset };
      const termOf = (index: number): number => this.log.termOf(index);
      bytes += chunk.bytes ?? measure(this.group, location, chunk.last, termOf);
      locations.push(location);
      extents.push({ last: chunk.last, bytes });
    }
    return {
      group: this.group,
      term: this.term,
      vote: this.vote,
      generation: this.generation,
      compacted: base,
      first: base.index + 1,
      last,
      termRuns,
      extents,
      locations,
      configurations,
      inDoubt: this.inDoubt,
    };
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
      const problem = believe ? null : group.compare(state);
      if (problem !== null) return problem;
      if (believe) group.seed(state);
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

  /** What the log counts and no segment holds; null when it is complete. */
  get missing(): string | null {
    for (const { missing } of this.#groups.values()) if (missing !== null) return missing;
    return null;
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
