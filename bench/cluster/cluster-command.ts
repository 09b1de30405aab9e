/**
 * `bench cluster`: measures the rows one after the other, each on three fresh nodes, and says
 * whether every floor is met.
 *
 * Progress goes to stderr, the result to stdout, so that a pipe gets the result only.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Invocation, Output } from '../../tools/cli/command.js';
import type { ExitCode } from '../../tools/cli/exit-codes.js';
import type { clusterBenchOptions } from '../commands.js';
import { figure } from '../text-table.js';
import { type BenchReport, deliverReport } from './bench-report.js';
import { type Context, describeMachine, loadAverage } from './context.js';
import { requireDisk } from './disk-kind.js';
import { measureFailover } from './failover-row.js';
import { measureLoad } from './load-row.js';
import { measureMemory } from './memory-row.js';
import { Nodes } from './nodes.js';
import { requireProc } from './process-figures.js';
import { judgeRow, type Measured, ROWS, type RowResult, type RowSpec } from './rows.js';
import { SyncProbe } from './sync-probe.js';

type BenchInvocation = Invocation<typeof clusterBenchOptions>;

export async function run(invocation: BenchInvocation): Promise<ExitCode> {
  const { options } = invocation;
  requireProc();
  const fileSystem = requireDisk(options.dir);
  const parent = resolve(options.dir);
  const directory = mkdtempSync(join(parent, 'run-'));
  try {
    const report = await new ClusterBench(invocation, directory).measure(parent, fileSystem);
    return deliverReport(report, invocation);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class ClusterBench {
  readonly #options: BenchInvocation['options'];
  readonly #signal: AbortSignal;
  readonly #progress: Output;
  readonly #directory: string;
  readonly #disk: SyncProbe;

  constructor({ options, stderr, signal }: BenchInvocation, directory: string) {
    this.#options = options;
    this.#signal = signal;
    this.#progress = stderr;
    this.#directory = directory;
    this.#disk = new SyncProbe(directory);
  }

  async measure(parent: string, fileSystem: string): Promise<BenchReport> {
    const { runs, seconds, warmup: warmupSeconds, rows } = this.#options;
    const startedAt = new Date().toISOString();
    const loadBefore = loadAverage();
    const rowsMeasured: RowResult[] = [];
    for (const spec of ROWS) {
      if (rows.includes(spec.id)) rowsMeasured.push(await this.#judgeRow(spec));
    }
    const context: Context = {
      ...describeMachine(),
      startedAt,
      sync: 'always',
      directory: parent,
      fileSystem,
      runs,
      seconds,
      warmupSeconds,
      fdatasync: this.#disk.times(),
      load: { before: loadBefore, after: loadAverage() },
    };
    return { context, rows: rowsMeasured };
  }

  /** A floor that follows the disk follows it as it was while this row was measured. */
  async #judgeRow(spec: RowSpec): Promise<RowResult> {
    this.#disk.beginRow();
    const { detail, ...measured } = await this.#measureRow(spec);
    const disk = this.#disk.endRow();
    return judgeRow(spec, { ...measured, detail: { ...detail, fdatasync: disk } }, disk);
  }

  #say(text: string): void {
    this.#progress.write(`${text}\n`);
  }

  #start(): Promise<Nodes> {
    const { profile } = this.#options;
    if (profile !== undefined) mkdirSync(profile, { recursive: true });
    return Nodes.start({
      directory: join(this.#directory, 'nodes'),
      profiles: profile === undefined ? null : resolve(profile),
      signal: this.#signal,
    });
  }

  async #measureRow(spec: RowSpec): Promise<Measured> {
    const { runs } = this.#options;
    this.#say(`${spec.id}: ${spec.what}`);
    if (spec.measure === 'memory') return measureMemory(() => this.#start(), runs, this.#signal);
    const nodes = await this.#start();
    try {
      if (spec.measure === 'failover') {
        return await measureFailover(nodes, this.#signal, (kill, ms) =>
          this.#say(`  kill ${kill}: ${figure(ms)} ms`),
        );
      }
      return await this.#measureLoad(nodes, spec, spec.measure);
    } finally {
      await nodes.close();
    }
  }

  #measureLoad(
    nodes: Nodes,
    { load }: RowSpec,
    measure: 'throughput' | 'latency',
  ): Promise<Measured> {
    if (load === null) throw new Error('a row under load says what is in flight');
    const { runs, seconds, warmup: warmupSeconds } = this.#options;
    return measureLoad(nodes, {
      shape: load,
      measure,
      runs,
      seconds,
      warmupSeconds,
      signal: this.#signal,
      onRun: (run, { opsPerSecond, latencyMs }) => {
        const p50 = latencyMs.writes === null ? '–' : figure(latencyMs.writes.p50);
        this.#say(`  run ${run}: ${figure(opsPerSecond)} writes/s, p50 ${p50} ms`);
        this.#disk.sample();
      },
    });
  }
}
