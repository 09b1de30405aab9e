/**
 * Identity of a data directory: made once, kept, and refused whenever it is not provably this
 * node's; each refusal names what was found, where, and the remedy.
 *
 * Crashes run on the simulated disk; codes of the operating system on a real one, without relying
 * on permissions, because root is stopped by none.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32c } from '../../codec/checksum.js';
import { LIMITS } from '../../engine/limits.js';
import { Prng } from '../../engine/raft/prng.js';
import {
  confirmDataDirectory,
  type DataDirectory,
  type DataDirectoryOptions,
  openDataDirectory,
  recordFirstMembers,
  recordWitness,
} from '../../io/data-directory.js';
import { DataDirectoryError, type DataDirectoryReason } from '../../io/data-directory-error.js';
import { encodeMeta, META_BYTES_MAX } from '../../io/data-meta.js';
import type { Disk } from '../../io/disk/disk.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { readWholeFile, replaceFile } from '../../io/disk/whole-file.js';
import { randomU48 } from '../../io/identity.js';
import { put } from '../conformance/disk.suite.js';

type Changes = Partial<DataDirectoryOptions>;

function open(disk: Disk, changes: Changes = {}): DataDirectory {
  const options = { path: '/data', clusterId: 1, nodeId: 2, randomU48, nowMs: 1_700_000_000_000 };
  return openDataDirectory(disk, { ...options, ...changes });
}

/** A node that ran: its first segment is there and confirmed. */
function ranBefore(disk: Disk, changes: Changes = {}): DataDirectory {
  const directory = open(disk, changes);
  replaceFile(disk, `${directory.paths.wal}/0000000001.wal`, new Uint8Array(512));
  return confirmDataDirectory(disk, directory);
}

function refuses(reason: DataDirectoryReason, words: (string | RegExp)[], call: () => void): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof DataDirectoryError, `not a refusal: ${error}`);
    assert.equal(error.reason, reason, error.message);
    assert.equal(error.code, 'ERR_DATA_DIRECTORY');
    for (const word of words) {
      const found =
        typeof word === 'string' ? error.message.includes(word) : word.test(error.message);
      assert.ok(found, `${word} in: ${error.message}`);
    }
    return true;
  });
}

test('a new directory gets its layout and a random identity, which reopening keeps', () => {
  const disk = new MemoryDisk();
  const made = open(disk);
  assert.equal(made.fresh, true);
  assert.deepEqual(made.paths, {
    data: '/data',
    meta: '/data/meta',
    wal: '/data/wal',
    walMeta: null,
    snapshots: '/data/snapshots',
  });
  assert.deepEqual(disk.list('/data'), ['meta', 'snapshots', 'wal']);
  assert.ok(made.meta.incarnation > 0 && made.meta.incarnation < 2 ** 48);
  assert.notEqual(made.meta.incarnation, made.meta.logId);
  assert.equal(made.meta.createdAtMs, 1_700_000_000_000);
  const again = open(disk, { nowMs: 5 });
  assert.deepEqual(again, made);
});

test('a directory stays fresh until its first segment is confirmed', () => {
  const disk = new MemoryDisk();
  assert.equal(open(disk).fresh, true);
  refuses('missingLog', ['/data/wal'], () => confirmDataDirectory(disk, open(disk)));
  const confirmed = ranBefore(disk);
  assert.equal(confirmed.fresh, false);
  assert.deepEqual(open(disk), confirmed);
  assert.equal(confirmDataDirectory(disk, confirmed), confirmed);
});

test('two directories never share an identity', () => {
  const first = open(new MemoryDisk()).meta;
  const second = open(new MemoryDisk()).meta;
  assert.notEqual(first.incarnation, second.incarnation);
  assert.notEqual(first.logId, second.logId);
});

test('another cluster id or node id is refused with both values and the path', () => {
  const disk = new MemoryDisk();
  ranBefore(disk);
  const words = ['/data', 'cluster 1, node 2', /recorded ids|of its own/];
  refuses('otherIdentity', [...words, 'cluster 9, node 2'], () => open(disk, { clusterId: 9 }));
  refuses('otherIdentity', [...words, 'cluster 1, node 3'], () => open(disk, { nodeId: 3 }));
  assert.equal(open(disk).fresh, false);
});

test('log or snapshots without meta are refused: no new identity over existing data', () => {
  const disk = new MemoryDisk();
  ranBefore(disk);
  disk.remove('/data/meta');
  refuses('missingMeta', ['/data/meta', '0000000001.wal', 'backup'], () => open(disk));
  disk.rename('/data/wal/0000000001.wal', '/data/snapshots/1.snapshot');
  refuses('missingMeta', ['1.snapshot'], () => open(disk));
  assert.equal(disk.exists('/data/meta'), false, 'a refusal changes nothing');
});

