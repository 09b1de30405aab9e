/**
 * A group commit of the write-ahead log: one request with a batch of entries is staged, written
 * and, where the task says so, synced. In memory it is the log's own cost; on a file the disk's is
 * added.
 *
 * Segments are filled only once, so a log that is full is replaced by a fresh one between calls.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk } from '../../io/disk/disk.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { InlineSegmentSupply } from '../../io/wal/segment-supply.js';
import { Wal } from '../../io/wal/wal.js';
import { type Slab, slabOfSets } from './entries.js';
import type { MicroTask, RunningTask } from './task.js';

const SEGMENT_BYTES = 64 * 1024 * 1024;
/** What one call may need: a block and its frame, generously. */
const MARGIN_BYTES = 4 * 1024 * 1024;
const TERM = 1;

interface LogPlan {
  readonly disk: () => Disk;
  readonly directory: string;
  readonly mode: 'always' | 'none';
  readonly slab: Slab;
}

class LogUnderTest implements RunningTask {
  readonly #plan: LogPlan;
  #wal: Wal;
  #seq = 0;
  #next = 1;

  constructor(plan: LogPlan) {
    this.#plan = plan;
    this.#wal = this.#open();
  }

  #open(): Wal {
    const { disk: makeDisk, directory, mode } = this.#plan;
    const disk = makeDisk();
    disk.makeDirectory(directory);
    this.#seq = 0;
    this.#next = 1;
    const supply = new InlineSegmentSupply(disk, directory, SEGMENT_BYTES);
    const sync = { mode, intervalMs: 10 };
    const identity = { clusterId: 1, nodeId: 1, newLogId: 1 };
    const options = { disk, directory, segmentBytes: SEGMENT_BYTES, sync, supply };
    return Wal.open({ ...identity, ...options }).wal;
  }

  readonly before = (): void => {
    if (this.#wal.position.offset < SEGMENT_BYTES - MARGIN_BYTES) return;
    this.close();
    this.#wal = this.#open();
  };

  readonly call = (): void => {
    const { buffer: bytes, count } = this.#plan.slab;
    this.#seq += 1;
    const run = { term: TERM, first: this.#next, count, bytes };
    const request = { group: 0, seq: this.#seq, generation: 0, term: TERM, runs: [run] };
    if (!this.#wal.stage(request)) throw new Error('there is room for a call');
    if (this.#wal.commit(0).length !== 1) throw new Error('a commit acknowledges its request');
    this.#next += count;
  };

  readonly close = (): void => {
    this.#wal.close();
    rmSync(this.#plan.directory, { recursive: true, force: true });
  };
}

function walTask(
  name: string,
  entries: number,
  kind: 'memory' | 'file',
  mode: 'always' | 'none',
): MicroTask {
  return {
    name: `WAL, ${name}`,
    unit: entries === 1 ? 'commit' : 'entry',
    perCall: entries,
    start: (directory) => {
      const slab = slabOfSets(entries, 16, 100_000);
      const path = join(directory, 'wal');
      if (kind === 'file') mkdirSync(path, { recursive: true });
      const disk = (): Disk => (kind === 'memory' ? new MemoryDisk() : new NodeDisk());
      return new LogUnderTest({ disk, directory: path, mode, slab });
    },
  };
}

export const WAL_TASKS: readonly MicroTask[] = [
  walTask('1,000 entries in memory', 1000, 'memory', 'none'),
  walTask('1,000 entries, file, no sync', 1000, 'file', 'none'),
  walTask('1,000 entries, file, synced', 1000, 'file', 'always'),
  walTask('1 entry in memory', 1, 'memory', 'none'),
  walTask('1 entry, file, synced', 1, 'file', 'always'),
];
