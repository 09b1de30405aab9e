/**
 * What `bench snapshot` measures: one row per promise, with its floor. Data and arithmetic only.
 *
 * Loads with and without snapshots are run in turns on the same nodes, and what is compared is the
 * two windows of one turn. A floor must never be lowered to make a row pass.
 */

import { median } from '../statistics.js';

export const PARTS = ['saturated', 'half', 'image', 'catch-up', 'restart'] as const;
/** Rows that are measured together. */
export type Part = (typeof PARTS)[number];

export const ROW_IDS = [
  'throughput',
  'p99-saturated',
  'p99-half',
  'gap-saturated',
  'gap-half',
  'taken',
  'memory',
  'image',
  'catch-up',
  'restart',
] as const;
export type RowId = (typeof ROW_IDS)[number];

export interface RowSpec {
  readonly id: RowId;
  /** The row is made of what any of these measured. */
  readonly parts: readonly Part[];
  readonly what: string;
  readonly unit: string;
  /** `atLeast`: more is better; `atMost`: less is. */
  readonly bound: 'atLeast' | 'atMost';
  readonly floor: number;
  /** What of the runs counts. */
  readonly of: 'median' | 'worst';
}

export const ROWS: readonly RowSpec[] = [
  {
    id: 'throughput',
    parts: ['saturated'],
    what: 'writes/s with snapshots to without, 1,024 in flight',
    unit: '',
    bound: 'atLeast',
    floor: 0.7,
    of: 'median',
  },
  {
    id: 'p99-saturated',
    parts: ['saturated'],
    what: 'p99 with to without, 1,024 in flight',
    unit: '',
    bound: 'atMost',
    floor: 2,
    of: 'median',
  },
  {
    id: 'p99-half',
    parts: ['half'],
    what: 'p99 with to without, at half of that rate',
    unit: '',
    bound: 'atMost',
    floor: 2,
    of: 'median',
  },
  {
    id: 'gap-saturated',
    parts: ['saturated'],
    what: 'longest time without an answer, 1,024 in flight',
    unit: 'ms',
    bound: 'atMost',
    floor: 250,
    of: 'worst',
  },
  {
    id: 'gap-half',
    parts: ['half'],
    what: 'longest time without an answer, at half',
    unit: 'ms',
    bound: 'atMost',
    floor: 250,
    of: 'worst',
  },
  {
    id: 'taken',
    parts: ['saturated', 'half'],
    what: 'a snapshot under load',
    unit: 's',
    bound: 'atMost',
    floor: 60,
    of: 'worst',
  },
  {
    id: 'memory',
    parts: ['saturated', 'half'],
    what: 'peak memory of a node with snapshots above without',
    unit: 'MiB',
    bound: 'atMost',
    floor: 64,
    of: 'worst',
  },
  {
    id: 'image',
    parts: ['image'],
    what: 'images taken under load that equal the state at their index',
    unit: 'of 3',
    bound: 'atLeast',
    floor: 3,
    of: 'worst',
  },
  {
    id: 'catch-up',
    parts: ['catch-up'],
    what: 'image bytes to a node without data, until applied',
    unit: 'MB/s',
    bound: 'atLeast',
    floor: 50,
    of: 'median',
  },
  {
    id: 'restart',
    parts: ['restart'],
    what: 'kill -9 with 1 M entries in the log, to a linearizable read of all',
    unit: 's',
    bound: 'atMost',
    floor: 3,
    of: 'median',
  },
];

/** The row as the JSON file has it. */
export interface RowResult {
  readonly id: RowId;
  readonly value: number;
  readonly unit: string;
  readonly floor: number;
  readonly pass: boolean;
  readonly runs: readonly number[];
  /** Why a row fails although its value may be good. */
  readonly problems: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly runs: readonly number[];
  readonly problems: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

function valueOfRuns({ bound, of }: RowSpec, runs: readonly number[]): number {
  if (of === 'median') return median(runs);
  return bound === 'atMost' ? Math.max(...runs) : Math.min(...runs);
}

/** A value that is no number, such as the ratio of two empty windows, misses. */
export function judgeRow(id: RowId, { runs, problems, detail }: Measured): RowResult {
  const spec = ROWS.find((row) => row.id === id);
  if (spec === undefined) throw new Error(`there is no row ${id}`);
  const { unit, floor } = spec;
  const value = valueOfRuns(spec, runs);
  const met = spec.bound === 'atLeast' ? value >= floor : value <= floor;
  return { id, value, unit, floor, pass: met && problems.length === 0, runs, problems, detail };
}
