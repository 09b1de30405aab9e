/**
 * Witness mode: a voter that holds back. It seeks no votes and grants none, but goes on appending
 * and acknowledging, so that every quorum counts as before.
 *
 * Not voting is always safe; what it costs is liveness: only voters that are no witnesses elect a
 * leader, and they must be a majority by themselves. The flag is this replica's own and in no
 * entry; whoever drives the core makes it durable and must never leave that to the core.
 */

import { isSeeking } from './election.js';
import { becomeFollower } from './follower.js';
import type { CoreState } from './state.js';
import { handOver } from './transfer.js';
import { NOBODY, Role } from './types.js';

/**
 * Enters or leaves witness mode, at once. A leader leads until somebody else can, for one election
 * timeout at most.
 */
export function setWitness(state: CoreState, isWitness: boolean): void {
  if (state.isWitness === isWitness) return;
  state.isWitness = isWitness;
  // Its own patience begins anew: it was not timed while nothing could follow from it.
  if (!isWitness && state.role !== Role.leader) state.resetElectionTimer();
  if (!isWitness) return;
  if (state.role === Role.leader && state.transfer === null) handOver(state);
  else if (isSeeking(state, true) || isSeeking(state, false)) {
    becomeFollower(state, state.term, NOBODY);
  }
}
