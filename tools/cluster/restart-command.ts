/**
 * `ringraft cluster restart NODE…`: stops each node gracefully if it runs, starts it with the same
 * ports and flags, and waits until it serves before it turns to the next. So `restart all` is a
 * rolling restart.
 */

import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { Cluster, STOP_PATIENCE_MS } from './cluster.js';
import type { waitOptions } from './cluster-options.js';
import { waitServing } from './readiness.js';
import { selectNodes } from './select-nodes.js';
import { stopNodes } from './stop-nodes.js';
import { seconds } from './wording.js';

export async function run(invocation: Invocation<typeof waitOptions>): Promise<ExitCode> {
  const { options, positionals, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const running = cluster.running().length;
  const ids = await selectNodes(cluster, positionals);
  // With the majority down, one node alone could never serve: start them together.
  const together = running <= cluster.ids().length / 2;
  const rounds = together ? [ids] : ids.map((id) => [id]);
  for (const round of rounds) {
    signal.throwIfAborted();
    await stopNodes(cluster, round, STOP_PATIENCE_MS, stdout);
    const began = performance.now();
    await cluster.start(round);
    const views = await waitServing(cluster, round, { timeoutMs: options.timeout, signal });
    for (const { id, pid, state } of views.filter((view) => round.includes(view.id))) {
      const after = seconds(performance.now() - began);
      const how = state === 'serving' ? 'serves' : 'answers, without a leader,';
      stdout.write(`node ${id} ${how} after ${after} (pid ${pid})\n`);
    }
  }
  return ExitCode.ok;
}
