/**
 * `ringraft cluster remove ID`: the node is no member any more once this returns. Its process and
 * its data stay; it waits until it is added again.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { askLeader } from './ask-leader.js';
import { Cluster } from './cluster.js';
import { memberId, type removeOptions } from './cluster-options.js';
import { clusterCommand } from './wording.js';

export async function run(invocation: Invocation<typeof removeOptions>): Promise<ExitCode> {
  const { options, positionals, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const id = memberId(positionals[0] ?? '');
  const bounds = { timeoutMs: options.timeout, signal };
  if (options['dry-run']) {
    const plan = await askLeader(cluster, ['REMOVE', String(id), 'DRYRUN'], bounds);
    stdout.write(`${plan}\n`);
    return ExitCode.ok;
  }
  await askLeader(cluster, ['REMOVE', String(id)], bounds);
  stdout.write(`node ${id} is no member any more\n`);
  if (!cluster.ids().includes(id)) return ExitCode.ok;
  await cluster.setMembership(id, 'removed');
  const again = clusterCommand(`add ${id}`, cluster.dataDir);
  stdout.write(`Its process waits until it is added again: ${again}\n`);
  return ExitCode.ok;
}
