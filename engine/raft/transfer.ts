/**
 * Leadership transfer (thesis §3.10): the leader takes no more proposals, lets the target catch up,
 * and asks it to campaign at once, past everybody's patience with the present leader.
 *
 * It has one election timeout: then the leader goes on as before, or, where it is to leave the
 * cluster or has become a witness, steps down all the same. Who was asked may campaign later than
 * that: no more than any other election is that a danger. Nothing here holds proposals; whoever
 * makes them does.
 */

import { becomeFollower } from './follower.js';
import { dropLease } from './lease.js';
import { isVoter } from './membership.js';
import { MessageKind } from './message.js';
import { answers } from './reconfigure.js';
import type { CoreState } from './state.js';
import { NOBODY, type NodeId, Role } from './types.js';

/** A transfer under way. */
export interface Transfer {
  readonly target: NodeId;
  /** When the leader takes proposals again. */
  readonly deadline: number;
  /** It was asked to campaign, in this heartbeat interval. */
  isAsked: boolean;
}

export type TransferRefusal =
  | { readonly why: 'notLeader'; readonly leader: NodeId }
  | { readonly why: 'disabled' }
  /** It goes to somebody else already. */
  | { readonly why: 'transferring'; readonly to: NodeId }
  | { readonly why: 'notVoter' }
  /** It is silent, lives another life than the recorded one, or waits for a snapshot. */
  | { readonly why: 'notReady' }
  /** No other voter could take over. */
  | { readonly why: 'nobody' };

export type TransferAnswer =
  /** `to` is this replica where nothing is to be done. */
  { readonly to: NodeId } | { readonly refused: TransferRefusal };

/** Hands leadership to `target`, or to the best one (NOBODY). */
export function beginTransfer(state: CoreState, target: NodeId): TransferAnswer {
  if (state.role !== Role.leader) return { refused: { why: 'notLeader', leader: state.leader } };
  if (!state.options.transfer) return { refused: { why: 'disabled' } };
  if (target === state.id) return { to: target };
  const { transfer } = state;
  if (transfer !== null && target !== NOBODY && target !== transfer.target) {
    return { refused: { why: 'transferring', to: transfer.target } };
  }
  if (transfer !== null) return { to: transfer.target };
  if (target !== NOBODY && !state.configuration.voters.includes(target)) {
    return { refused: { why: 'notVoter' } };
  }
  const to = target === NOBODY ? bestTarget(state) : target;
  if (to === NOBODY) return { refused: { why: 'nobody' } };
  if (!mayTakeOver(state, to)) return { refused: { why: 'notReady' } };
  start(state, to);
  return { to };
}

function start(state: CoreState, target: NodeId): void {
  const deadline = state.now + state.options.electionTimeoutMax;
  state.transfer = { target, deadline, isAsked: false };
  advanceTransfer(state);
}

/** A voter of the configuration to come that answers and has all the state it needs to lead. */
function mayTakeOver(state: CoreState, id: NodeId): boolean {
  const needsSnapshot = state.progress.get(id)?.pendingSnapshot != null;
  return answers(state, id) && !needsSnapshot;
}

/** Who has most of the log, of those that have it whoever was heard last; NOBODY if none may. */
export function bestTarget(state: CoreState): NodeId {
  const peers = [...state.progress.values()].filter(
    ({ id }) => state.configuration.voters.includes(id) && mayTakeOver(state, id),
  );
  peers.sort((a, b) => b.match - a.match || b.heardAt - a.heardAt || a.id - b.id);
  return peers[0]?.id ?? NOBODY;
}

/** Leader that is no voter any more, or a witness: it leaves as soon as another one can lead. */
export function handOver(state: CoreState): void {
  const target = state.options.transfer ? bestTarget(state) : NOBODY;
  if (target === NOBODY) becomeFollower(state, state.term, NOBODY);
  else start(state, target);
}

/** Leader: asks the target once it holds the whole log; ends what has taken too long. */
export function advanceTransfer(state: CoreState): void {
  const { transfer } = state;
  if (transfer === null) return;
  if (state.now >= transfer.deadline) {
    state.transfer = null;
    const mustLeave = state.isWitness || !isVoter(state.configuration, state.id);
    if (mustLeave) becomeFollower(state, state.term, NOBODY);
    return;
  }
  // A target that restarted meanwhile shows first what it holds.
  const holdsAll = state.progress.get(transfer.target)?.match === state.log.last;
  if (transfer.isAsked || !holdsAll) return;
  transfer.isAsked = true;
  dropLease(state);
  const to = transfer.target;
  state.send({ kind: MessageKind.timeoutNow, from: state.id, to, term: state.term });
}

/** Leader: a heartbeat interval has passed, and who was asked has not taken over: asks again. */
export function repeatTransfer(state: CoreState): void {
  if (state.transfer === null) return;
  state.transfer.isAsked = false;
  advanceTransfer(state);
}
