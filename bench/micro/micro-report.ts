/**
 * The table of `bench micro`. Text only.
 */

import { type Column, figure, textTable } from '../text-table.js';

export interface MicroResult {
  readonly name: string;
  readonly unit: string;
  readonly operationsPerSecond: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly calls: number;
}

const COLUMNS: readonly Column[] = [
  { heading: 'task', align: 'left' },
  { heading: 'unit', align: 'left' },
  { heading: 'per second', align: 'right' },
  { heading: 'p50', align: 'right' },
  { heading: 'p99', align: 'right' },
];

function duration(ns: number): string {
  if (ns < 1000) return `${figure(ns)} ns`;
  return ns < 1e6 ? `${figure(ns / 1000)} µs` : `${figure(ns / 1e6)} ms`;
}

export function microTable(rows: readonly MicroResult[]): string {
  const lines = textTable(
    COLUMNS,
    rows.map(({ name, unit, operationsPerSecond, p50Ns, p99Ns }) => [
      name,
      unit,
      figure(operationsPerSecond),
      duration(p50Ns),
      duration(p99Ns),
    ]),
  );
  return `${lines.join('\n')}\n`;
}
