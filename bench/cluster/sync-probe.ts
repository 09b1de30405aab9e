/**
 * What a synced write costs on this disk at this moment: write + fdatasync of 4 KiB, one after the
 * other, into a file of zeros, as the log does it.
 *
 * It must run while nothing else of the bench does.
 */

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { syncFileData } from '../../io/disk/fsync.js';
import { quantile } from '../statistics.js';
import type { SyncTimes } from './rows.js';

const FILE_BYTES = 8 * 1024 * 1024;
const WRITE_BYTES = 4096;
const SAMPLES = 2000;
const NS_PER_US = 1000;

/** Times of each write with its sync, in microseconds. */
export function probeSyncs(directory: string, samples = SAMPLES): number[] {
  const path = join(directory, 'sync-probe');
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
    syncFileData(fd, path);
    const block = Buffer.alloc(WRITE_BYTES, 'x');
    const times: number[] = [];
    for (let i = 0; i < samples; i += 1) {
      const began = process.hrtime.bigint();
      writeSync(fd, block, 0, WRITE_BYTES, (i * WRITE_BYTES) % FILE_BYTES);
      syncFileData(fd, path);
      times.push(Number(process.hrtime.bigint() - began) / NS_PER_US);
    }
    return times;
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

export function syncTimes(samples: readonly number[]): SyncTimes {
  return { p50Us: quantile(samples, 0.5), p99Us: quantile(samples, 0.99) };
}
