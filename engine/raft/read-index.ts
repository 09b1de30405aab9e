/**
 * ReadIndex (thesis §6.4): linearizable reads that cost one quorum round for a whole batch, no
 * disk.
 *
 * The leader side collects reads, starts a numbered round with the next heartbeats, and confirms
 * all of its reads when a quorum has answered that round or a later one. The reader side (every
 * role) batches what was asked here into one context at a time and asks the leader again until
 * answered. Neither side knows what a read asks for; serving it after `index` is applied is the
 * caller's part. Reads that a lease may answer (lease.ts) have contexts of their own and pass by
 * the rounds, unless there is no lease.
 */

import type { LogIndex, NodeId } from './types.js';

/** A read the leader must confirm: one of its own batch, or a whole context of a follower. */
export type PendingRead =
  | { readonly local: readonly number[] }
  | { readonly reader: NodeId; readonly context: number };

/**
 * Contexts from here on may be answered under the leader's lease. A leader that knows of no lease
 * answers them after a round, which is as good.
 */
const LEASE_CONTEXTS = 2 ** 48;

/** Whether a context may be answered under the leader's lease. */
export function isLeaseContext(context: number): boolean {
  return context >= LEASE_CONTEXTS;
}

/** The number of a context within its lane. */
export function numberInLane(context: number): number {
  return isLeaseContext(context) ? context - LEASE_CONTEXTS : context;
}

/** Whether two contexts are of the same reader and the same lane of it. */
function isSameLane(a: PendingRead, b: PendingRead): boolean {
  if (!('reader' in a && 'reader' in b) || a.reader !== b.reader) return false;
  return isLeaseContext(a.context) === isLeaseContext(b.context);
}

function withoutIds(reads: readonly PendingRead[], ids: ReadonlySet<number>): PendingRead[] {
  return reads.flatMap((read): PendingRead[] => {
    if (!('local' in read)) return [read];
    const local = read.local.filter((id) => !ids.has(id));
    return local.length > 0 ? [{ local }] : [];
  });
}

export class LeaderReads {
  /** The newest round started; carried by every heartbeat and append. */
  round = 0;
  #inRound: PendingRead[] = [];
  /** The round that confirms those: later ones may have been started for a lease. */
  #awaited = 0;
  #roundIndex: LogIndex = 0 as LogIndex;
  #waiting: PendingRead[] = [];
  /** For the end of this turn: the lease answers them all, or none. */
  #byLease: PendingRead[] = [];

  add(read: PendingRead): void {
    if ('reader' in read) {
      if (this.#holds(read.reader, read.context)) return;
      // A reader awaits one context of a lane at a time: what it asked before, it has given up.
      this.#waiting = this.#waiting.filter((one) => !isSameLane(one, read));
    }
    this.#waiting.push(read);
  }

  addByLease(read: PendingRead): void {
    this.#byLease.push(read);
  }

  /** What waits for the lease, to be answered or added now. */
  takeByLease(): PendingRead[] {
    return this.#byLease.splice(0);
  }

  get hasByLease(): boolean {
    return this.#byLease.length > 0;
  }

  /** Nobody waits for these own reads any more. */
  forget(ids: ReadonlySet<number>): void {
    this.#inRound = withoutIds(this.#inRound, ids);
    this.#waiting = withoutIds(this.#waiting, ids);
    this.#byLease = withoutIds(this.#byLease, ids);
  }

  #holds(reader: NodeId, context: number): boolean {
    const same = (read: PendingRead): boolean =>
      'reader' in read && read.reader === reader && read.context === context;
    return this.#waiting.some(same) || this.#inRound.some(same);
  }

  /** True when reads wait and no round is out: `start` one. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#inRound.length === 0;
  }

  /** The reads that the round under way confirms, and those that wait for the next one. */
  get pending(): {
    readonly inRound: readonly PendingRead[];
    readonly waiting: readonly PendingRead[];
  } {
    return { inRound: this.#inRound, waiting: this.#waiting };
  }

  get hasRound(): boolean {
    return this.#inRound.length > 0;
  }

  /** The round that reads wait for; 0 when none do. */
  get awaited(): number {
    return this.hasRound ? this.#awaited : 0;
  }

  /** Puts everything that waits into a new round, to be served at `commit` or later. */
  start(commit: LogIndex): void {
    this.round += 1;
    this.#awaited = this.round;
    this.#roundIndex = commit;
    this.#inRound = this.#waiting;
    this.#waiting = [];
  }

  /** A quorum has answered `round`: the reads it confirms, and the index they may be served at. */
  confirm(round: number): { index: LogIndex; reads: readonly PendingRead[] } | null {
    if (this.#inRound.length === 0 || round < this.#awaited) return null;
    const reads = this.#inRound;
    this.#inRound = [];
    return { index: this.#roundIndex, reads };
  }

  /** Leadership ended: the leader's own reads go back to its reader side. */
  drain(): number[] {
    const all = [...this.#inRound, ...this.#waiting, ...this.#byLease];
    this.#inRound = [];
    this.#waiting = [];
    this.#byLease = [];
    return all.flatMap((read) => ('local' in read ? read.local : []));
  }
}

/** Contexts of different lives of a replica differ: late answers to an earlier one are stale. */
export const CONTEXTS_OF_A_LIFE = 0x100000;

export class ReaderReads {
  /** When a context that is outstanding then is asked again. */
  retryAt = 0;
  #context = 0;
  #asked: readonly number[] = [];
  #waiting: number[] = [];

  constructor(firstContext: number) {
    this.#context = firstContext;
  }

  /** A lane beside this one whose contexts may be answered under a lease. */
  leaseLane(): ReaderReads {
    return new ReaderReads(LEASE_CONTEXTS + this.#context);
  }

  add(ids: readonly number[]): void {
    for (const id of ids) this.#waiting.push(id);
  }

  /** Nobody waits for these reads any more; a context without any is awaited no longer. */
  forget(ids: ReadonlySet<number>): void {
    this.#asked = this.#asked.filter((id) => !ids.has(id));
    this.#waiting = this.#waiting.filter((id) => !ids.has(id));
  }

  /** The context whose answer is awaited, or null. */
  get outstanding(): number | null {
    return this.#asked.length > 0 ? this.#context : null;
  }

  /** When the outstanding context is to be asked again; Infinity when there is none. */
  get asksAgainAt(): number {
    return this.#asked.length > 0 ? this.retryAt : Number.POSITIVE_INFINITY;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The reads that the outstanding context asks for, and those that wait for the next one. */
  get pending(): { readonly asked: readonly number[]; readonly waiting: readonly number[] } {
    return { asked: this.#asked, waiting: this.#waiting };
  }

  /** Opens a context over everything that waits; only when none is outstanding. */
  open(): number {
    this.#context += 1;
    this.#asked = this.#waiting;
    this.#waiting = [];
    return this.#context;
  }

  /** The leader answered `context`: the reads it covers, empty when the answer is stale. */
  answer(context: number): readonly number[] {
    if (context !== this.#context) return [];
    const ids = this.#asked;
    this.#asked = [];
    return ids;
  }

  /** The leader changed: what was asked must be asked again. */
  restart(): void {
    this.#waiting = [...this.#asked, ...this.#waiting];
    this.#asked = [];
  }

  /** This replica became leader: it confirms everything itself. */
  takeAll(): number[] {
    this.restart();
    const ids = this.#waiting;
    this.#waiting = [];
    return ids;
  }
}
