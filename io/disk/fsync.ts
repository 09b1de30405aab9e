/**
 * The only durability barrier: no other file of ringraft calls fsync or fdatasync.
 *
 * A failure here is final and must never be retried. After a failed fsync Linux marks the dirty
 * pages clean, so a second call reports success for bytes that never reached the disk: the only
 * honest answer is to stop the node and recover from what the disk really holds.
 */

import { closeSync, constants, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { diskError } from './system-error.js';

/**
 * Returns when the bytes of the open file `fd` (and the length needed to read them) are durable.
 * fdatasync, not fsync: on blocks already written it need not commit the inode's times as well.
 */
export function syncFileData(fd: number, path: string): void {
  try {
    fdatasyncSync(fd);
  } catch (cause) {
    throw diskError('sync', path, cause);
  }
}

/** Returns when the creations, renames and removals made in `directory` are durable. */
export function syncDirectoryEntries(directory: string): void {
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw diskError('syncDirectory', directory, cause);
  }
}
