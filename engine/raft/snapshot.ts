/**
 * Snapshots and the base of the log (Raft §7): who is offered one, when one is taken over, what may
 * be forgotten.
 *
 * Points only: images are fetched, stored and restored elsewhere. A replica whose log has forgotten
 * more than its snapshot covers misses state: it votes and acknowledges, as its log is whole after
 * the base, but applies nothing until it has a snapshot that reaches the base. Nothing here may
 * drop an entry that is not covered by a snapshot that is durable here.
 */

import { followCommit } from './append.js';
import { becomeFollower } from './follower.js';
import { type AppendReply, MessageKind, type SnapshotOffer } from './message.js';
import { type Progress, ProgressState } from './progress.js';
import type { CoreState } from './state.js';
import {
  assert,
  type ConfigurationEntry,
  type LogIndex,
  NO_INDEX,
  NOBODY,
  Role,
  type SnapshotPoint,
} from './types.js';

/**
 * A peer that is silent for so many times the longest election timeout is away. Until then what it
 * was offered stands: a link that broke comes back, and its transfer goes on where it stopped.
 */
const AWAY_AFTER_TIMEOUTS = 32;

/** Leader: the newest snapshot to a peer whose next entry is forgotten; true while it waits. */
export function offerIfBehind(state: CoreState, progress: Progress): boolean {
  if (progress.state === ProgressState.snapshot) return true;
  if (progress.next > state.log.compacted) return false;
  const { snapshot } = state;
  assert(snapshot !== null, 'what is forgotten is in a snapshot');
  const { pendingSnapshot: known } = progress;
  progress.becomeSnapshot(known !== null && known.index >= progress.next ? known : snapshot);
  sendOffer(state, progress);
  return true;
}

function sendOffer(state: CoreState, { id, pendingSnapshot }: Progress): void {
  assert(pendingSnapshot !== null, 'an offer names a point');
  state.send({
    kind: MessageKind.snapshot,
    from: state.id,
    to: id,
    term: state.term,
    lastIndex: pendingSnapshot.index,
    lastTerm: pendingSnapshot.term,
    round: state.leaderReads.round,
  });
}

/**
 * Leader: a heartbeat was answered. What is offered is offered again; a peer that misses state is
 * offered a snapshot although its log goes on.
 */
export function serveSnapshotNeed(state: CoreState, progress: Progress, needs: boolean): void {
  const waits = progress.state === ProgressState.snapshot;
  if (!needs) progress.neededFrom = NO_INDEX;
  if (needs) progress.pendingSnapshot ??= state.snapshot;
  else if (!waits) progress.pendingSnapshot = null;
  if (progress.pendingSnapshot !== null) sendOffer(state, progress);
}

/** Leader: a peer came by another snapshot than the offered one, and the log goes on from there. */
export function resumeFromLog(state: CoreState, progress: Progress): void {
  if (progress.state !== ProgressState.snapshot) return;
  if (progress.match >= state.log.compacted) progress.endSnapshot();
}

/** Leader: the peer has forgotten more than the offered snapshot covers. */
export function onOfferRefused(progress: Progress, refusal: AppendReply): void {
  if (progress.pendingSnapshot?.index !== refusal.refusedIndex) return;
  progress.neededFrom = refusal.conflictIndex;
  progress.withdraw();
}

/** Leader: offers to peers that are away are no reason to keep a file: they get the newest then. */
export function withdrawIdleOffers(state: CoreState): void {
  const newest = state.snapshot?.index ?? NO_INDEX;
  for (const progress of state.progress.values()) {
    const { pendingSnapshot } = progress;
    if (pendingSnapshot === null || pendingSnapshot.index >= newest) continue;
    if (isAway(state, progress)) progress.withdraw();
  }
}

/** Leader: points that peers are being sent which are not away: their files are still read. */
export function pointsBeingSent(state: CoreState): readonly SnapshotPoint[] {
  const present = [...state.progress.values()].filter((progress) => !isAway(state, progress));
  return present.flatMap(({ pendingSnapshot }) => pendingSnapshot ?? []);
}

/** Leader: the lowest of these which the log still goes on from. Infinity when there is none. */
export function floorOfTransfers(state: CoreState): LogIndex {
  const { compacted } = state.log;
  // Where the log is forgotten beyond a point already, nothing is kept for it in vain.
  const points = pointsBeingSent(state).filter(({ index }) => index >= compacted);
  return Math.min(Number.POSITIVE_INFINITY, ...points.map(({ index }) => index)) as LogIndex;
}

/**
 * Leader: a peer has forgotten more than the newest snapshot covers: one of at least this is
 * needed. 0 when none is.
 */
