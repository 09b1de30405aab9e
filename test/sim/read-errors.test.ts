/**
 * Read errors at a start: what counts as a refusal, that they are lifted, and that a snapshot which
 * could not be read must still be there.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { DiskError } from '../../io/disk/disk.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SECTOR_BYTES } from '../../io/disk/simulated-file.js';
import { WalDamage, WalUnreadable } from '../../io/wal/wal-errors.js';
import { noCounts } from '../../tools/sim/counts.js';
import { ReadErrors } from '../../tools/sim/read-errors.js';
import { SimFailure } from '../../tools/sim/sim-failure.js';

const LOG = '/data/wal/1.wal';
const SNAPSHOT = '/data/snapshots/1.snapshot';
const SECTORS = 64;

function diskWith(path: string): SimulatedDisk {
  const disk = new SimulatedDisk(new Prng(1));
  disk.makeDirectory('/data');
  disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
  const file = disk.open(path, 'create');
  file.truncate(SECTORS * SECTOR_BYTES);
  file.close();
  return disk;
}

/** Sectors of the file that cannot be read. */
function badSectors(disk: SimulatedDisk, path: string): number[] {
  const file = disk.open(path, 'read');
  const target = new Uint8Array(SECTOR_BYTES);
  return Array.from({ length: SECTORS }, (_, sector) => sector).filter((sector) => {
    try {
      file.read(target, 0, SECTOR_BYTES, sector * SECTOR_BYTES);
      return false;
    } catch (error) {
      assert.ok(error instanceof DiskError && error.code === 'EIO');
      return true;
    }
  });
}

function unreadable(path: string, sector: number): WalUnreadable {
  return new WalUnreadable(path, sector * SECTOR_BYTES, new DiskError('EIO', 'read', path));
}

test('a refusal must name the sector that cannot be read; the next start reads it', () => {
  let refusals = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const disk = diskWith(LOG);
    const counts = noCounts();
    const errors = new ReadErrors(new Prng(seed), counts);
    assert.equal(errors.isRefusal(unreadable(LOG, 0)), false, 'nothing was armed');
    errors.arm(disk, 1);
    const sectors = [badSectors(disk, LOG), badSectors(disk, LOG)];
    const [sector] = sectors[0]!;
    // Those that fail for a moment fail elsewhere, or nowhere, the second time.
    if (sector === undefined || sectors[1]![0] !== sector) continue;
    refusals += 1;
    assert.equal(errors.isRefusal(unreadable(LOG, sector)), true);
    assert.equal(errors.isRefusal(new WalDamage(LOG, 0, 'torn')), false);
    assert.throws(() => errors.isRefusal(unreadable(LOG, sector + 1)), SimFailure);
    assert.throws(() => errors.isRefusal(unreadable('/data/wal/2.wal', sector)), SimFailure);
    assert.equal(errors.lift(disk), true);
    assert.deepEqual(badSectors(disk, LOG), []);
    assert.equal(counts.readErrors, 2);
  }
  assert.ok(refusals > 5, `${refusals} of 20 had a bad sector`);
});

test('a snapshot that could not be read must be there when the start has ended', () => {
  const disk = diskWith(SNAPSHOT);
  const errors = new ReadErrors(new Prng(2), noCounts());
  while (!errors.isHiding) {
    errors.isDue = true;
    errors.arm(disk, 0);
  }
  assert.equal(badSectors(disk, SNAPSHOT).length, SECTORS);
  errors.passedOver(disk);
  disk.rename(SNAPSHOT, `${SNAPSHOT}.damaged`);
  assert.throws(() => errors.passedOver(disk), SimFailure);
});
