/**
 * The real disk against the conformance suite, and what only a real disk shows: file modes, and the
 * codes of the operating system. Works in a new directory under the system's, removed afterwards.
 *
 * A broken disk is not at hand: faults are tested on the simulated one.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DiskError } from '../../io/disk/disk.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { diskError } from '../../io/disk/system-error.js';
import { type DiskUnderTest, diskSuite, failsWith } from '../conformance/disk.suite.js';

function realDisk(): DiskUnderTest {
  const root = mkdtempSync(join(tmpdir(), 'ringraft-disk-'));
  return {
    disk: new NodeDisk(),
    root,
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
}

diskSuite('node disk', realDisk);

test('files are made 0600 and directories 0700', () => {
  const { disk, root, dispose } = realDisk();
  disk.makeDirectory(`${root}/a/b`);
  disk.open(`${root}/a/b/file`, 'create').close();
  assert.equal(statSync(`${root}/a`).mode & 0o777, 0o700);
  assert.equal(statSync(`${root}/a/b`).mode & 0o777, 0o700);
  assert.equal(statSync(`${root}/a/b/file`).mode & 0o777, 0o600);
  dispose();
});

test('a directory where the system takes none is ENOENT, at once', {
  skip: new NodeDisk().exists('/proc/self') ? false : 'there is no /proc here',
}, () => {
  const disk = new NodeDisk();
  for (const path of ['/proc/ringraft', '/proc/ringraft/a/b']) {
    failsWith('ENOENT', 'makeDirectory', path, () => disk.makeDirectory(path));
  }
});

test('relative paths, trailing slashes and links to directories are directories too', () => {
  const { disk, root, dispose } = realDisk();
  const from = relative(process.cwd(), root);
  disk.makeDirectory(`${from}/a/b/`);
  symlinkSync(`${root}/a`, `${root}/link`);
  disk.makeDirectory(`${root}/link/c`);
  disk.makeDirectory(`${root}/link`);
  assert.deepEqual(disk.list(`${root}/a`), ['b', 'c']);
  symlinkSync(`${root}/nowhere`, `${root}/dangling`);
  failsWith('EEXIST', 'makeDirectory', `${root}/dangling`, () =>
    disk.makeDirectory(`${root}/dangling`),
  );
  dispose();
});

test('a full device is ENOSPC, with the path', {
  skip: !new NodeDisk().exists('/dev/full'),
}, () => {
  const file = new NodeDisk().open('/dev/full', 'readwrite');
  failsWith('ENOSPC', 'write', '/dev/full', () => file.write(new Uint8Array(1), 0, 1, 0));
  file.close();
});

test('after a failed sync a handle reads but neither writes nor syncs again', () => {
  // Pipes and character devices cannot be synced: the one failure that needs no broken disk.
  const file = new NodeDisk().open('/dev/null', 'readwrite');
  failsWith('EINVAL', 'sync', '/dev/null', () => file.sync());
  failsWith('EIO', 'sync', '/dev/null', () => file.sync());
  failsWith('EIO', 'write', '/dev/null', () => file.write(new Uint8Array(1), 0, 1, 0));
  failsWith('EIO', 'truncate', '/dev/null', () => file.truncate(0));
  assert.equal(file.read(new Uint8Array(1), 0, 1, 0), 0);
  file.close();
});

test('a system error keeps its code and cause, a programmer’s mistake passes through', () => {
  const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  const error = diskError('read', '/a', cause);
  assert.ok(error instanceof DiskError);
  assert.equal(error.message, 'read /a: EIO');
  assert.equal(error.cause, cause);
  const mistake = Object.assign(new TypeError('x'), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => diskError('read', '/a', mistake), mistake);
});

test('only fsync.ts calls fsync or fdatasync', () => {
  const io = fileURLToPath(new URL('../../io', import.meta.url));
  const callers: string[] = [];
  const walk = (directory: string): void => {
    for (const name of new NodeDisk().list(directory)) {
      const path = join(directory, name);
      if (statSync(path).isDirectory()) walk(path);
      else if (/\bf(data)?sync(Sync)?\s*\(/.test(readFileSync(path, 'utf8'))) callers.push(name);
    }
  };
  walk(io);
  assert.deepEqual(callers, ['fsync.ts']);
});
