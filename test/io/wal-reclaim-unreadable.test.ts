/**
 * Making room in a log whose oldest segment the disk cannot read: the log goes on, nothing that
 * cannot be read is copied, and the groups that keep the segment are named.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Disk } from '../../io/disk/disk.js';
import { BadSectorDisk } from './bad-sector-disk.js';
import { DIRECTORY, newDisk, openWal, run, Submitter } from './wal-harness.js';

const SEGMENT_BYTES = 8192;
const LITTLE_BYTES = 40;

/** A log whose oldest segment holds little: an entry of group 1, then one of group 2. */
function littleLeft(disk: Disk) {
  const { wal } = openWal(disk, { segmentBytes: SEGMENT_BYTES, maxLogBytes: 4 * SEGMENT_BYTES });
  const submitter = new Submitter();
  const commit = (group: number, parts: Parameters<Submitter['request']>[1]): void => {
    assert.ok(wal.stage(submitter.request(group, parts)), 'there is room');
    wal.commit(0);
  };
  for (const group of [1, 2]) commit(group, { runs: [run(group, 1, 1, 1, LITTLE_BYTES)] });
  let last = 0;
  for (; wal.segmentCount < 4; last += 1) commit(9, { runs: [run(9, 1, last + 1, 1, 700)] });
  commit(9, { compact: { index: last, term: 1 } });
  return { wal, commit };
}

/** The log goes on; it is shorter once the groups that keep it have forgotten their entries. */
function assertPinned({ wal, commit }: ReturnType<typeof littleLeft>, groups: number[]): void {
  while (wal.reclaim());
  assert.deepEqual([wal.takePinning(), wal.oldestSegment], [groups, 1]);
  commit(3, { runs: [run(3, 1, 1, 1)] });
  for (const group of groups) commit(group, { compact: { index: 1, term: 1 } });
  while (wal.reclaim());
  assert.equal(wal.segmentCount, 1);
}

test('entries that the disk cannot read are not copied: their groups are named', () => {
  const path = `${DIRECTORY}/0000000000000001.wal`;
  const cases = [
    [1024, [1, 2]],
    [1536, [2]],
  ] as const;
  for (const [at, groups] of cases) {
    const disk = new BadSectorDisk(newDisk(), path, at);
    const log = littleLeft(disk);
    assertPinned(log, [...groups]);
    assert.ok(disk.strikes > 0);
    assert.equal(
      log.wal.counters.copies,
      groups.length === 1 ? 1 : 0,
      'what can be read is copied',
    );
  }
});

test('a segment that cannot be opened has all its groups named', () => {
  const disk = newDisk();
  const log = littleLeft(disk);
  disk.arm({ kind: 'directoryError', path: '0001.wal' });
  assertPinned(log, [1, 2]);
  assert.equal(disk.counters().directoryError, 1);
});
