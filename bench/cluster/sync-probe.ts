/**
 * What a synced write costs on this disk at this moment: write + fdatasync of 4 KiB, one after the
 * other, into a file of zeros, as the log does it.
 *
 * It must run while nothing else of the bench does: before a row and after each of its runs, since
 * a disk that others use changes from one second to the next.
 */

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { syncFileData } from '../../io/disk/fsync.js';
import { quantile } from '../statistics.js';
import type { SyncTimes } from './rows.js';

const FILE_BYTES = 8 * 1024 * 1024;
const WRITE_BYTES = 4096;
const SAMPLES = 500;
const NS_PER_US = 1000;

/** Times of each write with its sync, in microseconds. */
function probeSyncs(directory: string, samples = SAMPLES): number[] {
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

export class SyncProbe {
  readonly #directory: string;
  readonly #all: number[] = [];
  #row: number[] = [];
  #before: number[] = [];
  #after: number[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Of the first sample, of the last and of all together. */
  times(): { readonly before: SyncTimes; readonly after: SyncTimes; readonly all: SyncTimes } {
    return {
      before: syncTimes(this.#before),
      after: syncTimes(this.#after),
      all: syncTimes(this.#all),
    };
  }

  beginRow(): void {
    this.#row = [];
    this.sample();
  }

  /** A sample after the row, and the times of all since it began. */
  endRow(): SyncTimes {
    this.sample();
    return syncTimes(this.#row);
  }

  sample(): void {
    const times = probeSyncs(this.#directory);
    if (this.#before.length === 0) this.#before = times;
    this.#after = times;
    this.#row.push(...times);
    this.#all.push(...times);
  }
}
