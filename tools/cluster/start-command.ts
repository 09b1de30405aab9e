/**
 * `ringraft cluster start N`: starts the nodes in the background and returns when all serve.
 *
 * The nodes go on when this command has ended; `stop` ends them.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { Cluster } from './cluster.js';
import type { startOptions } from './cluster-options.js';
import { startNodes } from './start-nodes.js';
import { howToManage, howToTalk } from './wording.js';

export async function run(invocation: Invocation<typeof startOptions>): Promise<ExitCode> {
  const cluster = new Cluster(invocation.options.data);
  const views = await startNodes(cluster, invocation);
  const lines = ['', ...howToTalk(views), '', ...howToManage(cluster.dataDir, true)];
  invocation.stdout.write(`${lines.join('\n')}\n`);
  return ExitCode.ok;
}
