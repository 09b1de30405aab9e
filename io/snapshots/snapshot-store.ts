/**
 * The directory of snapshot files, of all groups of a node: which there are, which is the newest
 * whole one, which are no longer needed.
 *
 * A damaged file is set aside by renaming, never silently removed, and a file of another version or
 * cluster is refused and left alone. Nothing may be removed before the name of what replaces it is
 * durable.
 */

import { type Disk, DiskError } from '../disk/disk.js';
import { makeDurableDirectory } from '../disk/durable-directory.js';
import { Removals } from './removals.js';
import { SnapshotDamage, SnapshotForeign } from './snapshot-errors.js';
import { decodeSnapshotHeader, type LogPoint, type StoredHeader } from './snapshot-format.js';
import {
  byAge,
  DAMAGED_SUFFIX,
  FETCHED_SUFFIX,
  type SnapshotFile,
  snapshotName,
  snapshotOfName,
  UNFINISHED_SUFFIX,
} from './snapshot-names.js';
import { SnapshotReader } from './snapshot-reader.js';
import { SnapshotWriter, type WriterOptions } from './snapshot-writer.js';

/** Damaged files of one group that are kept; the oldest beyond are removed, and reported. */
export const DAMAGED_KEPT_MAX = 3;

export interface StoreOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clusterId: number;
  /**
   * Which groups the numbers name here, by the hash of their names: another directory may have them
   * in another order. A group that is not listed has its files taken by number alone.
   */
  readonly groups?: readonly { readonly group: number; readonly nameHash: number }[];
  readonly writer?: WriterOptions;
}

/** Throws a SnapshotVersionError where what the header carries is of another version. */
export type HeaderCheck = (header: StoredHeader, path: string) => void;

export interface NewestOptions {
  /** Every byte is looked at, not header and footer alone. */
  readonly deep: boolean;
  readonly check?: HeaderCheck;
}

/** Where a file is that was found damaged, and what of its kind went for it. */
export interface SetAside {
  /** Null when it kept its name: the disk failed, now or at the renaming. */
  readonly setAsideAs: string | null;
  /** Paths of damaged files that were set aside earlier and removed now, to keep few. */
  readonly removed: readonly string[];
}

/** A file that was passed over. */
export interface PassedOver {
  readonly path: string;
  /** Why: what is damaged, or how the disk failed to read it. */
  readonly reason: SnapshotDamage | DiskError;
  /** Its name from now on; null when it kept its own: the disk failed, now or at the renaming. */
  readonly setAsideAs: string | null;
}

export interface NewestSnapshot {
  /** Open: the caller closes it. Null when the group has no valid snapshot. */
  readonly reader: SnapshotReader | null;
  /** Newer files that are not valid, newest first. */
  readonly passedOver: readonly PassedOver[];
  /** Paths of damaged files that were set aside earlier and removed now, to keep few. */
  readonly removed: readonly string[];
}

export class SnapshotStore {
  readonly directory: string;
  /** What `retain` did not keep: goes as fast as this is stepped. */
  readonly removals: Removals;
  readonly #disk: Disk;
  readonly #clusterId: number;
  readonly #nameHashes: ReadonlyMap<number, number>;
  readonly #writer: WriterOptions;

  constructor(options: StoreOptions) {
    this.#disk = options.disk;
    this.directory = options.directory;
    this.removals = new Removals(options.disk);
    this.#clusterId = options.clusterId;
    const groups = options.groups ?? [];
    this.#nameHashes = new Map(groups.map(({ group, nameHash }) => [group, nameHash]));
    this.#writer = options.writer ?? {};
  }

