/**
 * The directory of snapshots: which is the newest whole one, what becomes of damaged and unfinished
 * ones, what is kept.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32c } from '../../codec/checksum.js';
import { DiskError } from '../../io/disk/disk.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import {
  SnapshotDamage,
  SnapshotForeign,
  SnapshotVersionError,
} from '../../io/snapshots/snapshot-errors.js';
import type { LogPoint, SnapshotHeader } from '../../io/snapshots/snapshot-format.js';
import { snapshotName, snapshotOfName } from '../../io/snapshots/snapshot-names.js';
import { DAMAGED_KEPT_MAX, SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import {
  appendAll,
  assertHolds,
  bytesOf,
  CLUSTER_ID,
  DIRECTORY,
  headerFor,
  imageOf,
  newDisk,
  overwrite,
} from './snapshot-harness.js';

const GROUP = 1;

function openStore(disk: SimulatedDisk): SnapshotStore {
  return SnapshotStore.open({ disk, directory: DIRECTORY, clusterId: CLUSTER_ID });
}

function put(
  store: SnapshotStore,
  point: LogPoint,
  overrides: Partial<SnapshotHeader> = {},
): string {
  const writer = store.create(headerFor(point, overrides));
  appendAll(writer, imageOf(point));
  writer.finish();
  return writer.path;
}

/** A store of group 1 with snapshots up to these indexes, all of term 5. */
function filled(...indexes: number[]): { disk: SimulatedDisk; store: SnapshotStore } {
  const disk = newDisk();
  const store = openStore(disk);
  for (const index of indexes) put(store, { index, term: 5 });
  return { disk, store };
}

function nameOf(index: number, term = 5, group = GROUP): string {
  return snapshotName(group, { index, term });
}

function pathOf(index: number, term = 5): string {
  return `${DIRECTORY}/${nameOf(index, term)}`;
}

/** Changes one byte of the stored bytes, which header and footer do not show. */
function damageInside(disk: SimulatedDisk, path: string): void {
  disk.flipBit(path, 300);
}

function indexes(store: SnapshotStore, group = GROUP): number[] {
  return store.list(group).map(({ point }) => point.index);
}

test('names carry group, index and term, and no other name is taken for one', () => {
  assert.equal(nameOf(1000), 'g0001-00000000000003e8-0000000000000005.snapshot');
  const file = snapshotOfName(DIRECTORY, nameOf(2 ** 50, 3, 0xffff));
  assert.deepEqual(file?.point, { index: 2 ** 50, term: 3 });
  assert.deepEqual([file?.group, file?.kind], [0xffff, 'snapshot']);
  const strangers = ['x.snapshot', `${nameOf(1)}.old`, `a${nameOf(1)}`, nameOf(1).toUpperCase()];
  const tooLarge = 'g0001-ffffffffffffffff-0000000000000005.snapshot';
  for (const name of [...strangers, tooLarge]) assert.equal(snapshotOfName(DIRECTORY, name), null);
  assert.throws(() => nameOf(1, 1, 0x1_0000), /group 65536 has no snapshot file/);
});

test('snapshots are listed newest first, each group for itself', () => {
  const { store } = filled(900, 2000, 1000);
  put(store, { index: 1000, term: 6 });
  put(store, { index: 5000, term: 9 }, { group: 2 });
  assert.deepEqual(
    store.list(GROUP).map(({ point }) => [point.index, point.term]),
    [
      [2000, 5],
      [1000, 6],
      [1000, 5],
      [900, 5],
    ],
  );
  assert.deepEqual(indexes(store, 2), [5000]);
  const { reader, passedOver } = store.newestValid(2, { deep: true });
  assert.deepEqual([reader?.header.point.index, passedOver], [5000, []]);
  assert.equal(store.newestValid(3, { deep: true }).reader, null);
});

