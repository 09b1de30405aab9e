/**
 * One trial: load, kill -9 in the midst of it, restart, wait until all serve, stop the load, read
 * back. It only acts and measures; what is right is verify.ts's to say.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../engine/raft/prng.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import type { Cluster } from '../cluster/cluster.js';
import { nodeDataPath } from '../cluster/cluster-state.js';
import { leaderOf } from '../cluster/node-view.js';
import { waitServing } from '../cluster/readiness.js';
import type { TrialReport } from './crash-report.js';
import { damageFiles } from './damage-files.js';
import { bringBack, type Return } from './damaged-node.js';
import type { InstallCount } from './install-count.js';
import type { Ledger } from './ledger.js';
import { Load } from './load.js';
import { type KeyRange, type Target, verifyCounters, verifyKeys } from './verify.js';
import type { TrialPlan } from './victims.js';

const SERVE_TIMEOUT_MS = 120_000;
const WRITE_TIMEOUT_MS = 120_000;
/** Keys of earlier trials that are read again in each trial, per writer. */
const OLD_KEYS_READ = 500;

export interface CrashContext {
  readonly cluster: Cluster;
  readonly targets: readonly Target[];
  readonly ledger: Ledger;
  readonly prng: Prng;
  readonly installs: InstallCount;
  readonly inFlight: number;
  readonly signal: AbortSignal;
}

export async function runTrial(
  context: CrashContext,
  trial: number,
  plan: TrialPlan,
): Promise<TrialReport> {
  const { cluster, ledger, targets, inFlight, signal } = context;
  const before = totals(ledger);
  const fresh = ledger.writers.map(({ count }) => count);
  const load = new Load(
    ledger,
    targets.map(({ address }) => address),
    inFlight,
  );
  try {
    await within(load.ackedAfter(0), WRITE_TIMEOUT_MS, 'no write was acknowledged', signal);
    await sleep(plan.killAfterMs, undefined, { signal });
    const killed = await chooseVictims(context, plan);
    const killedAt = performance.now();
    await Promise.all(killed.map((id) => cluster.kill(id)));
    const failoverMs = await surviveWithout(context, load, killed, killedAt, plan);
    const damaged = damageOne(context, killed, plan);
    const { recoveryMs, returned } = await restart(context, killed, plan, damaged);
    await sleep(plan.loadAfterMs, undefined, { signal });
    await load.stop();
    const verdict = await check(context, trial, fresh);
    const installed = await countInstalls(context, killed);
    const now = totals(ledger);
    return {
      ...{ trial, kind: plan.kind, killed, failoverMs, recoveryMs, ...verdict },
      ...{ damage: returned?.report ?? null, installed },
      problems: [...(returned?.problems ?? []), ...verdict.problems],
      acked: now.acked - before.acked,
      refused: now.refused - before.refused,
      unknown: now.unknown - before.unknown,
    };
  } finally {
    await load.stop();
  }
}

function totals({
  acked,
  refused,
  unknown,
}: Ledger): Record<'acked' | 'refused' | 'unknown', number> {
  return { acked, refused, unknown };
}

async function chooseVictims(context: CrashContext, { kind }: TrialPlan): Promise<number[]> {
  const { cluster, prng, targets } = context;
  const all = targets.map(({ id }) => id);
  if (kind === 'all' || kind === 'all, twice') return all;
  // Whoever leads at this moment; between two terms somebody is as good a victim as any.
  const leader = leaderOf(await cluster.views())?.id ?? prng.pick(all);
  return [kind === 'leader' ? leader : prng.pick(all.filter((id) => id !== leader))];
}

/** With a majority left, waits for it to go on; then lets the dead be dead for a while. */
async function surviveWithout(
  context: CrashContext,
  load: Load,
  killed: readonly number[],
  killedAt: number,
  plan: TrialPlan,
): Promise<number | null> {
  const { targets, signal } = context;
  let failoverMs: number | null = null;
  if (killed.length < targets.length / 2) {
    const lost = `node ${killed.join(', ')} was killed and the others did not go on`;
    failoverMs =
      (await within(load.ackedAfter(killedAt), WRITE_TIMEOUT_MS, lost, signal)) - killedAt;
  }
  await sleep(plan.downMs, undefined, { signal });
  return failoverMs;
}

interface Damaged {
  readonly node: number;
  readonly what: string;
}

/** Damages one of the dead; everybody else is whole, as every trial ends with all of them so. */
function damageOne(
  { cluster, prng }: CrashContext,
  killed: readonly number[],
  plan: TrialPlan,
): Damaged | null {
  if (!plan.damages) return null;
  const node = prng.pick(killed);
  const what = damageFiles(nodeDataPath(cluster.dataDir, node), prng);
  return what === null ? null : { node, what };
}

/** The others go on first: what is damaged must not be needed. */
async function restart(
  { cluster, targets, signal }: CrashContext,
  killed: readonly number[],
  plan: TrialPlan,
  damaged: Damaged | null,
): Promise<{ recoveryMs: number; returned: Return | null }> {
  const whole = killed.filter((id) => id !== damaged?.node);
  if (plan.kind === 'all, twice') {
    await cluster.start(whole);
    await sleep(plan.againAfterMs, undefined, { signal });
    await Promise.all(whole.map((id) => cluster.kill(id)));
  }
  const patience = { timeoutMs: SERVE_TIMEOUT_MS, signal };
  const all = targets.map(({ id }) => id);
  const restartedAt = performance.now();
  if (whole.length > 0) await cluster.start(whole);
  let returned: Return | null = null;
  if (damaged !== null) {
    const others = all.filter((id) => id !== damaged.node);
    await waitServing(cluster, others, patience);
    returned = await bringBack(cluster, damaged, patience);
  }
  await waitServing(cluster, all, patience);
  return { recoveryMs: performance.now() - restartedAt, returned };
}

/** Everything of this trial, a sample of what is older, and all counters. */
async function check(
  { ledger, targets, prng }: CrashContext,
  trial: number,
  fresh: readonly number[],
): Promise<Pick<TrialReport, 'checked' | 'problems'>> {
  const ranges = ledger.writers.flatMap((writer, at): KeyRange[] => {
    const first = fresh[at] ?? 0;
    const sample = prng.below(Math.max(1, first - OLD_KEYS_READ));
    return [
      { writer, from: first, to: writer.count },
      { writer, from: sample, to: Math.min(first, sample + OLD_KEYS_READ) },
    ];
  });
  const keys = await verifyKeys(targets, ranges, trial);
  const counters = await verifyCounters(targets, ledger);
  return {
    checked: keys.checked + counters.checked,
    problems: [...ledger.problems.splice(0), ...keys.problems, ...counters.problems],
  };
}

/** After the reads: whoever has answered them holds everything, however it came by it. */
async function countInstalls(
  { cluster, installs }: CrashContext,
  restarted: readonly number[],
): Promise<number> {
  const views = await cluster.views();
  const looks = views.map(({ id, status }) => ({ id, said: status?.snapshotsInstalled ?? null }));
  return installs.add(looks, restarted);
}

async function within<T>(
  promise: Promise<T>,
  timeoutMs: number,
  otherwise: string,
  signal: AbortSignal,
): Promise<T> {
  const ending = new AbortController();
  const timer = sleep(timeoutMs, undefined, {
    signal: AbortSignal.any([ending.signal, signal]),
  }).then(() => {
    throw new CommandError(ExitCode.timeout, `${otherwise} within ${timeoutMs / 1000} s`);
  });
  try {
    return await Promise.race([promise, timer]);
  } finally {
    timer.catch(() => undefined);
    ending.abort();
  }
}
