/**
 * Where things lie in a data directory. All paths are absolute.
 *
 * Names only: this file must never touch a disk. The lock and its socket are data-lock.ts's own.
 * Every other file takes its paths from here.
 */

import { join, resolve } from 'node:path';

export const SEGMENT_SUFFIX = '.wal';

export interface DataPaths {
  readonly data: string;
  readonly meta: string;
  readonly wal: string;
  /** The copy of meta in a WAL directory outside of `data`; null when it lies inside. */
  readonly walMeta: string | null;
  readonly snapshots: string;
}

export function dataPaths(path: string, walDir?: string): DataPaths {
  const data = resolve(path);
  const inside = join(data, 'wal');
  const wal = walDir === undefined ? inside : resolve(walDir);
  return {
    data,
    meta: join(data, 'meta'),
    wal,
    walMeta: wal === inside ? null : join(wal, 'meta'),
    snapshots: join(data, 'snapshots'),
  };
}
