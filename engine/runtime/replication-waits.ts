/**
 * Who waits until every voter has applied an entry: replication mode `all`, as its leader sees it.
 *
 * A voter says in its answers to heartbeats how far it has applied. While somebody waits, those
 * that lag are asked more often than heartbeats would, one message each for all that wait. A wait
 * is for those who voted when it began: one removed since is waited for no more, one added since
 * never was. Nothing here may delay a commit, or count what another life of a voter has said.
 */

import { isVoter } from '../raft/membership.js';
import type { Raft } from '../raft/raft.js';
import { type NodeId, Role, type Term } from '../raft/types.js';

/** How soon a voter that lags is asked again at first; each pause is twice the one before. */
const PAUSE_MS_MIN = 1;

/** A voter that has not applied the entry, and how far it was when it last answered. */
export interface Lagging {
  readonly id: number;
  readonly applied: number;
}

export interface ReplicationAsk {
  readonly id: number;
  readonly index: number;
  /** On the monotonic clock. */
  readonly deadline: number;
}

/** Null: this node does not lead (any more), and cannot know. */
export type WaitEnds = (id: number, missing: readonly Lagging[] | null) => void;

interface Wait extends ReplicationAsk {
  readonly term: Term;
  /** Voters not known to have applied the entry. */
  missing: readonly NodeId[];
}

export class ReplicationWaits {
  readonly #raft: Raft;
  readonly #ends: WaitEnds;
  #waits: Wait[] = [];
  #askAt = Number.POSITIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #pauseMs = PAUSE_MS_MIN;

  constructor(raft: Raft, ends: WaitEnds) {
    this.#raft = raft;
    this.#ends = ends;
  }

  get deadline(): number {
    return this.#askAt;
  }

  /** The entry is applied here. */
  add({ id, index, deadline }: ReplicationAsk, now: number): void {
    const { configuration, term, id: self } = this.#raft;
    const { voters, outgoing } = configuration;
    const missing = [...new Set([...voters, ...outgoing])].filter((voter) => voter !== self);
    this.#waits.push({ id, index, deadline, term, missing });
    this.#pauseMs = PAUSE_MS_MIN;
    this.#askAt = Math.max(now, this.#askedAt + PAUSE_MS_MIN);
  }

  /** Once a turn: ends what is over, and asks those that lag when it is time. */
  turn(now: number): void {
    if (this.#waits.length === 0) return;
    this.#waits = this.#waits.filter((wait) => !this.#isOver(wait, now));
    if (this.#waits.length === 0) this.#askAt = Number.POSITIVE_INFINITY;
    else if (now >= this.#askAt) this.#askLagging(now);
  }

  #isOver(wait: Wait, now: number): boolean {
    const { id, index, deadline, term } = wait;
    if (this.#raft.role !== Role.leader || this.#raft.term !== term) {
      this.#ends(id, null);
      return true;
    }
    wait.missing = wait.missing.filter((voter) => this.#lags(voter, index));
    if (wait.missing.length > 0 && now < deadline) return false;
    const lagging = wait.missing.map((voter) => ({ id: voter, applied: this.#appliedOf(voter) }));
    this.#ends(id, lagging);
    return true;
  }

  #lags(voter: NodeId, index: number): boolean {
    return isVoter(this.#raft.configuration, voter) && this.#appliedOf(voter) < index;
  }

  #appliedOf(voter: NodeId): number {
    const { state } = this.#raft;
    const progress = state.progress.get(voter);
    if (progress === undefined || !state.isIntact(voter, progress.incarnation)) return 0;
    return progress.applied;
  }

  #askLagging(now: number): void {
    const lagging = new Set(this.#waits.flatMap(({ missing }) => missing));
    for (const voter of lagging) this.#raft.notifyCommit(voter);
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, this.#raft.state.options.heartbeatInterval);
    this.#askedAt = now;
    const earliest = this.#waits.reduce(
      (at, { deadline }) => Math.min(at, deadline),
      now + pauseMs,
    );
    this.#askAt = Math.max(earliest, now);
  }

  /** The group ends here. */
  end(): void {
    for (const { id } of this.#waits) this.#ends(id, null);
    this.#waits = [];
    this.#askAt = Number.POSITIVE_INFINITY;
  }
}
