/**
 * Small files that are read and replaced whole.
 *
 * Replacing is written aside, synced, renamed, and the directory synced, so that after a crash the
 * old or the new content stands there and never a part. This file must never change one in place.
 */

import { type Disk, DiskError, type DiskFile } from './disk.js';

const ASIDE_SUFFIX = '.new';

/** All bytes of the file at `path`; EFBIG when there are more than `bytesMax`. */
export function readWholeFile(disk: Disk, path: string, bytesMax: number): Uint8Array {
  const file = disk.open(path, 'read');
  try {
    const size = file.size();
    if (size > bytesMax) throw new DiskError('EFBIG', 'read', path);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const count = file.read(bytes, at, size - at, at);
      if (count === 0) return bytes.subarray(0, at);
      at += count;
    }
    return bytes;
  } finally {
    file.close();
  }
}

/** Makes `bytes` the content of `path`, durably and at once. */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array): void {
  const aside = path + ASIDE_SUFFIX;
  const file = disk.open(aside, 'create');
  try {
    file.truncate(0);
    writeAll(file, bytes);
    file.sync();
  } finally {
    file.close();
  }
  disk.rename(aside, path);
  disk.syncDirectory(path.slice(0, Math.max(1, path.lastIndexOf('/'))));
}

function writeAll(file: DiskFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.byteLength; ) {
    const taken = file.write(bytes, at, bytes.byteLength - at, at);
    if (taken === 0) throw new DiskError('EIO', 'write', file.path);
    at += taken;
  }
}
