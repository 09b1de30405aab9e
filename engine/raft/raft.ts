/**
 * One replica of one group: the pure function (state, input, time) → Ready.
 *
 * Every input is a method that takes the current time; outputs pile up until `take` hands them out.
 * No clock, no randomness but the seeded one, no bytes, no promise: whoever drives this class, a
 * worker thread or the simulator, decides when and in which order things happen.
 * The only `switch` on message kinds for all roles is here; what a role does is in its own file.
 */

import {
  becomeCandidate,
  campaign,
  onOwnVoteDurable,
  onVoteReply,
  onVoteRequest,
} from './candidate.js';
import { advanceCommit, takeCommitted } from './commit.js';
import { mayCampaign } from './election.js';
import {
  answerStaleLeader,
  askReadIndex,
  becomeFollower,
  finishFollowerTurn,
  onAppend,
  onHeartbeat,
  onReadIndexReply,
  onSnapshot,
} from './follower.js';
import {
  finishLeaderTurn,
  notifyCommit,
  onAppendReply,
  onHeartbeatReply,
  onReadIndex,
  proposeAsLeader,
  tickLeader,
} from './leader.js';
import { type Clocks, dateHearing, leaseLeft, serveByLease } from './lease.js';
import type { MembershipChange } from './membership-change.js';
import { type Message, MessageKind, VoteGrant } from './message.js';
import { CONTEXTS_OF_A_LIFE, ReaderReads } from './read-index.js';
import type { CoreEntry, Placement, Proposed, Ready, StorageAck } from './ready.js';
import { advanceMembership, type ChangeAnswer, changeMembership } from './reconfigure.js';
import {
  compactLog,
  floorOfTransfers,
  installSnapshot,
  isAhead,
  offerNewest,
  pointNeeded,
  pointsBeingSent,
  rememberSnapshot,
  withdrawIdleOffers,
} from './snapshot.js';
import { CoreState, type RaftOptions, type Recovered, type Standing } from './state.js';
import { advanceTransfer, beginTransfer, type TransferAnswer } from './transfer.js';
import {
  assert,
  type Configuration,
  type ConfigurationEntry,
  type Incarnation,
  type LogIndex,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
  type SnapshotPoint,
  type Term,
} from './types.js';
import { setWitness } from './witness.js';

/** What only the leader of a term says. */
const LEADER_KINDS: ReadonlySet<MessageKind> = new Set([
  MessageKind.append,
  MessageKind.heartbeat,
  MessageKind.snapshot,
]);

export class Raft {
  /** Read by invariants.ts, describe.ts and tests; changed only by steps. */
  readonly state: CoreState;

  constructor(options: RaftOptions, recovered: Recovered, now: number) {
    const life = options.seed % CONTEXTS_OF_A_LIFE;
    const reads = new ReaderReads(life * CONTEXTS_OF_A_LIFE);
    this.state = new CoreState(options, recovered, reads, now);
    this.state.resetElectionTimer();
  }

  get id(): NodeId {
    return this.state.id;
  }
  get role(): Role {
    return this.state.role;
  }
  get term(): Term {
    return this.state.term;
  }
  get leader(): NodeId {
    return this.state.leader;
  }
  get commitIndex(): LogIndex {
    return this.state.log.committed;
  }
  get lastIndex(): LogIndex {
    return this.state.log.last;
  }
  /** The last entry that the log has forgotten; 0 when it holds all. */
  get compactedIndex(): LogIndex {
    return this.state.log.compacted;
  }
  get durableIndex(): LogIndex {
    return this.state.log.durable;
  }
  get configuration(): Configuration {
    return this.state.configuration;
  }
  get standing(): Standing {
    return this.state.standing;
  }

  /** What its log no longer holds is in no snapshot here: it cannot apply, and never leads. */
  get missingState(): boolean {
    return this.state.missingState;
  }

  /** Term of the entry at `index`, the base included; undefined below it and past the end. */
  termAt(index: LogIndex): Term | undefined {
    return this.state.log.termAt(index);
  }

  /** The configuration in force at `index`, which is applied and not below what was before. */
  configurationAt(index: LogIndex): ConfigurationEntry {
    assert(index >= this.state.log.applied, 'older configurations are forgotten');
    return this.state.membership.at(index);
  }

