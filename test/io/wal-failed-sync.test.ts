/**
 * A failed sync, a restart of the process alone, and a loss of power after that: what the second
 * life has read and acknowledged must be on the disk, though no sync writes what a failed one has
 * taken for written.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import type { DiskFile } from '../../io/disk/disk.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { readWholeFile } from '../../io/disk/whole-file.js';
import { rewriteUnproven } from '../../io/wal/rewrite.js';
import type { LogScan } from '../../io/wal/scan.js';
import { SegmentReader } from '../../io/wal/segment-reader.js';
import type { OpenedWal } from '../../io/wal/wal.js';
import { WalFailed } from '../../io/wal/wal-errors.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  newDisk,
  type OpenOverrides,
  openWal,
  prefixLength,
  run,
  Submitter,
} from './wal-harness.js';

const LOSE_ALL = { keepSector: 0, keepDirectoryOperation: 0 };

/** Commits `count` requests of one entry each; the last one's sync fails. */
function untilFailedSync(disk: SimulatedDisk, count: number, overrides: OpenOverrides = {}) {
  const { wal } = openWal(disk, overrides);
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  for (let index = 1; index <= count; index += 1) {
    const request = submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
    requests.push(request);
    if (index === count) disk.arm({ kind: 'syncError', path: '.wal' });
    assert.ok(wal.stage(request));
    if (index === count) assert.throws(() => wal.commit(0), WalFailed);
    else assert.equal(wal.commit(0).length, 1);
  }
  wal.close();
  return { requests, submitter };
}

/** Restarts after the death of the process, with everything still readable that was written. */
function nextLife(disk: SimulatedDisk, overrides: OpenOverrides = {}): OpenedWal {
  disk.kill();
  return openWal(disk, overrides);
}

test('what a restart reads after a failed sync outlives a loss of power', () => {
  let readAgain = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const disk = newDisk(seed);
    const { requests } = untilFailedSync(disk, 4);
    const second = nextLife(disk);
    const promised = prefixLength(disk, second.groups, requests);
    assert.ok(promised >= 3, 'what was acknowledged is there');
    if (promised === 4) {
      readAgain += 1;
      assert.ok(second.report.rewrittenBytes > 0, 'no block proved its sync');
    }
    disk.crash(LOSE_ALL);
    assert.equal(prefixLength(disk, openWal(disk).groups, requests), promised);
  }
  assert.ok(readAgain > 0, 'some restarts read the block whose sync failed');
});

test('blocks that follow in the next life outlive it too', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const disk = newDisk(seed);
    const { requests, submitter } = untilFailedSync(disk, 3);
    const second = nextLife(disk);
    const promised = prefixLength(disk, second.groups, requests);
    const kept = requests.slice(0, promised);
    const more = submitter.request(1, { runs: [run(1, 1, promised + 1, 1, 700)] });
    assert.ok(second.wal.stage({ ...more, seq: promised + 1 }));
    assert.equal(second.wal.commit(0).length, 1);
    disk.crash(LOSE_ALL);
    const all = [...kept, { ...more, seq: promised + 1 }];
    assert.equal(prefixLength(disk, openWal(disk).groups, all), promised + 1);
  }
});

test('a segment whose first sync failed is written again from its header on', () => {
  const disk = newDisk(3);
  const { wal } = openWal(disk);
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  disk.arm({ kind: 'syncError', path: '0002.wal' });
  assert.throws(() => {
    for (let index = 1; ; index += 1) {
      const request = submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
      if (!wal.stage(request)) assert.fail('the supply prepares spares at once');
      wal.commit(0);
      requests.push(request);
    }
  }, WalFailed);
  wal.close();
  assert.equal(prefixLength(disk, nextLife(disk).groups, requests), requests.length);
  disk.crash(LOSE_ALL);
  const third = openWal(disk);
  assert.equal(prefixLength(disk, third.groups, requests), requests.length);
});

