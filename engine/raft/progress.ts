/**
 * What a leader knows about one peer, and how much it may have in flight to it.
 *
 *   probe ──(accepted)──▶ replicate      one append at a time until the logs are known to match,
 *     ▲ ▲                   │     ▲      then a window of appends without waiting
 *     │ └──(refused, reset)─┘     │
 *     │                           │
 *     └──(restarted)── snapshot ──┘      both lead to `snapshot` when what comes next is no longer
 *                          (matches)     in the log: appends pause until what the peer holds
 *                                        reaches the offered point, or at least the log
 *
 * Deep windows compete with batching: the fewer messages in flight, the more each one carries.
 * A peer that holds its log but lost its state is offered a snapshot too, and goes on replicating:
 * it has a pending point outside the third state. Nothing here sends anything.
 */

import {
  assert,
  type Incarnation,
  type LogIndex,
  NO_INDEX,
  type NodeId,
  type SnapshotPoint,
} from './types.js';

export const ProgressState = {
  probe: 'probe',
  replicate: 'replicate',
  snapshot: 'snapshot',
} as const;
export type ProgressState = (typeof ProgressState)[keyof typeof ProgressState];

/** Sent and not yet acknowledged appends, oldest first. */
export class Inflight {
  readonly #lasts: number[] = [];
  readonly #bytes: number[] = [];
  #totalBytes = 0;

  get count(): number {
    return this.#lasts.length;
  }

  get bytes(): number {
    return this.#totalBytes;
  }

