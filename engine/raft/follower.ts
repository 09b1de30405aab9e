/**
 * The follower (Raft §5.2, §5.3), and how every role becomes one.
 *
 * A follower obeys the leader of its term: appends, heartbeats, read index answers. It never starts
 * an election here: the timer belongs to raft.ts, the campaign to candidate.ts.
 */

import { acknowledge, followCommit, matchesLog, placeEntries, refuseAppend } from './append.js';
import {
  type AppendRequest,
  type Heartbeat,
  MessageKind,
  type ReadIndexReply,
  type SnapshotOffer,
} from './message.js';
import { isLeaseContext, type ReaderReads } from './read-index.js';
import type { Placement } from './ready.js';
import { considerSnapshot, knowCommittedEqual } from './snapshot.js';
import type { CoreState } from './state.js';
import { assert, NO_INDEX, NO_TERM, NOBODY, type NodeId, Role, type Term } from './types.js';

/** Joins `term` under `leader` (NOBODY when unknown), leaving whatever role was held. */
export function becomeFollower(state: CoreState, term: Term, leader: NodeId): void {
  const sameLeader = term === state.term && state.leader === leader && leader !== NOBODY;
  if (state.role === Role.leader) state.reads.add(state.leaderReads.drain());
  state.setHardState(term, term > state.term ? NOBODY : state.vote);
  state.setRole(Role.follower, leader);
  state.softChanged ||= !sameLeader;
  state.votes.clear();
  state.progress.clear();
  state.transfer = null;
  state.resetElectionTimer();
  if (!sameLeader) state.restartReads();
}

/** A valid message of this term's leader: follow it and let its silence be timed anew. */
function heardLeader(state: CoreState, from: NodeId, round: number): void {
  assert(state.role !== Role.leader, 'a term has at most one leader');
  if (state.role !== Role.follower || state.leader !== from) {
    assert(state.leader === NOBODY || state.leader === from, 'a term has at most one leader');
    becomeFollower(state, state.term, from);
  }
  state.leaderHeardAt = state.now;
  state.heardUndated = true;
  state.roundSeen = Math.max(state.roundSeen, round);
  state.resetElectionTimer();
}

export function onAppend(state: CoreState, request: AppendRequest): Placement | null {
  heardLeader(state, request.from, request.round);
  if (!matchesLog(state, request)) {
    refuseAppend(state, request);
    return null;
  }
  const placement = placeEntries(state, request);
  if (request.lastIndex > state.equalUpTo) state.equalUpTo = request.lastIndex;
  // A leader that goes back behind the base learns how far it need not go.
  if (request.prevIndex < state.log.compacted) knowCommittedEqual(state);
  followCommit(state, request.commit, state.equalUpTo);
  // What is new is acknowledged when it is durable; what was here already, now.
  if (placement === null) state.acknowledgeDue = true;
  return placement;
}

export function onHeartbeat(state: CoreState, heartbeat: Heartbeat): void {
  heardLeader(state, heartbeat.from, heartbeat.round);
  followCommit(state, heartbeat.commit, state.equalUpTo);
  state.sendDurably({
    kind: MessageKind.heartbeatReply,
    from: state.id,
    to: heartbeat.from,
    term: state.term,
    round: state.roundSeen,
    durable: state.log.durable,
    applied: state.log.applied,
    needsSnapshot: state.missingState,
  });
}

export function onSnapshot(state: CoreState, offer: SnapshotOffer): void {
  heardLeader(state, offer.from, offer.round);
  considerSnapshot(state, offer);
}

export function onReadIndexReply(state: CoreState, reply: ReadIndexReply): void {
  if (reply.from !== state.leader) return;
  // A read index is a commit index: it saves the wait for the next heartbeat.
  followCommit(state, reply.index, state.equalUpTo);
  const lane = isLeaseContext(reply.context) ? state.leaseReads : state.reads;
  for (const id of lane.answer(reply.context)) {
    state.grants.push({ id, index: reply.index });
  }
}

/** Once a turn: one acknowledgement for all appends, one question for all reads. */
export function finishFollowerTurn(state: CoreState): void {
  if (state.leader === NOBODY) return;
  // After a reset nothing is known to match before storage has taken it: that would say "from 1".
  if (state.acknowledgeDue && state.log.durable >= state.log.compacted) {
    state.acknowledgeDue = false;
    acknowledge(state, state.equalUpTo, state.roundSeen);
  }
  askForWaiting(state, state.reads);
  askForWaiting(state, state.leaseReads);
}

function askForWaiting(state: CoreState, lane: ReaderReads): void {
  if (lane.isWaiting && lane.outstanding === null) askReadIndex(state, lane, lane.open());
}

/** Asks the leader for a read index; asked again after a heartbeat interval without an answer. */
export function askReadIndex(state: CoreState, lane: ReaderReads, context: number): void {
  lane.retryAt = state.now + state.options.heartbeatInterval;
  state.send({
    kind: MessageKind.readIndex,
    from: state.id,
    to: state.leader,
    term: state.term,
    context,
  });
}

/** A leader of an earlier term learns ours, or it would lead a minority for ever. */
export function answerStaleLeader(state: CoreState, leader: NodeId): void {
  state.sendDurably({
    kind: MessageKind.appendReply,
    from: state.id,
    to: leader,
    term: state.term,
    accepted: false,
    match: NO_INDEX,
    refusedIndex: NO_INDEX,
    conflictIndex: NO_INDEX,
    conflictTerm: NO_TERM,
    round: 0,
  });
}