  /** See `floorOfTransfers`. */
  get snapshotFloor(): LogIndex {
    return floorOfTransfers(this.state);
  }

  /** See `pointsBeingSent`. */
  get snapshotsBeingSent(): readonly SnapshotPoint[] {
    return pointsBeingSent(this.state);
  }

  /** See `pointNeeded`. */
  get snapshotNeeded(): LogIndex {
    return pointNeeded(this.state);
  }

  /** Peers that are away are offered the newest snapshot when they come back, not an older one. */
  withdrawIdleOffers(): void {
    withdrawIdleOffers(this.state);
  }

  /** When `tick` must be called at the latest; Infinity when time alone changes nothing. */
  get deadline(): number {
    const { state } = this;
    if (state.role === Role.leader) {
      return Math.min(state.heartbeatDue, state.transfer?.deadline ?? Number.POSITIVE_INFINITY);
    }
    const retry = this.#asksAgainAt;
    return this.#timesElection ? Math.min(state.electionDeadline, retry) : retry;
  }

  get #timesElection(): boolean {
    const { state } = this;
    return state.leader !== NOBODY || mayCampaign(state);
  }

  get #asksAgainAt(): number {
    const { leader, reads, leaseReads } = this.state;
    if (leader === NOBODY) return Number.POSITIVE_INFINITY;
    return Math.min(reads.asksAgainAt, leaseReads.asksAgainAt);
  }

  /** Time passed. Drain what has arrived first: a pause must not look like everybody's silence. */
  tick(now: number): void {
    const { state } = this;
    this.#advance(now);
    if (state.role === Role.leader) {
      tickLeader(state);
      return;
    }
    if (now >= state.electionDeadline) campaign(state);
    if (now < this.#asksAgainAt) return;
    for (const lane of [state.reads, state.leaseReads]) {
      const context = lane.outstanding;
      if (context !== null && now >= lane.asksAgainAt) askReadIndex(state, lane, context);
    }
  }

  #advance(now: number): void {
    assert(now >= this.state.now, 'time never runs backwards');
    this.state.now = now;
  }

  /**
   * A message from a peer whose connection proved `incarnation`. For an append, the returned
   * placement says which of its entries the caller must keep, and where.
   */
  receive(message: Message, incarnation: Incarnation, now: number): Placement | null {
    const { state } = this;
    this.#advance(now);
    assert(message.to === state.id, 'a message reaches the replica it names');
    state.hasHeard = true;
    if (message.kind === MessageKind.preVote || message.kind === MessageKind.vote) {
      onVoteRequest(state, message);
      return null;
    }
    if (message.term > state.term && this.#hasDeparted(message.from)) return null;
    const isPreGrant =
      message.kind === MessageKind.preVoteReply && message.grant !== VoteGrant.refused;
    if (message.term > state.term && !isPreGrant) {
      becomeFollower(state, message.term, NOBODY);
    }
    if (message.term < state.term) {
      if (LEADER_KINDS.has(message.kind)) answerStaleLeader(state, message.from);
      return null;
    }
    return this.#dispatch(message, incarnation);
  }

  /** Whose later term is no reason to step down: it was removed, and may not know it yet. */
  #hasDeparted(from: NodeId): boolean {
    return (this.state.progress.get(from)?.departedAt ?? NO_INDEX) > NO_INDEX;
  }

  #dispatch(message: Message, incarnation: Incarnation): Placement | null {
    const { state } = this;
    switch (message.kind) {
      case MessageKind.append:
        return onAppend(state, message);
      case MessageKind.heartbeat:
        onHeartbeat(state, message);
        return null;
      case MessageKind.appendReply:
        if (state.role === Role.leader) onAppendReply(state, message, incarnation);
        return null;
      case MessageKind.heartbeatReply:
        if (state.role === Role.leader) onHeartbeatReply(state, message, incarnation);
        return null;
      case MessageKind.preVoteReply:
      case MessageKind.voteReply:
        onVoteReply(state, message, incarnation);
        return null;
      case MessageKind.readIndex:
        if (state.role === Role.leader) onReadIndex(state, message);
        return null;
      case MessageKind.readIndexReply:
        if (state.role !== Role.leader) onReadIndexReply(state, message);
        return null;
      case MessageKind.timeoutNow:
        this.#onTimeoutNow(message.from);
        return null;
      case MessageKind.snapshot:
        onSnapshot(state, message);
        return null;
      default:
        return null;
    }
  }

  #onTimeoutNow(from: NodeId): void {
    const { state } = this;
    if (!state.options.transfer || from !== state.leader) return;
    if (mayCampaign(state)) becomeCandidate(state, true);
  }

  /** Proposes `count` entries of `bytes` bytes in all; the caller places them where told. */
  propose(count: number, bytes: number, now: number): Proposed {
    const { state } = this;
    this.#advance(now);
    if (state.role !== Role.leader) return { refused: 'notLeader', leader: state.leader };
    return proposeAsLeader(state, count, bytes);
  }

  /**
   * Changes the membership, or says why not. The steps after the first follow by themselves, also
   * under another leader; each is a configuration in `Ready`. `dryRun`: nothing is begun.
   */
  changeMembers(change: MembershipChange, now: number, dryRun = false): ChangeAnswer {
    this.#advance(now);
    return changeMembership(this.state, change, dryRun);
  }

  /**
   * Hands leadership to `target`, NOBODY for the best one. Until it is over, for an election
   * timeout at most, proposals are refused as `transferring`.
   */
  transferLeadership(target: NodeId, now: number): TransferAnswer {
    this.#advance(now);
    return beginTransfer(this.state, target);
  }

  /** Enters or leaves witness mode (witness.ts); durable already. */
  setWitness(isWitness: boolean, now: number): void {
    this.#advance(now);
    setWitness(this.state, isWitness);
  }

  /** Who is to lead next; NOBODY while leadership is not handed over. */
  get transferTarget(): NodeId {
    return this.state.transfer?.target ?? NOBODY;
  }

  /** Linearizable reads: each id is granted once, with the index to wait for. */
  read(ids: readonly number[], now: number): void {
    this.#advance(now);
    if (this.state.role === Role.leader) this.state.leaderReads.add({ local: ids });
    else this.state.reads.add(ids);
  }

  /**
   * Reads that the leader's lease may answer; `serveByLease` is to follow before `take`. Where
   * there is no lease they are confirmed by a round.
   */
  readByLease(ids: readonly number[], now: number): void {
    this.#advance(now);
    if (this.state.role === Role.leader) this.state.leaderReads.addByLease({ local: ids });
    else this.state.leaseReads.add(ids);
  }

  /** Reads wait for the lease: read the clocks, now or later. */
  get waitsForLease(): boolean {
    return this.state.role === Role.leader && this.state.leaderReads.hasByLease;
  }

  /** Answers them, if the lease holds by these clocks. */
  serveByLease(clocks: Clocks): void {
    serveByLease(this.state, clocks);
  }

  /** Whether rounds may be started for a lease: `wallAhead` is to be told before they are. */
  get hasLease(): boolean {
    return this.state.options.leaseDrift !== undefined;
  }

  /** By how much the wall clock shows more than the monotonic one, read not after what follows. */
  noteWallClock(wallAhead: number): void {
    this.state.wallAhead = wallAhead;
  }

  /** How much of this leader's lease is left by these clocks, in milliseconds. */
  leaseLeft(clocks: Clocks): number {
    return leaseLeft(this.state, clocks);
  }

  /** The leader was heard since `dateHearing`. */
  get heardUndated(): boolean {
    return this.state.heardUndated;
  }

  /** The time by a clock that was read after the last message was received. */
  dateHearing(now: number): void {
    dateHearing(this.state, now);
  }

  /** Nobody waits for these reads any more: without a leader that answers they would pile up. */
  forgetReads(ids: readonly number[]): void {
    const forgotten = new Set(ids);
    this.state.leaderReads.forget(forgotten);
    this.state.reads.forget(forgotten);
    this.state.leaseReads.forget(forgotten);
  }

  /** A submission is durable, with everything before it. */
  stored(ack: StorageAck, now: number): void {
    const { state } = this;
    this.#advance(now);
    for (const message of state.releaseHeld(ack.seq)) state.send(message);
    // An acknowledgement of entries that were truncated meanwhile says nothing about their
    // successors.
    if (ack.generation === state.log.generation && ack.lastIndex > state.log.durable) {
      assert(ack.lastIndex <= state.log.last, 'storage holds no more than the log');
      state.log.durable = ack.lastIndex;
      // Before the first append that fits, nothing is known to match: an answer would say "from 1".
      if (state.role !== Role.leader && state.equalUpTo > NO_INDEX) state.acknowledgeDue = true;
    }
    this.#settleDoubt();
    onOwnVoteDurable(state);
    if (state.role !== Role.leader) return;
    if (advanceCommit(state)) advanceMembership(state);
    advanceTransfer(state);
  }

  /** The term and vote of a submission are durable ahead of entries that wait for space. */
  promised(seq: number, now: number): void {
    const { state } = this;
    this.#advance(now);
    for (const message of state.releasePromised(seq)) state.send(message);
    onOwnVoteDurable(state);
  }

  /** Storage waits for space: it has not stalled, and that alone costs no leadership. */
  storageWaits(now: number): void {
    this.#advance(now);
    this.state.storageLives();
  }

  /** Doubt ends once an entry of a leader elected since is durable here. */
  #settleDoubt(): void {
    const { state } = this;
    if (!state.inDoubt) return;
    const durableTerm = state.log.termAt(state.log.durable);
    if (durableTerm !== undefined && durableTerm > state.doubtTerm) state.endDoubt();
  }

  /** Entries up to `index` are applied to the state machine. */
  applied(index: LogIndex): void {
    assert(index >= this.state.log.applied, 'the applied index never shrinks');
    assert(index <= this.state.log.committed, 'only committed entries are applied');
    this.state.log.applied = index;
    this.state.membership.applied(index);
  }

  /** A newer snapshot is durable here: it can be offered, and the log compacted up to it. */
  snapshotTaken(point: SnapshotPoint): void {
    rememberSnapshot(this.state, point);
  }

  /** The file of a snapshot was removed: peers that were offered it are offered the newest. */
  snapshotGone(point: SnapshotPoint): void {
    if (this.state.role === Role.leader) offerNewest(this.state, point);
  }

  /**
   * Forgets the log up to `index`, which the newest snapshot covers; nothing when it is forgotten
   * already.
   */
  compact(index: LogIndex): void {
    compactLog(this.state, index);
  }

  /** Whether a snapshot of this point would be of use here: see `install`. */
  canInstall(point: SnapshotPoint): boolean {
    return isAhead(this.state, point);
  }

  /**
   * A snapshot that was fetched is durable here, with the configuration in force at its point.
   * True: the state machine takes it; what is committed and applied is now at least the point, and
   * the log was reset to it if its generation grew. False: it is stale, and nothing changed.
   */
  install(point: SnapshotPoint, configuration: ConfigurationEntry, now: number): boolean {
    this.#advance(now);
    return installSnapshot(this.state, point, configuration);
  }

  /** A connection to a peer was proved; `restarted` when its boot id is not the one seen before. */
  connected(peer: NodeId, incarnation: Incarnation, restarted: boolean): void {
    this.state.incarnations.set(peer, incarnation);
    const progress = this.state.progress.get(peer);
    if (progress === undefined) return;
    const isOther = progress.incarnation !== incarnation;
    progress.incarnation = incarnation;
    if (restarted || isOther) progress.restarted();
    else progress.becomeProbe();
  }

  /** Sends a peer the commit index in this turn instead of at the next heartbeat. */
  notifyCommit(peer: NodeId): void {
    if (this.state.role === Role.leader) notifyCommit(this.state, peer);
  }

  /** Entries the core made in the last step; to be placed before anything else is. */
  takeCreated(): readonly CoreEntry[] {
    return this.state.created.splice(0);
  }

  /** Everything that must now be done, in the order that Ready's fields state. */
  take(): Ready {
    const { state } = this;
    assert(state.created.length === 0, 'created entries are placed before a turn ends');
    if (state.role === Role.leader) finishLeaderTurn(state);
    else finishFollowerTurn(state);
    const soft = state.softChanged
      ? { role: state.role, term: state.term, leader: state.leader }
      : null;
    const configuration = state.configurationChanged ? state.membership.entry : null;
    const { snapshotWanted } = state;
    state.snapshotWanted = null;
    state.softChanged = false;
    state.configurationChanged = false;
    return {
      persist: state.takePersist(),
      messages: state.outbox.splice(0),
      committed: takeCommitted(state),
      reads: state.grants.splice(0),
      soft,
      configuration,
      snapshotWanted,
    };
  }
}
