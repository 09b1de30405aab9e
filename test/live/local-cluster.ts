/**
 * Three nodes of `ringraft cluster start` for tests, in a directory of their own, and the command
 * line for them. They are ended with their owner, whatever became of them.
 */

import assert from 'node:assert/strict';
import { Cluster } from '../../tools/cluster/cluster.js';
import { freeBasePort } from '../../tools/cluster/free-ports.js';
import { type Owner, Run, temporaryDirectory } from './processes.js';

/** Room for one node more than three. */
const PORTS = 4;
const CALM = '--timing wide-area --timeout 60s';

export interface Called {
  readonly code: number | null;
  readonly output: string;
}

export interface LocalCluster {
  readonly cluster: Cluster;
  /** `ringraft cluster …`, words apart by spaces; resolves when it has ended. */
  readonly command: (words: string) => Promise<Called>;
}

export async function startedCluster(owner: Owner): Promise<LocalCluster> {
  const directory = temporaryDirectory(owner, async (path) => {
    const nodes = new Cluster(path);
    if (nodes.exists()) await Promise.all(nodes.running().map((id) => nodes.kill(id)));
  });
  const cluster = new Cluster(directory);
  const command = async (words: string): Promise<Called> => {
    const run = new Run(['cluster', ...words.split(' '), '--data', directory]);
    const { code } = await run.ended;
    return { code, output: run.output };
  };
  const base = await freeBasePort(PORTS, process.pid);
  const start = await command(`start 3 --base-port ${base} ${CALM}`);
  assert.equal(start.code, 0, start.output);
  return { cluster, command };
}
