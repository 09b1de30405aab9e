/**
 * `ringraft cluster rolling-restart`: restarts one node after the other, the leader last and after
 * it has handed over, and waits after each until it counts again and has caught up. A client of its
 * own writes all the while, and shows what the others notice of it.
 *
 * It never takes a second node down: it does not begin while one is down already, and ends where
 * one does not come back.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Invocation } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type AskBounds, askLeader } from './ask-leader.js';
import { Cluster, STOP_PATIENCE_MS } from './cluster.js';
import type { waitOptions } from './cluster-options.js';
import { isMember } from './cluster-state.js';
import { leaderOf, type NodeView } from './node-view.js';
import { waitServing } from './readiness.js';
import { stopNodes } from './stop-nodes.js';
import { clusterCommand, seconds } from './wording.js';
import { WriteProbe } from './write-probe.js';

const POLL_MS = 50;
/** As in STATUS: what a node may be that is as it should be. */
const SOUND = ['full', 'nonVoter'];

type Rolling = Invocation<typeof waitOptions>;

export async function run(invocation: Rolling): Promise<ExitCode> {
  const { options, stdout, signal } = invocation;
  const cluster = new Cluster(options.data);
  const { nodes } = cluster.state();
  const members = nodes.filter(isMember);
  const ids = members.map(({ id }) => id);
  requireSound(
    cluster,
    (await cluster.views()).filter(({ id }) => ids.includes(id)),
  );
  const begun = performance.now();
  const probe = await WriteProbe.start(members, options.timeout);
  let longestMs = 0;
  try {
    const left = new Set(ids);
    while (left.size > 0) {
      signal.throwIfAborted();
      const id = await nextOf(cluster, left);
      longestMs = Math.max(longestMs, await restartOne(cluster, id, ids, probe, invocation));
      left.delete(id);
    }
  } finally {
    await probe.stop();
  }
  if (probe.failure !== null) {
    throw new CommandError(
      ExitCode.failed,
      `a write in a session was not acknowledged: ${probe.failure.message}`,
    );
  }
  stdout.write(
    `${ids.length} nodes restarted in ${seconds(performance.now() - begun)}: ` +
      `${probe.acknowledged} writes in a session, none failed, none acknowledged for ` +
      `${Math.round(longestMs)} ms at most\n`,
  );
  return ExitCode.ok;
}

function requireSound(cluster: Cluster, views: readonly NodeView[]): void {
  const unsound = views.filter(({ state, status }) => {
    return state !== 'serving' || !SOUND.includes(status?.standing ?? '');
  });
  if (unsound.length === 0) return;
  const list = unsound.map(({ id, state, status }) => {
    return `node ${id} is ${state === 'serving' ? (status?.standing ?? 'silent') : state}`;
  });
  const remedy = `see "${clusterCommand('status', cluster.dataDir)}", and begin when all serve`;
  throw new CommandError(
    ExitCode.failed,
    `${list.join(', ')}: nothing was restarted, since one more would be down; ${remedy}`,
  );
}

/** One that does not lead, as long as there is one. */
async function nextOf(cluster: Cluster, left: ReadonlySet<number>): Promise<number> {
  const leader = leaderOf(await cluster.views())?.id;
  const [first] = left;
  return [...left].find((id) => id !== leader) ?? (first as number);
}

/** Returns the longest time in which no write was acknowledged meanwhile. */
async function restartOne(
  cluster: Cluster,
  id: number,
  ids: readonly number[],
  probe: WriteProbe,
  { options, stdout, signal }: Rolling,
): Promise<number> {
  const bounds = { timeoutMs: options.timeout, signal };
  probe.takeGapMs();
  let handedMs = 0;
  if (ids.length > 1 && leaderOf(await cluster.views())?.id === id) {
    handedMs = await handOver(cluster, id, bounds, probe);
    stdout.write(`node ${id} handed over: no write acknowledged for ${Math.round(handedMs)} ms\n`);
  }
  const begun = performance.now();
  await stopNodes(cluster, [id], STOP_PATIENCE_MS, stdout);
  await cluster.start([id]);
  await waitServing(cluster, [id], bounds);
  const pid = await waitCaughtUp(cluster, id, bounds);
  const gapMs = Math.max(probe.takeGapMs(), handedMs);
  const took = seconds(performance.now() - begun);
  stdout.write(
    `node ${id} restarted and caught up after ${took} (pid ${pid}); no write acknowledged for ` +
      `${Math.round(gapMs)} ms at most\n`,
  );
  if (probe.failure !== null) throw new CommandError(ExitCode.failed, probe.failure.message);
  return gapMs;
}

/** Until another node leads and writes go on; how long they did not. */
async function handOver(
  cluster: Cluster,
  id: number,
  bounds: AskBounds,
  probe: WriteProbe,
): Promise<number> {
  const before = probe.acknowledged;
  await askLeader(cluster, ['TRANSFER'], bounds);
  const deadline = performance.now() + bounds.timeoutMs;
  for (;;) {
    bounds.signal.throwIfAborted();
    const leader = leaderOf(await cluster.views())?.id;
    const goesOn = probe.acknowledged > before + 1 || probe.failure !== null;
    if (leader !== undefined && leader !== id && goesOn) return probe.takeGapMs();
    if (performance.now() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    throw new CommandError(ExitCode.noLeader, `no other node led after node ${id} handed over`);
  }
}

/** It counts again, and has applied what was committed when that was first looked at. */
async function waitCaughtUp(cluster: Cluster, id: number, bounds: AskBounds): Promise<number> {
  const deadline = performance.now() + bounds.timeoutMs;
  let target = Number.POSITIVE_INFINITY;
  for (;;) {
    bounds.signal.throwIfAborted();
    const views = await cluster.views();
    target = Math.min(target, leaderOf(views)?.status?.commitIndex ?? target);
    const view = views.find((each) => each.id === id);
    const { standing = '', lastApplied = 0 } = view?.status ?? {};
    if (SOUND.includes(standing) && lastApplied >= target) return view?.pid ?? 0;
    if (performance.now() >= deadline) {
      const is = `${standing || 'silent'}, at entry ${lastApplied} of ${target}`;
      throw new CommandError(
        ExitCode.timeout,
        `node ${id} has not caught up after ${bounds.timeoutMs / 1000} s (${is}): no other node ` +
          'was restarted; wait longer with --timeout',
      );
    }
    await sleep(POLL_MS);
  }
}
