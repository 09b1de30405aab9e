/**
 * Changes of the membership that an operator asks for in a run: of every kind, some while another
 * one is under way, some that make no sense.
 *
 * It never judges whether a change is allowed. It asks for none that takes the majority away from
 * replicas that lost their data a moment ago, of which no leader could know.
 */

import {
  type MembershipChange,
  planChange,
  votersToBe,
} from '../../engine/raft/membership-change.js';
import type { Prng } from '../../engine/raft/prng.js';
import { type Configuration, type NodeId, nodeId } from '../../engine/raft/types.js';

type Put = MembershipChange['put'][number];

const addressOf = (id: NodeId): string => `node-${id}`;
const put = (id: NodeId, as: Put['as']): Put => ({ id, address: addressOf(id), as });

/** One change of a group with this configuration, led by `leader`; null for none. */
export function drawChange(
  prng: Prng,
  configuration: Configuration,
  leader: NodeId,
  nodes: readonly number[],
  lacking: number,
): MembershipChange | null {
  const change = draw(prng, configuration, leader, nodes.map(nodeId));
  const left = votersToBe(planChange(configuration, change)).length;
  return lacking > 0 && lacking > Math.floor((left - 1) / 2) ? null : change;
}

function draw(
  prng: Prng,
  { voters, learners, members }: Configuration,
  leader: NodeId,
  nodes: readonly NodeId[],
): MembershipChange {
  const outside = nodes.filter((id) => !members.some((member) => member.id === id));
  const one: MembershipChange = { put: [], remove: [] };
  const isMany = voters.length > 2;
  switch (prng.below(7)) {
    case 0:
      if (isMany) return { ...one, remove: [leader] };
      break;
    case 1:
      if (isMany) return { ...one, remove: [prng.pick(voters)] };
      break;
    case 2:
      if (learners.length === 0) break;
      if (prng.chance(0.4)) return { ...one, remove: [prng.pick(learners)] };
      return { ...one, put: [put(prng.pick(learners), 'voter')] };
    case 3:
      if (isMany) return { ...one, put: [put(prng.pick(voters), 'learner')] };
      break;
    case 4:
      if (outside.length === 0) break;
      return { put: [put(prng.pick(outside), 'voter')], remove: [prng.pick(voters)] };
    default:
  }
  if (outside.length === 0) return { ...one, put: [put(prng.pick(voters), 'voter')] };
  const as = prng.chance(0.25) ? 'learner' : 'voter';
  return {
    ...one,
    put: outside.filter((_, at) => at === 0 || prng.chance(0.3)).map((id) => put(id, as)),
  };
}
