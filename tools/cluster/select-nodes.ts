/**
 * Which nodes a command means: ids, `leader`, `follower` or `all`.
 *
 * A name is settled by asking the nodes now. It must never settle on a guess: when nobody leads,
 * `leader` is an error.
 */

import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { Cluster } from './cluster.js';
import { nodeId } from './cluster-options.js';
import { leaderOf } from './node-view.js';

/** The ids that the words name, each once, in their order. Throws a CommandError. */
export async function selectNodes(cluster: Cluster, words: readonly string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const word of words) ids.push(...(await selectWord(cluster, word)));
  return [...new Set(ids)];
}

async function selectWord(cluster: Cluster, word: string): Promise<number[]> {
  if (word === 'all') return cluster.ids();
  if (word === 'leader' || word === 'follower') return [await selectRole(cluster, word)];
  const id = nodeId(word);
  if (id !== undefined) return [cluster.node(id).id];
  throw new CommandError(
    ExitCode.usage,
    `"${word}" names no node: it must be an id (${cluster.ids().join(', ')}), ` +
      'leader, follower or all',
  );
}

async function selectRole(cluster: Cluster, role: 'leader' | 'follower'): Promise<number> {
  const views = await cluster.views();
  const leader = leaderOf(views);
  if (leader === undefined) {
    throw new CommandError(ExitCode.noLeader, `no node in ${cluster.dataDir} leads: name an id`);
  }
  if (role === 'leader') return leader.id;
  const follower = views.find((view) => view.state === 'serving' && view.id !== leader.id);
  if (follower !== undefined) return follower.id;
  throw new CommandError(ExitCode.failed, `no follower in ${cluster.dataDir} serves: name an id`);
}
