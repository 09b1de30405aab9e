/**
 * What every `Disk` must do alike: the real one, the simulated one and the memory one. What a disk
 * does beyond it (faults, crashes) is tested with that disk.
 *
 * This file must never ask which disk it runs on.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Disk, DiskError, type DiskFile } from '../../io/disk/disk.js';

export interface DiskUnderTest {
  readonly disk: Disk;
  /** An existing, empty directory. */
  readonly root: string;
  dispose(): void;
}

type Body = (disk: Disk, root: string) => void;

/** Registers the whole suite for one kind of disk. */
export function diskSuite(kind: string, make: () => DiskUnderTest): void {
  const check = (name: string, body: Body): void => {
    test(name, () => {
      const { disk, root, dispose } = make();
      try {
        body(disk, root);
      } finally {
        dispose();
      }
    });
  };
  describe(`${kind}: files`, () => fileTests(check));
  describe(`${kind}: lengths and shared memory`, () => extentTests(check));
  describe(`${kind}: handles`, () => handleTests(check));
  describe(`${kind}: directories`, () => directoryTests(check));
  describe(`${kind}: renames and removals`, () => entryTests(check));
}

type Check = (name: string, body: Body) => void;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function put(disk: Disk, path: string, text: string, position = 0): void {
  const file = disk.open(path, 'create');
  const bytes = bytesOf(text);
  assert.equal(file.write(bytes, 0, bytes.length, position), bytes.length);
  file.close();
}

export function contentOf(disk: Disk, path: string): string {
  const file = disk.open(path, 'read');
  const target = new Uint8Array(file.size());
  assert.equal(file.read(target, 0, target.length, 0), target.length);
  file.close();
  return new TextDecoder().decode(target);
}

/** Passes when `call` throws a DiskError with this code that names operation and path. */
export function failsWith(code: string, operation: string, path: string, call: () => void): void {
  assert.throws(call, (error: unknown) => {
    assert.ok(error instanceof DiskError, `not a DiskError: ${error}`);
    const { code: actualCode, operation: actualOperation, path: actualPath } = error;
    assert.deepEqual([actualCode, actualOperation, actualPath], [code, operation, path]);
    return true;
  });
}

function fileTests(check: Check): void {
  check('what was written is read back at its position', (disk, root) => {
    put(disk, `${root}/a`, 'hello');
    put(disk, `${root}/a`, 'LL', 2);
    assert.equal(contentOf(disk, `${root}/a`), 'heLLo');
  });

  check('a read takes the asked part of the buffer only', (disk, root) => {
    put(disk, `${root}/a`, 'abcdef');
    const file = disk.open(`${root}/a`, 'read');
    const target = bytesOf('........');
    assert.equal(file.read(target, 2, 3, 1), 3);
    assert.equal(new TextDecoder().decode(target), '..bcd...');
    file.close();
  });

  check('a read at the end is short, and past it returns 0', (disk, root) => {
    put(disk, `${root}/a`, 'abc');
    const file = disk.open(`${root}/a`, 'read');
    const target = new Uint8Array(8);
    assert.equal(file.read(target, 0, 8, 1), 2);
    assert.equal(file.read(target, 0, 8, 3), 0);
    assert.equal(file.read(target, 0, 8, 300), 0);
    assert.equal(file.read(target, 0, 0, 0), 0);
    file.close();
  });
}

function extentTests(check: Check): void {
  check('a write past the end leaves zeros between', (disk, root) => {
    put(disk, `${root}/a`, 'x', 200_000);
    const file = disk.open(`${root}/a`, 'readwrite');
    assert.equal(file.size(), 200_001);
    const target = new Uint8Array(200_001).fill(1);
    assert.equal(file.read(target, 0, 200_001, 0), 200_001);
    assert.ok(target.subarray(0, 200_000).every((byte) => byte === 0));
    file.close();
  });

  check('written zeros count towards the size', (disk, root) => {
    const file = disk.open(`${root}/a`, 'create');
    assert.equal(file.write(new Uint8Array(100_000), 0, 100_000, 0), 100_000);
    assert.equal(file.size(), 100_000);
    assert.equal(file.write(new Uint8Array(0), 0, 0, 500_000), 0);
    assert.equal(file.size(), 100_000, 'an empty write extends nothing');
    file.close();
  });

  check('zeros overwrite what stood there', (disk, root) => {
    put(disk, `${root}/a`, 'abcdef');
    put(disk, `${root}/a`, '\0\0', 2);
    assert.equal(contentOf(disk, `${root}/a`), 'ab\0\0ef');
  });

  check('truncate cuts, and what it cut does not come back', (disk, root) => {
    put(disk, `${root}/a`, 'abcdef');
    const file = disk.open(`${root}/a`, 'readwrite');
    file.truncate(2);
    assert.equal(file.size(), 2);
    file.truncate(4);
    file.close();
    assert.equal(contentOf(disk, `${root}/a`), 'ab\0\0');
  });

  check('bytes in shared memory are read and written in place', (disk, root) => {
    const source = new Uint8Array(new SharedArrayBuffer(8));
    source.set(bytesOf('sharedxx'));
    const file = disk.open(`${root}/a`, 'create');
    assert.equal(file.write(source, 0, 6, 0), 6);
    const target = new Uint8Array(new SharedArrayBuffer(8));
    assert.equal(file.read(target, 1, 6, 0), 6);
    assert.deepEqual([...target], [0, ...bytesOf('shared'), 0]);
    file.close();
  });

  check('large transfers across page borders keep every byte', (disk, root) => {
    const length = 300_007;
    const source = Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
    const file = disk.open(`${root}/a`, 'create');
    assert.equal(file.write(source, 0, length, 4_093), length);
    const target = new Uint8Array(length);
    assert.equal(file.read(target, 0, length, 4_093), length);
    assert.equal(Buffer.compare(source, target), 0);
    file.close();
  });
}

