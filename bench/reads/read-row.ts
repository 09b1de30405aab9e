/**
 * One row of `bench reads`: GETs over the client port of the leader, in runs on the same three
 * nodes, whose keys were all written before.
 *
 * A read counts when the generator has read its reply, and only that; one that found nothing is a
 * problem.
 */

import { totalErrors } from '../../tools/load/error-kinds.js';
import type { LoadReport } from '../../tools/load/load-report.js';
import { Generator, KEYS } from '../cluster/generator.js';
import type { Nodes } from '../cluster/nodes.js';
import type { Measured } from '../cluster/rows.js';
import { type Sample, takeSample } from '../cluster/samples.js';
import { median } from '../statistics.js';
import { SHAPE } from './read-rows.js';

/** Until code that has just started is compiled. */
const BURST_SECONDS = 3;

export interface ReadRowPlan {
  readonly runs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly signal: AbortSignal;
  readonly onRun: (run: number, report: LoadReport) => void;
}

interface Run {
  readonly report: LoadReport;
  readonly first: Sample;
  readonly second: Sample;
}

export async function measureReads(nodes: Nodes, plan: ReadRowPlan): Promise<Measured> {
  const { targets } = nodes;
  const { signal } = plan;
  const warm = { seconds: BURST_SECONDS, warmupSeconds: 0, readsOnly: true, fill: true };
  await new Generator({ targets, shape: SHAPE, ...warm, signal }).report();
  const runs: Run[] = [];
  for (let run = 1; run <= plan.runs; run += 1) {
    const done = await measureOnce(nodes, plan);
    runs.push(done);
    plan.onRun(run, done.report);
  }
  return {
    runs: runs.map(({ report }) => report.opsPerSecond),
    problems: runs.flatMap(({ report }, at) => problemsOf(report, at + 1)),
    detail: detailOf(runs),
  };
}

async function measureOnce(nodes: Nodes, plan: ReadRowPlan): Promise<Run> {
  const { seconds, warmupSeconds, signal } = plan;
  const timing = { seconds, warmupSeconds, readsOnly: true };
  const generator = new Generator({ targets: nodes.targets, shape: SHAPE, ...timing, signal });
  await generator.measured(1);
  const first = await takeSample(nodes, generator.pid);
  await generator.measured(seconds - 1);
  const second = await takeSample(nodes, generator.pid);
  return { report: await generator.report(), first, second };
}

function problemsOf({ errors, errorSamples, misses }: LoadReport, run: number): string[] {
  const problems: string[] = [];
  const count = totalErrors(errors);
  if (count > 0) {
    const samples = errorSamples.length > 0 ? `, ${errorSamples.join('; ')}` : '';
    problems.push(`run ${run} had ${count} errors: ${JSON.stringify(errors)}${samples}`);
  }
  if (misses > 0) problems.push(`run ${run} read ${misses} keys that had no value`);
  return problems;
}

function detailOf(runs: readonly Run[]) {
  const perRead = (pick: (sample: Sample) => number): number =>
    median(
      runs.map(({ report, first, second }) => {
        const reads = (report.opsPerSecond * (second.atMs - first.atMs)) / 1000;
        return (pick(second) - pick(first)) / reads;
      }),
    );
  const latency = (pick: (one: NonNullable<LoadReport['latencyMs']['reads']>) => number): number =>
    median(runs.map(({ report: { latencyMs } }) => (latencyMs.reads ? pick(latencyMs.reads) : 0)));
  return {
    ...SHAPE,
    keys: KEYS,
    p50Ms: latency(({ p50 }) => p50),
    p99Ms: latency(({ p99 }) => p99),
    maxMs: Math.max(...runs.map(({ report }) => report.latencyMs.reads?.max ?? 0)),
    cpuUsPerRead: perRead(({ cpuUs }) => cpuUs),
    leaderCpuUsPerRead: perRead(({ leaderCpuUs }) => leaderCpuUs),
    generatorCpuUsPerRead: perRead(({ generatorCpuUs }) => generatorCpuUs),
    generatorCores: median(runs.map(({ report }) => report.cpu.coreShare)),
    errors: runs.map(({ report }) => report.errors),
    leaders: runs.map(({ report }) => report.leaders.map(({ nodeId }) => nodeId)),
  };
}
