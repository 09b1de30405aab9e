/**
 * What `bench reads` measures: one row for each consistency, under the same load. Data and
 * arithmetic only.
 *
 * The floor is that of linearizable reads; the others are shown beside them. A floor must never be
 * lowered to make a row pass.
 */

import type { LoadShape, Measured } from '../cluster/rows.js';
import { median } from '../statistics.js';

export const ROW_IDS = ['linearizable', 'lease', 'bounded', 'local'] as const;
export type RowId = (typeof ROW_IDS)[number];

export interface RowSpec {
  readonly id: RowId;
  readonly what: string;
  /** `--reads` of the nodes. */
  readonly reads: string;
  /** Reads per second; null: none is promised. */
  readonly floor: number | null;
}

/** What the generator keeps in flight: GETs of keys that all have a value. */
export const SHAPE: LoadShape = { valueBytes: 16, inFlight: 8192, connections: 4 };

export const ROWS: readonly RowSpec[] = [
  {
    id: 'linearizable',
    what: 'by a quorum round for all of a turn',
    reads: 'linearizable',
    floor: 250_000,
  },
  { id: 'lease', what: 'by the lease of the leader', reads: 'lease', floor: null },
  { id: 'bounded', what: 'at most 500 ms old', reads: 'bounded:500', floor: null },
  { id: 'local', what: 'as the node has it', reads: 'local', floor: null },
];

/** The row as the JSON file has it. */
export interface RowResult {
  readonly id: RowId;
  /** The median of the runs. */
  readonly value: number;
  readonly unit: string;
  readonly floor: number | null;
  readonly pass: boolean;
  readonly runs: readonly number[];
  /** Why a row fails although its value may be good. */
  readonly problems: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

export function judgeRow({ id, floor }: RowSpec, measured: Measured): RowResult {
  const { runs, problems, detail } = measured;
  const value = median(runs);
  const isMet = floor === null || value >= floor;
  const pass = isMet && problems.length === 0;
  return { id, value, unit: 'reads/s', floor, pass, runs, problems, detail };
}
