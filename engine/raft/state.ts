/**
 * The state of one replica's core and the few primitives every role uses to change it.
 *
 * Role files decide; they change state only through what is here, in log.ts, progress.ts and
 * membership.ts. This file must never look at a message kind or at a role's rules.
 */

import { Lease } from './lease.js';
import { RaftLog, type RecoveredLog } from './log.js';
import { findMember, isErased, isVoter, Membership, recordedIncarnation } from './membership.js';
import type { Message } from './message.js';
import { Prng } from './prng.js';
import type { Progress } from './progress.js';
import { LeaderReads, type ReaderReads } from './read-index.js';
import type { CoreEntry, Persist, ReadGrant, SnapshotWanted } from './ready.js';
import type { Transfer } from './transfer.js';
import {
  assert,
  type Configuration,
  type ConfigurationEntry,
  type HardState,
  type Incarnation,
  type IndexRange,
  type LogIndex,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
  type SnapshotPoint,
  type Term,
} from './types.js';

/**
 * Timing in milliseconds, windows in messages, entries and bytes. Validated by engine/config.ts.
 */
export interface RaftOptions {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly seed: number;
  readonly electionTimeoutMin: number;
  readonly electionTimeoutMax: number;
  readonly heartbeatInterval: number;
  readonly preVote: boolean;
  /** False: a leader's request to take over is ignored. */
  readonly transfer: boolean;
  /** Appends in flight to one peer. */
  readonly windowMessagesMax: number;
  readonly windowBytesMax: number;
  /** Entries and bytes of one append. */
  readonly appendEntriesMax: number;
  readonly appendBytesMax: number;
  /** A leader whose disk has acknowledged nothing for this long gives up leadership. */
  readonly diskStallMax: number;
  /**
   * Share by which clocks may differ in rate, for reads under the leader's lease (lease.ts);
   * absent: there is no lease.
   */
  readonly leaseDrift?: number;
  /** It starts in witness mode (witness.ts). */
  readonly witness?: boolean;
}

export interface RecoveredSnapshot {
  readonly point: SnapshotPoint;
  readonly configuration: ConfigurationEntry;
}

/** What a restart found on disk. */
export interface Recovered {
  readonly hardState: HardState;
  readonly log: RecoveredLog;
  readonly bootstrap: Configuration;
  /** Ascending; of those up to the log's base, only the one in force there. */
  readonly configurations: readonly ConfigurationEntry[];
  /** The newest valid snapshot here, and the configuration in force at its point. */
  readonly snapshot: RecoveredSnapshot | null;
  /** A torn block was cut that may have been acknowledged (see the log's recovery rules). */
  readonly inDoubt: boolean;
}

/** How far this replica's own vote can be trusted. */
export const Standing = {
  /** Holds all it ever acknowledged. */
  full: 'full',
  /** Has never held an entry: a first start, or a wiped replica that does not know it. */
  fresh: 'fresh',
  /** A cut tail may have been acknowledged. */
  inDoubt: 'inDoubt',
  /** The log records another life of this replica: it lost its data, neither votes nor counts. */
  aside: 'aside',
  /** The log records no life of it any more, its own will be next: it catches up, as if aside. */
  recovering: 'recovering',
  /** A learner: it follows, and neither votes nor counts. */
  nonVoter: 'nonVoter',
  /** No member: not added yet, or removed. It waits until it is added. */
  standby: 'standby',
} as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

/** A message that may leave once the submission `seq` is durable, if the term is still the same. */
interface Held {
  readonly seq: number;
  readonly message: Message;
}

export class CoreState {
  readonly options: RaftOptions;
  readonly prng: Prng;
  readonly log: RaftLog;
  readonly membership: Membership;
  now: number;

  role: Role = Role.follower;
  term: Term;
  vote: NodeId;
  leader: NodeId = NOBODY;
  inDoubt: boolean;
  /** Neither campaigns nor votes, by its operator's wish: see witness.ts. */
  isWitness: boolean;
  /** The term in which doubt arose: an entry of a later one settles it. */
  readonly doubtTerm: Term;

  /** A message of this group has come from another replica. */
  hasHeard = false;

