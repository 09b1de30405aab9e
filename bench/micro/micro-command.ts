/**
 * `bench micro`: runs the tasks one after the other with tinybench and prints operations per second
 * and the time of one operation.
 *
 * Quantiles are over calls; a call of many operations is divided by their number, so they show the
 * spread of calls, not of single operations.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Bench } from 'tinybench';
import type { Invocation } from '../../tools/cli/command.js';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import { describeMachine, loadAverage } from '../cluster/context.js';
import { requireDisk } from '../cluster/disk-kind.js';
import type { microBenchOptions } from '../commands.js';
import { CODEC_TASKS } from './codec-tasks.js';
import { CORE_TASKS } from './core-tasks.js';
import { type MicroResult, microTable } from './micro-report.js';
import { RING_TASKS } from './ring-tasks.js';
import type { MicroTask } from './task.js';
import { WAL_TASKS } from './wal-tasks.js';

const TASKS: readonly MicroTask[] = [...RING_TASKS, ...CODEC_TASKS, ...WAL_TASKS, ...CORE_TASKS];
const WARMUP_SHARE = 0.3;
const NS_PER_MS = 1e6;

export async function run(invocation: Invocation<typeof microBenchOptions>): Promise<ExitCode> {
  const { options, stdout, stderr, signal } = invocation;
  const tasks = chosen(options.only);
  const fileSystem = requireDisk(options.dir);
  const directory = mkdtempSync(join(resolve(options.dir), 'micro-'));
  try {
    const rows: MicroResult[] = [];
    for (const task of tasks) {
      signal.throwIfAborted();
      stderr.write(`${task.name}\n`);
      rows.push(await measure(task, directory, options.milliseconds));
    }
    const context = { ...describeMachine(), fileSystem, load: loadAverage() };
    const json = `${JSON.stringify({ context, rows }, null, 2)}\n`;
    (options.json === '-' ? stderr : stdout).write(microTable(rows));
    if (options.json === '-') stdout.write(json);
    else if (options.json !== undefined) writeFileSync(options.json, json);
    return ExitCode.ok;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function chosen(only: string | undefined): readonly MicroTask[] {
  const wanted = only?.toLowerCase() ?? '';
  const tasks = TASKS.filter(({ name }) => name.toLowerCase().includes(wanted));
  if (tasks.length > 0) return tasks;
  const names = TASKS.map(({ name }) => `  ${name}`).join('\n');
  throw new CommandError(ExitCode.usage, `--only is "${only}", which no task contains:\n${names}`);
}

async function measure(task: MicroTask, parent: string, ms: number): Promise<MicroResult> {
  const directory = join(parent, 'task');
  mkdirSync(directory, { recursive: true });
  const running = task.start(directory);
  try {
    const bench = new Bench({ time: ms, warmupTime: ms * WARMUP_SHARE, throws: true });
    const { before } = running;
    const hooks = before === undefined ? {} : { beforeEach: before };
    bench.add(task.name, running.call, { async: false, ...hooks });
    await bench.run();
    const result = bench.tasks[0]?.result;
    if (result?.state !== 'completed') throw new Error(`${task.name} did not complete`);
    const perOperation = (callMs: number): number => (callMs * NS_PER_MS) / task.perCall;
    const { mean, p50, p99 } = result.latency;
    return {
      name: task.name,
      unit: task.unit,
      operationsPerSecond: (1000 / mean) * task.perCall,
      p50Ns: perOperation(p50),
      p99Ns: perOperation(p99),
      calls: result.latency.samplesCount,
    };
  } finally {
    running.close?.();
    rmSync(directory, { recursive: true, force: true });
  }
}