test('meta without the log it once confirmed is refused: votes would be forgotten', () => {
  const disk = new MemoryDisk();
  ranBefore(disk);
  disk.remove('/data/wal/0000000001.wal');
  refuses('missingLog', ['/data/wal', '*.wal', 'restore'], () => open(disk));
});

test('every single flipped bit in meta is refused and nothing is written', () => {
  const disk = new SimulatedDisk(new Prng(1));
  ranBefore(disk);
  const file = disk.open('/data/meta', 'read');
  const size = file.size();
  const before = new Uint8Array(size);
  file.read(before, 0, size, 0);
  for (let bit = 0; bit < size * 8; bit++) {
    disk.flipBit('/data/meta', bit >> 3, bit & 7);
    assert.throws(() => open(disk), DataDirectoryError, `bit ${bit}`);
    disk.flipBit('/data/meta', bit >> 3, bit & 7);
  }
  const after = new Uint8Array(size);
  file.read(after, 0, size, 0);
  assert.deepEqual(after, before);
  assert.equal(open(disk).fresh, false);
});

test('a damaged meta names the file, what is wrong and what to do', () => {
  const disk = new MemoryDisk();
  ranBefore(disk);
  const damages: [string, RegExp][] = [
    ['', /first line/],
    ['something else\n{}\n', /first line/],
    ['ringraft-meta 1 features=0 crc32c=00000000\n{}\n', /checksum is 00000000/],
    ['ringraft-meta 1 features=0 crc32c=00000000\n{}\nmore', /second line/],
  ];
  for (const [text, detail] of damages) {
    replaceFile(disk, '/data/meta', new TextEncoder().encode(text));
    refuses('damagedMeta', ['/data/meta', detail, 'backup'], () => open(disk));
  }
  replaceFile(disk, '/data/meta', new Uint8Array(META_BYTES_MAX + 1));
  refuses('unusable', ['EFBIG', '/data/meta'], () => open(disk));
});

test('an unknown format version is refused by its number', () => {
  const disk = new MemoryDisk();
  open(disk);
  put(disk, '/data/meta', 'ringraft-meta 7 anything a later version may put here');
  refuses('unknownVersion', ['version 7', 'reads 1', '/data/meta'], () => open(disk));
});

test('a feature that must be known and is not is refused by its bits, the file left as it was', () => {
  const disk = new MemoryDisk();
  const { meta } = ranBefore(disk);
  const json = JSON.stringify(meta);
  const write = (bits: number): string => {
    const check = crc32c(new TextEncoder().encode(`1 ${bits} ${json}`));
    const crc = check.toString(16).padStart(8, '0');
    const text = `ringraft-meta 1 features=${bits.toString(16)} crc32c=${crc}\n${json}\n`;
    replaceFile(disk, '/data/meta', new TextEncoder().encode(text));
    return text;
  };
  for (const bits of [2, 0x24, 0x8000_0000]) {
    const text = write(bits);
    const words = ['/data/meta', `(bits 0x${bits.toString(16)})`, 'Start the version of ringraft'];
    refuses('unknownFeatures', words, () => open(disk));
    assert.equal(new TextDecoder().decode(readWholeFile(disk, '/data/meta', 10_000)), text);
  }
  write(0);
  assert.equal(open(disk).fresh, false, 'the same file without them opens');
});

test('the members that the groups began with are kept; a directory without them is read too', () => {
  const disk = new MemoryDisk();
  const old = ranBefore(disk);
  assert.equal(old.meta.firstMembers, undefined);
  const members = [1, 2].map((id) => ({ id, address: `node-${id}:5001` }));
  const first = [{ groups: [0, 1], members }];
  const recorded = recordFirstMembers(disk, open(disk), first);
  assert.deepEqual(open(disk).meta, { ...old.meta, firstMembers: first });
  assert.equal(recordFirstMembers(disk, recorded, structuredClone(first)), recorded, 'no new file');
  for (const wrong of [
    {},
    [{}],
    [{ groups: [-1], members }],
    [{ groups: [0], members: [{ id: 0 }] }],
  ]) {
    const meta = { ...old.meta, firstMembers: wrong as never };
    replaceFile(disk, '/data/meta', encodeMeta(meta));
    refuses('damagedMeta', ['/data/meta', 'missing or out of range'], () => open(disk));
  }
});

