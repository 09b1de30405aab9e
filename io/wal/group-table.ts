/**
 * What the writer knows of each group: enough to refuse a submission that does not continue its
 * log, to name the last index in acknowledgements, and to fill a checkpoint.
 *
 * It must never hold entries. A submission that contradicts the table is a programmer's mistake
 * in the caller and throws before anything is staged.
 */

import { ENTRY_ALIGNMENT, ENTRY_HEADER_BYTES } from '../../codec/entry.js';
import { type GroupMask, maskHas } from './block-format.js';
import type { GroupState } from './checkpoint-record.js';
import type { WalConfiguration } from './record-cursor.js';
import type { WalReport } from './recovery.js';
import { raisedTo } from './term-floor.js';
import type { PersistRequest, RecoveredGroup } from './wal-types.js';

const U32_MAX = 0xffff_ffff;
/** An entry without payload. */
const ENTRY_LEAST = ENTRY_HEADER_BYTES;

class LiveGroup {
  readonly group: number;
  term = 0;
  vote = 0;
  generation = 0;
  compactedIndex = 0;
  lastIndex = 0;
  /** Submission number of the newest request in this life; null before the first. */
  seq: number | null = null;
  /** Term and vote of requests up to this one are in the log, ahead of the rest of them. */
  promisedSeq = 0;
  inDoubt: boolean;
  readonly termRuns: { first: number; term: number }[] = [];
  readonly configurations: WalConfiguration[] = [];

  constructor(group: number, inDoubt: boolean) {
    this.group = group;
    this.inDoubt = inDoubt;
  }

  /** The last index after `request`. Throws when the request does not continue this group's log. */
  check(request: PersistRequest): number {
    const { seq, generation, truncateAfter } = request;
    if (this.seq !== null && seq <= this.seq) {
      throw new Error(`${this.#name()}: submission ${seq} after ${this.seq}`);
    }
    if (generation < this.generation) {
      throw new Error(`${this.#name()}: generation ${generation} after ${this.generation}`);
    }
    if (truncateAfter === undefined) return this.#checkRuns(request, this.lastIndex);
    if (truncateAfter > this.lastIndex || truncateAfter < this.compactedIndex) {
      const log = `${this.compactedIndex}–${this.lastIndex}`;
      throw new Error(`${this.#name()}: truncation after ${truncateAfter} of a log ${log}`);
    }
    return this.#checkRuns(request, truncateAfter);
  }

  #checkRuns(request: PersistRequest, after: number): number {
    let last = after;
    let term = this.termRuns.findLast((run) => run.first <= after)?.term ?? 0;
    for (const run of request.runs) {
      if (run.first !== last + 1) {
        throw new Error(`${this.#name()}: a run at ${run.first} after index ${last}`);
      }
      if (run.term < term) {
        throw new Error(`${this.#name()}: a run of term ${run.term} after term ${term}`);
      }
      const { count, bytes } = run;
      if (count < 1 || bytes.length % ENTRY_ALIGNMENT !== 0 || bytes.length < count * ENTRY_LEAST) {
        throw new Error(`${this.#name()}: a run of ${count} entries in ${bytes.length} bytes`);
      }
      last = run.first + count - 1;
      term = run.term;
    }
    return last;
  }

  apply(request: PersistRequest, lastIndex: number): void {
    const { hardState, truncateAfter, configuration } = request;
    this.seq = request.seq;
    this.generation = request.generation;
    this.lastIndex = lastIndex;
    if (hardState !== undefined) {
      this.term = hardState.term;
      this.vote = hardState.vote;
    }
    if (truncateAfter !== undefined) {
      while ((this.configurations.at(-1)?.index ?? 0) > truncateAfter) this.configurations.pop();
      while ((this.termRuns.at(-1)?.first ?? 0) > truncateAfter) this.termRuns.pop();
    }
    for (const { first, term } of request.runs) {
      if (term !== this.termRuns.at(-1)?.term) this.termRuns.push({ first, term });
    }
    // A copy: the caller's bytes lie in an arena that is written again.
    if (configuration !== undefined)
      this.remember(configuration.index, configuration.bytes.slice());
    if (request.clearsDoubt === true) this.inDoubt = false;
  }

  promise({ seq, term, hardState }: PersistRequest): PersistRequest | null {
    if (hardState === undefined || seq <= this.promisedSeq) return null;
    const { group, generation } = this;
    return { group, seq, generation, term, hardState, runs: [] };
  }

  remember(index: number, bytes: Uint8Array): void {
    if (index > (this.configurations.at(-1)?.index ?? -1))
      this.configurations.push({ index, bytes });
  }

  state(): GroupState {
    return {
      group: this.group,
      term: this.term,
      vote: this.vote,
      generation: this.generation,
      lastIndex: this.lastIndex,
      compactedIndex: this.compactedIndex,
      compactedTerm: 0,
      snapshotId: 0,
      inDoubt: this.inDoubt,
      configuration: this.configurations.at(-1) ?? null,
    };
  }

  #name(): string {
    return `group ${this.group}`;
  }
}

