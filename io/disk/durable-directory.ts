/**
 * Directories that survive a loss of power: made, and their entries in the parents synced.
 *
 * A directory whose entry was never synced takes everything in it along, synced or not, so nobody
 * in io may make one of the data directory's in any other way.
 */

import { dirname } from 'node:path';
import { type Disk, DiskError } from './disk.js';

/** Makes the directory and its missing parents, and the entries that hold them, durable. */
export function makeDurableDirectory(disk: Disk, directory: string): void {
  const missing: string[] = [];
  for (let at = directory; !disk.exists(at); at = dirname(at)) missing.push(at);
  disk.makeDirectory(directory);
  for (const path of missing.reverse()) disk.syncDirectory(dirname(path));
  if (missing.length === 0) syncParent(disk, directory);
}

/** An earlier process may have made the directory and died before it could sync the parent. */
function syncParent(disk: Disk, directory: string): void {
  try {
    disk.syncDirectory(dirname(directory));
  } catch (error) {
    // A parent that we may not even read was not written by us either.
    if (!(error instanceof DiskError && error.code === 'EACCES')) throw error;
  }
}
