/**
 * Entry of the io thread: opens the log (recovery), says what it found, then runs the io loop.
 * Wiring only: the loop is io-loop.ts, the log io/wal/.
 */

import { parentPort } from 'node:worker_threads';
import { monotonicMs } from '../io/clock.js';
import type { Disk } from '../io/disk/disk.js';
import { MemoryDisk } from '../io/disk/memory-disk.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { SnapshotStore } from '../io/snapshots/snapshot-store.js';
import { isInDoubt } from '../io/wal/recovery.js';
import { adoptSpares, InlineSegmentSupply, nextSpareNumber } from '../io/wal/segment-supply.js';
import { Wal } from '../io/wal/wal.js';
import { IoFigures } from './io-figures.js';
import { IoLoop } from './io-loop.js';
import { LoadServer } from './load-server.js';
import { runParked } from './park-loop.js';
import { Doorbell } from './ring/doorbell.js';
import { SnapshotDesk } from './snapshot-desk.js';
import { RoomWords, SharedSegmentSupply } from './spare-words.js';
import type { IoThreadData, ThreadReady } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { refusalFor } from './thread-refusal.js';
import { receiveData } from './thread-start.js';
import { Bell, StopStage } from './topology.js';

const MEMORY_DIRECTORY = '/wal';
const MEMORY_SNAPSHOTS = '/snapshots';

const data = await receiveData<IoThreadData>();
const { memory, threadOfGroup } = data;
const threads = Math.max(...threadOfGroup) + 1;

function say(message: ThreadReady): void {
  parentPort?.postMessage(message);
}

/**
 * Every entry that is under way lies in an arena; records and roll-overs take a little more. As
 * much again is for what leaders have in their logs already.
 */
function underWayBytesMax(): number {
  const arenas = memory.groups.reduce((sum, { arena }) => sum + arena.byteLength, 0);
  return 3 * (arenas + data.segmentBytes);
}

function openLog() {
  const inMemory = data.walDirectory === null;
  const disk = inMemory ? new MemoryDisk() : new NodeDisk();
  const directory = data.walDirectory ?? MEMORY_DIRECTORY;
  const { clusterId, nodeId, logId, mustExist, segmentBytes, maxLogBytes, sync } = data;
  disk.makeDirectory(directory);
  const bulk = new Doorbell(memory.doorbells, Bell.bulk);
  const adopted = inMemory ? [] : adoptSpares(disk, directory, segmentBytes);
  const firstSpareNumber = nextSpareNumber(adopted);
  const supply = inMemory
    ? new InlineSegmentSupply(disk, directory, segmentBytes)
    : new SharedSegmentSupply(data.spares, directory, firstSpareNumber, adopted, () => bulk.ring());
  const identity = mustExist ? { logId } : { newLogId: logId, logId };
  const opened = Wal.open({
    disk,
    directory,
    clusterId,
    nodeId,
    mustExist,
    segmentBytes,
    maxLogBytes,
    underWayBytesMax: underWayBytesMax(),
    sync,
    supply,
    ...identity,
  });
  const filesInUse = opened.wal.segmentCount + supply.ready;
  return { ...opened, disk, directory, inMemory, firstSpareNumber, filesInUse };
}

/** A node in memory keeps its snapshots beside its log, in the memory of this thread. */
function openDesk(disk: Disk, loads: LoadServer): SnapshotDesk {
  const { clusterId } = data;
  const store = SnapshotStore.open({ disk, directory: MEMORY_SNAPSHOTS, clusterId });
  return new SnapshotDesk(memory, store, data.snapshots, loads);
}

function run(): void {
  const opened = openLog();
  const { wal, groups: recovered, report, disk, directory, inMemory } = opened;
  const groups = memory.groups.map((groupMemory, group) => ({
    group,
    memory: groupMemory,
    bell: new Doorbell(memory.doorbells, Bell.consensus + (threadOfGroup[group] as number)),
  }));
  const room = new RoomWords(data.spares);
  const loop = new IoLoop(wal, new IoFigures(data.figures), room, groups);
  const loads = inMemory ? new LoadServer(disk, directory, groups) : null;
  const desk = loads === null ? null : openDesk(disk, loads);
  loop.start();
  const inDoubt = groups.map(({ group }) => group).filter((group) => isInDoubt(opened, group));
  const { termFloor } = report;
  const { firstSpareNumber, filesInUse } = opened;
  const files = { firstSpareNumber, oldestSegment: wal.oldestSegment, filesInUse };
  say({ kind: 'recovered', groups: recovered, inDoubt, termFloor, report, ...files });
  const end = runParked(memory, Bell.io, StopStage.disk, {
    doWork: (now) => {
      loop.doWork(now);
      loads?.doWork();
      desk?.doWork();
      loads?.publish();
    },
    hasWork: () => loop.hasWork() || (loads?.hasWork() ?? false) || (desk?.hasWork() ?? false),
    get deadline() {
      const soon = loads?.isWaiting === true ? monotonicMs() + 1 : Number.POSITIVE_INFINITY;
      return Math.min(soon, loop.deadline, desk?.deadline ?? soon);
    },
  });
  if (end === 'stopped') loop.close();
}

try {
  run();
} catch (cause) {
  say(refusalFor(cause));
  die(memory, threads, Death.io, cause);
}
