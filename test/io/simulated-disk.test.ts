/**
 * The simulated disk against the conformance suite, then what it is for: lost bytes, torn writes,
 * lost names, and every fault that can be armed, each with its counter. Where chance decides, many
 * seeds are run and the set of outcomes is compared: all that is possible, and nothing else.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { FAULT_KINDS } from '../../io/disk/disk-faults.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { SECTOR_BYTES } from '../../io/disk/simulated-file.js';
import { contentOf, diskSuite, failsWith, put } from '../conformance/disk.suite.js';

diskSuite('simulated disk', () => {
  const disk = new SimulatedDisk(new Prng(1));
  disk.makeDirectory('/data/root');
  return { disk, root: '/data/root', dispose: () => undefined };
});

const LOSE_ALL = { keepSector: 0, keepDirectoryOperation: 0 };
const KEEP_ALL = { keepSector: 1, keepDirectoryOperation: 1 };

function newDisk(seed = 1): SimulatedDisk {
  return new SimulatedDisk(new Prng(seed));
}

function letters(count: number, letter: string): Uint8Array {
  return new Uint8Array(count).fill(letter.charCodeAt(0));
}

/** A durable file of `sectors` sectors full of `letter`, in the root. */
function durableFile(disk: SimulatedDisk, path: string, sectors: number, letter: string): void {
  const file = disk.open(path, 'create');
  file.write(letters(sectors * SECTOR_BYTES, letter), 0, sectors * SECTOR_BYTES, 0);
  file.sync();
  file.close();
  disk.syncDirectory('/');
}

/** One letter per sector: 'aab' is three sectors, the first two full of a; '?' is a mixed one. */
function picture(disk: SimulatedDisk, path: string): string {
  const text = contentOf(disk, path);
  let drawn = '';
  for (let at = 0; at < text.length; at += SECTOR_BYTES) {
    const sector = text.slice(at, at + SECTOR_BYTES);
    drawn += sector === sector[0]?.repeat(sector.length) ? sector[0] : '?';
  }
  return drawn.replaceAll('\0', '0');
}

test('synced bytes under a synced name survive, unsynced ones are lost', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 2, 'a');
  const file = disk.open('/a', 'readwrite');
  file.write(letters(3 * SECTOR_BYTES, 'b'), 0, 3 * SECTOR_BYTES, SECTOR_BYTES);
  assert.deepEqual(disk.unsynced(), { sectors: 3, directoryOperations: 0 });
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'aa');
  assert.equal(disk.counters().lostSector, 3);
  assert.deepEqual(disk.unsynced(), { sectors: 0, directoryOperations: 0 });
});

test('an unsynced write tears: over many seeds every subset of its sectors survives', () => {
  const pictures = new Set<string>();
  for (let seed = 1; seed <= 400; seed++) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 3, 'a');
    const file = disk.open('/a', 'readwrite');
    file.write(letters(3 * SECTOR_BYTES, 'b'), 0, 3 * SECTOR_BYTES, 0);
    disk.crash();
    pictures.add(picture(disk, '/a'));
  }
  assert.deepEqual([...pictures].sort(), ['aaa', 'aab', 'aba', 'abb', 'baa', 'bab', 'bba', 'bbb']);
});

test('an unsynced growth survives whole, in part, with holes, or not at all', () => {
  const pictures = new Set<string>();
  for (let seed = 1; seed <= 400; seed++) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 1, 'a');
    const file = disk.open('/a', 'readwrite');
    file.write(letters(2 * SECTOR_BYTES, 'b'), 0, 2 * SECTOR_BYTES, SECTOR_BYTES);
    disk.crash();
    pictures.add(picture(disk, '/a'));
  }
  for (const expected of ['a', 'abb', 'ab', 'a00', 'a0b', 'ab0', 'a0']) {
    assert.ok(pictures.has(expected), `${expected} in ${[...pictures]}`);
  }
  assert.ok([...pictures].every((drawn) => drawn.startsWith('a') && drawn.length <= 3));
});

