/**
 * The leader's side of a change of the membership: what it may begin, and when it takes the next
 * step of one that is under way, its own or one that it inherited (Raft §6, thesis chapter 4).
 *
 * Each step is one entry, in force as soon as it is in a log, and comes only after the one before
 * is committed, by a leader that has committed in its own term: or else two leaders could change
 * the configuration differently (the bug of the thesis's single-server changes). Nothing here
 * computes a configuration; membership-change.ts does.
 */

import { hasCaughtUp, quorumAnswers } from './catch-up.js';
import { committedInTerm } from './commit.js';
import { appendOwn } from './leader.js';
import { findMember, isVoter } from './membership.js';
import {
  enterJoint,
  hasPlans,
  isFulfilled,
  isJoint,
  isUnderWay,
  isWithdrawal,
  leaveJoint,
  type MembershipChange,
  planChange,
  plannedFor,
  votersToBe,
} from './membership-change.js';
import type { Progress } from './progress.js';
import { majority } from './quorum.js';
import type { CoreState } from './state.js';
import { handOver } from './transfer.js';
import {
  type Configuration,
  type Incarnation,
  type LogIndex,
  MemberPlan,
  NO_INCARNATION,
  type NodeId,
  Role,
} from './types.js';

/** The arithmetic of a change: who would vote, how many must answer, and who does now. */
export interface QuorumToBe {
  readonly voters: readonly NodeId[];
  readonly needed: number;
  readonly answering: readonly NodeId[];
}

/** Why a change is not begun; nothing happened. */
export type ChangeRefusal =
  | { readonly why: 'notLeader'; readonly leader: NodeId }
  /** Nothing of this term is committed yet, no quorum answers, or this leader leaves: ask again. */
  | { readonly why: 'notReady' }
  | { readonly why: 'transferring'; readonly to: NodeId }
  /** Another change is under way: `configuration` says which. */
  | { readonly why: 'changing'; readonly configuration: Configuration }
  | { readonly why: 'addressTaken'; readonly address: string; readonly by: NodeId }
  | { readonly why: 'noVoters' }
  | { readonly why: 'losesQuorum'; readonly quorum: QuorumToBe };

export type ChangeAnswer =
  /** The entry at `index` begins the change. */
  | { readonly begun: LogIndex; readonly quorum: QuorumToBe }
  /** What is under way ends with just that. */
  | { readonly joined: true }
  /** The configuration at `index` is so already; it holds once that is committed. */
  | { readonly fulfilled: LogIndex }
  | { readonly refused: ChangeRefusal };

/** Whether an entry that changes the configuration may be appended now. */
export function mayReconfigure(state: CoreState): boolean {
  const isSettled = state.membership.entry.index <= state.log.committed;
  return isSettled && committedInTerm(state) && state.transfer === null && quorumAnswers(state);
}

/** Begins a change, or says why not; `dryRun` only says what would become of it. */
export function changeMembership(
  state: CoreState,
  change: MembershipChange,
  dryRun: boolean,
): ChangeAnswer {
  if (state.role !== Role.leader) return { refused: { why: 'notLeader', leader: state.leader } };
  const { index, configuration } = state.membership.entry;
  if (isFulfilled(configuration, change)) return { fulfilled: index };
  if (isUnderWay(configuration, change)) return { joined: true };
  const isBusy = isJoint(configuration) || hasPlans(configuration);
  if (isBusy && !isWithdrawal(configuration, change)) {
    return { refused: { why: 'changing', configuration } };
  }
  const taken = addressTaken(configuration, change);
  if (taken !== null) return { refused: { why: 'addressTaken', ...taken } };
  const planned = planChange(configuration, change);
  const quorum = quorumToBe(state, planned);
  if (quorum.needed === 0) return { refused: { why: 'noVoters' } };
  if (quorum.answering.length < quorum.needed) {
    const awaited = quorum.voters.filter((id) => isAwaited(state, id)).length;
    const mayBeEnough = quorum.answering.length + awaited >= quorum.needed;
    return { refused: mayBeEnough ? { why: 'notReady' } : { why: 'losesQuorum', quorum } };
  }
  if (state.transfer !== null) {
    return { refused: { why: 'transferring', to: state.transfer.target } };
  }
  const isLeaving = !isVoter(configuration, state.id);
  if (isLeaving || !mayReconfigure(state)) return { refused: { why: 'notReady' } };
  if (dryRun) return { begun: (state.log.last + 1) as LogIndex, quorum };
  const waits = plannedFor(planned, MemberPlan.promote).length > 0;
  const next = hasPlans(planned) && !waits ? enterJoint(planned, nobodyIsPromoted) : planned;
  return { begun: appendOwn(state, next), quorum };
}

