/**
 * What `bench reads` says in the end: as text the machine, a line for each consistency and what
 * lies behind it; as JSON the same data, never rounded; and the exit code.
 *
 * It must never measure: whatever was measured is in the report.
 */

import { writeFileSync } from 'node:fs';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { contextLines, type Delivery } from '../cluster/bench-report.js';
import type { Context } from '../cluster/context.js';
import { type Column, figure, textTable } from '../text-table.js';
import { ROWS, type RowResult } from './read-rows.js';

export interface ReadsReport {
  readonly context: Context;
  readonly rows: readonly RowResult[];
}

const left = (heading: string): Column => ({ heading, align: 'left' });
const right = (heading: string): Column => ({ heading, align: 'right' });

const COLUMNS = [
  ...[left('row'), left('what'), right('value'), left('unit'), right('floor')],
  ...[left('met'), left('runs')],
];

/** Name in `detail`, heading. */
const DETAILS = [
  ['p50Ms', 'p50 ms'],
  ['p99Ms', 'p99 ms'],
  ['cpuUsPerRead', 'CPU µs/read'],
  ['leaderCpuUsPerRead', 'of it leader'],
  ['generatorCpuUsPerRead', 'generator'],
  ['generatorCores', 'its cores'],
] as const;

function rowLine({ id, value, unit, floor, pass, runs }: RowResult): string[] {
  const what = ROWS.find((one) => one.id === id)?.what ?? '';
  const bound = floor === null ? '–' : `≥ ${figure(floor)}`;
  return [id, what, figure(value), unit, bound, pass ? 'yes' : 'NO', runs.map(figure).join(' ')];
}

function detailLine({ id, detail }: RowResult): string[] {
  const cells = DETAILS.map(([name]) => {
    const value = detail[name];
    return typeof value === 'number' && Number.isFinite(value) ? figure(value) : '–';
  });
  return [id, ...cells];
}

export function describeReads({ context, rows }: ReadsReport): string {
  const problems = rows.flatMap(({ id, problems: list }) => list.map((text) => `${id}: ${text}`));
  const details = [left('row'), ...DETAILS.map(([, heading]) => right(heading))];
  const lines = [
    ...contextLines(context),
    'GETs over the client port of the leader, 16 B, 8,192 in flight',
    '',
    ...textTable(COLUMNS, rows.map(rowLine)),
    '',
    ...textTable(details, rows.map(detailLine)),
    ...(problems.length === 0 ? [] : ['', ...problems]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Writes the report; failed when a row misses its floor. */
export function deliverReads(report: ReadsReport, { options, stdout, stderr }: Delivery): ExitCode {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  (options.json === '-' ? stderr : stdout).write(describeReads(report));
  if (options.json === '-') stdout.write(json);
  else if (options.json !== undefined) writeFileSync(options.json, json);
  return report.rows.every(({ pass }) => pass) ? ExitCode.ok : ExitCode.failed;
}