function handleTests(check: Check): void {
  check(
    'read and readwrite need the file, create makes it and keeps what is there',
    (disk, root) => {
      const path = `${root}/a`;
      failsWith('ENOENT', 'open', path, () => disk.open(path, 'read'));
      failsWith('ENOENT', 'open', path, () => disk.open(path, 'readwrite'));
      put(disk, path, 'kept');
      const file = disk.open(path, 'create');
      assert.equal(file.size(), 4);
      assert.equal(file.path, path);
      file.close();
    },
  );

  check('a read handle takes no writes', (disk, root) => {
    const path = `${root}/a`;
    put(disk, path, 'abc');
    const file = disk.open(path, 'read');
    failsWith('EBADF', 'write', path, () => file.write(bytesOf('x'), 0, 1, 0));
    failsWith('EINVAL', 'truncate', path, () => file.truncate(0));
    file.close();
    assert.equal(contentOf(disk, path), 'abc');
  });

  check('a closed handle refuses everything but another close', (disk, root) => {
    const path = `${root}/a`;
    const file = disk.open(path, 'create');
    file.close();
    file.close();
    const one = new Uint8Array(1);
    failsWith('EBADF', 'read', path, () => file.read(one, 0, 1, 0));
    failsWith('EBADF', 'write', path, () => file.write(one, 0, 1, 0));
    failsWith('EBADF', 'sync', path, () => file.sync());
    failsWith('EBADF', 'size', path, () => file.size());
    failsWith('EBADF', 'truncate', path, () => file.truncate(0));
  });

  check('two handles of one file see each other’s bytes', (disk, root) => {
    const writer = disk.open(`${root}/a`, 'create');
    const reader = disk.open(`${root}/a`, 'read');
    writer.write(bytesOf('abc'), 0, 3, 0);
    writer.sync();
    assert.equal(reader.size(), 3);
    const target = new Uint8Array(3);
    assert.equal(reader.read(target, 0, 3, 0), 3);
    assert.deepEqual(target, bytesOf('abc'));
    writer.close();
    reader.close();
  });

  check(
    'offsets, lengths and positions outside their range are the caller’s mistake',
    (disk, root) => {
      const file = disk.open(`${root}/a`, 'create');
      const buffer = new Uint8Array(8);
      const wrong: [number, number, number][] = [
        [-1, 1, 0],
        [0, 9, 0],
        [8, 1, 0],
        [0, -1, 0],
        [0, 1, -1],
        [0, 1, 0.5],
        [0.5, 1, 0],
        [0, 1, Number.NaN],
      ];
      for (const [offset, length, position] of wrong) {
        assert.throws(() => file.read(buffer, offset, length, position), RangeError);
        assert.throws(() => file.write(buffer, offset, length, position), RangeError);
      }
      assert.throws(() => file.truncate(-1), RangeError);
      assert.equal(file.size(), 0);
      file.close();
    },
  );
}

