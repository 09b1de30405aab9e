/**
 * A disk with one sector that no read gets any more, as cold data of a worn disk: every read that
 * touches it fails with EIO, also one that only reads ahead.
 *
 * It must never change anything else that passes through it.
 */

import { type Disk, DiskError, type DiskFile } from '../../io/disk/disk.js';
import { SECTOR_BYTES } from '../../io/wal/segment-format.js';

export class BadSectorDisk implements Disk {
  readonly disk: Disk;
  readonly #path: string;
  readonly #at: number;
  /** Reads that met it. */
  strikes = 0;

  constructor(disk: Disk, path: string, at: number) {
    this.disk = disk;
    this.#path = path;
    this.#at = at;
  }

  open(path: string, mode: 'read' | 'readwrite' | 'create'): DiskFile {
    const file = this.disk.open(path, mode);
    if (path !== this.#path) return file;
    return {
      path,
      read: (target, offset, length, position) => {
        if (position < this.#at + SECTOR_BYTES && position + length > this.#at) {
          this.strikes += 1;
          throw new DiskError('EIO', 'read', path);
        }
        return file.read(target, offset, length, position);
      },
      write: (source, offset, length, position) => file.write(source, offset, length, position),
      sync: () => file.sync(),
      size: () => file.size(),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
    };
  }

  exists(path: string): boolean {
    return this.disk.exists(path);
  }

  list(directory: string): string[] {
    return this.disk.list(directory);
  }

  makeDirectory(path: string): void {
    this.disk.makeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.disk.rename(from, to);
  }

  remove(path: string): void {
    this.disk.remove(path);
  }

  syncDirectory(directory: string): void {
    this.disk.syncDirectory(directory);
  }
}
