/**
 * What `bench cluster` says in the end: as text the machine and its disk, a line for each row and
 * what lies behind the rows under load; as JSON the same data, never rounded; and the exit code.
 *
 * It must never measure: whatever was measured is in the report.
 */

import { writeFileSync } from 'node:fs';
import type { Output } from '../../tools/cli/command.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { type Column, figure, textTable } from '../text-table.js';
import type { Context } from './context.js';
import { ROWS, type RowResult, type SyncTimes } from './rows.js';

export interface BenchReport {
  readonly context: Context;
  readonly rows: readonly RowResult[];
}

const left = (heading: string): Column => ({ heading, align: 'left' });
const right = (heading: string): Column => ({ heading, align: 'right' });
const MIB = 1024 * 1024;

function syncText({ p50Us, p99Us }: SyncTimes): string {
  return `p50 ${figure(p50Us)} µs, p99 ${figure(p99Us)} µs`;
}

export function contextLines(context: Context): string[] {
  const { fdatasync, load, runs, seconds, warmupSeconds } = context;
  return [
    `ringraft ${context.ringraft}${context.commit === null ? '' : ` (${context.commit})`}, ` +
      `Node.js ${context.node}, ${context.system}`,
    `${context.cpus} × ${context.cpuModel}, ${figure(context.memoryBytes / MIB / 1024)} GiB, ` +
      `load average ${load.before.toFixed(2)} before, ${load.after.toFixed(2)} after`,
    `sync ${context.sync} on every node, in ${context.directory} (${context.fileSystem})`,
    `write + fdatasync of 4 KiB: ${syncText(fdatasync.before)} before; ` +
      `${syncText(fdatasync.after)} after`,
    `median of ${runs} runs of ${seconds} s, each after ${warmupSeconds} s of warm-up`,
  ];
}

function rowLine({ id, value, unit, floor, pass, runs }: RowResult): string[] {
  const spec = ROWS.find((one) => one.id === id);
  const bound = spec?.bound === 'atMost' ? '≤' : '≥';
  return [
    id,
    spec?.what ?? '',
    figure(value),
    unit,
    `${bound} ${figure(floor)}`,
    pass ? 'yes' : 'NO',
    runs.map(figure).join(' '),
  ];
}

const ROW_COLUMNS = [
  ...[left('row'), left('what'), right('value'), left('unit'), right('floor')],
  ...[left('met'), left('runs')],
];

/** Name in `detail`, heading. */
const DETAILS = [
  ['p50Ms', 'p50 ms'],
  ['p99Ms', 'p99 ms'],
  ['cpuUsPerWrite', 'CPU µs/write'],
  ['leaderCpuUsPerWrite', 'of it leader'],
  ['generatorCpuUsPerWrite', 'generator'],
  ['generatorCores', 'its cores'],
  ['entriesPerBlock', 'entries/block'],
  ['logBytesPerWrite', 'log B/write'],
  ['syncsPerWrite', 'syncs/write'],
  ['syncsPerSecond', 'syncs/s'],
] as const;

function detailLine({ id, detail }: RowResult): string[] {
  const cells = DETAILS.map(([name]) => {
    const value = detail[name];
    return typeof value === 'number' && Number.isFinite(value) ? figure(value) : '–';
  });
  return [id, ...cells];
}

export function describeBench({ context, rows }: BenchReport): string {
  const loaded = rows.filter(({ detail }) => detail.inFlight !== undefined);
  const problems = rows.flatMap(({ id, problems: list }) => list.map((text) => `${id}: ${text}`));
  const detailColumns = [left('row'), ...DETAILS.map(([, heading]) => right(heading))];
  const lines = [
    ...contextLines(context),
    '',
    ...textTable(ROW_COLUMNS, rows.map(rowLine)),
    ...(loaded.length === 0 ? [] : ['', ...textTable(detailColumns, loaded.map(detailLine))]),
    ...(problems.length === 0 ? [] : ['', ...problems]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Where a report goes: `json` is a file, `-` for the standard output, or undefined for nowhere. */
export interface Delivery {
  readonly options: { readonly json?: string | undefined };
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Writes the report; failed when a row misses its floor. */
export function deliverReport(
  report: BenchReport,
  { options, stdout, stderr }: Delivery,
): ExitCode {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  (options.json === '-' ? stderr : stdout).write(describeBench(report));
  if (options.json === '-') stdout.write(json);
  else if (options.json !== undefined) writeFileSync(options.json, json);
  return report.rows.every(({ pass }) => pass) ? ExitCode.ok : ExitCode.failed;
}
