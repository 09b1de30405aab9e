/**
 * Damage and failures of the disk that are more than a flipped bit, as one table: what happens,
 * and how it ends.
 *
 *   whole     everything that was acknowledged is there, now or once the disk works again
 *   refused   the start names what is missing or damaged, and has changed nothing
 *   unknown   nobody can tell: what is lost is the end of the log that nothing later proves
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { FaultPlan } from '../../io/disk/disk-faults.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import { SECTOR_BYTES } from '../../io/wal/segment-format.js';
import { WalError, WalUnreadable } from '../../io/wal/wal-errors.js';
import { BadSectorDisk } from './bad-sector-disk.js';
import { type DamageLog, type Files, livedLog, OPEN, outcomeOf, segmentsOf } from './damage-log.js';
import * as snapshots from './snapshot-harness.js';
import { DIRECTORY, filesOf, newDisk, openWal, run, Submitter } from './wal-harness.js';

type End = 'whole' | 'refused' | 'unknown';

const LOG = livedLog(true);
const KILLED = livedLog(false);
const SEGMENTS = segmentsOf(LOG.files);

function simulated(files: Files): SimulatedDisk {
  const disk = newDisk();
  disk.makeDirectory(DIRECTORY);
  for (const [name, bytes] of files) {
    const file = disk.open(`${DIRECTORY}/${name}`, 'create');
    file.write(bytes, 0, bytes.length, 0);
    file.sync();
    file.close();
  }
  disk.syncDirectory(DIRECTORY);
  return disk;
}

/** Starts these files; a refusal must match `message`. */
function start(change: (files: Map<string, Uint8Array>) => void, message: RegExp, log = LOG): End {
  const files = new Map([...log.files].map(([name, bytes]) => [name, bytes.slice()]));
  change(files);
  const disk = simulated(files);
  try {
    const opened = openWal(disk, { ...OPEN, mustExist: true });
    return outcomeOf(disk, opened, log) === 'whole' ? 'whole' : 'unknown';
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    assert.match(error.message, message);
    assert.match(error.message, /ringraft repair/);
    assert.deepEqual(filesOf(disk), files, 'nothing was changed');
    return 'refused';
  }
}

function missing(name: string, why: RegExp): End {
  const message = new RegExp(`a part of the log is missing: .*${name}: ${why.source}`);
  return start((files) => files.delete(name), message);
}

/** Starts a log on a disk with a fault in each place in turn, then on the same disk without. */
function faulty(kind: FaultPlan['kind'], log: DamageLog): End {
  for (let after = 0; after < 1000; after += 1) {
    const disk = simulated(log.files);
    disk.arm({ kind, path: '.wal', after });
    try {
      const opened = openWal(disk, OPEN);
      assert.equal(outcomeOf(disk, opened, log), 'whole');
    } catch (error) {
      assert.ok(error instanceof WalUnreadable, `${error}`);
      assert.match(error.message, /the log cannot be read: .*\.wal at byte 0: .*\(EIO\)/);
    }
    const struck = disk.counters()[kind] > 0;
    disk.disarm();
    assert.equal(outcomeOf(disk, openWal(disk, OPEN), log), 'whole', 'later it is all there');
    if (!struck) return after > 10 ? 'whole' : assert.fail('there are more reads than that');
  }
  return assert.fail('a start reads for ever');
}

/** A sector that the disk never reads again: the start names it, and the repair knows it. */
function badSector(name: string, at: number, what: string): End {
  const path = `${DIRECTORY}/${name}`;
  const disk = new BadSectorDisk(simulated(LOG.files), path, at);
  const place = `${path} at byte ${at}`;
  const message = `the log cannot be read: ${place}: the disk cannot read ${what} (EIO)`;
  for (const mustExist of [true, false]) {
    assert.throws(
      () => openWal(disk, { ...OPEN, mustExist }),
      (error: unknown) => {
        assert.ok(error instanceof WalUnreadable, `${error}`);
        assert.ok(error.message.startsWith(message), error.message);
        assert.match(error.message, /Start again once .* or run "ringraft repair" on the data/);
        return true;
      },
    );
  }
  assert.deepEqual(filesOf(disk.disk), new Map(LOG.files), 'nothing was changed');
  assert.deepEqual(outcomeOf(disk.disk, openWal(disk.disk, OPEN), LOG), 'whole');
  return 'refused';
}

