/**
 * Entry of the bulk io thread: everything slow on the disk, in slices. It prepares spare segments,
 * recycles freed ones, reads old entries back and owns the snapshot files; the group commit never
 * waits for it. Wiring only.
 */

import { parentPort } from 'node:worker_threads';
import { monotonicMs } from '../io/clock.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { SnapshotStore } from '../io/snapshots/snapshot-store.js';
import { LoadServer } from './load-server.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { SnapshotDesk, servedGroups } from './snapshot-desk.js';
import { findSnapshots } from './snapshot-found.js';
import { SparePreparer } from './spare-preparer.js';
import { SpareOrders } from './spare-words.js';
import type { BulkThreadData, ThreadReady } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { refusalFor } from './thread-refusal.js';
import { receiveData } from './thread-start.js';
import { Bell, StopStage } from './topology.js';

const data = await receiveData<BulkThreadData>();
const { memory, threadOfGroup } = data;

function run(): void {
  const disk = new NodeDisk();
  const groups = memory.groups.map((groupMemory, group) => ({
    group,
    memory: groupMemory,
    bell: new Doorbell(memory.doorbells, Bell.consensus + (threadOfGroup[group] as number)),
  }));
  const loads = new LoadServer(disk, data.walDirectory, groups);
  const { walDirectory, segmentBytes, filesInUse } = data;
  const spares = new SparePreparer(
    { disk, walDirectory, segmentBytes, filesInUse },
    new SpareOrders(data.spares, data.firstSpareNumber, data.oldestSegment),
    new Doorbell(memory.doorbells, Bell.io),
  );
  const store = SnapshotStore.open({
    disk,
    directory: data.snapshotDirectory,
    clusterId: data.snapshots.clusterId,
    groups: servedGroups(data.snapshots.groupNames),
  });
  const found = groups.map(({ group }) => findSnapshots(store, group));
  const desk = new SnapshotDesk(memory, store, data.snapshots, loads);
  const ready: ThreadReady = { kind: 'snapshots', found };
  parentPort?.postMessage(ready);
  runParked(memory, Bell.bulk, StopStage.disk, {
    doWork: () => {
      loads.doWork();
      desk.doWork();
      loads.publish();
      spares.step();
    },
    hasWork: () => loads.hasWork() || desk.hasWork() || spares.isDue,
    get deadline() {
      const soon = loads.isWaiting ? monotonicMs() + 1 : Number.POSITIVE_INFINITY;
      return Math.min(soon, desk.deadline, spares.deadline);
    },
  });
  desk.close();
  loads.close();
}

try {
  run();
} catch (cause) {
  // Before it is ready nobody else says why it is not.
  parentPort?.postMessage(refusalFor(cause));
  die(memory, Math.max(...threadOfGroup) + 1, Death.bulk, cause);
}