export function pointNeeded({ progress, snapshot }: CoreState): LogIndex {
  let most = snapshot?.index ?? NO_INDEX;
  let needed = NO_INDEX;
  for (const { neededFrom } of progress.values()) {
    if (neededFrom > most) most = needed = neededFrom;
  }
  return needed;
}

/** Whether the peer was silent for so long that nothing can be under way to it. */
export function isAway({ now, options }: CoreState, { heardAt }: Progress): boolean {
  return now - heardAt > AWAY_AFTER_TIMEOUTS * options.electionTimeoutMax;
}

/** Leader: the file of a point is gone; whoever fetched it begins anew with the newest. */
export function offerNewest(state: CoreState, gone: SnapshotPoint): void {
  const { snapshot } = state;
  for (const progress of state.progress.values()) {
    if (progress.pendingSnapshot?.index !== gone.index) continue;
    assert(snapshot !== null && snapshot.index > gone.index, 'the newest snapshot is not removed');
    progress.offer(snapshot);
    sendOffer(state, progress);
  }
}

/**
 * Follower: what is committed here is in the log of every leader of this term or a later one
 * (§5.4.3), so it may be acknowledged however it came.
 */
export function knowCommittedEqual(state: CoreState): void {
  state.equalUpTo = Math.max(state.equalUpTo, state.log.committed) as LogIndex;
}

function acknowledgeCommitted(state: CoreState): void {
  knowCommittedEqual(state);
  state.acknowledgeDue = true;
}

/** Follower: answers an offer, or asks for the snapshot. */
export function considerSnapshot(state: CoreState, offer: SnapshotOffer): void {
  const { log } = state;
  const point = { index: offer.lastIndex, term: offer.lastTerm };
  if (state.missingState && point.index < log.compacted) {
    refuseOffer(state, offer);
    return;
  }
  // What is offered is committed: a log that holds it needs no state but the commit index.
  if (!state.missingState && point.index > log.committed && log.contains(point)) {
    followCommit(state, point.index, point.index);
  }
  if (point.index <= log.committed && !state.missingState) acknowledgeCommitted(state);
  else state.snapshotWanted = { from: offer.from, point };
}

/** The offered snapshot leaves a gap before what the log here still holds. */
function refuseOffer(state: CoreState, offer: SnapshotOffer): void {
  state.sendDurably({
    kind: MessageKind.appendReply,
    from: state.id,
    to: offer.from,
    term: state.term,
    accepted: false,
    match: NO_INDEX,
    refusedIndex: offer.lastIndex,
    conflictIndex: state.log.compacted,
    conflictTerm: state.log.compactedTerm,
    round: offer.round,
  });
}

/** Whether a fetched snapshot is of use; a leader has every committed entry in its log. */
export function isAhead(state: CoreState, { index }: SnapshotPoint): boolean {
  if (state.role === Role.leader) return false;
  return state.missingState ? index >= state.log.compacted : index > state.log.committed;
}

/** Takes over a snapshot that was fetched and is durable here; false when it is stale. */
export function installSnapshot(
  state: CoreState,
  point: SnapshotPoint,
  configuration: ConfigurationEntry,
): boolean {
  if (!isAhead(state, point)) return false;
  const { log } = state;
  assert(point.term <= state.term, 'a snapshot comes from a term that is known');
  if (!log.contains(point)) {
    state.resetLog(point);
    // Votes were asked for with a log that is gone.
    if (state.role !== Role.follower) becomeFollower(state, state.term, NOBODY);
  }
  state.snapshot = point;
  state.snapshotWanted = null;
  log.committed = Math.max(log.committed, point.index) as LogIndex;
  log.applied = point.index;
  state.handedOut = point.index;
  if (state.membership.restore(configuration, point.index)) state.configurationChanged = true;
  acknowledgeCommitted(state);
  return true;
}

/** A newer snapshot is durable; one that an installed snapshot has overtaken changes nothing. */
export function rememberSnapshot(state: CoreState, point: SnapshotPoint): void {
  if (point.index <= (state.snapshot?.index ?? NO_INDEX)) return;
  const { log } = state;
  assert(point.index <= log.applied, 'a snapshot covers only what is applied');
  assert(point.index <= log.durable, 'a snapshot covers only what is durable');
  assert(log.contains(point), 'a snapshot ends with an entry of this log');
  state.snapshot = point;
}

/** Forgets the log up to `index`; peers that needed more are offered the newest snapshot. */
export function compactLog(state: CoreState, index: LogIndex): void {
  if (index <= state.log.compacted) return;
  assert(index <= (state.snapshot?.index ?? NO_INDEX), 'only what a snapshot covers is forgotten');
  state.compact(index);
  for (const progress of state.progress.values()) offerIfBehind(state, progress);
}
