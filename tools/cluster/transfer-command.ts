/**
 * `ringraft cluster transfer [ID]`: hands the leadership to a node, or to the one that has most of
 * the log, and returns when another one leads.
 */

import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { askLeader } from './ask-leader.js';
import { Cluster } from './cluster.js';
import { memberId, type waitOptions } from './cluster-options.js';
import { leaderOf } from './node-view.js';

export async function run(invocation: Invocation<typeof waitOptions>): Promise<ExitCode> {
  const { options, positionals, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const [word] = positionals;
  const target = word === undefined ? undefined : cluster.node(memberId(word)).id;
  const before = leaderOf(await cluster.views());
  const words = target === undefined ? ['TRANSFER'] : ['TRANSFER', String(target)];
  const begun = performance.now();
  await askLeader(cluster, words, { timeoutMs: options.timeout, signal });
  const tookMs = Math.round(performance.now() - begun);
  const leader = leaderOf(await cluster.views());
  if (leader === undefined) {
    throw new CommandError(
      ExitCode.noLeader,
      `the leadership was handed over, and nobody leads now`,
    );
  }
  const from = before === undefined || before.id === leader.id ? '' : `, it was node ${before.id}`;
  stdout.write(
    `node ${leader.id} leads in term ${leader.status?.term} after ${tookMs} ms${from}\n`,
  );
  return ExitCode.ok;
}
