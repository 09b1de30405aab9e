/**
 * The five safety properties of Raft (Figure 3) over all replicas of one group, and what leases and
 * the records of lives rest on.
 *
 * Told of a replica after each of its steps, it looks only at what that step added and keeps the
 * facts it has seen: who led each term, where each term began in a log, which term each committed
 * index has. What a replica has forgotten is not looked at: its base stands for it. It may outlive
 * crashes of replicas; it must never change a state.
 */

import { type Clocks, leaseLeft } from './lease.js';
import { EMPTY_LOG, RaftLog } from './log.js';
import { isErased, recordedIncarnation } from './membership.js';
import type { CoreState } from './state.js';
import {
  type ConfigurationEntry,
  type LogIndex,
  NO_INCARNATION,
  NO_INDEX,
  NO_TERM,
  type NodeId,
  Role,
  type SnapshotPoint,
  type Term,
  type TermRun,
} from './types.js';

/** What was already looked at in one life of a replica. */
interface Seen {
  readonly state: CoreState;
  /** The last term of the log that was compared. */
  comparedTerm: Term;
  compacted: LogIndex;
  snapshot: SnapshotPoint | null;
  generation: number;
  committed: LogIndex;
  ledTerm: Term;
  configuration: ConfigurationEntry | null;
}

const LIFE_TOO_EARLY =
  'Readmission: a life is recorded only after the erasure of the one before was committed.';
const LEASE_OVERLAPS = 'Lease: while the lease of a leader holds, no later term has a leader.';
const POINTS_DIFFER = 'State machine safety: snapshots of one index end with the same entry.';

/** Where the entries of a term begin, and the term of the entry before them. */
interface TermOrigin {
  readonly first: LogIndex;
  readonly before: Term;
}

export class ClusterInvariants {
  readonly #seen = new Map<NodeId, Seen>();
  readonly #leaders = new Map<Term, NodeId>();
  readonly #origins = new Map<Term, TermOrigin>();
  /** The terms of all entries known to be committed, as a log of its own. */
  readonly #committed = new RaftLog(EMPTY_LOG);
  /** The same indexes with the terms in which they were committed: those of the leaders. */
  readonly #committedIn = new RaftLog(EMPTY_LOG);

  /** What snapshots and bases end with, as far as no committed entry is known there. */
  readonly #points = new Map<LogIndex, Term>();

  readonly #clocksOf: (state: CoreState) => Clocks;

  /** `clocksOf`: the clocks of a replica as they are now, which it may not have looked at. */
  constructor(clocksOf: (state: CoreState) => Clocks = (state) => state) {
    this.#clocksOf = clocksOf;
  }

  /** The highest index that any replica has known to be committed. */
  get committed(): LogIndex {
    return this.#committed.last;
  }

  /** Term of the entry committed at `index`; undefined while none is. */
  committedTermAt(index: LogIndex): Term | undefined {
    return this.#committed.termAt(index);
  }

  /** Who led `term`, as far as it was seen. */
  leaderOf(term: Term): NodeId | undefined {
    return this.#leaders.get(term);
  }

  /** A replica has crashed: its state says no more what it does. */
  forget(id: NodeId): void {
    this.#seen.delete(id);
  }

  /** What the last step of this replica broke; empty when nothing. */
  observe(state: CoreState): string[] {
    const seen = this.#seenOf(state);
    return [
      ...this.#checkPoints(state, seen),
      ...this.#checkLogMatching(state, seen),
      ...this.#checkElection(state, seen),
      ...this.#checkCommitted(state, seen),
      ...this.#checkRecords(state, seen),
      ...this.#checkLeases(state),
    ];
  }

