/**
 * Stopping nodes for `stop`, `run` and `restart`: all at once, each given the time to end in its
 * own way, with a line for what is out of the ordinary.
 */

import type { Output } from '../cli/command.js';
import type { Cluster } from './cluster.js';
import { seconds } from './wording.js';

/** Stops these nodes; returns the ids of those that were running. */
export async function stopNodes(
  cluster: Cluster,
  ids: readonly number[],
  patienceMs: number,
  stdout: Output,
): Promise<number[]> {
  const endings = await Promise.all(
    ids.map(async (id) => {
      const how = await cluster.stop(id, patienceMs);
      if (how === 'forced') {
        stdout.write(`node ${id} had not ended after ${seconds(patienceMs)} and was killed\n`);
      }
      return { id, how };
    }),
  );
  return endings.flatMap(({ id, how }) => (how === undefined ? [] : [id]));
}
