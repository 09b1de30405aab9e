/**
 * What is counted and traced when another configuration comes into force on a simulated node.
 *
 * It only notes, and must never act.
 */

import { describeConfiguration } from '../../engine/raft/describe.js';
import { isErased, isVoter } from '../../engine/raft/membership.js';
import type { Raft } from '../../engine/raft/raft.js';
import { nodeId, Role } from '../../engine/raft/types.js';
import type { World } from './world.js';

export function noteMembers(world: World, node: number, group: number, raft: Raft): void {
  const { role, configuration } = raft;
  world.event(node, `g${group} goes by ${describeConfiguration(configuration)}`);
  if (role !== Role.leader) return;
  if (!isVoter(configuration, nodeId(node))) world.counts.leadersRemoved += 1;
  const { outgoing, voters } = configuration;
  const promoted = outgoing.length === 0 ? [] : voters.filter((id) => !outgoing.includes(id));
  world.counts.promotions += promoted.length;
  const erased = voters.filter((id) => isErased(configuration, id));
  if (erased.length > 0) world.onErasure(node, erased);
}
