/**
 * Power lost between any two operations of the disk while snapshots are written, fetched, renamed
 * and removed: the newest valid one is then the last that was finished or the one after it, whole,
 * and never none.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions, SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import type { SnapshotWriter } from '../../io/snapshots/snapshot-writer.js';
import {
  appendAll,
  assertHolds,
  CLUSTER_ID,
  DIRECTORY,
  headerFor,
  imageOf,
  newDisk,
} from './snapshot-harness.js';
import { untilPowerLoss } from './wal-harness.js';

const GROUP = 1;
const CRASHES: readonly CrashOptions[] = [
  { keepSector: 0, keepDirectoryOperation: 0 },
  { keepSector: 1, keepDirectoryOperation: 1 },
  { keepSector: 0, keepDirectoryOperation: 1 },
  { keepSector: 1, keepDirectoryOperation: 0 },
  {},
  {},
  {},
  {},
];

const pointOf = (index: number) => ({ index, term: 5 });

function openStore(disk: Disk): SnapshotStore {
  return SnapshotStore.open({
    disk,
    directory: DIRECTORY,
    clusterId: CLUSTER_ID,
    writer: { syncBytes: 500 },
  });
}

function begin(store: SnapshotStore, index: number): SnapshotWriter {
  return store.create(headerFor(pointOf(index)));
}

/** What the caller knew when the power went. */
interface Witness {
  finished: number;
  begun: number;
}

function write(writer: SnapshotWriter, index: number, seen: Witness): void {
  seen.begun = index;
  appendAll(writer, imageOf(pointOf(index)));
  writer.finish();
  seen.finished = index;
}

/** Snapshots of points 2 to 5, with what a node does between them; point 1 is there before. */
function live(disk: Disk, seen: Witness): void {
  const store = openStore(disk);
  write(begin(store, 2), 2, seen);
  store.retain(GROUP, 1);
  store.removals.step();
  begin(store, 3).abandon();
  write(begin(store, 3), 3, seen);
  store.retain(GROUP, 2);
  const brokenOff = begin(store, 4);
  appendAll(brokenOff, imageOf(pointOf(4)).slice(0, 3));
  const next = openStore(disk);
  const fetched = next.createFetched(headerFor(pointOf(4)));
  write(begin(next, 4), 4, seen);
  write(fetched, 4, seen);
  next.retain(GROUP, 1, [pointOf(3)]);
  write(begin(next, 5), 5, seen);
  next.retain(GROUP, 1);
  while (next.removals.isDue) next.removals.step();
}

function prepared(seed: number): SimulatedDisk {
  const disk = newDisk(seed);
  write(begin(openStore(disk), 1), 1, { finished: 0, begun: 0 });
  return disk;
}

function assertNewest(store: SnapshotStore, seen: Witness, where: string): void {
  const { reader, passedOver } = store.newestValid(GROUP, { deep: true });
  assert.deepEqual(passedOver, [], where);
  assert.ok(reader !== null, `${where}: none is left`);
  const { index } = reader.header.point;
  const isNext = index === seen.begun && seen.begun > seen.finished;
  assert.ok(index === seen.finished || isNext, `${where}: ${index} after ${seen.finished}`);
  assertHolds(reader, imageOf(pointOf(index)));
  reader.close();
}

test('after a loss of power anywhere the newest valid snapshot is the old or the new one', () => {
  for (const [seed, crash] of CRASHES.entries()) {
    let budget = 0;
    for (let crashed = true; crashed; budget += 1) {
      const disk = prepared(seed * 1000 + budget);
      const seen = { finished: 1, begun: 1 };
      crashed = untilPowerLoss(disk, budget, crash, (power) => live(power, seen));
      const where = `crash ${seed} after ${budget} operations`;
      const store = openStore(disk);
      assertNewest(store, seen, where);
      // What it finds at the start it may lose no more.
      disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
      assertNewest(openStore(disk), seen, `${where}, and once more`);
      assert.ok(
        disk.list(DIRECTORY).every((name) => name.endsWith('.snapshot')),
        where,
      );
    }
    assert.ok(budget > 80, `${budget} operations`);
  }
});

test('damaged files are set aside without ever losing the valid one', () => {
  for (const [seed, crash] of CRASHES.entries()) {
    for (let [budget, crashed] = [0, true]; crashed; budget += 1) {
      const disk = prepared(seed * 1000 + budget);
      const store = openStore(disk);
      for (const index of [2, 3, 4, 5, 6]) {
        write(begin(store, index), index, { finished: 1, begun: 1 });
        disk.flipBit(store.list(GROUP)[0]!.path, 300);
      }
      crashed = untilPowerLoss(disk, budget, crash, (power) => {
        const { reader, removed } = openStore(power).newestValid(GROUP, { deep: true });
        assert.equal(reader?.header.point.index, 1);
        assert.equal(removed.length, 2);
      });
      const { reader } = openStore(disk).newestValid(GROUP, { deep: true });
      assert.equal(reader?.header.point.index, 1);
    }
  }
});
