/**
 * `ringraft cluster run N`, which is `npm start`: the cluster in the foreground. Starts the nodes,
 * tells how to talk to them and what happens to them, and ends them at Ctrl-C.
 *
 * However this process ends (a closed terminal or pipe, a bug of its own, a second Ctrl-C), it must
 * not leave nodes behind; only kill -9 can make it, and then `cluster stop` ends them.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Invocation, Output } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { Cluster, STOP_PATIENCE_MS } from './cluster.js';
import type { startOptions } from './cluster-options.js';
import type { NodeView } from './node-view.js';
import { lastWords } from './readiness.js';
import { startNodes } from './start-nodes.js';
import { stopNodes } from './stop-nodes.js';
import { nodeEvents, reignEvents, reignOf } from './watch-events.js';
import { clusterCommand, howToManage, howToTalk } from './wording.js';

const WATCH_MS = 500;
const LAST_WORDS = 5;

export async function run(invocation: Invocation<typeof startOptions>): Promise<ExitCode> {
  const cluster = new Cluster(invocation.options.data);
  requireNoneRunning(cluster);
  const hangUp = new AbortController();
  const onHangUp = (): void => hangUp.abort('SIGHUP');
  const signal = AbortSignal.any([invocation.signal, hangUp.signal]);
  // A terminal that is gone takes no more output, and must not end us before the nodes.
  const stdout: Output = {
    write: (text) => hangUp.signal.aborted || invocation.stdout.write(text),
  };
  const onExit = (): void => cluster.abandon(signal.aborted ? 'SIGKILL' : 'SIGTERM');
  process.on('SIGHUP', onHangUp);
  process.on('exit', onExit);
  try {
    return await runUntil(cluster, { ...invocation, stdout, signal });
  } finally {
    process.off('SIGHUP', onHangUp);
    process.off('exit', onExit);
  }
}

function requireNoneRunning(cluster: Cluster): void {
  const running = cluster.exists() ? cluster.running() : [];
  if (running.length === 0) return;
  throw new CommandError(
    ExitCode.failed,
    `a cluster is already running in ${cluster.dataDir}: ` +
      `end it with "${clusterCommand('stop', cluster.dataDir)}", then run this again`,
  );
}

async function runUntil(
  cluster: Cluster,
  invocation: Invocation<typeof startOptions>,
): Promise<ExitCode> {
  const { stdout, signal } = invocation;
  let code: ExitCode = ExitCode.ok;
  try {
    const views = await startNodes(cluster, invocation);
    const lines = ['', ...howToTalk(views), '', ...howToManage(cluster.dataDir, false)];
    stdout.write(`${lines.join('\n')}\n\nCtrl-C stops the cluster; the data stays.\n\n`);
    code = await watch(cluster, views, stdout, signal);
  } catch (error) {
    // A start that Ctrl-C broke off has been taken back; that is a graceful end as well.
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) stdout.write('\nStopping…\n');
  const stopped = await stopNodes(cluster, cluster.running(), STOP_PATIENCE_MS, stdout);
  if (stopped.length > 0) stdout.write(`Stopped; the data stays in ${cluster.dataDir}\n`);
  return code;
}

/** Prints events until Ctrl-C (ok), or until no node is left: stopped elsewhere (ok) or dead. */
async function watch(
  cluster: Cluster,
  first: readonly NodeView[],
  stdout: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  let views = first;
  let reign = reignOf(first);
  while (!signal.aborted) {
    await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const next = await cluster.views();
    const nextReign = reignOf(next);
    const events = [...nodeEvents(views, next), ...reignEvents(reign, nextReign)];
    for (const event of events) stdout.write(`${timeOfDay()} ${event}\n`);
    for (const { id } of newlyDead(views, next)) {
      for (const line of lastWords(cluster, id, LAST_WORDS)) stdout.write(`         | ${line}\n`);
      stdout.write(
        `         start it again: ${clusterCommand(`restart ${id}`, cluster.dataDir)}\n`,
      );
    }
    views = next;
    reign = nextReign;
    if (next.every(({ state }) => state === 'stopped')) return ExitCode.ok;
    if (next.every(({ state }) => state === 'died' || state === 'stopped')) {
      throw new CommandError(ExitCode.failed, 'no node is left; the lines above say why');
    }
  }
  return ExitCode.ok;
}

function newlyDead(before: readonly NodeView[], after: readonly NodeView[]): NodeView[] {
  return after.filter(
    ({ id, state }) => state === 'died' && before.find((then) => then.id === id)?.state !== 'died',
  );
}

function timeOfDay(): string {
  return new Date().toTimeString().slice(0, 8);
}
