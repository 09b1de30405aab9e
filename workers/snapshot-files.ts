/**
 * The complete snapshot files of one group that are open for reading: each once, for as long as
 * somebody needs it, since where its chunks lie is found by walking all that come before.
 *
 * A file that was removed or set aside is let go of at once, and its space with it. This file must
 * never decide who needs what.
 */

import { isSamePoint, type SnapshotPoint } from '../engine/raft/types.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotDamage } from '../io/snapshots/snapshot-errors.js';
import type { SnapshotReader } from '../io/snapshots/snapshot-reader.js';
import type { SetAside, SnapshotStore } from '../io/snapshots/snapshot-store.js';

const LEFT_THERE: SetAside = { setAsideAs: null, removed: [] };

interface OpenFile {
  readonly point: SnapshotPoint;
  readonly reader: SnapshotReader;
}

export class SnapshotFiles {
  readonly #store: SnapshotStore;
  readonly #group: number;
  #open: OpenFile[] = [];

  constructor(store: SnapshotStore, group: number) {
    this.#store = store;
    this.#group = group;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.length;
  }

  /** The file of a point. Throws SnapshotGone when there is none, else as the store does. */
  open(point: SnapshotPoint): SnapshotReader {
    const known = this.#open.find((one) => isSamePoint(one.point, point));
    if (known !== undefined) return known.reader;
    const file = this.#find(point);
    if (file === undefined) throw new SnapshotGone(point);
    const reader = this.#store.read(file);
    this.#open.push({ point, reader });
    return reader;
  }

  #find(point: SnapshotPoint) {
    return this.#store.list(this.#group).find((one) => isSamePoint(one.point, point));
  }

  /** Closes those that are not needed. */
  keep(isNeeded: (point: SnapshotPoint) => boolean): void {
    for (const { point, reader } of this.#open) if (!isNeeded(point)) reader.close();
    this.#open = this.#open.filter(({ point }) => isNeeded(point));
  }

  /** Closes those of these paths: they were removed. */
  removed(paths: readonly string[]): void {
    const isThere = ({ reader }: OpenFile): boolean => !paths.includes(reader.path);
    for (const each of this.#open) if (!isThere(each)) each.reader.close();
    this.#open = this.#open.filter(isThere);
  }

  /** Puts a file out of the way that was found damaged as it was read. */
  setAside(point: SnapshotPoint, reason: unknown): SetAside {
    this.keep((one) => !isSamePoint(one, point));
    if (!(reason instanceof SnapshotDamage)) return LEFT_THERE;
    try {
      const file = this.#find(point);
      return file === undefined ? LEFT_THERE : this.#store.setAside(file, reason);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      return LEFT_THERE;
    }
  }

  close(): void {
    this.keep(() => false);
  }
}

export class SnapshotGone extends Error {
  constructor({ index, term }: SnapshotPoint) {
    super(`there is no snapshot of entry ${index} of term ${term} here (any more)`);
  }
}
