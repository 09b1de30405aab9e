/**
 * One group as the writer knows it: its promises, the outline of its log, and whether a submission
 * continues it.
 *
 * A submission that contradicts it is a programmer's mistake in the caller and throws before
 * anything is staged. It must never hold entries.
 */

import { ENTRY_ALIGNMENT, ENTRY_HEADER_BYTES } from '../../codec/entry.js';
import type { GroupState } from './checkpoint-record.js';
import { LogShape } from './log-shape.js';
import type { LogPoint, PersistRequest, RecoveredGroup } from './wal-types.js';

/** An entry without payload. */
const ENTRY_LEAST = ENTRY_HEADER_BYTES;

export class LiveGroup {
  readonly group: number;
  readonly log = new LogShape();
  term = 0;
  vote = 0;
  generation = 0;
  /** Submission number of the newest request in this life; null before the first. */
  seq: number | null = null;
  /** Term and vote of requests up to this one are in the log, ahead of the rest of them. */
  promisedSeq = 0;
  inDoubt: boolean;

  constructor(group: number, inDoubt: boolean) {
    this.group = group;
    this.inDoubt = inDoubt;
  }

  static recovered(from: RecoveredGroup): LiveGroup {
    const group = new LiveGroup(from.group, from.inDoubt);
    group.term = from.term;
    group.vote = from.vote;
    group.generation = from.generation;
    group.log.base = from.compacted;
    group.log.last = from.last;
    group.log.termRuns.push(...from.termRuns.map((run) => ({ ...run })));
    group.log.configurations.push(...from.configurations);
    return group;
  }

  /** The last index after `request`. Throws when the request does not continue this group's log. */
  check(request: PersistRequest): number {
    const { seq, generation, truncateAfter, reset, compact } = request;
    if (this.seq !== null && seq <= this.seq) {
      throw new Error(`${this.#name()}: submission ${seq} after ${this.seq}`);
    }
    if (generation < this.generation) {
      throw new Error(`${this.#name()}: generation ${generation} after ${this.generation}`);
    }
    const last = this.#checkRuns(request, this.#checkStart(truncateAfter, reset));
    if (compact !== undefined) this.#checkPoint(request, compact, last);
    return last;
  }

  /** What the runs of the request follow. */
  #checkStart(truncateAfter: number | undefined, reset: LogPoint | undefined): LogPoint {
    const { base, last } = this.log;
    if (reset !== undefined) {
      if (truncateAfter === undefined) return reset;
      throw new Error(`${this.#name()}: a reset to ${reset.index} beside a truncation`);
    }
    const after = truncateAfter ?? last;
    if (after > last || after < base.index) {
      const log = `${base.index}–${last}`;
      throw new Error(`${this.#name()}: truncation after ${after} of a log ${log}`);
    }
    return { index: after, term: this.log.termOf(after) };
  }

  #checkRuns(request: PersistRequest, start: LogPoint): number {
    let { index: last, term } = start;
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

  #checkPoint({ runs, reset }: PersistRequest, { index, term }: LogPoint, last: number): void {
    const base = reset ?? this.log.base;
    if (index <= base.index) return;
    const run = runs.findLast(({ first }) => first <= index);
    const known = run === undefined ? this.log.termOf(index) : run.term;
    if (index <= last && term === known) return;
    const log = `${base.index}–${last}, its term there ${known}`;
    throw new Error(`${this.#name()}: compaction up to ${index} of term ${term} of a log ${log}`);
  }

  apply(request: PersistRequest): void {
    const { hardState, truncateAfter, configuration, reset, compact } = request;
    this.seq = request.seq;
    this.generation = request.generation;
    if (hardState !== undefined) {
      this.term = hardState.term;
      this.vote = hardState.vote;
    }
    if (reset !== undefined) this.log.reset(reset);
    if (truncateAfter !== undefined) this.log.truncate(truncateAfter);
    for (const { first, count, term } of request.runs) this.log.append(term, first, count);
    // A copy: the caller's bytes lie in an arena that is written again.
    if (configuration !== undefined) {
      this.log.remember({ index: configuration.index, bytes: configuration.bytes.slice() });
    }
    if (compact !== undefined) this.log.compact(compact);
    if (request.clearsDoubt === true) this.inDoubt = false;
  }

  /**
   * What may go ahead of everything that waits for room: term and vote, and a compaction of what is
   * in the log already. Null when there is neither.
   */
  promise({ seq, term, ...request }: PersistRequest): PersistRequest | null {
    const { hardState } = seq > this.promisedSeq ? request : {};
    const { compact } = this.canCompact(request.compact) ? request : {};
    if (hardState === undefined && compact === undefined) return null;
    const { group, generation } = this;
    return {
      group,
      seq,
      generation,
      term,
      ...(hardState && { hardState }),
      ...(compact && { compact }),
      runs: [],
    };
  }

  /** Whether the compaction is ahead of the base and within what the log holds now. */
  canCompact(point: LogPoint | undefined): boolean {
    if (point === undefined || point.index <= this.log.base.index) return false;
    return point.index <= this.log.last && this.log.termOf(point.index) === point.term;
  }

  state(): GroupState {
    const { base, last, configurations } = this.log;
    return {
      group: this.group,
      term: this.term,
      vote: this.vote,
      generation: this.generation,
      lastIndex: last,
      compactedIndex: base.index,
      compactedTerm: base.term,
      snapshotId: 0,
      inDoubt: this.inDoubt,
      configuration: configurations.at(-1) ?? null,
    };
  }

  #name(): string {
    return `group ${this.group}`;
  }
}