test('the newest is passed over when it is damaged, set aside and named with the reason', () => {
  const { disk, store } = filled(1000, 2000, 3000);
  damageInside(disk, pathOf(3000));
  disk.flipBit(pathOf(2000), 20);
  const shallow = store.newestValid(GROUP, { deep: false });
  assert.equal(shallow.reader?.header.point.index, 3000, 'its header and footer are whole');
  shallow.reader?.close();
  const { reader, passedOver, removed } = store.newestValid(GROUP, { deep: true });
  assert.ok(reader !== null);
  assertHolds(reader, imageOf({ index: 1000, term: 5 }));
  assert.deepEqual(
    passedOver.map(({ path, setAsideAs }) => [path, setAsideAs]),
    [3000, 2000].map((index) => [pathOf(index), `${pathOf(index)}.damaged`]),
  );
  const [newest, second] = passedOver.map(({ reason }) => reason.message);
  assert.match(newest ?? '', /at byte \d+: chunk \d fails its checksum/);
  assert.match(second ?? '', /at byte 124: the header fails its checksum/);
  assert.deepEqual(removed, []);
  assert.deepEqual(indexes(store), [1000]);
  assert.deepEqual(disk.unsynced().directoryOperations, 0);
  assert.ok(disk.exists(`${pathOf(3000)}.damaged`));
});

test('damaged files are kept up to a bound; what goes beyond it is reported', () => {
  const disk = newDisk();
  const store = openStore(disk);
  const gone: string[] = [];
  for (let index = 1; index <= DAMAGED_KEPT_MAX + 2; index += 1) {
    damageInside(disk, put(store, { index, term: 5 }));
    const { reader, removed } = store.newestValid(GROUP, { deep: true });
    assert.equal(reader, null);
    gone.push(...removed);
  }
  assert.deepEqual(
    gone,
    [1, 2].map((index) => `${pathOf(index)}.damaged`),
  );
  assert.equal(disk.list(DIRECTORY).length, DAMAGED_KEPT_MAX);
});

test('a file that cannot be read is passed over and keeps its name', () => {
  const { disk, store } = filled(1000, 2000);
  disk.arm({ kind: 'readError', path: nameOf(2000) });
  const { reader, passedOver } = store.newestValid(GROUP, { deep: true });
  assert.equal(reader?.header.point.index, 1000);
  assert.equal(passedOver[0]?.setAsideAs, null);
  assert.ok(passedOver[0]?.reason instanceof DiskError);
  assert.deepEqual(indexes(store), [2000, 1000]);
});

test('a file that is named for another snapshot than it holds is set aside', () => {
  const { disk, store } = filled(1000, 2000);
  disk.rename(pathOf(2000), pathOf(3000));
  const { reader, passedOver } = store.newestValid(GROUP, { deep: false });
  assert.equal(reader?.header.point.index, 1000);
  assert.ok(passedOver[0]?.reason instanceof SnapshotDamage);
  assert.match(passedOver[0].reason.message, /its header is that of g0001-00000000000007d0/);
});

test('a newer file of another version or cluster is refused and left alone', () => {
  const { disk, store } = filled(1000, 2000);
  const bytes = bytesOf(disk, pathOf(2000));
  const changed = Buffer.from(bytes);
  changed.writeUInt32LE(9, 8);
  changed.writeUInt32LE(crc32c(changed.subarray(0, 124)), 124);
  overwrite(disk, pathOf(2000), changed);
  const damaged = put(store, { index: 3000, term: 5 });
  damageInside(disk, damaged);
  assert.throws(() => store.newestValid(GROUP, { deep: true }), SnapshotVersionError);
  assert.deepEqual(indexes(store), [3000, 2000, 1000], 'not even the damaged one is renamed');
  disk.remove(damaged);
  overwrite(disk, pathOf(2000), bytes);
  const stranger = new SnapshotStore({ disk, directory: DIRECTORY, clusterId: 8 });
  assert.throws(
    () => stranger.newestValid(GROUP, { deep: false }),
    (error) =>
      error instanceof SnapshotForeign &&
      /to cluster 7, this node has cluster 8/.test(error.message),
  );
  assert.throws(() => stranger.create(headerFor({ index: 1, term: 1 })), SnapshotForeign);
  assert.deepEqual(indexes(store), [2000, 1000]);
});

test('unfinished files are removed at the start, taken here or fetched', () => {
  const { disk, store } = filled(1000);
  appendAll(store.create(headerFor({ index: 2000, term: 5 })), imageOf({ index: 2000, term: 5 }));
  store.createFetched(headerFor({ index: 3000, term: 5 }));
  assert.equal(disk.list(DIRECTORY).length, 3);
  assert.deepEqual(indexes(openStore(disk)), [1000]);
  assert.equal(disk.list(DIRECTORY).length, 1);
  assert.equal(disk.unsynced().directoryOperations, 0);
});