test('an unsynced truncation survives or is taken back whole', () => {
  const pictures = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 12, 'a');
    disk.open('/a', 'readwrite').truncate(SECTOR_BYTES);
    disk.crash();
    pictures.add(picture(disk, '/a'));
  }
  assert.deepEqual([...pictures].sort(), ['a', 'aaaaaaaaaaaa']);
});

test('after a truncation and new growth a lost sector is zero or, with the truncation, old', () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 300; seed++) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 2, 'a');
    const file = disk.open('/a', 'readwrite');
    file.truncate(0);
    file.write(letters(2 * SECTOR_BYTES, 'b'), 0, 2 * SECTOR_BYTES, 0);
    disk.crash();
    for (const letter of picture(disk, '/a')) seen.add(letter);
    assert.match(picture(disk, '/a'), /^(aa|[0b]{0,2}|[0b]*\?)$/);
  }
  assert.deepEqual([...seen].filter((letter) => letter !== '?').sort(), ['0', 'a', 'b']);
});

test('the same seed loses the same sectors and names', () => {
  const run = (seed: number): string => {
    const disk = newDisk(seed);
    const trace: string[] = [];
    durableFile(disk, '/a', 16, 'a');
    for (let round = 0; round < 5; round++) {
      const file = disk.open('/a', 'readwrite');
      file.write(letters(4096, 'bcdef'.charAt(round)), 0, 4096, round * 1024);
      put(disk, `/new${round}`, 'x');
      disk.crash();
      trace.push(picture(disk, '/a'), disk.list('/').join());
    }
    return trace.join(' ');
  };
  assert.equal(run(7), run(7));
  assert.notEqual(run(7), run(8));
});

test('handles are dead after a crash and after a kill', () => {
  const disk = newDisk();
  for (const end of [() => disk.crash(KEEP_ALL), () => disk.kill()]) {
    const file = disk.open('/a', 'create');
    end();
    failsWith('ESTALE', 'write', '/a', () => file.write(new Uint8Array(1), 0, 1, 0));
    failsWith('ESTALE', 'sync', '/a', () => file.sync());
    failsWith('ESTALE', 'read', '/a', () => file.read(new Uint8Array(1), 0, 1, 0));
    file.close();
  }
});

test('the death of the process loses nothing, but syncs nothing either', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 1, 'a');
  disk.open('/a', 'readwrite').write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  disk.kill();
  assert.equal(picture(disk, '/a'), 'b');
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'a');
});

test('a new file is lost without a directory sync, even with synced bytes', () => {
  const disk = newDisk();
  const file = disk.open('/a', 'create');
  file.write(letters(10, 'a'), 0, 10, 0);
  file.sync();
  assert.deepEqual(disk.unsynced(), { sectors: 0, directoryOperations: 1 });
  disk.crash(LOSE_ALL);
  assert.equal(disk.exists('/a'), false);
  assert.equal(disk.counters().lostDirectoryOperation, 1);
});

test('a name without synced bytes survives as an empty file', () => {
  const disk = newDisk();
  put(disk, '/a', 'bytes');
  disk.syncDirectory('/');
  disk.crash(LOSE_ALL);
  assert.equal(contentOf(disk, '/a'), '');
});

test('an unsynced rename over a file leaves the old or the new file, never neither or both', () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 1, 'a');
    durableFile(disk, '/aside', 1, 'n');
    disk.rename('/aside', '/a');
    disk.crash();
    outcomes.add(`${picture(disk, '/a')} ${disk.list('/').join()}`);
  }
  assert.deepEqual([...outcomes].sort(), ['a a,aside', 'n a']);
});

test('an unsynced removal that is taken back brings back only the durable bytes', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 1, 'a');
  disk.open('/a', 'readwrite').write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  disk.remove('/a');
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'a');
  disk.remove('/a');
  disk.syncDirectory('/');
  disk.crash(LOSE_ALL);
  assert.equal(disk.exists('/a'), false);
});

test('operations on one name keep their order, unrelated ones survive separately', () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 200; seed++) {
    const disk = newDisk(seed);
    put(disk, '/a', '');
    disk.rename('/a', '/b');
    put(disk, '/other', '');
    disk.crash();
    outcomes.add(disk.list('/').join());
  }
  assert.deepEqual([...outcomes].sort(), ['', 'a', 'a,other', 'b', 'b,other', 'other']);
});