function directoryTests(check: Check): void {
  check(
    'a directory is made with its missing parents, and again without complaint',
    (disk, root) => {
      disk.makeDirectory(`${root}/a/b/c`);
      disk.makeDirectory(`${root}/a/b/c`);
      assert.deepEqual(disk.list(root), ['a']);
      assert.deepEqual(disk.list(`${root}/a/b`), ['c']);
      disk.syncDirectory(`${root}/a/b`);
      disk.syncDirectory(root);
    },
  );

  check('a listing is names, sorted', (disk, root) => {
    for (const name of ['b', 'a10', 'a2', 'B']) put(disk, `${root}/${name}`, '');
    disk.makeDirectory(`${root}/directory`);
    assert.deepEqual(disk.list(root), ['B', 'a10', 'a2', 'b', 'directory']);
  });

  check('a missing directory is ENOENT', (disk, root) => {
    const path = `${root}/none`;
    failsWith('ENOENT', 'list', path, () => disk.list(path));
    failsWith('ENOENT', 'syncDirectory', path, () => disk.syncDirectory(path));
    failsWith('ENOENT', 'open', `${path}/a`, () => disk.open(`${path}/a`, 'create'));
  });

  check('a file where a directory is needed is ENOTDIR or EEXIST', (disk, root) => {
    const path = `${root}/file`;
    put(disk, path, '');
    failsWith('ENOTDIR', 'list', path, () => disk.list(path));
    failsWith('ENOTDIR', 'syncDirectory', path, () => disk.syncDirectory(path));
    failsWith('ENOTDIR', 'open', `${path}/a`, () => disk.open(`${path}/a`, 'create'));
    failsWith('EEXIST', 'makeDirectory', path, () => disk.makeDirectory(path));
    failsWith('ENOTDIR', 'makeDirectory', `${path}/a`, () => disk.makeDirectory(`${path}/a`));
    assert.equal(disk.exists(`${path}/a`), false);
  });

  check('a directory where a file is needed is EISDIR', (disk, root) => {
    const path = `${root}/directory`;
    disk.makeDirectory(path);
    for (const mode of ['read', 'readwrite', 'create'] as const) {
      failsWith('EISDIR', 'open', path, () => disk.open(path, mode));
    }
    failsWith('EISDIR', 'remove', path, () => disk.remove(path));
  });

  check('exists answers for files and directories', (disk, root) => {
    put(disk, `${root}/a`, '');
    assert.equal(disk.exists(`${root}/a`), true);
    assert.equal(disk.exists(root), true);
    assert.equal(disk.exists(`${root}/b`), false);
  });
}

function entryTests(check: Check): void {
  check('a rename moves the bytes and replaces the target', (disk, root) => {
    put(disk, `${root}/a`, 'new');
    put(disk, `${root}/b`, 'old');
    disk.rename(`${root}/a`, `${root}/b`);
    assert.deepEqual(disk.list(root), ['b']);
    assert.equal(contentOf(disk, `${root}/b`), 'new');
    disk.rename(`${root}/b`, `${root}/b`);
    assert.equal(contentOf(disk, `${root}/b`), 'new');
  });

  check('a rename moves across directories, and moves directories', (disk, root) => {
    disk.makeDirectory(`${root}/from`);
    disk.makeDirectory(`${root}/to`);
    put(disk, `${root}/from/a`, 'moved');
    disk.rename(`${root}/from/a`, `${root}/to/b`);
    disk.rename(`${root}/to`, `${root}/after`);
    assert.equal(contentOf(disk, `${root}/after/b`), 'moved');
    assert.deepEqual(disk.list(root), ['after', 'from']);
  });

  check('a rename that cannot be is refused and changes nothing', (disk, root) => {
    put(disk, `${root}/a`, 'file');
    disk.makeDirectory(`${root}/d/inner`);
    const codes: [string, string, string][] = [
      ['ENOENT', 'none', 'b'],
      ['ENOENT', 'a', 'none/b'],
      ['EISDIR', 'a', 'd'],
      ['ENOTDIR', 'd', 'a'],
      ['EINVAL', 'd', 'd/inner/d'],
    ];
    for (const [code, from, to] of codes) {
      assert.throws(() => disk.rename(`${root}/${from}`, `${root}/${to}`), { code }, to);
    }
    assert.deepEqual(disk.list(root), ['a', 'd']);
  });

  check(
    'a removed file is gone by name and stays readable through an open handle',
    (disk, root) => {
      put(disk, `${root}/a`, 'abc');
      const file: DiskFile = disk.open(`${root}/a`, 'readwrite');
      disk.remove(`${root}/a`);
      assert.equal(disk.exists(`${root}/a`), false);
      assert.equal(file.write(bytesOf('d'), 0, 1, 3), 1);
      file.sync();
      assert.equal(file.size(), 4);
      file.close();
      failsWith('ENOENT', 'remove', `${root}/a`, () => disk.remove(`${root}/a`));
    },
  );

  check('a handle follows its file through a rename', (disk, root) => {
    const file = disk.open(`${root}/a`, 'create');
    disk.rename(`${root}/a`, `${root}/b`);
    file.write(bytesOf('x'), 0, 1, 0);
    file.close();
    assert.equal(contentOf(disk, `${root}/b`), 'x');
  });
}