test('a mere kill in a relaxed mode rewrites everything since the last proof', () => {
  const disk = newDisk();
  const { wal } = openWal(disk, { mode: 'none', segmentBytes: 65_536 });
  const submitter = new Submitter();
  const requests: PersistRequest[] = [];
  for (let index = 1; index <= 20; index += 1) {
    requests.push(submitter.request(1, { runs: [run(1, 1, index, 1, 700)] }));
    wal.stage(requests[index - 1]!);
    wal.commit(0);
  }
  const { report } = nextLife(disk, { segmentBytes: 65_536 });
  assert.ok(report.rewrittenBytes >= 20 * 1024, `${report.rewrittenBytes}`);
  disk.crash(LOSE_ALL);
  const { groups } = openWal(disk, { segmentBytes: 65_536 });
  assert.equal(prefixLength(disk, groups, requests), 20);
});

test('after a clean close nothing is rewritten', () => {
  const disk = newDisk();
  const { wal } = openWal(disk);
  wal.stage(new Submitter().request(1, { runs: [run(1, 1, 1, 1)] }));
  wal.commit(0);
  wal.close();
  // The seal itself is the only block that nothing proves.
  assert.equal(nextLife(disk).report.rewrittenBytes, 512);
});

test('a disk that gives back other bytes at the second read stops the start', () => {
  const disk = newDisk();
  const segmentBytes = 16 * 1024 * 1024;
  const { wal } = openWal(disk, { mode: 'none', segmentBytes });
  const submitter = new Submitter();
  // More than the window of a scan, so that rewriting has to read again.
  for (let index = 1; index <= 3; index += 1) {
    wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 2 * 1024 * 1024)] }));
    wal.commit(0);
  }
  disk.kill();
  const moody = new MoodyDisk(disk);
  assert.throws(() => openWal(moody, { segmentBytes }), {
    name: 'WalFailed',
    message: /byte \d+ read differently a moment ago/,
  });
});

test('a header that reads well once and badly the next time is not written again', () => {
  const disk = newDisk();
  openWal(disk).wal.close();
  const path = `${DIRECTORY}/0000000000000001.wal`;
  const moody = new MoodyDisk(disk, (target, offset, length) => {
    if (length > 512) target[offset + 40]! ^= 1;
  });
  const reader = new SegmentReader(moody, path, 1, 4096);
  const header = reader.header();
  assert.ok(header !== null, 'read alone it is well');
  const stop = { at: 0, offset: 1024, previousCrc: 0 };
  const segments = [{ reader, place: reader.place(header.logId) }];
  const scan = { stop, unprovenFrom: 0, segments } as unknown as LogScan;
  const before = readWholeFile(disk, path, 8192);
  const file = disk.open(path, 'readwrite');
  assert.throws(() => rewriteUnproven(file, scan), /byte 0 read differently a moment ago/);
  file.close();
  assert.deepEqual(readWholeFile(disk, path, 8192), before);
});

type Spoil = (target: Uint8Array, offset: number, length: number, isBehind: boolean) => void;

function zerosBehind(target: Uint8Array, offset: number, length: number, isBehind: boolean) {
  if (isBehind) target.fill(0, offset, offset + length);
}

/** Spoils what is read; by default reads as zeros what was read before from a place behind it. */
class MoodyDisk extends SimulatedDisk {
  readonly #disk: SimulatedDisk;
  readonly #spoil: Spoil;

  constructor(disk: SimulatedDisk, spoil: Spoil = zerosBehind) {
    super(new Prng(1));
    this.#disk = disk;
    this.#spoil = spoil;
  }

  override exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  override list(directory: string): string[] {
    return this.#disk.list(directory);
  }

  override makeDirectory(): void {}

  override syncDirectory(): void {}

  override open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    const file = this.#disk.open(path, mode);
    let furthest = 0;
    const read: DiskFile['read'] = (target, offset, length, position) => {
      const count = file.read(target, offset, length, position);
      this.#spoil(target, offset, count, position < furthest);
      furthest = Math.max(furthest, position);
      return count;
    };
    return {
      path,
      read,
      write: (source, offset, length, position) => file.write(source, offset, length, position),
      sync: () => file.sync(),
      size: () => file.size(),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  }
}
