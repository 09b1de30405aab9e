/**
 * One run of the load generator: fill if asked, warm up, measure, report. The library form, which
 * the `load` command and the benches call.
 *
 * It must never print; progress goes to a callback. The CPU time it reports is the whole process's,
 * so a bench that wants it exact runs the command as a process of its own.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { printAddress } from '../cli/value-rules.js';
import { Driver, type LeaderSighting } from './driver.js';
import { totalErrors } from './error-kinds.js';
import { LOAD_DEFAULTS, type LoadOptions, SESSION_WINDOW_MAX } from './load-options.js';
import {
  configOf,
  cpuOf,
  type LeaderNote,
  type LoadReport,
  readEnvironment,
} from './load-report.js';
import { type Interval, Tally } from './tally.js';

const INTERVAL_MS = 1000;
const FILL_CHECK_MS = 20;
/** Requests are kept written out; this bounds what they may take. */
const REQUEST_BYTES_MAX = 1024 * 1024 * 1024;
const REQUEST_OVERHEAD_BYTES = 64;

export type LoadRequest = Pick<LoadOptions, 'targets'> & Partial<LoadOptions>;

export type LoadPhase = 'fill' | 'warm-up' | 'measure';

export interface LoadHooks {
  /** Ends the run early; what was measured until then is reported. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (phase: LoadPhase, interval: Interval) => void;
}

/**
 * Drives the targets and measures. Rejects with a `CommandError`: `usage` for options that do not
 * go together, `noLeader` or `cannotConnect` when there is nothing to drive.
 */
export async function runLoad(request: LoadRequest, hooks: LoadHooks = {}): Promise<LoadReport> {
  const options: LoadOptions = { ...LOAD_DEFAULTS, ...request };
  requireRoom(options);
  if (options.sessions) requireSessionRoom(options);
  const fillErrors = options.fill ? await fill(options, hooks) : 0;
  const tally = new Tally(performance.now());
  const driver = new Driver({ ...options, order: 'uniform' }, tally);
  await driver.start(hooks.signal);
  await pass(options.warmupMs, 'warm-up', tally, hooks);
  const startedAt = new Date().toISOString();
  const begin = performance.now();
  tally.restart(begin);
  const cpuBefore = process.cpuUsage();
  await pass(options.durationMs, 'measure', tally, hooks);
  const measured = measure(tally, cpuBefore);
  const behind = driver.behind(performance.now());
  await driver.stop();
  return {
    config: configOf(options),
    environment: readEnvironment(),
    startedAt,
    ...measured,
    // Replies that never came are known only now.
    errors: { ...tally.errors },
    errorSamples: [...tally.errorSamples],
    fillErrors,
    behind,
    retries: tally.retries,
    reconnects: driver.reconnects,
    leaders: driver.sightings.map((sighting) => leaderNote(sighting, begin)),
    interrupted: hooks.signal?.aborted === true,
  };
}

function requireRoom({ inFlight, valueSize }: LoadOptions): void {
  const needed = inFlight * (valueSize + REQUEST_OVERHEAD_BYTES);
  if (needed <= REQUEST_BYTES_MAX) return;
  throw new CommandError(
    ExitCode.usage,
    `--in-flight ${inFlight} with --value-size ${valueSize} needs ${needed} bytes of requests, ` +
      `at most ${REQUEST_BYTES_MAX} are allowed: lower one of them`,
  );
}

function requireSessionRoom({ inFlight, connections }: LoadOptions): void {
  const inFlightMax = connections * SESSION_WINDOW_MAX;
  if (inFlight <= inFlightMax) return;
  const needed = Math.ceil(inFlight / SESSION_WINDOW_MAX);
  throw new CommandError(
    ExitCode.usage,
    `--in-flight ${inFlight} with --sessions needs ${needed} connections, one for each ` +
      `${SESSION_WINDOW_MAX} in flight: set --connections ${needed} or --in-flight ${inFlightMax}`,
  );
}

/** Writes every key once; resolves to how many could not be written. */
async function fill(options: LoadOptions, hooks: LoadHooks): Promise<number> {
  const tally = new Tally(performance.now());
  const driver = new Driver({ ...options, rate: 0, readShare: 0, order: 'fill' }, tally);
  await driver.start(hooks.signal);
  let reportedAt = performance.now();
  while (!driver.finished && hooks.signal?.aborted !== true) {
    await sleep(FILL_CHECK_MS);
    if (performance.now() - reportedAt < INTERVAL_MS) continue;
    reportedAt = performance.now();
    hooks.onProgress?.('fill', tally.endInterval(reportedAt));
  }
  await driver.stop();
  return totalErrors(tally.errors);
}

/** Lets `durationMs` go by, reporting every interval; the last one is shorter. */
async function pass(
  durationMs: number,
  phase: LoadPhase,
  tally: Tally,
  { signal, onProgress }: LoadHooks,
): Promise<void> {
  const end = performance.now() + durationMs;
  for (let left = durationMs; left > 0 && !signal?.aborted; left = end - performance.now()) {
    try {
      await sleep(Math.min(left, INTERVAL_MS), undefined, signal === undefined ? {} : { signal });
    } catch {
      // Ctrl-C: what was measured so far is reported.
    }
    const interval = tally.endInterval(performance.now());
    onProgress?.(phase, interval);
  }
}

function measure(
  tally: Tally,
  cpuBefore: NodeJS.CpuUsage,
): Pick<
  LoadReport,
  | 'seconds'
  | 'operations'
  | 'opsPerSecond'
  | 'writes'
  | 'reads'
  | 'misses'
  | 'latencyMs'
  | 'gapMsMax'
  | 'cpu'
  | 'series'
> {
  const now = performance.now();
  const usage = process.cpuUsage(cpuBefore);
  const seconds = tally.secondsSinceStart(now);
  const { writes, reads, misses, operations } = tally;
  const { all, writes: writeTimes, reads: readTimes } = tally.latencies();
  return {
    seconds,
    operations,
    opsPerSecond: seconds > 0 ? operations / seconds : 0,
    writes,
    reads,
    misses,
    latencyMs: { all: all ?? null, writes: writeTimes ?? null, reads: readTimes ?? null },
    gapMsMax: tally.gapMs(now),
    cpu: cpuOf(usage, seconds, operations),
    series: [...tally.series],
  };
}

function leaderNote({ at, leader }: LeaderSighting, begin: number): LeaderNote {
  return {
    atSeconds: (at - begin) / 1000,
    nodeId: leader.nodeId,
    address: printAddress(leader.address),
  };
}
