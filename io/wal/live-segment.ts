/**
 * The one segment file that is being appended to: block after block, never a byte twice.
 *
 * It must never swallow a failure and never retry one: whoever owns it stops at the first.
 */

import { type Disk, DiskError, type DiskFile } from '../disk/disk.js';
import { checksumSeed } from './block-format.js';
import { SECTOR_BYTES, segmentPath } from './segment-format.js';

/**
 * Writes all of `bytes[0, length)` at `position`: short writes are continued, no progress is EIO.
 */
export function writeWhole(
  file: DiskFile,
  bytes: Uint8Array,
  length: number,
  position: number,
): void {
  for (let done = 0; done < length; ) {
    const written = file.write(bytes, done, length - done, position + done);
    if (written <= 0) throw new DiskError('EIO', 'write', file.path);
    done += written;
  }
}

export class LiveSegment {
  readonly segment: number;
  readonly path: string;
  readonly segmentBytes: number;
  /** Start of every checksum in this segment. */
  readonly seed: number;
  readonly #file: DiskFile;
  #offset: number;

  constructor(
    disk: Disk,
    directory: string,
    place: { segment: number; segmentBytes: number; logId: number; offset: number },
  ) {
    this.segment = place.segment;
    this.path = segmentPath(directory, place.segment);
    this.segmentBytes = place.segmentBytes;
    this.seed = checksumSeed(place.logId, place.segment);
    this.#offset = place.offset;
    this.#file = disk.open(this.path, 'readwrite');
  }

  /** Where the next block begins. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes left for blocks. */
  get room(): number {
    return this.segmentBytes - this.#offset;
  }

  /** Appends `bytes[0, length)`, which begins and ends on a sector boundary. */
  append(bytes: Uint8Array, length: number): void {
    if (length % SECTOR_BYTES !== 0 || length > this.room) {
      throw new Error(`assertion failed: ${length} bytes appended to ${this.room} left`);
    }
    writeWhole(this.#file, bytes, length, this.#offset);
    this.#offset += length;
  }

  sync(): void {
    this.#file.sync();
  }

  close(): void {
    this.#file.close();
  }
}
