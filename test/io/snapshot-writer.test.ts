/**
 * Writing snapshot files on disks that are full, short and failing, and going on with a file whose
 * writing was broken off.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { compressChunk } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { DiskError } from '../../io/disk/disk.js';
import type { ArmableFault } from '../../io/disk/disk-faults.js';
import { SnapshotChunkRefused, SnapshotDamage } from '../../io/snapshots/snapshot-errors.js';
import { SnapshotWriter } from '../../io/snapshots/snapshot-writer.js';
import {
  appendAll,
  assertFileHolds,
  bytesOf,
  DIRECTORY,
  headerFor,
  imageOf,
  newDisk,
  noise,
  words,
  writeSnapshot,
} from './snapshot-harness.js';

const PATH = `${DIRECTORY}/x.snapshot`;
const POINT = { index: 1000, term: 5 };
const IMAGE = imageOf(POINT);
const SYNC = { syncBytes: 600 };

function chunkOf(raw: Uint8Array, number: number) {
  const { body, stored } = compressChunk(raw);
  return { chunk: { ...body, number, section: SnapshotSection.machine }, stored };
}

test('short writes are looped, and a file is the same whatever the disk takes at once', () => {
  const whole = newDisk();
  writeSnapshot(whole, PATH, headerFor(POINT), IMAGE);
  const disk = newDisk();
  disk.arm({ kind: 'shortWrite', times: Number.POSITIVE_INFINITY });
  writeSnapshot(disk, PATH, headerFor(POINT), IMAGE, SYNC);
  assert.deepEqual(bytesOf(disk, PATH), bytesOf(whole, PATH));
});

test('what was written is synced every so many bytes', () => {
  const disk = newDisk();
  const writer = SnapshotWriter.create(disk, PATH, headerFor(POINT), { syncBytes: 8192 });
  let most = 0;
  for (let number = 0; number < 40; number += 1) {
    appendAll(
      writer,
      Array.from({ length: number + 1 }, (_, at) => noise(1000, at)),
    );
    most = Math.max(most, disk.unsynced().sectors);
  }
  assert.ok(most > 8 && most <= 8192 / 512 + 3, `${most} sectors`);
  writer.finish();
  assert.deepEqual(disk.unsynced(), { sectors: 0, directoryOperations: 0 });
});

test('every failure of the disk is thrown, removes the temporary file and touches no other', () => {
  const kinds: ArmableFault[] = ['writeError', 'noSpace', 'syncError', 'directoryError'];
  const old = imageOf({ index: 900, term: 5 });
  for (const kind of kinds) {
    let failures = 0;
    for (let after = 0; ; after += 1) {
      const disk = newDisk();
      writeSnapshot(disk, `${DIRECTORY}/old.snapshot`, headerFor({ index: 900, term: 5 }), old);
      disk.arm({ kind, after, path: kind === 'directoryError' ? DIRECTORY : 'x.snapshot' });
      try {
        writeSnapshot(disk, PATH, headerFor(POINT), IMAGE, SYNC);
      } catch (error) {
        assert.ok(error instanceof DiskError, `${error}`);
        assert.equal(error.code, kind === 'noSpace' ? 'ENOSPC' : 'EIO');
        failures += 1;
      }
      const struck = disk.counters()[kind] > 0;
      disk.disarm();
      assert.ok(!disk.exists(`${PATH}.tmp`), `${kind} after ${after} left a temporary file`);
      // The last step is the sync of the directory: the file is whole, only its name is in doubt.
      if (disk.exists(PATH)) assertFileHolds(disk, PATH, IMAGE);
      assertFileHolds(disk, `${DIRECTORY}/old.snapshot`, old);
      if (!struck) break;
    }
    assert.ok(failures >= (kind === 'directoryError' ? 3 : 2), `${kind} struck ${failures} times`);
  }
});

test('a disk that fills up is ENOSPC, and has its space again afterwards', () => {
  const disk = newDisk();
  disk.setCapacity(1000);
  const write = (): unknown => writeSnapshot(disk, PATH, headerFor(POINT), [noise(2000, 1)]);
  assert.throws(write, (error) => error instanceof DiskError && error.code === 'ENOSPC');
  assert.deepEqual(disk.list(DIRECTORY), []);
  disk.setCapacity(4000);
  write();
});

test('a chunk that is not the next one, or not itself, is refused and may be given again', () => {
  const disk = newDisk();
  const writer = SnapshotWriter.create(disk, PATH, headerFor(POINT));
  const { chunk, stored } = chunkOf(words(1000, 'abc'), 0);
  const noisy = chunkOf(noise(100, 1), 0);
  const wrong = Buffer.from(stored);
  wrong[3]! ^= 1;
  for (const [given, bytes, what] of [
    [{ ...chunk, number: 1 }, stored, /its number is 1, the next is 0/],
    [chunk, wrong, /its bytes fail their checksum/],
    [chunk, stored.subarray(1), /it has \d+ stored bytes, its header says/],
    [{ ...chunk, rawBytes: 70_000 }, stored, /70000 raw bytes, at most 65536/],
    [{ ...chunk, rawBytes: 0 }, stored, /0 raw bytes/],
    [{ ...chunk, rawBytes: 10 }, stored, /for 10 raw ones/],
    [{ ...noisy.chunk, rawBytes: 101 }, noisy.stored, /not compressed but has 100 bytes for 101/],
  ] as const) {
    assert.throws(
      () => writer.append(given, bytes),
      (error) => error instanceof SnapshotChunkRefused && what.test(error.message),
    );
  }
  writer.append(chunk, stored);
  assert.deepEqual([writer.chunks, writer.rawBytes], [1, 1000]);
  assert.equal(writer.storedBytes, stored.length);
  writer.finish();
  assertFileHolds(disk, PATH, [words(1000, 'abc')]);
});

test('a writer that ended takes nothing more, and abandoning removes what was begun', () => {
  const disk = newDisk();
  const writer = SnapshotWriter.create(disk, PATH, headerFor(POINT));
  appendAll(writer, IMAGE);
  assert.deepEqual(disk.list(DIRECTORY), ['x.snapshot.tmp']);
  writer.abandon();
  assert.deepEqual(disk.list(DIRECTORY), []);
  assert.throws(() => writer.finish(), /x\.snapshot is abandoned: begin a new one/);
  const other = SnapshotWriter.create(disk, PATH, headerFor(POINT));
  other.finish();
  other.abandon();
  assert.throws(() => appendAll(other, IMAGE), /is finished/);
  assertFileHolds(disk, PATH, []);
});

test('a copy that does not end as its original did is refused and removed', () => {
  const disk = newDisk();
  const footer = writeSnapshot(disk, `${DIRECTORY}/a.snapshot`, headerFor(POINT), IMAGE);
  const writer = SnapshotWriter.create(disk, PATH, headerFor(POINT));
  appendAll(writer, IMAGE.slice(0, 3));
  assert.throws(
    () => writer.finish(footer),
    (error) => error instanceof SnapshotDamage && /3 chunks of .* received, 4 /.test(error.message),
  );
  assert.deepEqual(disk.list(DIRECTORY), ['a.snapshot']);
});

test('a file whose sync failed and that could not be removed is not written to again', () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const disk = newDisk(seed);
    disk.arm({ kind: 'syncError', path: 'x.snapshot' });
    disk.arm({ kind: 'directoryError', path: 'x.snapshot', after: 1 });
    const write = (): unknown => writeSnapshot(disk, PATH, headerFor(POINT), IMAGE);
    assert.throws(write, /sync .*x\.snapshot\.tmp: EIO/);
    assert.deepEqual(disk.list(DIRECTORY), ['x.snapshot.tmp']);
    write();
    disk.crash();
    assertFileHolds(disk, PATH, IMAGE);
  }
});