  add(last: LogIndex, bytes: number): void {
    assert(last > (this.#lasts[this.#lasts.length - 1] ?? 0), 'the window moves forwards');
    this.#lasts.push(last);
    this.#bytes.push(bytes);
    this.#totalBytes += bytes;
  }

  /** Everything up to `index` has arrived. */
  free(index: LogIndex): void {
    while (this.#lasts.length > 0 && (this.#lasts[0] as number) <= index) this.freeFirst();
  }

  freeFirst(): void {
    this.#lasts.shift();
    this.#totalBytes -= this.#bytes.shift() ?? 0;
  }

  clear(): void {
    this.#lasts.length = 0;
    this.#bytes.length = 0;
    this.#totalBytes = 0;
  }
}

export class Progress {
  readonly id: NodeId;
  state: ProgressState = ProgressState.probe;
  /** Highest index known to be durable on the peer and equal to ours. */
  match: LogIndex = NO_INDEX;
  /** Next index to send. */
  next: LogIndex;
  /** In probe: an append is out and its answer is awaited until the next heartbeat answer. */
  probeSent = false;
  readonly inflight = new Inflight();
  /** The snapshot it is offered. One that is being fetched does not give way to a newer one. */
  pendingSnapshot: SnapshotPoint | null = null;
  /** When the peer last answered in this term, on the leader's clock; before that, since when. */
  heardAt: number;
  /** Whether it has answered in this term at all: until then `heardAt` is the leader's patience. */
  hasAnswered = false;
  /** The newest read round that the peer has answered. */
  round = 0;
  /**
   * Incarnation that the peer's connection proved; its word counts only if it is the recorded one.
   */
  incarnation: Incarnation;
  /** What its state machine had applied when it last answered a heartbeat, in this life. */
  applied: LogIndex = NO_INDEX;
  /** What a peer that catches up is to hold next, and since when; null before it is looked at. */
  catchUp: { readonly target: LogIndex; readonly since: number } | null = null;
  /** When a learner that is to be promoted was last seen to have caught up. */
  caughtUpAt = Number.NEGATIVE_INFINITY;
  /** The entry that made it no member any more, which it is still told; 0 while it is one. */
  departedAt: LogIndex = NO_INDEX;
  /** Only a snapshot of at least this is of use to the peer: it has forgotten what is before. */
  neededFrom: LogIndex = NO_INDEX;

  constructor(id: NodeId, next: LogIndex, heardAt: number, incarnation: Incarnation) {
    this.id = id;
    this.next = next;
    this.heardAt = heardAt;
    this.incarnation = incarnation;
  }

  /**
   * What was in flight is lost: sends again from what matches, or asks again where the logs part.
   * A snapshot is not in flight here, the peer fetches it.
   */
  becomeProbe(): void {
    if (this.state === ProgressState.snapshot) return;
    const isKnown = this.state === ProgressState.replicate;
    this.#toProbe(isKnown ? ((this.match + 1) as LogIndex) : this.next);
  }

  #toProbe(next: LogIndex): void {
    this.state = ProgressState.probe;
    this.probeSent = false;
    this.inflight.clear();
    this.next = next;
  }

  #toReplicate(): void {
    if (this.state === ProgressState.snapshot) this.pendingSnapshot = null;
    this.state = ProgressState.replicate;
    this.probeSent = false;
    this.inflight.clear();
    this.next = (this.match + 1) as LogIndex;
  }

  /** What comes next is no longer in the log: the peer needs a snapshot before it. */
  becomeSnapshot(point: SnapshotPoint): void {
    this.state = ProgressState.snapshot;
    this.probeSent = false;
    this.inflight.clear();
    this.offer(point);
  }

  /** Offers a point; in the snapshot state, appends will go on after it. */
  offer(point: SnapshotPoint): void {
    this.pendingSnapshot = point;
    if (this.state !== ProgressState.snapshot) return;
    assert(point.index > this.match, 'a peer waits only for a snapshot of more than it has');
    this.next = (point.index + 1) as LogIndex;
  }

  /** Appends can go on: what follows the peer's log is in ours. */
  endSnapshot(): void {
    assert(this.state === ProgressState.snapshot, 'only a peer that waits for a snapshot gets it');
    this.#toReplicate();
  }

  /** The peer can do nothing with the offered point: it is offered another one, if need be. */
  withdraw(): void {
    this.pendingSnapshot = null;
    if (this.state === ProgressState.snapshot) this.#toProbe(this.next);
  }

  /** The peer may have forgotten what it acknowledged: nothing is known to match. */
  restarted(): void {
    this.match = NO_INDEX;
    this.applied = NO_INDEX;
    this.catchUp = null;
    this.caughtUpAt = Number.NEGATIVE_INFINITY;
    this.pendingSnapshot = null;
    this.#toProbe(this.next);
  }

  /** The peer holds everything up to `match`; true when that is news. */
  accepted(match: LogIndex): boolean {
    const news = match > this.match;
    if (news) this.match = match;
    this.inflight.free(match);
    this.next = Math.max(this.next, match + 1) as LogIndex;
    if (this.state === ProgressState.probe || this.#hasSnapshot) this.#toReplicate();
    return news;
  }

  /** The snapshot it waited for, or more, has arrived. */
  get #hasSnapshot(): boolean {
    if (this.state !== ProgressState.snapshot) return false;
    return this.match >= (this.pendingSnapshot?.index ?? NO_INDEX);
  }

  /**
   * The peer refused an append after `refusedIndex` and its log agrees at most up to `hint`.
   * False when the refusal is older than what is known since.
   */
  refused(refusedIndex: LogIndex, hint: LogIndex): boolean {
    if (this.state === ProgressState.snapshot) return false;
    if (this.state === ProgressState.replicate) {
      if (refusedIndex <= this.match) return false;
    } else if (refusedIndex !== this.next - 1) {
      return false;
    }
    this.#toProbe(Math.max(Math.min(refusedIndex, hint + 1), this.match + 1) as LogIndex);
    return true;
  }

  isPaused(messagesMax: number, bytesMax: number): boolean {
    if (this.state === ProgressState.probe) return this.probeSent;
    if (this.state === ProgressState.snapshot) return true;
    return this.inflight.count >= messagesMax || this.inflight.bytes >= bytesMax;
  }
}