test('every name and member that the options allow fits into meta; what does not is refused', () => {
  const disk = new MemoryDisk();
  const groups = Array.from({ length: LIMITS.groupsMax }, (_, at) =>
    String(at).padStart(LIMITS.groupNameBytesMax, '\u0001'),
  );
  const directory = open(disk, { groups });
  const rows = (address: string) =>
    groups.map((_, at) => ({
      groups: [at],
      members: Array.from({ length: 5 }, (_, of) => ({ id: 4_000_000_000 + of, address })),
    }));
  recordFirstMembers(disk, directory, rows('a'.repeat(255)));
  const { meta } = open(disk, { groups });
  assert.deepEqual(meta.groups, groups);
  const words = ['/data/meta', `at most ${META_BYTES_MAX}`, 'shorter'];
  refuses('unusable', words, () => recordFirstMembers(disk, directory, rows('a'.repeat(2000))));
  assert.deepEqual(open(disk, { groups }).meta, meta, 'as it was');
});

test('a full disk refuses no start for the spelling of an address, but for other members', () => {
  const disk = new SimulatedDisk(new Prng(5));
  const rows = (groups: number[][], host: string, ids = [1, 2]) =>
    groups.map((each) => ({
      groups: each,
      members: ids.map((id) => ({ id, address: `${host}-${id}:5001` })),
    }));
  const recorded = recordFirstMembers(disk, ranBefore(disk), rows([[0, 1]], 'node'));
  disk.setCapacity(0);
  const spelled = rows([[0], [1]], 'node.example');
  assert.equal(recordFirstMembers(disk, recorded, spelled), recorded);
  assert.deepEqual(open(disk).meta, recorded.meta);
  const others = rows([[0, 1]], 'node', [1, 2, 3]);
  refuses('unusable', ['ENOSPC'], () => recordFirstMembers(disk, recorded, others));
  disk.setCapacity(Number.POSITIVE_INFINITY);
  recordFirstMembers(disk, recorded, spelled);
  assert.deepEqual(open(disk).meta.firstMembers, spelled);
});

test('a separate WAL directory holds the log and a mark of its owner', () => {
  const disk = new MemoryDisk();
  const { paths, meta } = ranBefore(disk, { walDir: '/fast/wal' });
  assert.equal(paths.wal, '/fast/wal');
  assert.equal(meta.walDir, '/fast/wal');
  assert.deepEqual(disk.list('/fast/wal'), ['0000000001.wal', 'meta']);
  assert.deepEqual(disk.list('/data'), ['meta', 'snapshots']);
  assert.equal(open(disk, { walDir: '/fast/wal' }).fresh, false);
  assert.equal(open(disk, { walDir: '/fast/../fast/wal/' }).fresh, false);
});

test('another walDir than the recorded one is refused with both paths', () => {
  const disk = new MemoryDisk();
  ranBefore(disk, { walDir: '/fast' });
  refuses('otherWalDir', ['/fast', '/slow'], () => open(disk, { walDir: '/slow' }));
  refuses('otherWalDir', ['/fast', '/data/wal'], () => open(disk));
  const inside = new MemoryDisk();
  ranBefore(inside);
  refuses('otherWalDir', ['/data/wal', '/fast'], () => open(inside, { walDir: '/fast' }));
  assert.equal(open(inside, { walDir: '/data/wal' }).fresh, false, 'the default, spelled out');
});

test('a WAL directory that is not mounted, or is another node’s, is refused', () => {
  const disk = new MemoryDisk();
  ranBefore(disk, { walDir: '/fast' });
  disk.rename('/fast', '/unmounted');
  const reopen = (): DataDirectory => open(disk, { walDir: '/fast' });
  refuses('missingLog', ['/fast has no meta', 'Mount'], reopen);
  disk.makeDirectory('/fast');
  refuses('missingLog', ['/fast has no meta'], reopen);
  ranBefore(disk, { path: '/other', nodeId: 3, walDir: '/three' });
  disk.rename('/three/meta', '/fast/meta');
  refuses('missingLog', ['/fast has the log of cluster 1, node 3'], reopen);
});

test('a new node does not move into the WAL directory of another', () => {
  const disk = new MemoryDisk();
  open(disk, { walDir: '/fast' });
  const third = { path: '/three', nodeId: 3 };
  refuses('otherWalDir', ['node 2', 'node 3'], () => open(disk, { ...third, walDir: '/fast' }));
  refuses('otherWalDir', ['/three'], () => open(disk, { ...third, walDir: '/three' }));
  refuses('otherWalDir', ['/data'], () => open(disk, { ...third, walDir: '/data' }));
});