export class GroupTable {
  readonly #groups = new Map<number, LiveGroup>();
  /** Groups that recovery cut: also those whose first record is still to come. */
  readonly doubt: GroupMask;
  /** The term that no group of these goes back before: see term-floor.ts. */
  readonly termFloor: number;
  readonly #self: number;

  constructor(
    recovered: readonly RecoveredGroup[],
    { doubt, termFloor }: Pick<WalReport, 'doubt' | 'termFloor'>,
    self: number,
  ) {
    this.doubt = doubt;
    this.termFloor = termFloor;
    this.#self = self;
    for (const from of recovered) {
      const group = new LiveGroup(from.group, from.inDoubt);
      group.term = from.term;
      group.vote = from.vote;
      group.generation = from.generation;
      group.compactedIndex = from.first - 1;
      group.lastIndex = from.last;
      group.termRuns.push(...from.termRuns);
      for (const { index, bytes } of from.configurations) group.remember(index, bytes);
      this.#groups.set(from.group, group);
    }
  }

  /** The group's last index after `request`; throws when it does not continue the group's log. */
  check(request: PersistRequest): number {
    const { group } = request;
    if (!(Number.isInteger(group) && group >= 0 && group <= U32_MAX)) {
      throw new RangeError(`group id out of range: ${group}`);
    }
    return (this.#groups.get(group) ?? new LiveGroup(group, false)).check(request);
  }

  apply(request: PersistRequest, lastIndex: number): void {
    this.#known(request.group).apply(request, lastIndex);
  }

  #known(id: number): LiveGroup {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = this.#begin(id);
      this.#groups.set(id, group);
    }
    return group;
  }

  /** The request without a term and vote that a promise has overtaken. */
  withoutPromised(request: PersistRequest): PersistRequest {
    const promised = this.#groups.get(request.group)?.promisedSeq ?? 0;
    if (request.seq > promised || request.hardState === undefined) return request;
    const { hardState: _, ...rest } = request;
    return rest;
  }

  /** A request of its term and vote alone; null when they are in the log, or it has none. */
  promiseOf(request: PersistRequest): PersistRequest | null {
    return (this.#groups.get(request.group) ?? new LiveGroup(request.group, false)).promise(
      request,
    );
  }

  /** The promise is staged; returns the group's last index, which it does not change. */
  promised({ group, seq, hardState }: PersistRequest): number {
    const live = this.#known(group);
    live.promisedSeq = seq;
    Object.assign(live, hardState);
    return live.lastIndex;
  }

  /** A group's state before its first record, which is what the replay will begin it with. */
  #begin(id: number): LiveGroup {
    const inDoubt = maskHas(this.doubt, id);
    const group = new LiveGroup(id, inDoubt);
    if (!inDoubt) return group;
    const { term, vote } = raisedTo(this.termFloor, this.#self, group);
    group.term = term;
    group.vote = vote;
    return group;
  }

  /** Every group's state, by ascending group. */
  states(): GroupState[] {
    return [...this.#groups.values()]
      .sort((a, b) => a.group - b.group)
      .map((group) => group.state());
  }
}
