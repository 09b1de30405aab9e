/**
 * What `bench snapshot` says in the end: as text the machine, a line for each row and what is
 * wrong; as JSON the same data with every window, never rounded; and the exit code.
 *
 * It must never measure: whatever was measured is in the report.
 */

import { writeFileSync } from 'node:fs';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { contextLines, type Delivery } from '../cluster/bench-report.js';
import type { Context } from '../cluster/context.js';
import { type Column, figure, textTable } from '../text-table.js';
import { ROWS, type RowResult } from './snapshot-rows.js';

export interface SnapshotContext extends Context {
  readonly keys: number;
  readonly valueBytes: number;
  readonly entries: number;
}

export interface SnapshotReport {
  readonly context: SnapshotContext;
  readonly rows: readonly RowResult[];
}

const COLUMNS: readonly Column[] = [
  ...['row', 'what'].map((heading): Column => ({ heading, align: 'left' })),
  { heading: 'value', align: 'right' },
  { heading: 'unit', align: 'left' },
  { heading: 'floor', align: 'right' },
  ...['met', 'runs'].map((heading): Column => ({ heading, align: 'left' })),
];

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

export function describeSnapshots({ context, rows }: SnapshotReport): string {
  const { keys, valueBytes, entries } = context;
  // What is wrong with a window is said once, although several rows are made of it.
  const problems = new Set(rows.flatMap(({ problems: list }) => list));
  const lines = [
    ...contextLines(context),
    `${figure(keys)} keys, values of ${valueBytes} bytes; ${figure(entries)} entries at restart`,
    '',
    ...textTable(COLUMNS, rows.map(rowLine)),
    ...(problems.size === 0 ? [] : ['', ...problems]),
  ];
  return `${lines.join('\n')}\n`;
}

/** Writes the report; failed when a row misses its floor. */
export function deliverSnapshots(
  report: SnapshotReport,
  { options, stdout, stderr }: Delivery,
): ExitCode {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  (options.json === '-' ? stderr : stdout).write(describeSnapshots(report));
  if (options.json === '-') stdout.write(json);
  else if (options.json !== undefined) writeFileSync(options.json, json);
  return report.rows.every(({ pass }) => pass) ? ExitCode.ok : ExitCode.failed;
}
