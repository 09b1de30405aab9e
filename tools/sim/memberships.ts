/**
 * Who is a member of which group, as faults and the end of a run need to know it: by the leader's
 * configuration, or, while nobody leads, by the log that ends last.
 *
 * It only looks at what replicas hold; nothing here may change a membership.
 */

import { isErased, isVoter, recordedIncarnation } from '../../engine/raft/membership.js';
import { hasPlans, isJoint } from '../../engine/raft/membership-change.js';
import { majority } from '../../engine/raft/quorum.js';
import type { CoreState } from '../../engine/raft/state.js';
import type { Configuration, NodeId } from '../../engine/raft/types.js';
import type { SimNode } from './node.js';

export function stateOf({ life }: SimNode, group: number): CoreState | undefined {
  return life?.groups[group]?.runtime.raft.state;
}

/** The configuration that the next leader is bound by, as far as live replicas know. */
export function configurationOf(
  nodes: readonly SimNode[],
  leader: SimNode | null,
  group: number,
): Configuration | null {
  const leading = leader === null ? undefined : stateOf(leader, group);
  if (leading !== undefined) return leading.configuration;
  const states = nodes.flatMap((node) => stateOf(node, group) ?? []);
  states.sort((a, b) => b.log.lastTerm - a.log.lastTerm || b.log.last - a.log.last);
  return states[0]?.configuration ?? null;
}

/** The change that was begun last is committed, and nothing is left to do. */
export function isSettled({ membership, log, configuration }: CoreState): boolean {
  if (membership.entry.index > log.committed) return false;
  return !isJoint(configuration) && !hasPlans(configuration);
}

/** Of all configurations that a live replica may go by: how many voters the smallest has. */
export function fewestVoters(nodes: readonly SimNode[], group: number): number {
  const sizes = nodes.flatMap((node) =>
    (stateOf(node, group)?.membership.history ?? []).flatMap(({ configuration }) =>
      [configuration.voters.length, configuration.outgoing.length].filter((size) => size > 0),
    ),
  );
  return Math.min(...sizes);
}

/** Whether every set of voters has a majority of nodes of which this is true. */
export function isMajority(
  { voters, outgoing }: Configuration,
  holds: (id: NodeId) => boolean,
): boolean {
  return [voters, outgoing].every((set) => {
    return set.length === 0 || set.filter(holds).length >= majority(set.length);
  });
}

/** A voter whose present life the group does not count, or not for sure. */
export function isUncounted(state: CoreState, node: SimNode): boolean {
  const id = node.id as NodeId;
  const { configuration } = state.membership.at(state.log.committed);
  if (!isVoter(configuration, id) && !isVoter(state.configuration, id)) return false;
  const recorded = recordedIncarnation(configuration, id);
  // Nobody's life is recorded while a replica that was wiped is readmitted.
  if (isErased(configuration, id) || recorded !== node.identity.incarnation) return true;
  return recorded !== recordedIncarnation(state.configuration, id);
}
