/**
 * Whole reads and writes on a disk whose calls may be short. Neither may hide a failure: a write
 * that takes nothing is one.
 */

import { DiskError, type DiskFile } from '../disk/disk.js';

/** Reads `length` bytes, or fewer where the file ends; returns how many. */
export function readFully(
  file: DiskFile,
  target: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  let done = 0;
  while (done < length) {
    const count = file.read(target, offset + done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all of `bytes` at `position`. */
export function writeFully(file: DiskFile, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength; ) {
    const taken = file.write(bytes, done, bytes.byteLength - done, position + done);
    if (taken === 0) throw new DiskError('EIO', 'write', file.path);
    done += taken;
  }
}