  /**
   * Makes the directory where it is missing, removes what was never finished or not gone yet, and
   * makes the names that are there durable: the process that renamed them may have died before it
   * could.
   */
  static open(options: StoreOptions): SnapshotStore {
    const store = new SnapshotStore(options);
    makeDurableDirectory(options.disk, options.directory);
    const leftovers = [...store.#files('unfinished'), ...store.#files('removed')];
    for (const { path } of leftovers) options.disk.remove(path);
    options.disk.syncDirectory(options.directory);
    return store;
  }

  /** The group's snapshots, newest first; whether they are whole is not looked at. */
  list(group: number): SnapshotFile[] {
    return this.#files('snapshot', group);
  }

  /**
   * The newest snapshot that is valid: header and footer, or with `deep` every byte of it. Throws
   * SnapshotVersionError or SnapshotForeign, with nothing changed, for a newer file of another
   * version or cluster: passing it over would be going back in time.
   */
  newestValid(group: number, { deep, check }: NewestOptions): NewestSnapshot {
    const unusable: { file: SnapshotFile; reason: SnapshotDamage | DiskError }[] = [];
    let reader: SnapshotReader | null = null;
    for (const file of this.list(group)) {
      try {
        reader = this.#opened(file, deep, check);
        break;
      } catch (reason) {
        if (!(reason instanceof SnapshotDamage || reason instanceof DiskError)) throw reason;
        unusable.push({ file, reason });
      }
    }
    try {
      const passedOver = unusable.map(({ file, reason }) => {
        return { path: file.path, reason, setAsideAs: this.#setAside(file, reason) };
      });
      return { reader, passedOver, removed: this.#settle(group, passedOver) };
    } catch (error) {
      reader?.close();
      throw error;
    }
  }

  /**
   * Keeps a file, which was found damaged as it was read, out of the way. Throws the DiskError when
   * that is not durable.
   */
  setAside(file: SnapshotFile, reason: SnapshotDamage): SetAside {
    const setAsideAs = this.#setAside(file, reason);
    const removed = this.#settle(file.group, [{ path: file.path, reason, setAsideAs }]);
    return { setAsideAs, removed };
  }

  /**
   * Opens a snapshot that `list` names, with header and footer verified; throws as the reader and
   * `check` do.
   */
  read(file: SnapshotFile, check?: HeaderCheck): SnapshotReader {
    return this.#opened(file, false, check);
  }

  /** Begins the file of the snapshot that `headerBytes` (see snapshot-format.ts) describe. */
  create(headerBytes: Uint8Array): SnapshotWriter {
    return this.#create(headerBytes, UNFINISHED_SUFFIX);
  }

  /** The same, beside such a file that is taken here meanwhile. */
  createFetched(headerBytes: Uint8Array): SnapshotWriter {
    return this.#create(headerBytes, FETCHED_SUFFIX);
  }

  #create(headerBytes: Uint8Array, suffix: string): SnapshotWriter {
    const path = this.#pathFor(headerBytes);
    return SnapshotWriter.create(this.#disk, path, headerBytes, this.#writer, path + suffix);
  }

  /**
   * Keeps the newest `count` snapshots of the group and those at the `pinned` points; hands the
   * others over to `removals` and returns the paths that they had. Throws the DiskError when the
   * disk fails.
   */
  retain(group: number, count: number, pinned: readonly LogPoint[] = []): string[] {
    if (!(Number.isSafeInteger(count) && count >= 1)) {
      throw new RangeError(`${count} snapshots to keep; at least 1`);
    }
    const isPinned = ({ point }: SnapshotFile): boolean =>
      pinned.some(({ index, term }) => index === point.index && term === point.term);
    const surplus = this.list(group)
      .slice(count)
      .filter((file) => !isPinned(file))
      .reverse();
    if (surplus.length === 0) return [];
    // The sync of a newer one's name may have failed when it was written: not without it.
    this.#disk.syncDirectory(this.directory);
    const paths = surplus.map(({ path }) => path);
    this.removals.add(paths);
    return paths;
  }

  #files(kind: SnapshotFile['kind'], group?: number): SnapshotFile[] {
    return this.#disk
      .list(this.directory)
      .map((name) => snapshotOfName(this.directory, name))
      .filter((file) => file !== null)
      .filter((file) => file.kind === kind && (group === undefined || file.group === group))
      .sort(byAge);
  }

  #opened(file: SnapshotFile, deep: boolean, check?: HeaderCheck): SnapshotReader {
    const reader = SnapshotReader.open(this.#disk, file.path);
    try {
      const { clusterId, group, point, nameHash } = reader.header;
      if (clusterId !== this.#clusterId) {
        throw new SnapshotForeign(file.path, 'cluster', clusterId, this.#clusterId);
      }
      const name = snapshotName(group, point);
      if (name !== file.name) {
        throw new SnapshotDamage(file.path, 0, `its header is that of ${name}`);
      }
      const own = this.#nameHashes.get(group) ?? nameHash;
      if (nameHash !== own) throw new SnapshotDamage(file.path, 0, otherName(nameHash, own));
      check?.(reader.header, file.path);
      if (deep) reader.verify();
      return reader;
    } catch (error) {
      reader.close();
      throw error;
    }
  }

  /** The new path of a damaged file; null when the disk is what failed. */
  #setAside(file: SnapshotFile, reason: SnapshotDamage | DiskError): string | null {
    if (reason instanceof DiskError) return null;
    const path = file.path + DAMAGED_SUFFIX;
    try {
      this.#disk.rename(file.path, path);
      return path;
    } catch (error) {
      if (error instanceof DiskError) return null;
      throw error;
    }
  }

  /** Makes new names durable and keeps the damaged files few; returns the paths of removed ones. */
  #settle(group: number, passedOver: readonly PassedOver[]): string[] {
    if (passedOver.every(({ setAsideAs }) => setAsideAs === null)) return [];
    this.#disk.syncDirectory(this.directory);
    const surplus = this.#files('damaged', group).slice(DAMAGED_KEPT_MAX);
    this.#remove(surplus);
    return surplus.map(({ path }) => path);
  }

  #pathFor(headerBytes: Uint8Array): string {
    const { clusterId, group, point } = decodeSnapshotHeader(headerBytes, this.directory);
    if (clusterId !== this.#clusterId) {
      throw new SnapshotForeign(this.directory, 'cluster', clusterId, this.#clusterId);
    }
    return `${this.directory}/${snapshotName(group, point)}`;
  }

  #remove(files: readonly SnapshotFile[]): void {
    if (files.length === 0) return;
    for (const { path } of files) this.#disk.remove(path);
    this.#disk.syncDirectory(this.directory);
  }
}

function otherName(found: number, own: number): string {
  const [theirs, ours] = [found, own].map((hash) => hash.toString(16).padStart(8, '0'));
  return (
    `it is of a group with another name (its hash is ${theirs}, this group's is ${ours}), as of ` +
    'a data directory whose groups have other numbers'
  );
}
