/**
 * A whole crash run: makes a cluster, runs the trials, checks everything once more after a clean
 * restart, and cleans up. The library form of `ringraft crash`, which tests call as well.
 *
 * It must never remove the data directory of a run that found a problem, nor leave a node behind.
 * kill -9 takes the process, not the page cache: a loss of power is the simulator's to show.
 */

import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../engine/raft/prng.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { Cluster, STOP_PATIENCE_MS } from '../cluster/cluster.js';
import { HOST } from '../cluster/cluster-state.js';
import { freeBasePort } from '../cluster/free-ports.js';
import { waitServing } from '../cluster/readiness.js';
import type { CrashOptions } from './crash-options.js';
import { type CrashReport, damageTotals, type TrialReport } from './crash-report.js';
import { InstallCount } from './install-count.js';
import { Ledger } from './ledger.js';
import { type CrashContext, runTrial } from './trial.js';
import { verifyCounters, verifyKeys } from './verify.js';
import { planTrials } from './victims.js';

const START_TIMEOUT_MS = 120_000;
const DAMAGE_NODES_MIN = 3;
const SEED_END = 0x1_0000_0000;

export interface CrashHooks {
  readonly signal: AbortSignal;
  readonly onStart?: (seed: number, dataDir: string) => void;
  readonly onTrial?: (report: TrialReport) => void;
}

/** Runs the proof; resolves to what it found. Rejects only when it is aborted or cannot begin. */
export async function runCrash(options: CrashOptions, hooks: CrashHooks): Promise<CrashReport> {
  if (options.damage && options.nodes < DAMAGE_NODES_MIN) {
    const why = `--damage takes a node's data, and ${options.nodes} have no majority without it`;
    throw new CommandError(ExitCode.usage, `${why}: give --nodes ${DAMAGE_NODES_MIN} or more`);
  }
  const seed = options.seed ?? randomInt(SEED_END);
  const cluster = new Cluster(emptyDirectory(options.data));
  const onExit = (): void => cluster.abandon('SIGKILL');
  process.on('exit', onExit);
  let report: CrashReport | undefined;
  try {
    hooks.onStart?.(seed, cluster.dataDir);
    report = await runTrials(cluster, seed, options, hooks);
    return report;
  } finally {
    await endCluster(cluster);
    process.off('exit', onExit);
    // An interrupted run proved nothing, so there is nothing to keep.
    const keep = options.keep || report?.passed === false;
    if (!keep) rmSync(cluster.dataDir, { recursive: true, force: true });
  }
}

function emptyDirectory(chosen: string | undefined): string {
  if (chosen === undefined) return mkdtempSync(join(tmpdir(), 'ringraft-crash-'));
  mkdirSync(chosen, { recursive: true });
  if (readdirSync(chosen).length === 0) return chosen;
  throw new CommandError(
    ExitCode.failed,
    `${chosen} is not empty: a crash run kills what lies there, so name a new directory`,
  );
}

async function endCluster(cluster: Cluster): Promise<void> {
  if (!cluster.exists()) return;
  await Promise.all(cluster.running().map((id) => cluster.stop(id, STOP_PATIENCE_MS)));
}

async function runTrials(
  cluster: Cluster,
  seed: number,
  options: CrashOptions,
  hooks: CrashHooks,
): Promise<CrashReport> {
  const began = performance.now();
  const startedAt = new Date().toISOString();
  const prng = new Prng(seed);
  const flags = flagsOf(options);
  const ledger = new Ledger(options.connections);
  const trials: TrialReport[] = [];
  let finalCheck: CrashReport['finalCheck'] = null;
  let failure: string | null = null;
  try {
    const context = await prepare(cluster, options, flags, ledger, prng, hooks.signal);
    const plans = planTrials(prng, options.trials, options.nodes, options.damage);
    for (const [at, plan] of plans.entries()) {
      const trial = await runTrial(context, at + 1, plan);
      trials.push(trial);
      hooks.onTrial?.(trial);
      // What comes after a loss would only blur its traces.
      if (trial.problems.length > 0) break;
    }
    if (trials.every(({ problems }) => problems.length === 0)) {
      finalCheck = await checkAll(context);
    }
  } catch (error) {
    if (hooks.signal.aborted || !(error instanceof CommandError)) throw error;
    failure = error.message;
  }
  const clean = trials.every(({ problems }) => problems.length === 0);
  const passed = clean && failure === null && finalCheck?.problems.length === 0;
  const { acked, refused, unknown } = ledger;
  return {
    ...{ seed, nodes: options.nodes, flags, data: cluster.dataDir, startedAt, trials, finalCheck },
    ...{ acked, refused, unknown, failure, passed, damage: damageTotals(trials) },
    kept: options.keep || !passed,
    seconds: (performance.now() - began) / 1000,
  };
}

/** Beside damage there are to be snapshots to damage, and followers that need one. */
const OFTEN = [
  ...['--snapshot-threshold', '2000', '--snapshot-trailing', '0'],
  ...['--snapshot-min-interval', '500ms'],
];

function flagsOf({ sync, timing, damage }: CrashOptions): string[] {
  return [
    ...(damage ? OFTEN : []),
    ...(sync === undefined ? [] : ['--sync', sync]),
    ...(timing === undefined ? [] : ['--timing', timing]),
  ];
}

async function prepare(
  cluster: Cluster,
  options: CrashOptions,
  flags: readonly string[],
  ledger: Ledger,
  prng: Prng,
  signal: AbortSignal,
): Promise<CrashContext> {
  const { nodes } = options;
  const basePort = options['base-port'] ?? (await freeBasePort(nodes, process.pid));
  const ids = await cluster.startMissing({ count: nodes, basePort, flags });
  await waitServing(cluster, ids, { timeoutMs: START_TIMEOUT_MS, signal });
  const targets = cluster.state().nodes.map(({ id, clientPort }) => ({
    id,
    address: { host: HOST, port: clientPort },
  }));
  const installs = new InstallCount();
  return { cluster, targets, ledger, prng, installs, inFlight: options['in-flight'], signal };
}

/** After a clean stop and start: every key and every counter, on every node. */
async function checkAll({
  cluster,
  targets,
  ledger,
  signal,
}: CrashContext): Promise<NonNullable<CrashReport['finalCheck']>> {
  const ids = targets.map(({ id }) => id);
  await Promise.all(ids.map((id) => cluster.stop(id, STOP_PATIENCE_MS)));
  await cluster.start(ids);
  await waitServing(cluster, ids, { timeoutMs: START_TIMEOUT_MS, signal });
  const ranges = ledger.writers.map((writer) => ({ writer, from: 0, to: writer.count }));
  const counters = await verifyCounters(targets, ledger);
  const problems = [...counters.problems];
  let { checked } = counters;
  for (const turn of ids) {
    signal.throwIfAborted();
    const keys = await verifyKeys(targets, ranges, turn);
    problems.push(...keys.problems);
    checked += keys.checked;
  }
  return { checked, problems };
}
