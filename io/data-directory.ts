/**
 * Opens the directory in which a node keeps everything, and proves that it is this node's.
 *
 *   DATA/meta        who it belongs to (data-meta.ts)      DATA/LOCK         data-lock.ts
 *   DATA/wal/*.wal   the log, unless `walDir` is set       DATA/snapshots/   snapshot files
 *
 * A separate `walDir` holds a copy of meta, so that an unmounted or swapped one is noticed. This
 * file must never make a new identity over existing data: a node that forgets what it acknowledged
 * is worse than one that does not start. It runs on any Disk, in memory mode too.
 */

import { isDeepStrictEqual } from 'node:util';
import { unusableDirectory } from './data-directory-error.js';
import type { DataMeta, FirstMembers } from './data-meta.js';
import { type DataPaths, dataPaths } from './data-paths.js';
import {
  assertLogPresent,
  assertNoGroupLost,
  assertNoOrphans,
  assertSameIdentity,
  assertSameWalDir,
  assertWalDirFree,
  assertWalDirOwned,
  metaBytes,
  readMeta,
} from './data-refusals.js';
import { type Disk, DiskError } from './disk/disk.js';
import { makeDurableDirectory } from './disk/durable-directory.js';
import { replaceFile } from './disk/whole-file.js';
import { isNoSpace } from './wal/segment-supply.js';

export interface DataDirectoryOptions {
  readonly path: string;
  /** Another directory for the log, such as one on a faster disk. */
  readonly walDir?: string;
  readonly clusterId: number;
  readonly nodeId: number;
  /** Source of a new directory's identities: identity.ts, or the simulator's generator. */
  readonly randomU48: () => number;
  /** Names of the groups that are to run; absent: those that are recorded. */
  readonly groups?: readonly string[];
  /** Wall clock, recorded as the time of creation. */
  readonly nowMs: number;
}

export interface DataDirectory {
  readonly paths: DataPaths;
  readonly meta: DataMeta;
  /** No log was ever confirmed here: an empty WAL directory is right and not a loss. */
  readonly fresh: boolean;
}

/**
 * Opens or makes the directory. Everything it made is durable on return. When the result is
 * `fresh`, call `confirmDataDirectory` as soon as the first segment is durable. Throws
 * DataDirectoryError.
 */
export function openDataDirectory(disk: Disk, options: DataDirectoryOptions): DataDirectory {
  const paths = dataPaths(options.path, options.walDir);
  return refusing(paths, () => {
    const found = readMeta(disk, paths, paths.meta);
    if (found === undefined) return create(disk, paths, options);
    assertSameIdentity(paths, found, options);
    assertSameWalDir(paths, found);
    if (!found.complete) {
      assertWalDirFree(disk, paths, found);
      // Nothing was ever written to the log: the groups are those of this start.
      return layOut(disk, paths, { ...found, groups: options.groups ?? found.groups });
    }
    assertWalDirOwned(disk, paths, found);
    assertLogPresent(disk, paths);
    const meta = withGroups(paths, found, options.groups);
    if (meta === found) {
      // The rename of meta may have outlived its process but not yet reached the disk.
      disk.syncDirectory(paths.data);
    } else {
      replaceFile(disk, paths.meta, metaBytes(paths, meta));
    }
    return { paths, meta, fresh: false };
  });
}

/**
 * The cluster that the directory is recorded to belong to; null when it records none yet. Only to
 * be looked at: whether it may be used is found out by opening it.
 */
export function recordedClusterId(disk: Disk, path: string): number | null {
  const paths = dataPaths(path);
  return refusing(paths, () => readMeta(disk, paths, paths.meta)?.clusterId ?? null);
}

/** Groups keep the number they got first, whatever the order they are named in; new ones follow. */
function withGroups(
  paths: DataPaths,
  meta: DataMeta,
  wanted: readonly string[] | undefined,
): DataMeta {
  if (wanted === undefined) return meta;
  assertNoGroupLost(paths, meta, wanted);
  const added = wanted.filter((name) => !meta.groups.includes(name));
  return added.length === 0 ? meta : { ...meta, groups: [...meta.groups, ...added] };
}

