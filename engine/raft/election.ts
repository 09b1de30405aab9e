/**
 * Who may campaign, who may be voted for, when an election is won (Raft §5.2, §5.4, thesis §9.6).
 *
 * Decisions only, over CoreState; the role files carry them out. Two rules go beyond the paper:
 * a replica whose data may be incomplete grants votes that count only if *every* voter grants, and
 * a replica whose recorded life is another one, or was erased, neither campaigns nor is counted.
 */

import { isErased, isVoter, recordedIncarnation } from './membership.js';
import { VoteGrant, type VoteRequest } from './message.js';
import { allVoters, VoteResult, voteResult } from './quorum.js';
import { type CoreState, Standing } from './state.js';
import {
  assert,
  type Incarnation,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
} from './types.js';

/**
 * Whether this replica may start an election at all. One in doubt may: where every log but its own
 * is shorter, nobody else can be elected. It must win without its own vote, or by all of them.
 * One that misses state may not: it could neither apply what it commits nor answer a read.
 */
export function mayCampaign(state: CoreState): boolean {
  if (state.missingState) return false;
  const { standing } = state;
  if (standing === Standing.full || standing === Standing.inDoubt) return true;
  return standing === Standing.fresh && state.log.last === NO_INDEX;
}

/**
 * A vote request is not even looked at while a leader is known to live, nor right after a start:
 * the leader's lease and CheckQuorum rest on it (thesis §4.2.3). A transfer is the exception.
 */
export function leaderProtected(state: CoreState, request: VoteRequest): boolean {
  if (request.transfer) return false;
  return state.now < state.leaderHeardAt + state.options.electionTimeoutMin;
}

/** How this replica's vote for the candidate would count, by what both know of its data. */
function grantFor(state: CoreState, request: VoteRequest): VoteGrant {
  const recordsUs = request.recorded === state.options.incarnation;
  const isFirstEver = request.recorded === NO_INCARNATION && request.lastIndex === NO_INDEX;
  switch (state.standing) {
    case Standing.full:
      return recordsUs ? VoteGrant.full : VoteGrant.refused;
    case Standing.inDoubt:
      return recordsUs || isFirstEver ? VoteGrant.unanimous : VoteGrant.refused;
    case Standing.fresh:
      if (recordsUs) return VoteGrant.full;
      return isFirstEver ? VoteGrant.unanimous : VoteGrant.refused;
    case Standing.recovering:
      // Only a candidate that holds the entry which records this life counts it; that entry is
      // younger than the commit of the erasing one, which is enough (see readmission.ts).
      if (!recordsUs) return VoteGrant.refused;
      return state.inDoubt ? VoteGrant.unanimous : VoteGrant.full;
    case Standing.aside:
    case Standing.nonVoter:
      return VoteGrant.refused;
  }
}

/** The answer to a (pre-)vote request of a term that is at least our own. */
export function decideVote(state: CoreState, request: VoteRequest, isPreVote: boolean): VoteGrant {
  if (!state.log.isUpToDate(request.lastIndex, request.lastTerm)) return VoteGrant.refused;
  const free = state.vote === NOBODY && state.leader === NOBODY;
  const mayVote = isPreVote ? request.term > state.term : free || state.vote === request.from;
  return mayVote ? grantFor(state, request) : VoteGrant.refused;
}

/** What this replica's vote for itself weighs. */
function ownWeight(state: CoreState): 'full' | 'unanimous' {
  return state.standing === Standing.full ? 'full' : 'unanimous';
}

export function recordOwnVote(state: CoreState): void {
  state.votes.set(state.id, ownWeight(state));
  state.incarnations.set(state.id, state.options.incarnation);
}

/**
 * Books a voter's answer; one that lives another life than the recorded one does not count, and of
 * one whose life was erased no life does.
 */
export function recordVote(
  state: CoreState,
  from: NodeId,
  grant: VoteGrant,
  proved: Incarnation,
): void {
  if (!isVoter(state.configuration, from)) return;
  const recorded = recordedIncarnation(state.configuration, from);
  if (recorded !== NO_INCARNATION && recorded !== proved) return;
  if (isErased(state.configuration, from)) return;
  state.incarnations.set(from, proved);
  if (grant === VoteGrant.refused) state.votes.set(from, 'refused');
  else if (grant === VoteGrant.full && recorded !== NO_INCARNATION) state.votes.set(from, 'full');
  else state.votes.set(from, 'unanimous');
}

/** Won by a quorum of full votes, or by the grant of every voter; lost when neither can come. */
export function tally(state: CoreState): VoteResult {
  const voters = allVoters(state.configuration);
  const isNobody = (id: NodeId): boolean => isErased(state.configuration, id);
  assert(!voters.some((id) => isNobody(id) && state.votes.has(id)), 'no erased life has a vote');
  if (voters.every((id) => (state.votes.get(id) ?? 'refused') !== 'refused')) {
    return VoteResult.won;
  }
  const result = voteResult(state.configuration, (id) => {
    const vote = state.votes.get(id);
    return vote === undefined || vote === 'unanimous' ? undefined : vote === 'full';
  });
  return result;
}

/** True while this replica seeks votes of the given kind. */
export function isSeeking(state: CoreState, isPreVote: boolean): boolean {
  return state.role === (isPreVote ? Role.preCandidate : Role.candidate);
}
