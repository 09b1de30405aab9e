/**
 * When an entry is committed (Raft §5.3, §5.4.2) and what may be handed out for applying.
 *
 * A leader commits by counting only entries of its own term; earlier ones follow along. Its own
 * disk counts like any other voter's and may lag. Nothing here sends or applies.
 */

import { quorumValue } from './quorum.js';
import type { CoreState } from './state.js';
import { type IndexRange, type LogIndex, NO_INDEX, type NodeId, Role } from './types.js';

/** The match index of a voter as far as it counts: 0 for a replica that is not intact. */
export function countedMatch(state: CoreState, id: NodeId): LogIndex {
  if (id === state.id) return state.log.durable;
  const progress = state.progress.get(id);
  if (progress === undefined || !state.isIntact(progress.id, progress.incarnation)) return NO_INDEX;
  return progress.match;
}

/** Leader: moves the commit index to what a quorum holds; true when it moved. */
export function advanceCommit(state: CoreState): boolean {
  const reached = quorumValue(state.configuration, (id) => countedMatch(state, id)) as LogIndex;
  if (reached <= state.log.committed) return false;
  if (state.log.termAt(reached) !== state.term) return false;
  state.log.committed = reached;
  return true;
}

/** The newly committed range, once; null when there is none, or when state is missing before it. */
export function takeCommitted(state: CoreState): IndexRange | null {
  if (state.handedOut >= state.log.committed || state.missingState) return null;
  const range = { first: (state.handedOut + 1) as LogIndex, last: state.log.committed };
  state.handedOut = state.log.committed;
  return range;
}

/** Leader: whether an entry of its own term is committed, so that its commit index is current. */
export function committedInTerm(state: CoreState): boolean {
  return state.role === Role.leader && state.log.committed >= state.termStart;
}
