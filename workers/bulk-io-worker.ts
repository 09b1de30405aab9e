/**
 * Entry of the bulk io thread: everything slow on the disk, in slices. It prepares spare segments
 * and reads old entries back; the group commit never waits for it. Wiring only.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from '../io/clock.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { isNoSpace, preparing } from '../io/wal/segment-supply.js';
import { LoadServer } from './load-server.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { SpareOrders } from './spare-words.js';
import type { BulkThreadData, ThreadReady } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { Bell, StopStage } from './topology.js';

/** How soon a full disk is tried again. */
const FULL_RETRY_MS = 200;
const NEVER = Number.POSITIVE_INFINITY;

const data = workerData as BulkThreadData;
const { memory, threadOfGroup } = data;

class SparePreparer {
  readonly #disk: NodeDisk;
  readonly #orders: SpareOrders;
  readonly #io = new Doorbell(memory.doorbells, Bell.io);
  #job: Generator<number, string> | null = null;
  #retryAt = 0;

  constructor(disk: NodeDisk, orders: SpareOrders) {
    this.#disk = disk;
    this.#orders = orders;
  }

  get isDue(): boolean {
    return this.#orders.isWanted && monotonicMs() >= this.#retryAt;
  }

  get deadline(): number {
    return this.#orders.isWanted ? this.#retryAt : NEVER;
  }

  /** One slice of the spare that is wanted. */
  step(): void {
    if (!this.isDue) return;
    const { walDirectory, segmentBytes } = data;
    this.#job ??= preparing(this.#disk, walDirectory, this.#orders.nextName, segmentBytes);
    try {
      if (this.#job.next().done !== true) return;
      this.#orders.prepared();
    } catch (cause) {
      if (!isNoSpace(cause)) throw cause;
      this.#orders.failed();
      this.#retryAt = monotonicMs() + FULL_RETRY_MS;
    }
    this.#job = null;
    this.#io.ring();
  }
}

function run(): void {
  const disk = new NodeDisk();
  const groups = memory.groups.map((groupMemory, group) => ({
    group,
    memory: groupMemory,
    bell: new Doorbell(memory.doorbells, Bell.consensus + (threadOfGroup[group] as number)),
  }));
  const loads = new LoadServer(disk, data.walDirectory, groups);
  const spares = new SparePreparer(disk, new SpareOrders(data.spares, data.firstSpareNumber));
  const ready: ThreadReady = { kind: 'ready' };
  parentPort?.postMessage(ready);
  runParked(memory, Bell.bulk, StopStage.disk, {
    doWork: () => {
      loads.doWork();
      spares.step();
    },
    hasWork: () => loads.hasWork() || spares.isDue,
    get deadline() {
      return loads.isWaiting ? monotonicMs() + 1 : spares.deadline;
    },
  });
  loads.close();
}

try {
  run();
} catch (cause) {
  die(memory, Math.max(...threadOfGroup) + 1, Death.bulk, cause);
}
