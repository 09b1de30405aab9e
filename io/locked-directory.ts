/**
 * Opens a data directory under its locks: one on it and, when the log lies elsewhere, one on that
 * directory too. A copy of a data directory names the same `walDir`: without the second lock two
 * processes would append to one log.
 *
 * A directory that is refused must be left as it was found: a `walDir` that is missing is not made
 * just to lock it.
 */

import { existsSync } from 'node:fs';
import { acquireDataLock, type DataLock } from './data-lock.js';
import { type DataPaths, dataPaths } from './data-paths.js';

export interface LockedDirectory<T> {
  readonly lock: DataLock;
  readonly opened: T;
}

/** Calls `open` under the locks; when it throws they are given free. */
export async function openLocked<T>(
  path: string,
  walDir: string | null,
  open: () => T,
): Promise<LockedDirectory<T>> {
  const data = await acquireDataLock(path);
  const paths = dataPaths(path, walDir ?? undefined);
  const walPath = separateLog(paths);
  let wal: DataLock | null = null;
  const release = async (): Promise<void> => {
    await wal?.release();
    await data.release();
  };
  try {
    const mayLock = walPath !== null && (existsSync(walPath) || !existsSync(paths.meta));
    if (mayLock) wal = await acquireDataLock(walPath, 'WAL directory');
    const opened = open();
    if (walPath !== null) wal ??= await acquireDataLock(walPath, 'WAL directory');
    return { lock: { path: data.path, release }, opened };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Where the log lies when that is another directory; one that is refused anyway is none. */
function separateLog({ data, wal, walMeta, snapshots }: DataPaths): string | null {
  return walMeta === null || wal === data || wal === snapshots ? null : wal;
}