test('a directory sync covers its own entries and what they build on, nothing else', () => {
  const disk = newDisk();
  disk.makeDirectory('/one');
  disk.makeDirectory('/two');
  disk.syncDirectory('/');
  put(disk, '/one/a', '');
  put(disk, '/one/stays', '');
  disk.rename('/one/a', '/two/a');
  put(disk, '/two/last', '');
  disk.syncDirectory('/two');
  disk.crash(LOSE_ALL);
  assert.deepEqual(disk.list('/two'), ['a', 'last']);
  assert.deepEqual(disk.list('/one'), []);
});

test('a file in a directory whose own creation is lost is lost with it', () => {
  const disk = newDisk();
  disk.makeDirectory('/data/wal');
  put(disk, '/data/wal/a', 'x');
  disk.syncDirectory('/data/wal');
  disk.crash(LOSE_ALL);
  assert.deepEqual(disk.list('/'), []);
});

test('armed errors strike reads, writes, syncs and directory calls, and are counted', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 1, 'a');
  const file = disk.open('/a', 'readwrite');
  const byte = letters(1, 'x');
  disk.arm({ kind: 'readError' });
  failsWith('EIO', 'read', '/a', () => file.read(byte, 0, 1, 0));
  disk.arm({ kind: 'writeError', code: 'EROFS' });
  failsWith('EROFS', 'write', '/a', () => file.write(byte, 0, 1, 0));
  disk.arm({ kind: 'noSpace' });
  failsWith('ENOSPC', 'write', '/a', () => file.write(byte, 0, 1, 0));
  disk.arm({ kind: 'directoryError' });
  failsWith('EIO', 'syncDirectory', '/', () => disk.syncDirectory('/'));
  disk.arm({ kind: 'directoryError', code: 'EACCES' });
  failsWith('EACCES', 'open', '/a', () => disk.open('/a', 'read'));
  assert.equal(file.write(byte, 0, 1, 0), 1, 'a spent fault strikes no more');
  const { readError, writeError, noSpace, directoryError, syncError } = disk.counters();
  assert.deepEqual([readError, writeError, noSpace, directoryError, syncError], [1, 1, 1, 2, 0]);
});

test('a bad sector fails the reads that touch it, until reads are disarmed alone', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 4, 'a');
  const file = disk.open('/a', 'readwrite');
  const bytes = letters(4, 'x');
  disk.arm({ kind: 'readError', path: '/a', at: 2, times: Number.POSITIVE_INFINITY });
  disk.arm({ kind: 'writeError' });
  assert.equal(file.read(bytes, 0, 2, 0), 2);
  assert.equal(file.read(bytes, 0, 1, 3), 1);
  for (const [length, position] of [
    [1, 2],
    [3, 0],
    [2, 2],
  ] as const) {
    failsWith('EIO', 'read', '/a', () => file.read(bytes, 0, length, position));
  }
  disk.disarm('readError');
  assert.equal(file.read(bytes, 0, 4, 0), 4);
  failsWith('EIO', 'write', '/a', () => file.write(bytes, 0, 1, 0));
  assert.equal(disk.counters().readError, 3);
});

test('a fault waits for its path and its turn, strikes as told, and can be disarmed', () => {
  const disk = newDisk();
  const wal = disk.open('/1.wal', 'create');
  const other = disk.open('/other', 'create');
  const byte = letters(1, 'x');
  disk.arm({ kind: 'writeError', path: '.wal', after: 1, times: 2 });
  other.write(byte, 0, 1, 0);
  wal.write(byte, 0, 1, 0);
  assert.throws(() => wal.write(byte, 0, 1, 0));
  assert.throws(() => wal.write(byte, 0, 1, 0));
  wal.write(byte, 0, 1, 0);
  disk.arm({ kind: 'writeError', times: Number.POSITIVE_INFINITY });
  for (let round = 0; round < 3; round++) assert.throws(() => wal.write(byte, 0, 1, 0));
  disk.disarm();
  wal.write(byte, 0, 1, 0);
  assert.equal(disk.counters().writeError, 5);
});

