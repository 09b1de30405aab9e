/**
 * `ringraft cluster stop`: ends all nodes gracefully. The data stays; a cluster that does not run
 * is no failure, since it is what was asked for.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { Cluster } from './cluster.js';
import type { stopOptions } from './cluster-options.js';
import { stopNodes } from './stop-nodes.js';
import { nodeList } from './wording.js';

export async function run(invocation: Invocation<typeof stopOptions>): Promise<ExitCode> {
  const { options, stdout } = invocation;
  const cluster = new Cluster(options.data);
  const stopped = await stopNodes(cluster, cluster.ids(), options.timeout, stdout);
  stdout.write(
    stopped.length === 0
      ? `No node was running in ${cluster.dataDir}\n`
      : `Stopped ${nodeList(stopped)}; the data stays in ${cluster.dataDir}\n`,
  );
  return ExitCode.ok;
}