const nobodyIsPromoted = (): Incarnation => NO_INCARNATION;

function addressTaken(
  { members }: Configuration,
  { put, remove }: MembershipChange,
): { readonly address: string; readonly by: NodeId } | null {
  const isNamed = (id: NodeId): boolean =>
    remove.includes(id) || put.some((member) => member.id === id);
  const others = members.filter(({ id }) => !isNamed(id));
  for (const { id, address } of put) {
    const rivals = [...others, ...put.filter((member) => member.id !== id)];
    const rival = rivals.find((member) => member.address === address);
    if (rival !== undefined) return { address, by: rival.id };
  }
  return null;
}

/** Who would decide once all plans are done. One that is promoted will have caught up by then. */
function quorumToBe(state: CoreState, planned: Configuration): QuorumToBe {
  const voters = votersToBe(planned);
  const promoted = plannedFor(planned, MemberPlan.promote);
  const answering = voters.filter((id) => promoted.includes(id) || answers(state, id));
  return { voters, needed: voters.length === 0 ? 0 : majority(voters.length), answering };
}

/**
 * Whether what this voter says counts, and it said something within an election timeout, to this
 * leader: that it was there under an earlier one says nothing.
 */
export function answers(state: CoreState, id: NodeId): boolean {
  return id === state.id || (isHeard(state, id) && state.progress.get(id)?.hasAnswered === true);
}

/** This leader is so new that the voter cannot have answered yet. */
function isAwaited(state: CoreState, id: NodeId): boolean {
  return id !== state.id && isHeard(state, id) && state.progress.get(id)?.hasAnswered === false;
}

function isHeard(state: CoreState, id: NodeId): boolean {
  const progress = state.progress.get(id);
  if (progress === undefined || !state.isIntact(id, progress.incarnation)) return false;
  return progress.heardAt + state.options.electionTimeoutMax >= state.now;
}

/** Leader: a peer was heard. One that is to be promoted may have caught up. */
export function considerPromotion(state: CoreState, progress: Progress): void {
  const plan = findMember(state.configuration, progress.id)?.plan;
  if (plan !== MemberPlan.promote || !hasCaughtUp(state, progress)) return;
  progress.caughtUpAt = state.now;
}

/** Leader: takes the next step of the change that is under way, if there is one and it is time. */
export function advanceMembership(state: CoreState): void {
  if (state.role !== Role.leader || !mayReconfigure(state)) return;
  const { configuration } = state;
  if (isJoint(configuration)) appendOwn(state, leaveJoint(configuration));
  else if (!isVoter(configuration, state.id)) handOver(state);
  else if (hasPlans(configuration)) promoteWhoCaughtUp(state);
}

/** All at once: a change is one joint step, for which every promoted member must be ready. */
function promoteWhoCaughtUp(state: CoreState): void {
  const { configuration } = state;
  const promoted = plannedFor(configuration, MemberPlan.promote);
  if (!promoted.every((id) => isReady(state, id))) return;
  const { answering, needed } = quorumToBe(state, configuration);
  if (answering.length < needed) return;
  appendOwn(
    state,
    enterJoint(configuration, (id) => lifeOf(state, id)),
  );
}

function isReady(state: CoreState, id: NodeId): boolean {
  const progress = state.progress.get(id);
  if (progress === undefined || progress.incarnation === NO_INCARNATION) return false;
  return progress.caughtUpAt + state.options.electionTimeoutMin >= state.now;
}

function lifeOf(state: CoreState, id: NodeId): Incarnation {
  return state.progress.get(id)?.incarnation ?? NO_INCARNATION;
}