  electionDeadline = 0;
  heartbeatDue = 0;
  /** Last time the leader of this term was heard; the start counts as a hearing (lease safety). */
  leaderHeardAt: number;
  readonly startedAt: number;
  /** It was heard since a clock was read, so that time may be too early: see `dateHearing`. */
  heardUndated = false;
  /** By how much the wall clock showed more than the monotonic one, when last read. */
  wallAhead = 0;

  /**
   * Answers to the vote or pre-vote of this replica; the boolean says whether it is a full vote.
   */
  readonly votes = new Map<NodeId, 'full' | 'unanimous' | 'refused'>();
  /** Incarnations proved by the voters' connections. */
  readonly incarnations = new Map<NodeId, Incarnation>();
  readonly progress = new Map<NodeId, Progress>();
  /** First index of the leader's own term: reads wait until it is committed. */
  termStart: LogIndex = NO_INDEX;
  leaderReads: LeaderReads;
  /** Leader: leadership is being handed over; null when it is not. */
  transfer: Transfer | null = null;
  lease = new Lease();
  readonly reads: ReaderReads;
  /** Reads that a lease of the leader may answer. */
  readonly leaseReads: ReaderReads;

  readonly outbox: Message[] = [];
  readonly created: CoreEntry[] = [];
  readonly grants: ReadGrant[] = [];
  softChanged = true;
  configurationChanged = true;
  /** Committed entries up to here were handed out for applying. */
  handedOut: LogIndex = NO_INDEX;
  /** A follower owes its leader an acknowledgement of what is durable. */
  acknowledgeDue = false;
  /** Up to here this log is known to equal the log of the leader of this term. */
  equalUpTo: LogIndex = NO_INDEX;
  /** The newest read round of this term's leader that was heard. */
  roundSeen = 0;
  /** The newest snapshot that is durable here: what a leader offers, where a restart begins. */
  snapshot: SnapshotPoint | null = null;
  snapshotWanted: SnapshotWanted | null = null;

  #held: Held[] = [];
  #hardStateDirty = false;
  #reset: SnapshotPoint | null = null;
  #truncateAfter: LogIndex | null = null;
  #compact: SnapshotPoint | null = null;
  #runs: { term: Term; range: IndexRange }[] = [];
  #clearsDoubt = false;
  /** Sequence of the last submission taken, and of the last acknowledged one. */
  submittedSeq = 0;
  storedSeq = 0;
  /** Terms and votes of submissions up to this one are durable, maybe ahead of their entries. */
  promisedSeq = 0;
  /** The submission that makes the current hard state durable. */
  #hardStateSeq = 0;
  /** Since when storage has owed an acknowledgement. */
  storageOwedSince: number | null = null;