/** Writes the block at `from` of a segment somewhere else; `zeros`: and not where it belongs. */
function misdirected(to: string, at: number): End {
  const [first] = SEGMENTS;
  const message = /the log is damaged: .* at byte \d+: .*Nothing was changed/;
  return start((files) => {
    const block = files.get(first!)!.slice(2 * SECTOR_BYTES, 4 * SECTOR_BYTES);
    files.get(to)!.set(block, at);
    files.get(first!)!.fill(0, 2 * SECTOR_BYTES, 4 * SECTOR_BYTES);
  }, message);
}

function lost(name: string, from: number, to: number, log: DamageLog): End {
  return start((files) => files.get(name)!.fill(0, from, to), /zeros where a block was/, log);
}

/** A log that finds no space for its spare waits, and has everything once there is some. */
function noSpareSpace(): End {
  const disk = newDisk();
  const { wal } = openWal(disk, OPEN);
  disk.setCapacity(0);
  const submitter = new Submitter();
  let index = 1;
  const commit = (): boolean => {
    const taken = wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 600)] }));
    if (taken) assert.equal(wal.commit(0).length, 1);
    if (taken) index += 1;
    return taken;
  };
  while (commit());
  assert.ok(wal.busy && wal.isShort, 'it says that there is no room');
  disk.setCapacity(Number.POSITIVE_INFINITY);
  // What was refused was not taken: the caller's number is free again.
  const again = openWal(simulated(filesOf(disk)), OPEN);
  assert.equal(again.groups[0]!.last, index - 1);
  return 'whole';
}

function noFirstSpace(): End {
  const disk = newDisk();
  disk.setCapacity(OPEN.segmentBytes - 1);
  const message = new RegExp(
    `takes ${OPEN.segmentBytes} bytes .*ENOSPC.* Free that much on the disk`,
  );
  assert.throws(() => openWal(disk, OPEN), { code: 'walNoSpace', message });
  assert.deepEqual(disk.list(DIRECTORY), [], 'what was begun is gone');
  disk.setCapacity(Number.POSITIVE_INFINITY);
  assert.equal(openWal(disk, OPEN).report.created, true);
  return 'whole';
}

function shortWrites(): End {
  const disk = newDisk();
  const { wal } = openWal(disk, OPEN);
  disk.arm({ kind: 'shortWrite', times: Number.POSITIVE_INFINITY });
  const submitter = new Submitter();
  for (let index = 1; index <= 12; index += 1) {
    assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 600)] })));
    wal.commit(0);
  }
  assert.ok(disk.counters().shortWrite > 12);
  disk.crash();
  assert.equal(openWal(disk, OPEN).groups[0]!.last, 12);
  return 'whole';
}

const OLDER = { index: 10, term: 1 };
const NEWER = { index: 20, term: 2 };

function withSnapshots(): { disk: SimulatedDisk; store: SnapshotStore; paths: string[] } {
  const disk = snapshots.newDisk();
  const { DIRECTORY: directory, CLUSTER_ID: clusterId } = snapshots;
  const store = SnapshotStore.open({ disk, directory, clusterId });
  for (const point of [OLDER, NEWER]) {
    const writer = store.create(snapshots.headerFor(point));
    snapshots.appendAll(writer, snapshots.imageOf(point));
    writer.finish();
  }
  return { disk, store, paths: store.list(1).map(({ path }) => path) };
}

function newest(store: SnapshotStore): number {
  const { reader } = store.newestValid(1, { deep: true });
  reader?.close();
  return reader?.header.point.index ?? 0;
}

/** The node falls back to the snapshot before; without any it has to fetch one. */
function missingSnapshots(): End {
  const { disk, store, paths } = withSnapshots();
  const found = [newest(store)];
  for (const path of paths) {
    disk.remove(path);
    found.push(newest(store));
  }
  assert.deepEqual(found, [NEWER.index, OLDER.index, 0]);
  return 'whole';
}

function unreadableSnapshot(): End {
  const { disk, store, paths } = withSnapshots();
  disk.arm({ kind: 'readError', path: paths[0]!, times: Number.POSITIVE_INFINITY });
  assert.equal(newest(store), OLDER.index);
  disk.disarm();
  assert.equal(newest(store), NEWER.index, 'it has kept its name');
  return 'whole';
}

