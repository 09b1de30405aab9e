/**
 * The leader (Raft §5.3, thesis §6.2–6.4): replicates, commits, confirms reads, steps down in time.
 *
 * Appends are built once a turn for all that arrived in it. A leader that no quorum answers, or
 * whose disk has stopped acknowledging, gives up leadership; overload is never a reason to.
 */

import { replicateTo, sendAppend } from './append.js';
import { advanceCommit, committedInTerm } from './commit.js';
import { becomeFollower } from './follower.js';
import { addRead, beginLeaseRound, Lease, noteRound } from './lease.js';
import { findMember, isVoter, recordsLives, withIncarnations } from './membership.js';
import {
  type AppendReply,
  type HeartbeatReply,
  MessageKind,
  type ReadIndexRequest,
} from './message.js';
import { Progress, ProgressState } from './progress.js';
import { quorumValue } from './quorum.js';
import { LeaderReads, type PendingRead } from './read-index.js';
import { considerReadmission } from './readmission.js';
import type { Proposed } from './ready.js';
import { advanceMembership, considerPromotion } from './reconfigure.js';
import { isAway, onOfferRefused, resumeFromLog, serveSnapshotNeed } from './snapshot.js';
import type { CoreState } from './state.js';
import { advanceTransfer, repeatTransfer } from './transfer.js';
import {
  assert,
  type Configuration,
  type Incarnation,
  type LogIndex,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
} from './types.js';

/** What an entry made by the core counts for in the replication window. */
const CORE_ENTRY_BYTES = 64;

export function becomeLeader(state: CoreState): void {
  assert(!state.missingState, 'a replica that misses state never leads');
  state.setRole(Role.leader, state.id);
  state.votes.clear();
  state.leaderReads = new LeaderReads();
  state.lease = new Lease();
  state.progress.clear();
  trackMembers(state);
  appendFirstEntry(state);
  const reads = state.reads.takeAll();
  if (reads.length > 0) state.leaderReads.add({ local: reads });
  const byLease = state.leaseReads.takeAll();
  if (byLease.length > 0) state.leaderReads.addByLease({ local: byLease });
  beginLeaseRound(state);
  broadcastHeartbeat(state);
}

/**
 * Progress of every other member. Of one that is a member no more it is kept for a while, so that
 * it learns so: see `forgetDeparted`.
 */
function trackMembers(state: CoreState): void {
  const { index, configuration } = state.membership.entry;
  const next = (state.log.last + 1) as LogIndex;
  for (const progress of state.progress.values()) {
    const isMember = findMember(configuration, progress.id) !== undefined;
    if (isMember) progress.departedAt = NO_INDEX;
    else if (progress.departedAt === NO_INDEX) progress.departedAt = index;
  }
  for (const { id } of configuration.members) {
    if (id === state.id || state.progress.has(id)) continue;
    const proved = state.incarnations.get(id) ?? NO_INCARNATION;
    state.progress.set(id, new Progress(id, next, state.now, proved));
  }
}

/** Who has applied the entry that removed it knows all it need to know; who is away hears later. */
function forgetDeparted(state: CoreState): void {
  for (const progress of state.progress.values()) {
    const { id, departedAt, applied } = progress;
    if (departedAt === NO_INDEX) continue;
    if (applied >= departedAt || isAway(state, progress)) state.progress.delete(id);
  }
}

/**
 * A term opens with an entry of its own: a no-op, or, in the life of a group the very first time,
 * the configuration that records whose data may vote from now on.
 */
function appendFirstEntry(state: CoreState): void {
  const configuration = recordsLives(state.configuration)
    ? null
    : withIncarnations(state.configuration, (id) => state.incarnations.get(id) ?? NO_INCARNATION);
  state.termStart = appendOwn(state, configuration);
}

/** Appends an entry of the core's own: a configuration, or a no-op (null). */
export function appendOwn(state: CoreState, configuration: Configuration | null): LogIndex {
  const index = state.append(1, state.term, CORE_ENTRY_BYTES);
  if (configuration !== null) {
    state.appendConfiguration({ index, configuration });
    trackMembers(state);
  }
  state.created.push({ index, configuration });
  return index;
}

export function proposeAsLeader(state: CoreState, count: number, bytes: number): Proposed {
  if (state.transfer !== null) return { refused: 'transferring', leader: state.leader };
  return { first: state.append(count, state.term, bytes), term: state.term };
}

/** Books that a peer answered in this term; null for one that is not a member. */
function heard(state: CoreState, from: NodeId, proved: Incarnation): Progress | null {
  const progress = state.progress.get(from);
  if (progress === undefined) return null;
  progress.heardAt = state.now;
  progress.hasAnswered = true;
  // Another life has acknowledged nothing yet.
  if (progress.incarnation !== proved) progress.restarted();
  progress.incarnation = proved;
  return progress;
}

export function onAppendReply(state: CoreState, reply: AppendReply, proved: Incarnation): void {
  const progress = heard(state, reply.from, proved);
  if (progress === null) return;
  progress.round = Math.max(progress.round, reply.round);
  if (reply.accepted) {
    if (progress.accepted(reply.match)) advanceCommit(state);
    resumeFromLog(state, progress);
  } else if (reply.conflictIndex > reply.refusedIndex) {
    onOfferRefused(progress, reply);
  } else {
    const hint = state.log.lastNotAbove(reply.conflictIndex, reply.conflictTerm);
    progress.refused(reply.refusedIndex, hint);
  }
  confirmReads(state);
  afterHearing(state, progress);
}