  #seenOf(state: CoreState): Seen {
    const known = this.#seen.get(state.id);
    if (known !== undefined && known.state === state) return known;
    const { generation } = state.log;
    const seen: Seen = {
      state,
      comparedTerm: NO_TERM,
      compacted: NO_INDEX,
      snapshot: null,
      generation,
      committed: NO_INDEX,
      ledTerm: NO_TERM,
      configuration: null,
    };
    this.#seen.set(state.id, seen);
    return seen;
  }

  /** State machine safety over snapshots: what is forgotten at an index is the same everywhere. */
  #checkPoints({ log, snapshot }: CoreState, seen: Seen): string[] {
    if (log.compacted === seen.compacted && snapshot === seen.snapshot) return [];
    seen.compacted = log.compacted;
    seen.snapshot = snapshot;
    const base = { index: log.compacted, term: log.compactedTerm };
    const points = snapshot === null ? [base] : [base, snapshot];
    return points.every((point) => this.#agrees(point)) ? [] : [POINTS_DIFFER];
  }

  #agrees({ index, term }: SnapshotPoint): boolean {
    const known = this.#committed.termAt(index) ?? this.#points.get(index);
    if (known === undefined) this.#points.set(index, term);
    return known === undefined || known === term;
  }

  /**
   * Log matching: two logs with an entry of the same index and term are equal up to it. As terms
   * only grow along a log, it holds if every log enters a term at the same index, from the same
   * term. A term that goes on after the base was entered somewhere before.
   */
  #checkLogMatching({ log }: CoreState, seen: Seen): string[] {
    const broken: string[] = [];
    const compared = log.generation === seen.generation ? seen.comparedTerm : NO_TERM;
    let at = log.termRuns.length;
    while (at > 0 && log.termRuns[at - 1]!.term > compared) at -= 1;
    for (; at < log.termRuns.length; at += 1) {
      if (this.#entersAsKnown(log, log.termRuns[at]!)) continue;
      broken.push('Log matching: logs that share an entry are equal up to it.');
    }
    seen.comparedTerm = log.lastTerm;
    seen.generation = log.generation;
    return broken;
  }

  #entersAsKnown(log: RaftLog, { first, term }: TermRun): boolean {
    const before = log.termAt((first - 1) as LogIndex) as Term;
    const origin = this.#origins.get(term);
    if (before === term) return origin === undefined || origin.first < first;
    if (origin === undefined) this.#origins.set(term, { first, before });
    return origin === undefined || (origin.first === first && origin.before === before);
  }

  /** Election safety and leader completeness, once for each term that a replica leads. */
  #checkElection(state: CoreState, seen: Seen): string[] {
    if (state.role !== Role.leader || seen.ledTerm === state.term) return [];
    seen.ledTerm = state.term;
    const broken: string[] = [];
    const known = this.#leaders.get(state.term);
    if (known === undefined) this.#leaders.set(state.term, state.id);
    else if (known !== state.id) {
      broken.push('Election safety: a term has at most one leader.');
    }
    // One that learns late that it won an old term owes nothing of what later terms committed.
    const upTo = this.#committedIn.lastNotAbove(this.committed, (state.term - 1) as Term);
    broken.push(...this.#checkComplete(state, NO_INDEX, upTo));
    return broken;
  }

  /** Leader completeness: a leader holds `(from, upTo]`, which was committed before its term. */
  #checkComplete({ log }: CoreState, from: LogIndex, upTo: LogIndex): string[] {
    const start = Math.max(from, log.compacted, this.#committed.compacted);
    for (let at = (start + 1) as LogIndex; at <= upTo; ) {
      const last = Math.min(this.#committed.endOfTerm(at), upTo) as LogIndex;
      if (log.termAt(at) !== this.#committed.termAt(at) || log.termAt(last) !== log.termAt(at)) {
        return ['Leader completeness: a leader holds every entry committed in earlier terms.'];
      }
      at = (last + 1) as LogIndex;
    }
    return [];
  }

  /** State machine safety: an index is committed with one term only, on every replica. */
  #checkCommitted(state: CoreState, seen: Seen): string[] {
    const { log } = state;
    this.#learnBase(state);
    const known = this.committed;
    const start = Math.max(seen.committed, log.compacted, this.#committed.compacted);
    for (let at = (start + 1) as LogIndex; at <= log.committed; ) {
      const term = log.termAt(at);
      const end = Math.min(log.endOfTerm(at), log.committed);
      const last = (at > known ? end : Math.min(end, this.#committed.endOfTerm(at))) as LogIndex;
      const isWrong =
        at > known ? !this.#learn(at, last, term, state) : this.#committed.termAt(at) !== term;
      if (isWrong) {
        return ['State machine safety: an index is committed with one entry only.'];
      }
      at = (last + 1) as LogIndex;
    }
    seen.committed = log.committed;
    return this.committed > known ? this.#checkLaterLeaders(state.term, known) : [];
  }

  /** A base past all that was seen committed: what is known begins anew after it. */
  #learnBase({ log, term }: CoreState): void {
    if (log.compacted <= this.committed) return;
    const base = { index: log.compacted, term: log.compactedTerm };
    const committedIn = Math.max(term, this.#committedIn.lastTerm) as Term;
    this.#committed.reset(base);
    this.#committedIn.reset({ index: base.index, term: committedIn });
  }

  /** Books `[first, last]`, of `term`, as committed; false when that cannot follow the known. */
  #learn(first: LogIndex, last: LogIndex, term: Term | undefined, by: CoreState): boolean {
    if (term === undefined || term < this.#committed.lastTerm) return false;
    const count = last - first + 1;
    this.#committed.append(count, term, 0);
    this.#committedIn.append(count, Math.max(by.term, this.#committedIn.lastTerm) as Term, 0);
    return true;
  }

  /**
   * Readmission: between two lives of a member that a log records there is an entry that erases the
   * first, and it was committed before the second one is recorded: from then on that life counts.
   */
  #checkRecords({ membership, log }: CoreState, seen: Seen): string[] {
    if (seen.configuration === membership.entry) return [];
    seen.configuration = membership.entry;
    const { history } = membership;
    const isBroken = history.some((entry, at) => {
      const before = history[at - 1];
      return before !== undefined && !this.#followsRecord(before, entry, log);
    });
    return isBroken ? [LIFE_TOO_EARLY] : [];
  }

  #followsRecord(before: ConfigurationEntry, after: ConfigurationEntry, log: RaftLog): boolean {
    return after.configuration.members.every(({ id, incarnation }) => {
      const former = recordedIncarnation(before.configuration, id);
      if (incarnation === NO_INCARNATION || incarnation === former) return true;
      if (former !== NO_INCARNATION) return false;
      if (!isErased(before.configuration, id) || before.index < log.compacted) return true;
      const committed = this.#committed.termAt(before.index);
      return this.#committed.compacted > before.index || committed === log.termAt(before.index);
    });
  }

  /** Of two leaders the earlier one holds no lease: it would not know what the later changed. */
  #checkLeases(state: CoreState): string[] {
    if (state.role !== Role.leader) return [];
    for (const { state: other } of this.#seen.values()) {
      if (other.role !== Role.leader || other.term === state.term) continue;
      const earlier = other.term < state.term ? other : state;
      if (leaseLeft(earlier, this.#clocksOf(earlier)) > 0) return [LEASE_OVERLAPS];
    }
    return [];
  }

  /** Leader completeness for leaders that were already elected when the entry was committed. */
  #checkLaterLeaders(term: Term, from: LogIndex): string[] {
    for (const { state } of this.#seen.values()) {
      if (state.role !== Role.leader || state.term <= term) continue;
      const broken = this.#checkComplete(state, from, this.committed);
      if (broken.length > 0) return broken;
    }
    return [];
  }
}
