/**
 * What the nodes said as an aligned table for people. It must never ask a node.
 */

import { printAddress } from '../cli/value-rules.js';
import type { Asked } from './ask-snapshot.js';
import type { Target } from './targets.js';

export interface Outcome {
  readonly target: Target;
  /** Null when it was not asked. */
  readonly asked: Asked | null;
}

const HEADER = ['node', 'last index', 'last term', 'size', 'took'] as const;
const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

export function printBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = '';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value.toFixed(value < 10 ? 2 : 1)} ${unit}`;
}

function printTime(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The node's id where it is known, else where it was looked for. */
export function nameOf({ target, asked }: Outcome): string {
  const id = asked?.nodeId || target.nodeId;
  return id === 0 ? printAddress(target.address) : String(id);
}

/** What went wrong, or why nothing was asked; null for a snapshot. */
export function problemOf({ target, asked }: Outcome): string | null {
  if (asked === null) return target.notAsked;
  return typeof asked.snapshot === 'string' ? asked.snapshot : null;
}

function cells(outcome: Outcome): string[] {
  const name = nameOf(outcome);
  const { asked } = outcome;
  if (asked === null || typeof asked.snapshot === 'string') return [name, '-', '-', '-', '-'];
  const { lastIndex, lastTerm, bytes } = asked.snapshot;
  return [name, String(lastIndex), String(lastTerm), printBytes(bytes), printTime(asked.ms)];
}

export function snapshotTable(outcomes: readonly Outcome[]): string {
  const rows = [[...HEADER], ...outcomes.map(cells)];
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row, at) => {
    const problem = at === 0 ? null : problemOf(outcomes[at - 1] as Outcome);
    const line = row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ');
    return problem === null ? line : `${line}  ${problem}`;
  });
  return `${lines.join('\n')}\n`;
}
