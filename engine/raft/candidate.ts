/**
 * Pre-candidate and candidate (Raft §5.2, thesis §9.6), and the voter's side of an election.
 *
 * A pre-candidate asks whether it would win before it raises its term, so a replica that was cut
 * off disturbs nobody. A vote request leaves only after the candidate's own term and vote are
 * durable.
 */

import {
  decideVote,
  electorate,
  isSeeking,
  leaderProtected,
  mayCampaign,
  recordOwnVote,
  recordVote,
  tally,
} from './election.js';
import { becomeFollower } from './follower.js';
import { becomeLeader, quorumHeardAt } from './leader.js';
import { recordedIncarnation } from './membership.js';
import { MessageKind, VoteGrant, type VoteReply, type VoteRequest } from './message.js';
import { VoteResult } from './quorum.js';
import type { CoreState } from './state.js';
import { type Incarnation, NOBODY, type NodeId, Role, type Term } from './types.js';

/** The election timer ran out: seek votes, if this replica may. */
export function campaign(state: CoreState): void {
  state.resetElectionTimer();
  if (!mayCampaign(state)) {
    // The leader that it knew is not asked any more; who leads now may be none that it knows.
    if (state.leader !== NOBODY) becomeFollower(state, state.term, NOBODY);
    return;
  }
  // An election lasts as long as its vote takes to the disk: a slow sync starts no second one.
  if (state.role === Role.candidate && !state.hardStateDurable) return;
  if (state.options.preVote) becomePreCandidate(state);
  else becomeCandidate(state, false);
}

function becomePreCandidate(state: CoreState): void {
  state.setRole(Role.preCandidate, NOBODY);
  state.votes.clear();
  state.restartReads();
  recordOwnVote(state);
  requestVotes(state, true, false);
  concludeElection(state);
}

/** Raises the term and asks for votes; `transfer` when the leader asked for it. */
export function becomeCandidate(state: CoreState, transfer: boolean): void {
  state.setHardState((state.term + 1) as Term, state.id);
  state.setRole(Role.candidate, NOBODY);
  state.softChanged = true;
  state.votes.clear();
  state.restartReads();
  requestVotes(state, false, transfer);
}

function requestVotes(state: CoreState, isPreVote: boolean, transfer: boolean): void {
  for (const to of electorate(state)) {
    if (to === state.id) continue;
    const request: VoteRequest = {
      kind: isPreVote ? MessageKind.preVote : MessageKind.vote,
      from: state.id,
      to,
      term: (isPreVote ? state.term + 1 : state.term) as Term,
      lastIndex: state.log.last,
      lastTerm: state.log.lastTerm,
      recorded: recordedIncarnation(state.configuration, to),
      transfer,
    };
    if (isPreVote) state.send(request);
    else state.sendDurably(request);
  }
}

/** The candidate's own vote counts once it is durable. */
export function onOwnVoteDurable(state: CoreState): void {
  if (state.role !== Role.candidate || state.votes.has(state.id)) return;
  if (!state.hardStateDurable) return;
  state.resetElectionTimer();
  recordOwnVote(state);
  concludeElection(state);
}

export function onVoteReply(state: CoreState, reply: VoteReply, proved: Incarnation): void {
  const isPreVote = reply.kind === MessageKind.preVoteReply;
  if (!isSeeking(state, isPreVote)) return;
  const expected = isPreVote && reply.grant !== VoteGrant.refused ? state.term + 1 : state.term;
  if (reply.term !== expected) return;
  recordVote(state, reply.from, reply.grant, proved);
  concludeElection(state);
}

function concludeElection(state: CoreState): void {
  const result = tally(state);
  if (result === VoteResult.lost) {
    becomeFollower(state, state.term, NOBODY);
  } else if (result === VoteResult.won) {
    if (state.role === Role.preCandidate) becomeCandidate(state, false);
    else becomeLeader(state);
  }
}

/** Whether a request is to be ignored because a leader is known to live, this one included. */
function leaderIsAlive(state: CoreState, request: VoteRequest): boolean {
  if (state.role !== Role.leader) return leaderProtected(state, request);
  if (request.transfer) return false;
  return state.now < quorumHeardAt(state) + state.options.electionTimeoutMin;
}

export function onVoteRequest(state: CoreState, request: VoteRequest): void {
  const isPreVote = request.kind === MessageKind.preVote;
  if (request.term < state.term) {
    replyVote(state, request.from, isPreVote, VoteGrant.refused, state.term);
    return;
  }
  if (leaderIsAlive(state, request)) return;
  if (!isPreVote && request.term > state.term) becomeFollower(state, request.term, NOBODY);
  const grant = decideVote(state, request, isPreVote);
  if (grant !== VoteGrant.refused && !isPreVote) {
    state.setHardState(state.term, request.from);
    state.resetElectionTimer();
  }
  const replyTerm = isPreVote && grant !== VoteGrant.refused ? request.term : state.term;
  replyVote(state, request.from, isPreVote, grant, replyTerm);
}

function replyVote(
  state: CoreState,
  to: NodeId,
  isPreVote: boolean,
  grant: VoteGrant,
  term: Term,
): void {
  const reply: VoteReply = {
    kind: isPreVote ? MessageKind.preVoteReply : MessageKind.voteReply,
    from: state.id,
    to,
    term,
    grant,
  };
  if (isPreVote) state.send(reply);
  else state.sendDurably(reply);
}
