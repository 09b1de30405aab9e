/**
 * Entry of the bulk io thread: everything slow on the disk, in slices. It prepares spare segments
 * and reads old entries back; the group commit never waits for it. Wiring only.
 */

import { parentPort, workerData } from 'node:worker_threads';
import { monotonicMs } from '../io/clock.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { LoadServer } from './load-server.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { SparePreparer } from './spare-preparer.js';
import { SpareOrders } from './spare-words.js';
import type { BulkThreadData, ThreadReady } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { Bell, StopStage } from './topology.js';

const data = workerData as BulkThreadData;
const { memory, threadOfGroup } = data;

function run(): void {
  const disk = new NodeDisk();
  const groups = memory.groups.map((groupMemory, group) => ({
    group,
    memory: groupMemory,
    bell: new Doorbell(memory.doorbells, Bell.consensus + (threadOfGroup[group] as number)),
  }));
  const loads = new LoadServer(disk, data.walDirectory, groups);
  const { walDirectory, segmentBytes } = data;
  const spares = new SparePreparer(
    { disk, walDirectory, segmentBytes },
    new SpareOrders(data.spares, data.firstSpareNumber),
    new Doorbell(memory.doorbells, Bell.io),
  );
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