/**
 * Records that the first segment is durable. From now on a directory without segments is refused
 * as half-deleted; without this call that loss would look like a new node.
 */
export function confirmDataDirectory(disk: Disk, directory: DataDirectory): DataDirectory {
  const { paths } = directory;
  if (directory.meta.complete) return directory;
  return refusing(paths, () => {
    assertLogPresent(disk, paths);
    const meta = { ...directory.meta, complete: true };
    replaceFile(disk, paths.meta, metaBytes(paths, meta));
    return { paths, meta, fresh: false };
  });
}

/**
 * Records the members that the groups began with, before this start has voted or promised anything:
 * a later start that names none finds them here. Where only addresses changed, a full disk keeps
 * the old ones: no start may be refused for how an address is spelled.
 */
export function recordFirstMembers(
  disk: Disk,
  directory: DataDirectory,
  firstMembers: readonly FirstMembers[],
): DataDirectory {
  const { paths, fresh } = directory;
  if (isDeepStrictEqual(directory.meta.firstMembers, firstMembers)) return directory;
  return refusing(paths, () => {
    const meta = { ...directory.meta, firstMembers };
    const bytes = metaBytes(paths, meta);
    try {
      replaceFile(disk, paths.meta, bytes);
    } catch (error) {
      const known = idsByGroup(directory.meta.firstMembers ?? []);
      const isSame = isDeepStrictEqual(known, idsByGroup(firstMembers));
      if (isSame && isNoSpace(error)) return directory;
      throw error;
    }
    return { paths, meta, fresh };
  });
}

/** Records that a group is in witness mode here, or not any more: durable on return. */
export function recordWitness(
  disk: Disk,
  { paths, meta, fresh }: DataDirectory,
  group: number,
  isWitness: boolean,
): DataDirectory {
  const { witnesses = [], ...rest } = meta;
  const others = witnesses.filter((each) => each !== group);
  const all = isWitness ? [...others, group] : others;
  const changed = all.length === 0 ? rest : { ...rest, witnesses: all };
  return refusing(paths, () => {
    replaceFile(disk, paths.meta, metaBytes(paths, changed));
    return { paths, meta: changed, fresh };
  });
}

function idsByGroup(rows: readonly FirstMembers[]): Map<number, readonly number[]> {
  return new Map(
    rows.flatMap(({ groups, members }) => {
      const ids = members.map(({ id }) => id).sort((a, b) => a - b);
      return groups.map((group) => [group, ids] as const);
    }),
  );
}

function refusing<T>(paths: DataPaths, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof DiskError) throw unusableDirectory(paths.data, error);
    throw error;
  }
}

function create(disk: Disk, paths: DataPaths, options: DataDirectoryOptions): DataDirectory {
  assertNoOrphans(disk, paths);
  assertWalDirFree(disk, paths, options);
  const { clusterId, nodeId, randomU48, nowMs: createdAtMs } = options;
  return layOut(disk, paths, {
    clusterId,
    nodeId,
    incarnation: randomU48(),
    logId: randomU48(),
    createdAtMs,
    walDir: paths.walMeta === null ? null : paths.wal,
    groups: options.groups ?? [],
    complete: false,
  });
}

/** Directories first and meta last: where meta stands, the rest is durable. May be repeated. */
function layOut(disk: Disk, paths: DataPaths, meta: DataMeta): DataDirectory {
  const bytes = metaBytes(paths, meta);
  for (const directory of [paths.data, paths.wal, paths.snapshots])
    makeDurableDirectory(disk, directory);
  if (paths.walMeta !== null) replaceFile(disk, paths.walMeta, bytes);
  replaceFile(disk, paths.meta, bytes);
  return { paths, meta, fresh: true };
}
