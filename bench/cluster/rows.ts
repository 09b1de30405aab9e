/**
 * What `bench cluster` measures: one row per promise, with its floor and how a value is held
 * against it. Data and arithmetic only; who measures a row is in the file named after it.
 *
 * A floor is part of the promise and must never be lowered to make a row pass.
 */

import { median } from '../statistics.js';

export const ROW_IDS = ['rss', 'w16-8192', 'w256-1024', 'w16-64', 'lat1-256', 'failover'] as const;
export type RowId = (typeof ROW_IDS)[number];

/** What the generator keeps in flight. */
export interface LoadShape {
  readonly valueBytes: number;
  readonly inFlight: number;
  readonly connections: number;
}

/** Times of write + fdatasync of 4 KiB on the very disk, in microseconds. */
export interface SyncTimes {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface RowSpec {
  readonly id: RowId;
  readonly what: string;
  readonly unit: string;
  /** `atLeast`: more is better; `atMost`: less is. */
  readonly bound: 'atLeast' | 'atMost';
  readonly floor: (disk: SyncTimes) => number;
  readonly measure: 'throughput' | 'latency' | 'failover' | 'memory';
  /** For throughput and latency. */
  readonly load: LoadShape | null;
}

const writes = (
  id: RowId,
  what: string,
  floor: number,
  valueBytes: number,
  inFlight: number,
  connections: number,
): RowSpec => ({
  id,
  what,
  unit: 'writes/s',
  bound: 'atLeast',
  floor: () => floor,
  measure: 'throughput',
  load: { valueBytes, inFlight, connections },
});

const SYNCS_ON_THE_PATH = 2;
const PATH_MS = 0.8;

export const ROWS: readonly RowSpec[] = [
  {
    id: 'rss',
    what: 'memory of a node at rest',
    unit: 'MiB',
    bound: 'atMost',
    floor: () => 150,
    measure: 'memory',
    load: null,
  },
  writes('w16-8192', '16 B, 8,192 in flight', 250_000, 16, 8192, 4),
  writes('w256-1024', '256 B, 1,024 in flight', 120_000, 256, 1024, 2),
  writes('w16-64', '16 B, 64 in flight', 30_000, 16, 64, 2),
  {
    id: 'lat1-256',
    what: 'p50 of 256 B, 1 in flight',
    unit: 'ms',
    bound: 'atMost',
    // Leader and follower sync one after the other at worst; the rest is messages and wake-ups.
    floor: ({ p50Us }) => (SYNCS_ON_THE_PATH * p50Us) / 1000 + PATH_MS,
    measure: 'latency',
    load: { valueBytes: 256, inFlight: 1, connections: 1 },
  },
  {
    id: 'failover',
    what: 'leader killed to next write',
    unit: 'ms',
    bound: 'atMost',
    floor: () => 500,
    measure: 'failover',
    load: null,
  },
];

/** The row as the JSON file has it. */
export interface RowResult {
  readonly id: RowId;
  /** The median of the runs. */
  readonly value: number;
  readonly unit: string;
  readonly floor: number;
  readonly pass: boolean;
  readonly runs: readonly number[];
  /** Why a row fails although its value may be good: digests that differ, and the like. */
  readonly problems: readonly string[];
  /** What lies behind the value, by name. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface Measured {
  readonly runs: readonly number[];
  readonly problems: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

export function judgeRow(spec: RowSpec, measured: Measured, disk: SyncTimes): RowResult {
  const { runs, problems, detail } = measured;
  const floor = spec.floor(disk);
  const value = median(runs);
  const met = spec.bound === 'atLeast' ? value >= floor : value <= floor;
  const { id, unit } = spec;
  return { id, value, unit, floor, pass: met && problems.length === 0, runs, problems, detail };
}
