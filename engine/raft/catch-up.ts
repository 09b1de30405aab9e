/**
 * Whether a peer whose word does not count yet holds enough of the log to be let in (thesis
 * §4.2.1): a learner that is to be promoted, or a voter that lost its data.
 *
 * What is committed never stands still under load, so that time decides, not entries. Nothing here
 * changes a configuration.
 */

import { quorumHeardAt } from './leader.js';
import { type Progress, ProgressState } from './progress.js';
import type { CoreState } from './state.js';

/** Within how many heartbeats a quorum must have answered: what is appended has to be committed. */
const HEARTBEATS = 2;

/** Leader: whether a quorum of intact voters answers, so that an entry can be committed now. */
export function quorumAnswers(state: CoreState): boolean {
  return quorumHeardAt(state) + HEARTBEATS * state.options.heartbeatInterval >= state.now;
}

/**
 * Whether the peer holds what is committed, or comes from one commit index to a later one within
 * the time that followers wait for a leader.
 */
export function hasCaughtUp(state: CoreState, progress: Progress): boolean {
  const { match } = progress;
  const isBehind = progress.state !== ProgressState.replicate || progress.pendingSnapshot !== null;
  if (isBehind || match < state.membership.entry.index) return false;
  const { committed } = state.log;
  if (match >= committed) return true;
  const round = progress.catchUp;
  if (round !== null && match < round.target) return false;
  progress.catchUp = { target: committed, since: state.now };
  return round !== null && state.now - round.since <= state.options.electionTimeoutMin;
}
