/**
 * Majority arithmetic over one or two sets of voters (Raft §5.3, §6).
 *
 * Pure functions of a configuration and a lookup; they never see progress, time or messages.
 * A joint configuration decides only what both majorities decide, and one without voters, which a
 * node has that waits to be added, decides nothing.
 */

import type { Configuration, NodeId } from './types.js';

/** The smallest number of members that is a majority of `count`. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Whether nobody could ever decide anything: there is no majority of nobody. */
function hasNoVoters(configuration: Configuration): boolean {
  return configuration.voters.length === 0;
}

/** The largest value that a majority of `voters` has reached; Infinity for an empty set. */
function majorityValue(voters: readonly NodeId[], valueFor: (id: NodeId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values = voters.map(valueFor).sort((a, b) => b - a);
  return values[majority(voters.length) - 1] as number;
}

/**
 * The largest value that a quorum has reached: the commit index when `valueFor` is the match index,
 * the confirmed read round when it is the acknowledged round, the last time a quorum was heard when
 * it is the time each voter was heard. Without voters no value was reached: -Infinity.
 */
export function quorumValue(
  configuration: Configuration,
  valueFor: (id: NodeId) => number,
): number {
  if (hasNoVoters(configuration)) return Number.NEGATIVE_INFINITY;
  return Math.min(
    majorityValue(configuration.voters, valueFor),
    majorityValue(configuration.outgoing, valueFor),
  );
}

export const VoteResult = { pending: 'pending', won: 'won', lost: 'lost' } as const;
export type VoteResult = (typeof VoteResult)[keyof typeof VoteResult];

function majorityVote(
  voters: readonly NodeId[],
  voteOf: (id: NodeId) => boolean | undefined,
): VoteResult {
  if (voters.length === 0) return VoteResult.won;
  const needed = majority(voters.length);
  const granted = voters.filter((id) => voteOf(id) === true).length;
  const refused = voters.filter((id) => voteOf(id) === false).length;
  if (granted >= needed) return VoteResult.won;
  return voters.length - refused < needed ? VoteResult.lost : VoteResult.pending;
}

/**
 * Whether the votes so far (undefined: not answered) win, lose or leave the election open. Without
 * voters it is lost.
 */
export function voteResult(
  configuration: Configuration,
  voteOf: (id: NodeId) => boolean | undefined,
): VoteResult {
  if (hasNoVoters(configuration)) return VoteResult.lost;
  const incoming = majorityVote(configuration.voters, voteOf);
  const outgoing = majorityVote(configuration.outgoing, voteOf);
  if (incoming === VoteResult.lost || outgoing === VoteResult.lost) return VoteResult.lost;
  if (incoming === VoteResult.won && outgoing === VoteResult.won) return VoteResult.won;
  return VoteResult.pending;
}

/** Every id whose vote some quorum needs, each once. */
export function allVoters(configuration: Configuration): NodeId[] {
  const outgoingOnly = configuration.outgoing.filter((id) => !configuration.voters.includes(id));
  return [...configuration.voters, ...outgoingOnly];
}