/** What a peer says may be what a change of the membership or of the leader waits for. */
function afterHearing(state: CoreState, progress: Progress): void {
  considerReadmission(state, progress);
  considerPromotion(state, progress);
  advanceMembership(state);
  advanceTransfer(state);
}

export function onHeartbeatReply(
  state: CoreState,
  reply: HeartbeatReply,
  proved: Incarnation,
): void {
  const progress = heard(state, reply.from, proved);
  if (progress === null) return;
  progress.round = Math.max(progress.round, reply.round);
  progress.applied = reply.applied;
  progress.probeSent = false;
  serveSnapshotNeed(state, progress, reply.needsSnapshot);
  confirmReads(state);
  afterHearing(state, progress);
  if (state.role !== Role.leader || progress.match === state.log.last) return;
  // An empty append finds out whether what is in flight was lost, and reopens a full window.
  if (progress.state !== ProgressState.replicate) return;
  const { windowMessagesMax, windowBytesMax } = state.options;
  if (progress.isPaused(windowMessagesMax, windowBytesMax)) progress.inflight.freeFirst();
  if (progress.next > state.log.last) sendAppend(state, progress);
}

export function onReadIndex(state: CoreState, request: ReadIndexRequest): void {
  addRead(state, { reader: request.from, context: request.context });
}

/** A quorum that answered the newest round proves that no other leader existed when it began. */
function confirmReads(state: CoreState): void {
  if (!state.leaderReads.hasRound && !state.lease.awaitsAnswer) return;
  const answered = quorumValue(state.configuration, (id) => {
    if (id === state.id) return Number.POSITIVE_INFINITY;
    const progress = state.progress.get(id);
    if (progress === undefined) return 0;
    return state.isIntact(id, progress.incarnation) ? progress.round : 0;
  });
  state.lease.answered(answered, state.membership.entry);
  const confirmed = state.leaderReads.confirm(answered);
  if (confirmed === null) return;
  for (const read of confirmed.reads) answerRead(state, read, confirmed.index);
}

/** Grants a read of this replica, or tells its reader, that it may be served at `index`. */
export function answerRead(state: CoreState, read: PendingRead, index: LogIndex): void {
  if ('local' in read) {
    for (const id of read.local) state.grants.push({ id, index });
    return;
  }
  state.send({
    kind: MessageKind.readIndexReply,
    from: state.id,
    to: read.reader,
    term: state.term,
    context: read.context,
    index,
  });
}

/** Heartbeats fall on multiples of the interval, so that those of many groups leave together. */
export function broadcastHeartbeat(state: CoreState): void {
  const { heartbeatInterval } = state.options;
  state.heartbeatDue = (Math.floor(state.now / heartbeatInterval) + 1) * heartbeatInterval;
  for (const progress of state.progress.values()) sendHeartbeat(state, progress);
}

function sendHeartbeat(state: CoreState, progress: Progress): void {
  state.send({
    kind: MessageKind.heartbeat,
    from: state.id,
    to: progress.id,
    term: state.term,
    commit: Math.min(state.log.committed, progress.match) as LogIndex,
    round: state.leaderReads.round,
  });
}

/** Tells one peer the commit index now, for answers that wait there. */
export function notifyCommit(state: CoreState, peer: NodeId): void {
  const progress = state.progress.get(peer);
  if (progress !== undefined) sendHeartbeat(state, progress);
}

export function tickLeader(state: CoreState): void {
  advanceTransfer(state);
  if (state.role !== Role.leader) return;
  if (state.now < state.heartbeatDue) return;
  if (!quorumIsActive(state) || diskHasStalled(state)) {
    becomeFollower(state, state.term, NOBODY);
    return;
  }
  beginLeaseRound(state);
  broadcastHeartbeat(state);
  // Alone it is its own quorum.
  confirmReads(state);
  forgetDeparted(state);
  repeatTransfer(state);
  advanceMembership(state);
}

/** CheckQuorum (thesis §6.2): whether a quorum answered within the longest election timeout. */
function quorumIsActive(state: CoreState): boolean {
  return quorumHeardAt(state) + state.options.electionTimeoutMax >= state.now;
}

/** The newest time by which a quorum of intact voters, this one included, had answered. */
export function quorumHeardAt(state: CoreState): number {
  return quorumValue(state.configuration, (id) => {
    if (id === state.id) return state.now;
    const progress = state.progress.get(id);
    if (progress === undefined || !isVoter(state.configuration, id)) return 0;
    return state.isIntact(id, progress.incarnation) ? progress.heardAt : 0;
  });
}

function diskHasStalled(state: CoreState): boolean {
  const since = state.storageOwedSince;
  return since !== null && state.now - since > state.options.diskStallMax;
}

/** Once a turn: one read round for all reads, one append per peer for all that is new. */
export function finishLeaderTurn(state: CoreState): void {
  // What the lease was not asked about by now has waited long enough.
  if (state.leaderReads.hasByLease) {
    for (const read of state.leaderReads.takeByLease()) state.leaderReads.add(read);
  }
  if (state.leaderReads.wantsRound && committedInTerm(state)) {
    state.leaderReads.start(state.log.committed);
    noteRound(state);
    broadcastHeartbeat(state);
    confirmReads(state);
  }
  for (const progress of state.progress.values()) replicateTo(state, progress);
}
