/**
 * Starting a cluster for `start` and `run`: launch what is missing, wait until all of it serves,
 * and take it back when it does not, so that a failed start leaves nothing behind.
 *
 * It must never stop a node that was running before.
 */

import type { Invocation, OptionValues } from '../cli/command.js';
import type { Cluster } from './cluster.js';
import { basePortFor, flagsFor, nodeCount, type startOptions } from './cluster-options.js';
import type { NodeView } from './node-view.js';
import { leaderOf } from './node-view.js';
import { waitServing } from './readiness.js';
import { nodeList, seconds } from './wording.js';

const ROLLBACK_PATIENCE_MS = 5000;

type StartInvocation = Invocation<typeof startOptions>;

/** Starts what does not run yet, with a line for each step. Returns the views of all nodes. */
export async function startNodes(
  cluster: Cluster,
  { options, positionals, env, stdout, signal }: StartInvocation,
): Promise<NodeView[]> {
  const began = performance.now();
  const started = await cluster.startMissing({
    count: nodeCount(positionals[0]),
    basePort: basePortFor(options['base-port'], env),
    flags: flagsFor(options as OptionValues<typeof startOptions>),
  });
  const { nodes } = cluster.state();
  stdout.write(`Starting ${nodeList(started)} in ${cluster.dataDir}\n`);
  for (const { id, process, peerPort, clientPort } of nodes) {
    if (!started.includes(id)) continue;
    stdout.write(
      `  node ${id}   pid ${process?.pid}   peers ${peerPort}   clients ${clientPort}\n`,
    );
  }
  try {
    const views = await waitServing(cluster, started, { timeoutMs: options.timeout, signal });
    const leader = leaderOf(views);
    const leads = leader === undefined ? '' : `, node ${leader.id} leads`;
    stdout.write(`Serving after ${seconds(performance.now() - began)}${leads}.\n`);
    return views;
  } catch (error) {
    await Promise.all(started.map((id) => cluster.stop(id, ROLLBACK_PATIENCE_MS)));
    throw error;
  }
}
