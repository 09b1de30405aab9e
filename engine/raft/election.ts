/**
 * Who may campaign, who may be voted for, when an election is won (Raft §5.2, §5.4, thesis §9.6).
 *
 * Decisions only, over CoreState; the role files carry them out. Two rules go beyond the paper:
 * a replica whose data may be incomplete grants votes that count only if *every* voter grants, and
 * a replica whose recorded life is another one, or was erased, neither campaigns nor is counted.
 */

import { isErased, isVoter, recordedIncarnation } from './membership.js';
import { plannedFor } from './membership-change.js';
import { VoteGrant, type VoteRequest } from './message.js';
import { allVoters, VoteResult, voteResult } from './quorum.js';
import { type CoreState, Standing } from './state.js';
import {
  assert,
  type Incarnation,
  MemberPlan,
  NO_INCARNATION,
  NO_INDEX,
  NOBODY,
  type NodeId,
  Role,
} from './types.js';

/**
 * Whether this replica may start an election at all. One in doubt may: where every log but its own
 * is shorter, nobody else can be elected. It must win without its own vote, or by all of them.
 * One that misses state may not: it could neither apply what it commits nor answer a read. Nor may
 * a witness.
 */
export function mayCampaign(state: CoreState): boolean {
  if (state.missingState || state.isWitness) return false;
  const { standing } = state;
  if (standing === Standing.nonVoter || standing === Standing.standby) return mayStillLead(state);
  if (standing === Standing.full || standing === Standing.inDoubt) return true;
  return standing === Standing.fresh && state.log.last === NO_INDEX && !isFoundedAlready(state);
}

/**
 * Who is to found a group alone needs nobody's grant, so that nobody could tell it that it has been
 * there before and lost its data. But nobody has anything to say to it before it is founded.
 */
function isFoundedAlready({ configuration, hasHeard }: CoreState): boolean {
  return hasHeard && allVoters(configuration).length === 1;
}

/**
 * Until the entry that takes its vote away is committed, a replica may hold the only log that can
 * win (thesis §4.2.2). Its own vote does not count.
 */
function mayStillLead({ membership, log, id, options }: CoreState): boolean {
  if (membership.entry.index <= log.committed) return false;
  return membership.history.some(({ configuration }) => {
    const isRecorded = recordedIncarnation(configuration, id) === options.incarnation;
    return isRecorded && isVoter(configuration, id);
  });
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
  if (request.recorded === NO_INCARNATION && !isFirstEver) {
    // By the candidate's log this replica has no vote. Still it can say that it knows of nothing
    // newer, unless it lost its data: see `electorate`.
    const { standing } = state;
    const hasLost = standing === Standing.aside || standing === Standing.recovering;
    return hasLost ? VoteGrant.refused : VoteGrant.unanimous;
  }
  switch (state.standing) {
    case Standing.full:
      return recordsUs ? VoteGrant.full : VoteGrant.refused;
    case Standing.inDoubt:
      return recordsUs || isFirstEver ? VoteGrant.unanimous : VoteGrant.refused;
    case Standing.fresh:
      if (recordsUs) return VoteGrant.full;
      return isFirstEver ? VoteGrant.unanimous : VoteGrant.refused;
    case Standing.recovering:
    case Standing.nonVoter:
    case Standing.standby:
      return grantOfUnaware(state, recordsUs);
    case Standing.aside:
      return VoteGrant.refused;
  }
}

/**
 * The vote of a replica that does not know yet that it has one. Only a candidate that holds the
 * entry which records this life as a voter's counts it, and that entry is younger than the commit
 * of the one before it, which is enough (see readmission.ts and reconfigure.ts). Were it refused,
 * nobody could lead whose log must end with that entry.
 */
function grantOfUnaware({ inDoubt }: CoreState, recordsUs: boolean): VoteGrant {
  if (!recordsUs) return VoteGrant.refused;
  return inDoubt ? VoteGrant.unanimous : VoteGrant.full;
}

/** The answer to a (pre-)vote request of a term that is at least our own. */
export function decideVote(state: CoreState, request: VoteRequest, isPreVote: boolean): VoteGrant {
  if (state.isWitness) return VoteGrant.refused;
  const { standing, log } = state;
  const isUpToDate = log.isUpToDate(request.lastIndex, request.lastTerm);
  // Who never had a vote, by either log, is only asked whether it has one: see `electorate`.
  const hadNone = standing === Standing.nonVoter || standing === Standing.standby;
  const isOnlyAsked = hadNone && request.recorded === NO_INCARNATION;
  if (!isUpToDate && !isOnlyAsked) return VoteGrant.refused;
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
  if (!electorate(state).includes(from)) return;
  const recorded = recordedIncarnation(state.configuration, from);
  if (recorded !== NO_INCARNATION && recorded !== proved) return;
  if (isVoter(state.configuration, from) && isErased(state.configuration, from)) return;
  state.incarnations.set(from, proved);
  if (grant === VoteGrant.refused) state.votes.set(from, 'refused');
  else if (grant === VoteGrant.full && recorded !== NO_INCARNATION) state.votes.set(from, 'full');
  else state.votes.set(from, 'unanimous');
}

/**
 * Whose grants a candidate needs that can only win by all of them: every voter. A sole voter in
 * doubt also asks whoever it was to promote: the entry that did may have been in the tail that was
 * cut, and needed nobody else's acknowledgement. With more voters, another one holds it.
 */
export function electorate({ configuration, inDoubt }: CoreState): NodeId[] {
  const voters = allVoters(configuration);
  if (!inDoubt || voters.length > 1) return voters;
  return [...voters, ...plannedFor(configuration, MemberPlan.promote)];
}

/** Won by a quorum of full votes, or by the grant of everybody; lost when neither can come. */
export function tally(state: CoreState): VoteResult {
  const voters = allVoters(state.configuration);
  const isNobody = (id: NodeId): boolean => isErased(state.configuration, id);
  assert(!voters.some((id) => isNobody(id) && state.votes.has(id)), 'no erased life has a vote');
  const asked = electorate(state);
  const isAgreed = asked.every((id) => (state.votes.get(id) ?? 'refused') !== 'refused');
  if (isAgreed && asked.length > 0) return VoteResult.won;
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
