/**
 * `bench reads`: measures reads of each consistency, each on three fresh nodes, and says whether
 * the floor of linearizable ones is met.
 *
 * Progress goes to stderr, the result to stdout, so that a pipe gets the result only.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Invocation, Output } from '../../tools/cli/command.js';
import type { ExitCode } from '../../tools/cli/exit-codes.js';
import { describeMachine, loadAverage } from '../cluster/context.js';
import { requireDisk } from '../cluster/disk-kind.js';
import { Nodes } from '../cluster/nodes.js';
import { requireProc } from '../cluster/process-figures.js';
import { SyncProbe } from '../cluster/sync-probe.js';
import type { readBenchOptions } from '../commands.js';
import { figure } from '../text-table.js';
import { measureReads } from './read-row.js';
import { judgeRow, ROWS, type RowResult, type RowSpec } from './read-rows.js';
import { deliverReads, type ReadsReport } from './reads-report.js';

type ReadsInvocation = Invocation<typeof readBenchOptions>;

export async function run(invocation: ReadsInvocation): Promise<ExitCode> {
  const { options } = invocation;
  requireProc();
  const fileSystem = requireDisk(options.dir);
  const parent = resolve(options.dir);
  const directory = mkdtempSync(join(parent, 'run-'));
  try {
    const report = await new ReadsBench(invocation, directory).measure(parent, fileSystem);
    return deliverReads(report, invocation);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class ReadsBench {
  readonly #options: ReadsInvocation['options'];
  readonly #signal: AbortSignal;
  readonly #progress: Output;
  readonly #directory: string;
  readonly #disk: SyncProbe;

  constructor({ options, stderr, signal }: ReadsInvocation, directory: string) {
    this.#options = options;
    this.#signal = signal;
    this.#progress = stderr;
    this.#directory = directory;
    this.#disk = new SyncProbe(directory);
  }

  async measure(parent: string, fileSystem: string): Promise<ReadsReport> {
    const { runs, seconds, warmup: warmupSeconds, rows } = this.#options;
    const startedAt = new Date().toISOString();
    const before = loadAverage();
    const measured: RowResult[] = [];
    this.#disk.sample();
    for (const spec of ROWS) {
      if (rows.includes(spec.id)) measured.push(await this.#measureRow(spec));
    }
    this.#disk.sample();
    const context = {
      ...describeMachine(),
      startedAt,
      sync: 'always' as const,
      directory: parent,
      fileSystem,
      runs,
      seconds,
      warmupSeconds,
      fdatasync: this.#disk.times(),
      load: { before, after: loadAverage() },
    };
    return { context, rows: measured };
  }

  async #measureRow(spec: RowSpec): Promise<RowResult> {
    const { runs, seconds, warmup: warmupSeconds, profile } = this.#options;
    this.#say(`${spec.id}: ${spec.what}`);
    if (profile !== undefined) mkdirSync(profile, { recursive: true });
    const nodes = await Nodes.start({
      directory: join(this.#directory, 'nodes'),
      profiles: profile === undefined ? null : resolve(profile),
      parameters: ['--reads', spec.reads],
      signal: this.#signal,
    });
    try {
      const plan = { runs, seconds, warmupSeconds, signal: this.#signal };
      const measured = await measureReads(nodes, {
        ...plan,
        onRun: (run, { opsPerSecond }) =>
          this.#say(`  run ${run}: ${figure(opsPerSecond)} reads/s`),
      });
      return judgeRow(spec, measured);
    } finally {
      await nodes.close();
    }
  }

  #say(text: string): void {
    this.#progress.write(`${text}\n`);
  }
}
