/**
 * A process of data-lock.test.ts that tries to lock the directory it is told, over and over.
 *
 * Its parent speaks by IPC: 'acquire' is answered by a LockReport, 'release' by 'released', and
 * 'leave' makes it drop the channel while it holds the lock, which must let it end by itself.
 */

import { acquireDataLock, type DataLock, DataLockedError } from '../../io/data-lock.js';

export interface LockReport {
  readonly won: boolean;
  /** Pid of the holder when the lock was refused. */
  readonly holderPid: number;
  readonly failure: string;
}

const [, , dataPath = ''] = process.argv;
let lock: DataLock | undefined;

async function acquire(): Promise<LockReport> {
  try {
    lock = await acquireDataLock(dataPath);
    return { won: true, holderPid: 0, failure: '' };
  } catch (error) {
    const holderPid = error instanceof DataLockedError ? error.holderPid : -1;
    return { won: false, holderPid, failure: `${error}` };
  }
}

process.on('message', async (order: string) => {
  if (order === 'acquire') process.send?.(await acquire());
  if (order === 'release') {
    await lock?.release();
    process.send?.('released');
  }
  if (order === 'leave') process.disconnect();
});
process.send?.('ready');