  constructor(options: RaftOptions, recovered: Recovered, reads: ReaderReads, now: number) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.log = new RaftLog(recovered.log);
    this.membership = new Membership(recovered.bootstrap, recovered.configurations);
    this.term = recovered.hardState.term;
    this.vote = recovered.hardState.vote;
    this.inDoubt = recovered.inDoubt;
    this.isWitness = options.witness ?? false;
    this.reads = reads;
    this.leaseReads = reads.leaseLane();
    this.leaderReads = new LeaderReads();
    this.now = now;
    this.leaderHeardAt = now;
    this.startedAt = now;
    if (recovered.snapshot !== null) this.#beginFrom(recovered.snapshot);
    // What was forgotten had been committed, also where no snapshot here holds it any more.
    this.log.committed = Math.max(this.log.committed, this.log.compacted) as LogIndex;
    this.doubtTerm = this.term;
    assert(this.term >= this.log.lastTerm, 'the recovered term covers the recovered log');
  }

  /** The newest snapshot is where applying begins, and the log as well if it does not hold it. */
  #beginFrom({ point, configuration }: RecoveredSnapshot): void {
    this.snapshot = point;
    this.log.applied = point.index;
    this.handedOut = point.index;
    if (this.missingState) return;
    // A snapshot may be durable before the term in which it came: in that term nobody got a vote.
    if (point.term > this.term) this.setHardState(point.term, NOBODY);
    if (!this.log.contains(point)) this.resetLog(point);
    this.log.committed = point.index;
    this.membership.restore(configuration, point.index);
  }

  get id(): NodeId {
    return this.options.id;
  }

  get configuration(): Configuration {
    return this.membership.current;
  }

  /** What the log has forgotten is in no snapshot here: nothing after it can be applied. */
  get missingState(): boolean {
    return this.log.compacted > (this.snapshot?.index ?? NO_INDEX);
  }

  get standing(): Standing {
    const recorded = recordedIncarnation(this.configuration, this.id);
    if (recorded !== NO_INCARNATION && recorded !== this.options.incarnation) {
      return Standing.aside;
    }
    if (!isVoter(this.configuration, this.id)) {
      const isMember = findMember(this.configuration, this.id) !== undefined;
      return isMember ? Standing.nonVoter : Standing.standby;
    }
    if (isErased(this.configuration, this.id)) return Standing.recovering;
    // Doubt comes first: what was cut may have held the very record of this life.
    if (this.inDoubt) return Standing.inDoubt;
    return recorded === NO_INCARNATION ? Standing.fresh : Standing.full;
  }

  /** Whether what `id` says over its connection counts: it lives the life that is recorded. */
  isIntact(id: NodeId, proved: Incarnation): boolean {
    return proved !== NO_INCARNATION && recordedIncarnation(this.configuration, id) === proved;
  }

  setHardState(term: Term, vote: NodeId): void {
    assert(term >= this.term, 'the term never shrinks');
    assert(
      term > this.term || this.vote === NOBODY || this.vote === vote,
      'the vote is set at most once within a term',
    );
    if (term === this.term && vote === this.vote) return;
    if (term > this.term) this.#forgetLeader();
    this.term = term;
    this.vote = vote;
    this.#hardStateDirty = true;
    this.#hardStateSeq = this.submittedSeq + 1;
  }

  /**
   * What is known of a leader's log is known of a term, which has one leader: it outlives losing
   * sight of that leader and finding it again, but never the term.
   */
  #forgetLeader(): void {
    this.equalUpTo = NO_INDEX;
    this.roundSeen = 0;
    this.acknowledgeDue = false;
  }

  setRole(role: Role, leader: NodeId): void {
    this.softChanged ||= this.role !== role || this.leader !== leader;
    this.role = role;
    this.leader = leader;
  }

  /** The leader changed: what was asked of it must be asked again. */
  restartReads(): void {
    this.reads.restart();
    this.leaseReads.restart();
  }

  /** Sends at once. */
  send(message: Message): void {
    assert(message.to !== this.id, 'a replica sends nothing to itself');
    this.outbox.push(message);
  }

  /** Sends once the current term and vote are durable here. */
  sendDurably(message: Message): void {
    if (this.hardStateDurable) this.outbox.push(message);
    else this.#held.push({ seq: this.#hardStateSeq, message });
  }

  get hardStateDurable(): boolean {
    return this.#hardStateSeq <= this.promisedSeq;
  }

  /** Appends to the log and to the next submission. */
  append(count: number, term: Term, bytes: number): LogIndex {
    const first = this.log.append(count, term, bytes);
    const newest = this.#runs[this.#runs.length - 1];
    const last = this.log.last;
    if (newest !== undefined && newest.term === term && newest.range.last === first - 1) {
      newest.range = { first: newest.range.first, last };
    } else {
      this.#runs.push({ term, range: { first, last } });
    }
    return first;
  }

  appendConfiguration(entry: ConfigurationEntry): void {
    this.membership.append(entry);
    this.configurationChanged = true;
  }

  truncateAfter(index: LogIndex): void {
    const submitted = (this.#runs[0]?.range.first ?? this.log.last + 1) - 1;
    // What was never submitted is simply not submitted: storage must not hear of its truncation.
    if (index < submitted) this.#truncateAfter = index;
    this.log.truncateAfter(index);
    this.equalUpTo = Math.min(this.equalUpTo, index) as LogIndex;
    if (this.membership.truncateAfter(index)) this.configurationChanged = true;
    this.#runs = this.#runs
      .filter((run) => run.range.first <= index)
      .map(({ term, range }) => ({
        term,
        range: { first: range.first, last: Math.min(range.last, index) as LogIndex },
      }));
  }

  /** Forgets the log up to `index`. */
  compact(index: LogIndex): void {
    this.log.compact(index);
    this.#compact = { index, term: this.log.compactedTerm };
  }

  /** Drops the whole log, which begins anew after what a snapshot that is durable here covers. */
  resetLog(point: SnapshotPoint): void {
    this.log.reset(point);
    this.equalUpTo = NO_INDEX;
    if (this.membership.truncateAfter(point.index)) this.configurationChanged = true;
    this.#reset = point;
    this.#truncateAfter = null;
    this.#compact = null;
    this.#runs = [];
  }

  /** Doubt about a cut tail is settled: this replica's vote counts fully again. */
  endDoubt(): void {
    this.inDoubt = false;
    this.#clearsDoubt = true;
  }

  get #hasToPersist(): boolean {
    if (this.#hardStateDirty || this.#clearsDoubt) return true;
    if (this.#reset !== null || this.#compact !== null) return true;
    return this.#truncateAfter !== null || this.#runs.length > 0;
  }

  /**
   * The configuration in force, if its entry is among those not submitted yet. A reset drops what
   * storage knows of it: then it is named in any case but that of the bootstrap record.
   */
  #newConfiguration(): ConfigurationEntry | null {
    const first = this.#runs[0]?.range.first ?? Number.POSITIVE_INFINITY;
    const { entry } = this.membership;
    const isDropped = this.#reset !== null && entry.index > NO_INDEX;
    return isDropped || entry.index >= first ? entry : null;
  }

  /** Everything that waits for the disk, as one submission; null when nothing does. */
  takePersist(): Persist | null {
    if (!this.#hasToPersist) return null;
    this.submittedSeq += 1;
    this.storageOwedSince ??= this.now;
    const persist: Persist = {
      seq: this.submittedSeq,
      generation: this.log.generation,
      term: this.term,
      hardState: this.#hardStateDirty ? { term: this.term, vote: this.vote } : null,
      reset: this.#reset,
      truncateAfter: this.#truncateAfter,
      runs: this.#runs,
      compact: this.#compact,
      configuration: this.#newConfiguration(),
      clearsDoubt: this.#clearsDoubt,
    };
    this.#clearsDoubt = false;
    this.#hardStateDirty = false;
    this.#reset = null;
    this.#truncateAfter = null;
    this.#compact = null;
    this.#runs = [];
    return persist;
  }

  /** Submission `seq` is durable: messages that waited for it leave unless the term moved on. */
  releaseHeld(seq: number): Message[] {
    assert(seq > this.storedSeq, 'acknowledgements arrive in order');
    assert(seq <= this.submittedSeq, 'only what was submitted is acknowledged');
    this.storedSeq = seq;
    this.storageOwedSince = seq === this.submittedSeq ? null : this.now;
    return this.#releaseUpTo(seq);
  }

  /**
   * Term and vote of submission `seq` are durable, though entries submitted before it wait for
   * space: what may leave rests on nothing else.
   */
  releasePromised(seq: number): Message[] {
    assert(seq > this.promisedSeq, 'promises arrive in order');
    assert(seq <= this.submittedSeq, 'only what was submitted is promised');
    this.storageLives();
    return this.#releaseUpTo(seq);
  }

  /** Storage has shown that it works, though it has acknowledged nothing that is owed. */
  storageLives(): void {
    if (this.storageOwedSince !== null) this.storageOwedSince = this.now;
  }

  #releaseUpTo(seq: number): Message[] {
    this.promisedSeq = Math.max(this.promisedSeq, seq);
    const due = this.#held.filter((held) => held.seq <= seq);
    this.#held = this.#held.filter((held) => held.seq > seq);
    return due.map((held) => held.message).filter((message) => message.term >= this.term);
  }

  resetElectionTimer(): void {
    const { electionTimeoutMin, electionTimeoutMax } = this.options;
    const spread = electionTimeoutMax - electionTimeoutMin;
    this.electionDeadline = this.now + electionTimeoutMin + this.prng.below(spread + 1);
  }
}
