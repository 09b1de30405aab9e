/**
 * Files of freed segments that wait to become spares: a new segment then needs no zeros, and no
 * space on a disk that is full.
 *
 *   N.wal ─ rename ─► N.recycled ─ rename ─► spare-M.spare ─ by the log ─► K.wal
 *
 * The directory is synced after each step: a crash that undid one and kept a later one would leave
 * a hole in the log, or a segment that is a spare as well. A file keeps the bytes of its former
 * life; nothing of them validates under another segment's number (block-format.ts). It must never
 * touch a segment that was not freed, and never decides how many files wait (recycle-demand.ts).
 */

import type { Disk } from '../disk/disk.js';
import { SECTOR_BYTES, segmentName, segmentPath } from './segment-format.js';
import { SegmentReader } from './segment-reader.js';

const RECYCLED = /^[0-9a-f]{16}\.recycled$/;

export class RecycledPool {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  /** Names, oldest first. */
  readonly #waiting: string[] = [];

  /** Adopts what an earlier life left; files of another size are removed. */
  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    if (!disk.exists(directory)) return;
    for (const name of disk.list(directory).filter((found) => RECYCLED.test(found))) {
      if (!this.#isUseful(`${directory}/${name}`)) disk.remove(`${directory}/${name}`);
      else this.#waiting.push(name);
    }
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Takes over the file of a freed segment. To be called in the order of their numbers. */
  recycle(segment: number): void {
    const path = segmentPath(this.#directory, segment);
    if (this.#isUseful(path)) {
      const name = segmentName(segment).replace(/wal$/, 'recycled');
      this.#disk.rename(path, `${this.#directory}/${name}`);
      this.#waiting.push(name);
    } else {
      this.#disk.remove(path);
    }
    this.#disk.syncDirectory(this.#directory);
  }

  #isUseful(path: string): boolean {
    const reader = new SegmentReader(this.#disk, path, 0, SECTOR_BYTES);
    reader.release();
    return reader.size === this.#segmentBytes;
  }

  /** Removes the file that would be used last, if one waits. */
  removeOne(): void {
    const name = this.#waiting.at(-1);
    if (name === undefined) return;
    this.#disk.remove(`${this.#directory}/${name}`);
    this.#waiting.pop();
    this.#disk.syncDirectory(this.#directory);
  }

  /** Makes the oldest one a spare of this name and returns its path; null when none waits. */
  take(name: string): string | null {
    const [oldest] = this.#waiting;
    if (oldest === undefined) return null;
    const path = `${this.#directory}/${name}`;
    this.#disk.rename(`${this.#directory}/${oldest}`, path);
    this.#waiting.shift();
    this.#disk.syncDirectory(this.#directory);
    return path;
  }
}