function noSnapshotSpace(): End {
  const { disk, store } = withSnapshots();
  for (const room of [0, 200, 500]) {
    const used = disk
      .list(store.directory)
      .map((name) => snapshots.bytesOf(disk, `${store.directory}/${name}`).length);
    disk.setCapacity(used.reduce((sum, bytes) => sum + bytes, room));
    const point = { index: 30, term: 2 };
    const take = (): void => {
      const writer = store.create(snapshots.headerFor(point));
      snapshots.appendAll(writer, snapshots.imageOf(point));
      writer.finish();
    };
    assert.throws(take, { code: 'ENOSPC' });
    const left = disk.list(store.directory).filter((name) => name.endsWith('.tmp'));
    assert.deepEqual(left, [], 'its space is given back');
    assert.equal(newest(store), NEWER.index);
  }
  return 'whole';
}

const A_SECTOR = 'a sector of its blocks';
const LAST = { name: KILLED.last.name, from: KILLED.last.offset };

const CASES: readonly (readonly [name: string, end: End, reach: () => End])[] = [
  ['the oldest segment is missing', 'refused', () => missing(SEGMENTS[0]!, /entries \d+–\d+ /)],
  ['a segment in the middle is missing', 'refused', () => missing(SEGMENTS[1]!, /segment \d+ is/)],
  [
    'the newest segment is missing',
    'refused',
    () => missing(SEGMENTS.at(-1)!, /segment \d+ ends with the word that segment \d+ was begun/),
  ],
  [
    'all segments are missing',
    'refused',
    () => start((files) => files.clear(), /this node has made a log, and there is no segment/),
  ],
  [
    'all spares are missing',
    'whole',
    () =>
      start((files) => {
        for (const name of files.keys()) if (!name.endsWith('.wal')) files.delete(name);
      }, /nothing/),
  ],
  [
    'a block lands at another place of its file',
    'refused',
    () => misdirected(SEGMENTS[0]!, 6 * SECTOR_BYTES),
  ],
  ['a block lands in another file', 'refused', () => misdirected(SEGMENTS[1]!, 4 * SECTOR_BYTES)],
  [
    'a block lands behind the end of the log, and where it belongs',
    'whole',
    () =>
      start((files) => {
        const block = files.get(SEGMENTS[0]!)!.slice(2 * SECTOR_BYTES, 3 * SECTOR_BYTES);
        files.get(SEGMENTS.at(-1)!)!.set(block, OPEN.segmentBytes - SECTOR_BYTES);
      }, /nothing/),
  ],
  [
    'a write in the middle never reached the disk',
    'refused',
    () => lost(SEGMENTS[1]!, 2 * SECTOR_BYTES, 4 * SECTOR_BYTES, LOG),
  ],
  [
    'the header of the oldest segment cannot be read',
    'refused',
    () => badSector(SEGMENTS[0]!, 0, 'the segment header'),
  ],
  [
    'the checkpoint of a segment cannot be read',
    'refused',
    () => badSector(SEGMENTS[1]!, SECTOR_BYTES, A_SECTOR),
  ],
  [
    'a block in the middle cannot be read',
    'refused',
    () => badSector(SEGMENTS[1]!, 3 * SECTOR_BYTES, A_SECTOR),
  ],
  [
    'the end of the newest segment, where no block is yet, cannot be read',
    'refused',
    () => badSector(SEGMENTS.at(-1)!, OPEN.segmentBytes - SECTOR_BYTES, A_SECTOR),
  ],
  ['a read fails while the log is recovered', 'whole', () => faulty('readError', LOG)],
  ['reads are short while the log is recovered', 'whole', () => faulty('shortRead', LOG)],
  ['writes of the log are short', 'whole', shortWrites],
  ['no space for the first segment', 'whole', noFirstSpace],
  ['no space for a spare', 'whole', noSpareSpace],
  ['snapshots are missing', 'whole', missingSnapshots],
  ['a snapshot cannot be read', 'whole', unreadableSnapshot],
  ['no space for a snapshot', 'whole', noSnapshotSpace],
];

for (const [name, end, reach] of CASES) {
  test(`${name}: ${end}`, () => {
    assert.equal(reach(), end);
  });
}

test('the last write never reached the disk, and nothing was written since: nobody can know', () => {
  const files = new Map([...KILLED.files].map(([name, bytes]) => [name, bytes.slice()]));
  files.get(LAST.name)!.fill(0, LAST.from);
  const disk = simulated(files);
  const { groups, report } = openWal(disk, OPEN);
  const held = groups.find(({ group }) => group === 2)!.last;
  const had = KILLED.model.get(2)!;
  assert.deepEqual([report.cut, held], [null, had.base.index + had.entries.length - 1]);
});
