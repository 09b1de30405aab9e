/**
 * Spare segments: files of the full length, written with zeros and synced ahead of use, so that a
 * group commit overwrites blocks that the file system has already allocated. The file of a segment
 * that was freed becomes a spare as it is (recycled-pool.ts).
 *
 * Preparing is slow and may find the disk full; it happens on whichever thread owns the supply,
 * never inside a commit. A file that is being filled ends in `.tmp`, a finished one in `.spare`:
 * both are outside the log, and only the writer of the log renames a spare to a segment's name.
 */

import { type Disk, DiskError, type DiskFile } from '../disk/disk.js';
import { KEPT_MIN } from './recycle-demand.js';
import { RecycledPool } from './recycled-pool.js';

/** What the log asks of whoever prepares spares; another thread may stand behind it. */
export interface SegmentSupply {
  /** Spares that `take` would return now. */
  readonly ready: number;
  /** The last attempt to prepare one found the disk full. */
  readonly isStarved: boolean;
  /** The path of a finished spare, which the caller now owns; null when there is none yet. */
  take(): string | null;
  /** Asks for one spare to be ready; may return before it is. Cheap when one is. */
  want(): void;
  /** The log needs this segment no more, nor any before it: its file is the supply's now. */
  recycle(segment: number): void;
}

const SLICE_BYTES = 1024 * 1024;
/** Synced as often as this: a sync of the log would otherwise wait behind all of a spare. */
const SYNC_BYTES = 4 * SLICE_BYTES;
const TEMPORARY = /^.*\.tmp$/;
const SPARE = /^spare-([0-9a-f]{8})\.spare$/;

export function spareName(number: number): string {
  return `spare-${number.toString(16).padStart(8, '0')}.spare`;
}

/** Codes of a disk that has no room: the log waits instead of failing. */
export function isNoSpace(error: unknown): boolean {
  return error instanceof DiskError && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/**
 * Fills `<name>.tmp` with zeros, one slice per step and synced every few, then renames it to
 * `<name>`. A failure removes the file and is thrown.
 */
export function* preparing(
  disk: Disk,
  directory: string,
  name: string,
  segmentBytes: number,
): Generator<number, string> {
  const temporary = `${directory}/${name}.tmp`;
  const path = `${directory}/${name}`;
  let file: DiskFile | null = null;
  try {
    file = disk.open(temporary, 'create');
    file.truncate(0);
    const slice = new Uint8Array(Math.min(SLICE_BYTES, segmentBytes));
    for (let at = 0; at < segmentBytes; ) {
      const written = file.write(slice, 0, Math.min(slice.length, segmentBytes - at), at);
      if (written <= 0) throw new DiskError('EIO', 'write', temporary);
      at += written;
      if (at % SYNC_BYTES === 0 && at < segmentBytes) file.sync();
      yield at;
    }
    file.sync();
    file.close();
    file = null;
    disk.rename(temporary, path);
    disk.syncDirectory(directory);
    return path;
  } catch (error) {
    if (error instanceof DiskError) discard(disk, file, temporary);
    throw error;
  }
}

/** Gives the space of an unfinished spare back; the failure that led here is the one to report. */
function discard(disk: Disk, file: DiskFile | null, path: string): void {
  try {
    file?.close();
    if (disk.exists(path)) disk.remove(path);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
  }
}

/** `preparing` in one go. */
export function prepareSegment(
  disk: Disk,
  directory: string,
  name: string,
  segmentBytes: number,
): string {
  const steps = preparing(disk, directory, name, segmentBytes);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Removes what an interrupted preparation left and returns the finished spares of this size. */
export function adoptSpares(disk: Disk, directory: string, segmentBytes: number): string[] {
  if (!disk.exists(directory)) return [];
  const adopted: string[] = [];
  for (const name of disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (TEMPORARY.test(name)) disk.remove(path);
    else if (SPARE.test(name)) {
      if (fileBytes(disk, path) === segmentBytes) adopted.push(path);
      else disk.remove(path);
    }
  }
  return adopted;
}

function fileBytes(disk: Disk, path: string): number {
  const file = disk.open(path, 'read');
  try {
    return file.size();
  } finally {
    file.close();
  }
}

/** Prepares spares on the calling thread: for tests, the simulator and small tools. */
export class InlineSegmentSupply implements SegmentSupply {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #ready: string[];
  readonly #recycled: RecycledPool;
  #number: number;
  /** Why the last attempt to prepare a spare failed; null when it did not. */
  problem: DiskError | null = null;

  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#ready = adoptSpares(disk, directory, segmentBytes);
    this.#recycled = new RecycledPool(disk, directory, segmentBytes);
    while (this.#recycled.size > KEPT_MIN) this.#recycled.removeOne();
    this.#number = nextSpareNumber(this.#ready);
  }

  get ready(): number {
    return this.#ready.length;
  }

  get isStarved(): boolean {
    return isNoSpace(this.problem);
  }

  take(): string | null {
    return this.#ready.shift() ?? null;
  }

  want(): void {
    if (this.#ready.length > 0) return;
    const name = spareName(this.#number);
    try {
      const recycled = this.#recycled.take(name);
      const prepare = (): string =>
        prepareSegment(this.#disk, this.#directory, name, this.#segmentBytes);
      this.#ready.push(recycled ?? prepare());
      this.#number += 1;
      this.problem = null;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.problem = error;
    }
  }

  recycle(segment: number): void {
    this.#recycled.recycle(segment);
    if (this.#recycled.size > KEPT_MIN) this.#recycled.removeOne();
  }
}

/** The number after those of the spares at `paths`: names in use are not made a second time. */
export function nextSpareNumber(paths: readonly string[]): number {
  let next = 0;
  for (const path of paths) {
    const match = SPARE.exec(path.slice(path.lastIndexOf('/') + 1));
    if (match !== null) next = Math.max(next, Number.parseInt(match[1]!, 16) + 1);
  }
  return next;
}
