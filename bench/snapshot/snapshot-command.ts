/**
 * `bench snapshot`: fills three nodes with a large state, measures the rows on them, and the
 * restart on three others. Nodes take snapshots only when they are told to.
 *
 * Progress goes to stderr, the result to stdout, so that a pipe gets the result only.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Invocation, Output } from '../../tools/cli/command.js';
import type { ExitCode } from '../../tools/cli/exit-codes.js';
import { describeMachine, loadAverage } from '../cluster/context.js';
import { requireDisk } from '../cluster/disk-kind.js';
import { Generator } from '../cluster/generator.js';
import { Nodes } from '../cluster/nodes.js';
import { requireProc } from '../cluster/process-figures.js';
import { SyncProbe } from '../cluster/sync-probe.js';
import type { snapshotBenchOptions } from '../commands.js';
import { figure } from '../text-table.js';
import { measureImage } from './image-part.js';
import { IN_FLIGHT, measureLoadPart } from './load-part.js';
import { measureCatchUp, measureRestart } from './rest-parts.js';
import { deliverSnapshots, type SnapshotReport } from './snapshot-report.js';
import { judgeRow, type Measured, type Part, type RowId, type RowResult } from './snapshot-rows.js';

type SnapshotInvocation = Invocation<typeof snapshotBenchOptions>;

/** Nothing but the command has a snapshot taken; the log has room for a window without any. */
const BY_COMMAND_ONLY = [
  ...['--snapshot-threshold', String(Number.MAX_SAFE_INTEGER)],
  ...['--snapshot-log-bytes', '1024g', '--max-log', '512g'],
];
const RESTART_VALUE_BYTES = 16;
const FILL_CONNECTIONS = 4;
/** The log since its snapshots is replayed here: no longer than they take. */
const IMAGE_SECONDS_MAX = 30;

export async function run(invocation: SnapshotInvocation): Promise<ExitCode> {
  const { options } = invocation;
  requireProc();
  const fileSystem = requireDisk(options.dir);
  const parent = resolve(options.dir);
  const directory = mkdtempSync(join(parent, 'run-'));
  try {
    const report = await new SnapshotBench(invocation, directory).measure(parent, fileSystem);
    return deliverSnapshots(report, invocation);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class SnapshotBench {
  readonly #options: SnapshotInvocation['options'];
  readonly #signal: AbortSignal;
  readonly #progress: Output;
  readonly #directory: string;
  readonly #disk: SyncProbe;
  readonly #rows: RowResult[] = [];

  constructor({ options, stderr, signal }: SnapshotInvocation, directory: string) {
    this.#options = options;
    this.#signal = signal;
    this.#progress = stderr;
    this.#directory = directory;
    this.#disk = new SyncProbe(directory);
  }

  async measure(parent: string, fileSystem: string): Promise<SnapshotReport> {
    const { runs, seconds, warmup, keys, entries } = this.#options;
    const startedAt = new Date().toISOString();
    const before = loadAverage();
    this.#disk.sample();
    if (this.#options.parts.some((part) => part !== 'restart')) {
      await this.#measureLargeState();
    }
    if (this.#wants('restart')) await this.#measureRestart();
    this.#disk.sample();
    const context = {
      ...describeMachine(),
      startedAt,
      sync: 'always' as const,
      directory: parent,
      fileSystem,
      runs,
      seconds,
      warmupSeconds: warmup,
      fdatasync: this.#disk.times(),
      load: { before, after: loadAverage() },
      keys,
      valueBytes: this.#options['value-size'],
      entries,
    };
    return { context, rows: this.#rows };
  }

  #wants(part: Part): boolean {
    return this.#options.parts.includes(part);
  }

  #say(text: string): void {
    this.#progress.write(`${text}\n`);
  }

  #judge(id: RowId, measured: Measured): void {
    const row = judgeRow(id, measured);
    this.#rows.push(row);
    this.#say(`  ${id}: ${figure(row.value)} ${row.unit} (${row.runs.map(figure).join(' ')})`);
  }

  async #filled(keys: number, valueBytes: number): Promise<Nodes> {
    const { profile } = this.#options;
    if (profile !== undefined) mkdirSync(profile, { recursive: true });
    const nodes = await Nodes.start({
      directory: join(this.#directory, 'nodes'),
      profiles: profile === undefined ? null : resolve(profile),
      parameters: BY_COMMAND_ONLY,
      signal: this.#signal,
    });
    this.#say(`filling ${keys} keys of ${valueBytes} bytes`);
    try {
      await new Generator({
        targets: nodes.targets,
        shape: { valueBytes, inFlight: IN_FLIGHT, connections: FILL_CONNECTIONS },
        seconds: 1,
        warmupSeconds: 0,
        keys,
        fill: true,
        signal: this.#signal,
      }).report();
      return nodes;
    } catch (error) {
      await nodes.close();
      throw error;
    }
  }

  async #measureLargeState(): Promise<void> {
    const { keys, 'value-size': valueBytes, runs, seconds, warmup } = this.#options;
    const nodes = await this.#filled(keys, valueBytes);
    const signal = this.#signal;
    try {
      const loads = (['saturated', 'half'] as const).filter((load) => this.#wants(load));
      if (loads.length > 0) {
        const { rows } = await measureLoadPart(nodes, {
          ...{ keys, valueBytes, loads, runs, seconds, warmupSeconds: warmup, signal },
          say: (text) => this.#say(text),
          rested: () => this.#disk.sample(),
        });
        for (const [id, measured] of rows) this.#judge(id, measured);
      }
      if (this.#wants('image')) {
        this.#say('image: snapshots under load against the log and the nodes');
        const plan = { keys, valueBytes, seconds: Math.min(seconds, IMAGE_SECONDS_MAX), signal };
        this.#judge('image', await measureImage(nodes, plan));
      }
      if (this.#wants('catch-up')) {
        this.#say('catch-up: a node without data');
        this.#judge('catch-up', await measureCatchUp(nodes, runs, signal));
      }
    } finally {
      await nodes.close();
    }
  }

  async #measureRestart(): Promise<void> {
    const { entries, runs } = this.#options;
    const nodes = await this.#filled(entries, RESTART_VALUE_BYTES);
    try {
      this.#say(`restart: ${entries} entries in the log`);
      this.#judge('restart', await measureRestart(nodes, entries, runs, this.#signal));
    } finally {
      await nodes.close();
    }
  }
}