test('a snapshot taken here and one that is fetched do not meet, although of one point', () => {
  const { store } = filled(1000);
  const point = { index: 2000, term: 5 };
  const [own, fetched] = [store.create(headerFor(point)), store.createFetched(headerFor(point))];
  const image = imageOf(point);
  for (const part of [image.slice(0, 2), image]) {
    appendAll(own, part);
    appendAll(fetched, part);
  }
  own.finish();
  assert.deepEqual(indexes(store), [2000, 1000]);
  fetched.abandon();
  const again = store.createFetched(headerFor(point));
  appendAll(again, image);
  again.finish();
  const { reader, passedOver } = store.newestValid(GROUP, { deep: true });
  assert.deepEqual([reader?.header.point.index, passedOver], [2000, []]);
  reader?.close();
});

test('the newest few are kept, and those that are pinned', () => {
  const { disk, store } = filled(1000, 2000, 3000, 4000, 5000);
  put(store, { index: 1, term: 1 }, { group: 2 });
  const pinned = [
    { index: 2000, term: 5 },
    { index: 1000, term: 4 },
  ];
  assert.deepEqual(store.retain(GROUP, 2, pinned), [pathOf(1000), pathOf(3000)]);
  assert.deepEqual(indexes(store), [5000, 4000, 2000]);
  assert.deepEqual(store.retain(GROUP, 3), []);
  assert.deepEqual(store.retain(GROUP, 1), [pathOf(2000), pathOf(4000)]);
  assert.deepEqual(indexes(store, 2), [1], 'other groups keep theirs');
  assert.equal(disk.unsynced().directoryOperations, 0);
  assert.throws(() => store.retain(GROUP, 0), /0 snapshots to keep; at least 1/);
});

test('what is not kept goes in slices, durably without its name before the first of them', () => {
  const { disk, store } = filled(1000, 2000);
  const file = disk.open(pathOf(1000), 'readwrite');
  file.truncate(40 * 1024 * 1024);
  file.close();
  store.retain(GROUP, 1);
  const last = `${pathOf(1000)}.removed`;
  const lengths: number[] = [];
  while (store.removals.isDue) {
    assert.equal(disk.unsynced().directoryOperations, 0);
    const left = disk.open(last, 'read');
    lengths.push(left.size() / 1024 / 1024);
    left.close();
    store.removals.step();
  }
  assert.deepEqual(lengths, [40, 24, 8]);
  assert.deepEqual(disk.list(DIRECTORY), [pathOf(2000).slice(DIRECTORY.length + 1)]);
});

test('a start removes what was not gone yet, and a disk that fails leaves it to that', () => {
  const { disk, store } = filled(1000, 2000, 3000);
  store.retain(GROUP, 1);
  disk.remove(`${pathOf(1000)}.removed`);
  assert.throws(() => store.removals.step(), /ENOENT/);
  assert.ok(store.removals.isDue, 'the others still go');
  store.removals.close();
  assert.ok(!store.removals.isDue);
  assert.deepEqual(indexes(openStore(disk)), [3000]);
  assert.equal(disk.list(DIRECTORY).length, 1);
});

test('what was renamed when the disk failed goes with the files of the next time', () => {
  const { disk, store } = filled(1000, 2000);
  disk.arm({ kind: 'directoryError', path: DIRECTORY, after: 3 });
  assert.throws(() => store.retain(GROUP, 1), /syncDirectory .*EIO/);
  assert.ok(!store.removals.isDue, 'it may have its name back');
  put(store, { index: 3000, term: 5 });
  assert.deepEqual(store.retain(GROUP, 1), [pathOf(2000)]);
  while (store.removals.isDue) store.removals.step();
  assert.equal(disk.list(DIRECTORY).length, 1);
});

test('nothing is removed while the name of a newer one may be lost', () => {
  const { disk, store } = filled(1000);
  disk.arm({ kind: 'directoryError', path: DIRECTORY, after: 2 });
  assert.throws(() => put(store, { index: 2000, term: 5 }), /syncDirectory .*EIO/);
  assert.deepEqual(indexes(store), [2000, 1000], 'whole, but its name is not durable');
  disk.arm({ kind: 'directoryError', path: DIRECTORY, after: 1 });
  assert.throws(() => store.retain(GROUP, 1), /syncDirectory .*EIO/);
  disk.crash({ keepDirectoryOperation: 0 });
  assert.deepEqual(indexes(openStore(disk)), [1000]);
});