test('short reads and short writes move at least one byte and say how many', () => {
  const disk = newDisk();
  const file = disk.open('/a', 'create');
  disk.arm({ kind: 'shortWrite', times: 20 });
  for (let round = 0; round < 20; round++) {
    const taken = file.write(letters(100, 'x'), 0, 100, file.size());
    assert.ok(taken >= 1 && taken < 100, `${taken}`);
  }
  const size = file.size();
  disk.arm({ kind: 'shortRead' });
  const got = file.read(new Uint8Array(size), 0, size, 0);
  assert.ok(got >= 1 && got < size, `${got}`);
  assert.deepEqual([disk.counters().shortWrite, disk.counters().shortRead], [20, 1]);
});

test('a failed sync is final: its handle refuses, and a retry elsewhere is a lie', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 1, 'a');
  const file = disk.open('/a', 'readwrite');
  file.write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  disk.arm({ kind: 'syncError' });
  failsWith('EIO', 'sync', '/a', () => file.sync());
  failsWith('EIO', 'sync', '/a', () => file.sync());
  failsWith('EIO', 'write', '/a', () => file.write(letters(1, 'x'), 0, 1, 0));
  disk.open('/a', 'readwrite').sync();
  assert.equal(picture(disk, '/a'), 'b');
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'a');
  assert.equal(disk.counters().syncError, 1);
});

test('what a failed sync orphaned is durable once it is written again', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 3, 'a');
  const first = disk.open('/a', 'readwrite');
  first.write(letters(2 * SECTOR_BYTES, 'b'), 0, 2 * SECTOR_BYTES, 0);
  disk.arm({ kind: 'syncError' });
  failsWith('EIO', 'sync', '/a', () => first.sync());
  const second = disk.open('/a', 'readwrite');
  second.write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  second.write(letters(SECTOR_BYTES, 'c'), 0, SECTOR_BYTES, 2 * SECTOR_BYTES);
  second.sync();
  assert.equal(picture(disk, '/a'), 'bbc');
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'bac', 'the second sector was never written again');
  assert.equal(disk.counters().orphanedSector, 2);
});

test('a sector that a later sync wrote is what a crash falls back to, beside an orphan', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 2, 'a');
  const first = disk.open('/a', 'readwrite');
  first.write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  disk.arm({ kind: 'syncError' });
  failsWith('EIO', 'sync', '/a', () => first.sync());
  const second = disk.open('/a', 'readwrite');
  second.write(letters(SECTOR_BYTES, 'c'), 0, SECTOR_BYTES, SECTOR_BYTES);
  second.sync();
  second.write(letters(SECTOR_BYTES, 'd'), 0, SECTOR_BYTES, SECTOR_BYTES);
  disk.crash(LOSE_ALL);
  assert.equal(picture(disk, '/a'), 'ac');
});

test('the death of a process may take what a failed sync orphaned, and nothing else', () => {
  const pictures = new Set<string>();
  for (let seed = 1; seed <= 20; seed += 1) {
    const disk = newDisk(seed);
    durableFile(disk, '/a', 2, 'a');
    const file = disk.open('/a', 'readwrite');
    file.write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
    disk.arm({ kind: 'syncError' });
    failsWith('EIO', 'sync', '/a', () => file.sync());
    const other = disk.open('/a', 'readwrite');
    other.write(letters(SECTOR_BYTES, 'c'), 0, SECTOR_BYTES, SECTOR_BYTES);
    disk.kill();
    pictures.add(picture(disk, '/a'));
  }
  assert.deepEqual([...pictures].sort(), ['ac', 'bc']);
});

