/**
 * The rows under load: throughput, and latency with one write in flight. All runs of a row drive
 * the same three nodes; afterwards the nodes' states must be equal.
 *
 * A write counts when the generator has read its reply, and only that.
 */

import { totalErrors } from '../../tools/load/error-kinds.js';
import type { LoadReport } from '../../tools/load/load-report.js';
import { median } from '../statistics.js';
import { Generator, KEYS } from './generator.js';
import type { Nodes } from './nodes.js';
import type { LoadShape, Measured } from './rows.js';
import { type Between, between, takeSample } from './samples.js';
import { digestProblems, stateDigests } from './state-digests.js';

/**
 * Before the first run, nodes that have just started get this: code that has run a few thousand
 * times only is not compiled yet, and one write in flight would take a minute to change that.
 */
const BURST = { inFlight: 1024, connections: 4, seconds: 4 };

export interface LoadRowPlan {
  readonly shape: LoadShape;
  readonly measure: 'throughput' | 'latency';
  readonly runs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly signal: AbortSignal;
  readonly onRun: (run: number, report: LoadReport) => void;
}

interface Run {
  readonly report: LoadReport;
  readonly between: Between | null;
}

export async function measureLoad(nodes: Nodes, plan: LoadRowPlan): Promise<Measured> {
  await warmUp(nodes, plan);
  const runs: Run[] = [];
  for (let run = 1; run <= plan.runs; run += 1) {
    const done = await measureOnce(nodes, plan);
    runs.push(done);
    plan.onRun(run, done.report);
  }
  const digests = await stateDigests(nodes);
  const latencies = runs.map(({ report }) => report.latencyMs.writes?.p50 ?? Number.NaN);
  const rates = runs.map(({ report }) => report.opsPerSecond);
  return {
    runs: plan.measure === 'throughput' ? rates : latencies,
    problems: problemsOf(runs, digests),
    detail: detailOf(plan.shape, runs, digests),
  };
}

async function warmUp({ targets }: Nodes, { shape, signal }: LoadRowPlan): Promise<void> {
  const { inFlight, connections, seconds } = BURST;
  const burst = { valueBytes: shape.valueBytes, inFlight, connections };
  await new Generator({ targets, shape: burst, seconds, warmupSeconds: 0, signal }).report();
}

async function measureOnce(nodes: Nodes, plan: LoadRowPlan): Promise<Run> {
  const { shape, seconds, warmupSeconds, signal } = plan;
  const { targets } = nodes;
  const generator = new Generator({ targets, shape, seconds, warmupSeconds, signal });
  await generator.measured(1);
  const first = await takeSample(nodes, generator.pid);
  await generator.measured(seconds - 1);
  const second = await takeSample(nodes, generator.pid);
  const report = await generator.report();
  return { report, between: between(first, second) };
}

function problemsOf(runs: readonly Run[], digests: readonly string[]): string[] {
  const problems = digestProblems(digests);
  for (const [at, { report }] of runs.entries()) {
    const errors = totalErrors(report.errors);
    if (errors === 0) continue;
    const samples = report.errorSamples.length > 0 ? `, ${report.errorSamples.join('; ')}` : '';
    problems.push(`run ${at + 1} had ${errors} errors: ${JSON.stringify(report.errors)}${samples}`);
  }
  return problems;
}

function detailOf(shape: LoadShape, runs: readonly Run[], digests: readonly string[]) {
  const known = runs.flatMap((run) => (run.between === null ? [] : [run.between]));
  const middle = (pick: (one: Between) => number): number | null =>
    known.length === 0 ? null : median(known.map(pick));
  const latency = (pick: (one: NonNullable<LoadReport['latencyMs']['writes']>) => number) =>
    median(
      runs.map(({ report: { latencyMs } }) => (latencyMs.writes ? pick(latencyMs.writes) : 0)),
    );
  return {
    ...shape,
    keys: KEYS,
    burst: BURST,
    p50Ms: latency(({ p50 }) => p50),
    p99Ms: latency(({ p99 }) => p99),
    maxMs: Math.max(...runs.map(({ report }) => report.latencyMs.writes?.max ?? 0)),
    cpuUsPerWrite: middle((one) => one.cpuUsPerWrite),
    generatorCpuUsPerWrite: middle((one) => one.generatorCpuUsPerWrite),
    generatorCores: middle((one) => one.generatorCores),
    leaderCpuUsPerWrite: middle((one) => one.leaderCpuUsPerWrite),
    entriesPerBlock: middle((one) => one.entriesPerBlock),
    entriesPerRequest: middle((one) => one.entriesPerRequest),
    logBytesPerWrite: middle((one) => one.logBytesPerWrite),
    syncsPerWrite: middle((one) => Math.max(...one.syncsPerWrite)),
    syncsPerSecond: middle((one) => Math.max(...one.syncsPerSecond)),
    digest: digests[0] ?? null,
    errors: runs.map(({ report }) => report.errors),
    leaders: runs.map(({ report }) => report.leaders.map(({ nodeId }) => nodeId)),
  };
}