test('whatever openDataDirectory made survives a loss of power at once', () => {
  for (const walDir of [undefined, '/fast/deep/wal']) {
    const disk = new SimulatedDisk(new Prng(3));
    const changes = { path: '/deep/er/data', ...(walDir === undefined ? {} : { walDir }) };
    const made = open(disk, changes);
    disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
    assert.deepEqual(open(disk, changes), made);
    const confirmed = ranBefore(disk, changes);
    disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
    assert.deepEqual(open(disk, changes), confirmed);
  }
});

test('a start that is cut short anywhere, with a loss of power, can be repeated', () => {
  let cut = 0;
  for (let seed = 1; seed <= 120; seed++) {
    const disk = new SimulatedDisk(new Prng(seed));
    const changes = seed % 2 === 0 ? { walDir: '/fast/wal' } : {};
    const kind = seed % 3 === 0 ? 'writeError' : seed % 3 === 1 ? 'syncError' : 'directoryError';
    disk.arm({ kind, after: Math.floor(seed / 6) });
    try {
      ranBefore(disk, changes);
    } catch {
      cut += 1;
    }
    disk.disarm();
    disk.crash();
    const first = open(disk, changes);
    disk.crash();
    const second = open(disk, changes);
    assert.deepEqual(second.meta, first.meta, `seed ${seed}`);
  }
  assert.ok(cut > 50, `${cut} starts were cut`);
});

test('a disk that fails or is full is a refusal with the code and the remedy', () => {
  const disk = new SimulatedDisk(new Prng(1));
  disk.arm({ kind: 'directoryError', code: 'EACCES' });
  refuses('unusable', ['/data', 'EACCES', 'permission'], () => open(disk));
  disk.arm({ kind: 'directoryError', code: 'EROFS' });
  refuses('unusable', ['EROFS', 'read-only'], () => open(disk));
  disk.setCapacity(10);
  refuses('unusable', ['ENOSPC', 'Free some space'], () => open(disk));
});

test('a directory made beforehand works under a parent that may not be read', () => {
  const disk = new SimulatedDisk(new Prng(1));
  disk.makeDirectory('/data');
  // The first directory call makes `/data` again, the second syncs the parent.
  disk.arm({ kind: 'directoryError', after: 1, code: 'EACCES' });
  assert.equal(open(disk).fresh, true);
  assert.equal(disk.counters().directoryError, 1);
});

test('short writes and reads of meta are continued', () => {
  const disk = new SimulatedDisk(new Prng(1));
  disk.arm({ kind: 'shortWrite', times: 3 });
  disk.arm({ kind: 'shortRead', times: 3 });
  const made = open(disk);
  assert.deepEqual(open(disk), made);
  assert.deepEqual([disk.counters().shortWrite > 0, disk.counters().shortRead > 0], [true, true]);
});

test('a real directory works, and a file in its place is refused', () => {
  const root = mkdtempSync(join(tmpdir(), 'ringraft-data-'));
  const disk = new NodeDisk();
  const path = join(root, 'a', 'data');
  const made = ranBefore(disk, { path });
  assert.deepEqual(open(disk, { path }), made);
  const file = join(root, 'file');
  writeFileSync(file, 'x');
  refuses('unusable', [file, /EEXIST|ENOTDIR/, 'move it'], () => open(disk, { path: file }));
  const below = join(file, 'data');
  refuses('unusable', [below, 'ENOTDIR', 'move it'], () => open(disk, { path: below }));
  const taken = join(root, 'taken');
  disk.makeDirectory(taken);
  writeFileSync(join(taken, 'wal'), 'x');
  refuses('unusable', ['wal', /ENOTDIR|EEXIST/], () => open(disk, { path: taken }));
  rmSync(root, { recursive: true });
});

test('which groups are in witness mode is kept, and a build that does not know it refuses', () => {
  const disk = new MemoryDisk();
  const recorded = recordWitness(disk, recordWitness(disk, ranBefore(disk), 1, true), 0, true);
  assert.deepEqual(recorded.meta.witnesses, [1, 0]);
  assert.deepEqual(open(disk).meta.witnesses, [1, 0]);
  const head = (): string => new TextDecoder().decode(readWholeFile(disk, '/data/meta', 10_000));
  assert.match(head(), /^ringraft-meta 1 features=1 /);
  const without = recordWitness(disk, recordWitness(disk, open(disk), 1, false), 0, false);
  assert.equal('witnesses' in without.meta, false);
  assert.match(head(), /^ringraft-meta 1 features=0 /);
});
