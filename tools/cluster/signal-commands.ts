/**
 * `ringraft cluster kill | pause | resume NODE…`: what happens to a machine, done to a process.
 *
 * All nodes are named before the first is touched. A node that does not run is a failure, since a
 * script that kills the wrong one should notice.
 */

import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { Cluster } from './cluster.js';
import type { dataOptions } from './cluster-options.js';
import { selectNodes } from './select-nodes.js';

type Act = (cluster: Cluster, id: number) => Promise<boolean>;

async function onEach(
  { options, positionals, stdout }: Invocation<typeof dataOptions>,
  act: Act,
  done: string,
): Promise<ExitCode> {
  const cluster = new Cluster(options.data);
  const ids = await selectNodes(cluster, positionals);
  const results = await Promise.all(ids.map((id) => act(cluster, id)));
  ids.forEach((id, at) => {
    if (results[at] === true) stdout.write(`node ${id} ${done}\n`);
  });
  const idle = ids.filter((_, at) => results[at] !== true);
  if (idle.length === 0) return ExitCode.ok;
  throw new CommandError(
    ExitCode.failed,
    idle.map((id) => `node ${id} is not running in ${cluster.dataDir}`).join('\n'),
  );
}

type Run = (invocation: Invocation<typeof dataOptions>) => Promise<ExitCode>;

export const kill: { run: Run } = {
  run: (invocation) => onEach(invocation, (cluster, id) => cluster.kill(id), 'was killed'),
};

export const pause: { run: Run } = {
  run: (invocation) => onEach(invocation, (cluster, id) => cluster.pause(id), 'is paused'),
};

export const resume: { run: Run } = {
  run: (invocation) => onEach(invocation, (cluster, id) => cluster.resume(id), 'goes on'),
};