test('a full disk takes what fits, then fails; freed space is usable again', () => {
  const disk = newDisk();
  disk.setCapacity(1000);
  put(disk, '/old', 'x'.repeat(400));
  const file = disk.open('/a', 'create');
  assert.equal(file.write(letters(500, 'a'), 0, 500, 0), 500);
  assert.equal(file.write(letters(500, 'a'), 0, 500, 500), 100);
  failsWith('ENOSPC', 'write', '/a', () => file.write(letters(1, 'a'), 0, 1, 600));
  failsWith('ENOSPC', 'truncate', '/a', () => file.truncate(601));
  assert.equal(file.write(letters(600, 'b'), 0, 600, 0), 600, 'overwriting needs no space');
  disk.remove('/old');
  assert.equal(file.write(letters(500, 'a'), 0, 500, 600), 400);
  assert.equal(disk.counters().noSpace, 2);
});

test('a flipped bit is durable and unnoticed until it is read', () => {
  const disk = newDisk();
  durableFile(disk, '/a', 1, 'a');
  disk.flipBit('/a', 3, 1);
  assert.equal(contentOf(disk, '/a').slice(0, 5), 'aaaca');
  assert.equal(disk.unsynced().sectors, 0);
  disk.open('/a', 'readwrite').write(letters(SECTOR_BYTES, 'b'), 0, SECTOR_BYTES, 0);
  disk.flipBit('/a', 0);
  disk.crash(LOSE_ALL);
  assert.equal(contentOf(disk, '/a').slice(0, 5), '`aaca');
  assert.equal(disk.counters().bitFlip, 2);
  assert.throws(() => disk.flipBit('/a', SECTOR_BYTES), RangeError);
});

test('every fault kind has a counter that starts at zero', () => {
  const counters = newDisk().counters();
  assert.deepEqual(Object.keys(counters), [...FAULT_KINDS]);
  assert.ok(Object.values(counters).every((count) => count === 0));
});

test('a lost write reads back, and no sync makes it durable until it is written again', () => {
  for (const again of [false, true]) {
    const disk = newDisk();
    durableFile(disk, '/f', 4, 'o');
    disk.arm({ kind: 'lostWrite', path: '/f' });
    const file = disk.open('/f', 'readwrite');
    const bytes = letters(2 * SECTOR_BYTES, 'n');
    file.write(bytes, 0, bytes.length, SECTOR_BYTES);
    file.sync();
    assert.equal(contentOf(disk, '/f')[SECTOR_BYTES], 'n', 'nobody notices');
    if (again) {
      file.write(bytes, 0, bytes.length, SECTOR_BYTES);
      file.sync();
    }
    disk.surface();
    disk.kill();
    const found = contentOf(disk, '/f');
    const middle = (again ? 'n' : 'o').repeat(2 * SECTOR_BYTES);
    assert.equal(found, 'o'.repeat(SECTOR_BYTES) + middle + 'o'.repeat(SECTOR_BYTES));
    assert.equal(disk.counters().lostWrite, 1);
  }
});

test('a misdirected write surfaces elsewhere, unless something was written there since', () => {
  const places = new Set<string>();
  for (let seed = 1; seed <= 40; seed += 1) {
    const disk = newDisk(seed);
    durableFile(disk, '/f', 3, 'o');
    durableFile(disk, '/g', 2, 'o');
    disk.arm({ kind: 'misdirectedWrite', path: '/f' });
    const file = disk.open('/f', 'readwrite');
    file.write(letters(SECTOR_BYTES, 'n'), 0, SECTOR_BYTES, 0);
    file.sync();
    const other = disk.open('/g', 'readwrite');
    other.write(letters(SECTOR_BYTES, 'x'), 0, SECTOR_BYTES, 0);
    other.sync();
    disk.surface();
    disk.crash();
    const letterAt = (path: string, sector: number): string =>
      contentOf(disk, path)[sector * SECTOR_BYTES]!;
    assert.equal(letterAt('/f', 0), 'o', 'where it belongs it never was');
    assert.equal(letterAt('/g', 0), 'x', 'what came later stays');
    for (const [path, sector] of [
      ['/f', 1],
      ['/f', 2],
      ['/g', 1],
    ] as const) {
      if (letterAt(path, sector) === 'n') places.add(`${path} ${sector}`);
    }
  }
  assert.deepEqual([...places].sort(), ['/f 1', '/f 2', '/g 1']);
});
