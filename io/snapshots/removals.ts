/**
 * Snapshot files that nobody needs any more, on their way out: renamed so that no start takes them
 * for snapshots, then cut shorter from their end, a slice at a time, until they are gone.
 *
 * To remove a large file takes the file system long, and the disk longer: whoever else is on this
 * thread, and the syncs of the log, would wait for all of it. What a crash leaves is removed at the
 * next start. This file must never be given what is not replaced durably.
 */

import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../disk/disk.js';
import { REMOVED_SUFFIX } from './snapshot-names.js';

const SLICE_BYTES = 16 * 1024 * 1024;

export class Removals {
  readonly #disk: Disk;
  /** Paths under their last names, oldest first. */
  readonly #waiting: string[] = [];
  /** Renamed, but a crash may give them their names back. */
  readonly #renamed: string[] = [];
  /** The first that waits, and its length, once it was begun. */
  #file: DiskFile | null = null;
  #bytes = 0;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  get isDue(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes files of one directory over. Throws the DiskError when they may keep their names: what
   * was renamed goes with the files of the next call.
   */
  add(paths: readonly string[]): void {
    for (const path of paths) {
      this.#disk.rename(path, path + REMOVED_SUFFIX);
      this.#renamed.push(path + REMOVED_SUFFIX);
    }
    const [first] = this.#renamed;
    if (first === undefined) return;
    // No byte goes while a crash could give the file its name back.
    this.#disk.syncDirectory(dirname(first));
    for (const path of this.#renamed.splice(0)) {
      if (!this.#waiting.includes(path)) this.#waiting.push(path);
    }
  }

  /** One slice. Throws the DiskError; the file is left to the next start then. */
  step(): void {
    const [path] = this.#waiting;
    if (path === undefined) return;
    try {
      this.#shorten(path);
    } catch (error) {
      this.#waiting.shift();
      this.#close();
      throw error;
    }
  }

  #shorten(path: string): void {
    if (this.#file === null) {
      this.#file = this.#disk.open(path, 'readwrite');
      this.#bytes = this.#file.size();
    }
    this.#bytes -= SLICE_BYTES;
    if (this.#bytes > 0) {
      this.#file.truncate(this.#bytes);
      return;
    }
    this.#close();
    this.#disk.remove(path);
    this.#waiting.shift();
  }

  #close(): void {
    const file = this.#file;
    this.#file = null;
    file?.close();
  }

  /** Ends with what is under way: the next start goes on. */
  close(): void {
    this.#waiting.length = 0;
    this.#close();
  }
}
