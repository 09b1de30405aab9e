/**
 * What the writer knows of all groups: enough to refuse a submission that does not continue its
 * log, to name the last index in acknowledgements, to fill a checkpoint, and to say which segments
 * are still needed.
 *
 * It must never hold entries.
 */

import { type GroupMask, maskHas } from './block-format.js';
import type { GroupState } from './checkpoint-record.js';
import { type Holding, Holdings } from './holdings.js';
import { LiveGroup } from './live-group.js';
import type { WalReport } from './recovery.js';
import { raisedTo } from './term-floor.js';
import type { PersistRequest, PersistRun, RecoveredGroup } from './wal-types.js';

const U32_MAX = 0xffff_ffff;

export class GroupTable {
  readonly holdings = new Holdings();
  readonly #groups = new Map<number, LiveGroup>();
  readonly #stopped = new Set<number>();
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
      this.#groups.set(from.group, LiveGroup.recovered(from));
      for (const held of heldBy(from)) this.holdings.append(held);
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

  /** The request is staged for a block of `segment`; true when another one may be free now. */
  apply(request: PersistRequest, lastIndex: number, segment: number): boolean {
    const { group, runs, truncateAfter, reset, compact } = request;
    const { holdings } = this;
    this.#known(group).apply(request);
    let released = false;
    if (reset !== undefined) released = holdings.reset(group);
    if (truncateAfter !== undefined) released = holdings.truncate(group, truncateAfter);
    if (runs.length > 0) {
      const { first } = runs[0]!;
      const bytes = bytesOf(runs);
      holdings.append({ group, segment, first, last: lastIndex, bytes });
    }
    if (compact === undefined) return released;
    return holdings.compact(group, compact.index) || released;
  }

  #known(id: number): LiveGroup {
    let group = this.#groups.get(id);
    if (group === undefined) {
      group = this.#begin(id);
      this.#groups.set(id, group);
    }
    return group;
  }

  /** The request without a term and vote, or a compaction, that a promise has overtaken. */
  withoutPromised(request: PersistRequest): PersistRequest {
    const known = this.#groups.get(request.group);
    if (known === undefined) return request;
    const { hardState, compact, ...rest } = request;
    const isPromised = hardState !== undefined && request.seq <= known.promisedSeq;
    const { base } = known.log;
    const isBehind = compact !== undefined && !rest.reset && compact.index <= base.index;
    if (!isPromised && !isBehind) return request;
    return {
      ...rest,
      ...(hardState && !isPromised ? { hardState } : {}),
      ...(compact && !isBehind ? { compact } : {}),
    };
  }

  /** What of it may go ahead, alone; null when that is in the log, or there is nothing. */
  promiseOf(request: PersistRequest): PersistRequest | null {
    const known = this.#groups.get(request.group) ?? new LiveGroup(request.group, false);
    return known.promise(request);
  }

  /**
   * The promise is staged; returns the group's last index, which it does not change, and whether
   * a segment may have become free.
   */
  promised({ group, seq, hardState, compact }: PersistRequest): {
    readonly lastIndex: number;
    readonly released: boolean;
  } {
    const live = this.#known(group);
    if (hardState !== undefined) {
      live.promisedSeq = seq;
      Object.assign(live, hardState);
    }
    const compacts = compact !== undefined && live.log.compact(compact);
    const released = compacts && this.holdings.compact(group, compact.index);
    return { lastIndex: live.log.last, released };
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

  termOf(group: number, index: number): number {
    return this.#known(group).log.termOf(index);
  }

  /** Whether the group has ever forgotten a part of its log: its machine takes snapshots then. */
  compacts(group: number): boolean {
    return !this.#stopped.has(group) && this.#known(group).log.base.index > 0;
  }

  /** The group forgets nothing any more in this life of the process. */
  stopped(group: number): void {
    this.#stopped.add(group);
  }

  /** A request that repeats entries of the group as they are, and its last index. */
  copyOf(group: number, runs: readonly PersistRun[]): { request: PersistRequest; last: number } {
    const { generation, term, log } = this.#known(group);
    return { request: { group, seq: 0, generation, term, runs }, last: log.last };
  }

  /** Every group's state, by ascending group. */
  states(): GroupState[] {
    return [...this.#groups.values()]
      .sort((a, b) => a.group - b.group)
      .map((group) => group.state());
  }
}

function bytesOf(runs: readonly PersistRun[]): number {
  let bytes = 0;
  for (const run of runs) bytes += run.bytes.length;
  return bytes;
}

/** The ranges of a recovered group. */
function* heldBy({ group, locations, extents }: RecoveredGroup): Generator<Holding> {
  let before = 0;
  for (const [n, { first, segment }] of locations.entries()) {
    const { last, bytes } = extents[n]!;
    yield { group, segment, first, last, bytes: bytes - before };
    before = bytes;
  }
}
