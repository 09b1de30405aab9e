/**
 * The leader's lease (thesis §6.4.1): for how long nobody else can have been elected, so that reads
 * need no round of their own.
 *
 * It runs from the *sending* time of the newest round that a quorum answered, for the shortest
 * election timeout less the drift. Whoever answered heard the leader after that time, and grants no
 * vote for a whole timeout of its own clock; a voter that started since grants none either. The
 * quorum of the next leader holds one of them. It must never rest on anything else: not on the time
 * an answer came, not on a round of another configuration, not on a leader without a commit of its
 * own.
 */

import { committedInTerm } from './commit.js';
import { answerRead } from './leader.js';
import { isLeaseContext, type PendingRead } from './read-index.js';
import type { CoreState } from './state.js';
import { type ConfigurationEntry, Role } from './types.js';

/*
 * What it takes on trust, and what not:
 *
 * - Clocks of leader and voters run equally fast, but for `leaseDrift`. Beyond it a stale read is
 *   possible, and nothing else.
 * - Voters wait for an election timeout that is not shorter than the leader's.
 * - A monotonic clock stands still while the machine is suspended. The wall clock shows that: the
 *   lease has run for as long as the clock says that ran further, and it is void once the wall
 *   clock gained more than the drift.
 * - A pause between the reading of a clock and its use is no danger where the reading comes after
 *   what it is used for. So the lease is looked at by a reading that is younger than the reads,
 *   and a voter dates what it heard by one that is younger than the message: see `dateHearing`.
 * - Of a leader that hands over, the next one needs nobody's patience: the lease is dropped before
 *   it asks, for the rest of its term.
 */

/** Rounds whose answers may still count. More are out only where nobody answers. */
const ROUNDS_MAX = 128;

/** Two clocks, read together. */
export interface Clocks {
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
  /** By how much the wall clock shows more, whatever the origins are. */
  readonly wallAhead: number;
}

interface SentRound extends Clocks {
  readonly round: number;
}

export class Lease {
  /** Rounds that no quorum has answered yet, oldest first. */
  #sent: SentRound[] = [];
  /** The newest round that one has, and the configuration whose quorum that was. */
  #from: (Clocks & { readonly configuration: ConfigurationEntry }) | null = null;
  /** Set before leadership is handed over: there is no lease for the rest of the term. */
  isDropped = false;

  /** A quorum has still to answer a round. */
  get awaitsAnswer(): boolean {
    return this.#sent.length > 0;
  }

  /** Since when it runs, null while it does not. */
  get from(): Clocks | null {
    return this.#from;
  }

  /** A round leaves, now or later, never before `now`. */
  sent(round: number, now: number, wallAhead: number): void {
    if (this.#sent.length < ROUNDS_MAX) this.#sent.push({ round, now, wallAhead });
  }

  /** A quorum of this configuration has answered `round`, or a later one. */
  answered(round: number, configuration: ConfigurationEntry): void {
    let newest: SentRound | undefined;
    while (this.#sent[0] !== undefined && this.#sent[0].round <= round) newest = this.#sent.shift();
    if (newest === undefined) return;
    const { now, wallAhead } = newest;
    this.#from = { now, wallAhead, configuration };
  }

  /** Whether it was confirmed by a quorum of the configuration that is in force. */
  isOf(configuration: ConfigurationEntry): boolean {
    return this.#from?.configuration === configuration;
  }
}

/** How much of the lease is left by clocks that are read now; 0 when it does not hold. */
export function leaseLeft(state: CoreState, { now, wallAhead }: Clocks): number {
  const { lease, options } = state;
  const { leaseDrift, electionTimeoutMin } = options;
  if (state.role !== Role.leader || leaseDrift === undefined || lease.isDropped) return 0;
  const { from } = lease;
  if (from === null || !lease.isOf(state.membership.entry) || !committedInTerm(state)) return 0;
  const gained = wallAhead - from.wallAhead;
  if (gained > electionTimeoutMin * leaseDrift) return 0;
  const ran = now - from.now + Math.max(0, gained);
  return Math.max(0, electionTimeoutMin * (1 - leaseDrift) - ran);
}

/** Begins a round that the lease may run from; the heartbeats that carry it follow. */
export function beginLeaseRound(state: CoreState): void {
  if (state.options.leaseDrift === undefined) return;
  state.leaderReads.round += 1;
  noteRound(state);
}

/** The newest round leaves with what is sent next. */
export function noteRound(state: CoreState): void {
  if (state.options.leaseDrift === undefined) return;
  state.lease.sent(state.leaderReads.round, state.now, state.wallAhead);
}

/**
 * Answers what waits for the lease, if it holds by clocks that were read after all of it had come.
 * What it does not cover is confirmed by a round instead.
 */
export function serveByLease(state: CoreState, clocks: Clocks): void {
  if (state.role !== Role.leader || !state.leaderReads.hasByLease) return;
  const reads = state.leaderReads.takeByLease();
  const holds = leaseLeft(state, clocks) > 0;
  for (const read of reads) {
    if (holds) answerRead(state, read, state.log.committed);
    else state.leaderReads.add(read);
  }
}

/** A reader's context says by its number how it may be answered. */
export function addRead(state: CoreState, read: PendingRead): void {
  const byLease = 'reader' in read && isLeaseContext(read.context);
  if (byLease) state.leaderReads.addByLease(read);
  else state.leaderReads.add(read);
}

/** Before the leader asks another replica to campaign, which voters will then not refuse. */
export function dropLease(state: CoreState): void {
  state.lease.isDropped = true;
}

/**
 * A follower dates what it heard since it last did, by a clock that is read after it. The time that
 * it was given with the message may be older than the message: whoever reads a clock may pause
 * before it looks what has come.
 */
export function dateHearing(state: CoreState, now: number): void {
  if (!state.heardUndated) return;
  state.heardUndated = false;
  const late = now - state.leaderHeardAt;
  if (late <= 0) return;
  state.leaderHeardAt = now;
  state.electionDeadline += late;
}
