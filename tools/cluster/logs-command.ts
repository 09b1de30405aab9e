/**
 * `ringraft cluster logs [NODE…] [-f]`: the end of the nodes' log files, and what is added to them.
 * Several nodes' lines are told apart by the id before each.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { Cluster } from './cluster.js';
import type { logsOptions } from './cluster-options.js';
import { logPath } from './cluster-state.js';
import { followLog, lastLines, logSize } from './node-log.js';
import { selectNodes } from './select-nodes.js';

export async function run(invocation: Invocation<typeof logsOptions>): Promise<ExitCode> {
  const { options, positionals, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const ids = await selectNodes(cluster, positionals.length === 0 ? ['all'] : positionals);
  const followed = ids.map((id) => {
    const path = logPath(cluster.dataDir, id);
    const mark = ids.length === 1 ? '' : `${id} | `;
    const print = (line: string): void => void stdout.write(`${mark}${line}\n`);
    const from = logSize(path);
    for (const line of lastLines(path, options.lines)) print(line);
    return () => followLog(path, from, print, signal);
  });
  if (!options.follow) return ExitCode.ok;
  await Promise.all(followed.map((follow) => follow()));
  return ExitCode.interrupted;
}
