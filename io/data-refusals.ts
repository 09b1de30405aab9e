/**
 * Everything that makes a data directory refused, one function per question. Each names what was
 * found, where, and the remedy.
 *
 * These functions must never write: a refused directory is left exactly as it was found.
 */

import { DataDirectoryError } from './data-directory-error.js';
import {
  type DataMeta,
  decodeMeta,
  encodeMeta,
  META_BYTES_MAX,
  META_VERSION,
} from './data-meta.js';
import { type DataPaths, SEGMENT_SUFFIX } from './data-paths.js';
import type { Disk } from './disk/disk.js';
import { readWholeFile } from './disk/whole-file.js';
import { LOCK_VERSION } from './lock-record.js';

interface Identity {
  readonly clusterId: number;
  readonly nodeId: number;
}

/** What an operator can do when identity or log are gone for good. */
const START_ANEW =
  'without one, run "ringraft repair" on the directory: it sets aside what is there, and the ' +
  'node rejoins as a new incarnation, which counts once the others have readmitted it';
const OTHER_BUILD = 'Start the version of ringraft that wrote it';

const nameOf = ({ clusterId, nodeId }: Identity): string => `cluster ${clusterId}, node ${nodeId}`;

/** The meta file at `path`, undefined when there is none; refuses what it cannot read. */
export function readMeta(disk: Disk, paths: DataPaths, path: string): DataMeta | undefined {
  if (!disk.exists(path)) return undefined;
  const decoded = decodeMeta(readWholeFile(disk, path, META_BYTES_MAX));
  switch (decoded.kind) {
    case 'meta':
      return decoded.meta;
    case 'damaged': {
      const finding = `${path} is damaged: ${decoded.detail}`;
      const remedy = `Restore that file from a backup; ${START_ANEW}`;
      throw new DataDirectoryError('damagedMeta', paths.data, finding, remedy);
    }
    case 'unknownVersion': {
      const reads = `this build reads ${META_VERSION}`;
      const finding = `${path} has format version ${decoded.version}; ${reads}`;
      throw new DataDirectoryError('unknownVersion', paths.data, finding, OTHER_BUILD);
    }
    case 'unknownFeatures': {
      const bits = decoded.features.toString(16);
      const finding = `${path} needs features that this build does not know (bits 0x${bits})`;
      throw new DataDirectoryError('unknownFeatures', paths.data, finding, OTHER_BUILD);
    }
  }
}

/** What is to be written for `meta`; refuses what `readMeta` would not take. */
export function metaBytes(paths: DataPaths, meta: DataMeta): Uint8Array {
  const bytes = encodeMeta(meta);
  if (bytes.length <= META_BYTES_MAX) return bytes;
  const finding = `${paths.meta} would take ${bytes.length} bytes, at most ${META_BYTES_MAX} fit`;
  const remedy = 'Use fewer groups, shorter names of groups or shorter addresses';
  throw new DataDirectoryError('unusable', paths.data, finding, remedy);
}

/** Whether the writer of such a lock lives cannot be told: it counts as if it did. */
export function unknownLockVersion(
  dataPath: string,
  lockPath: string,
  version: string,
): DataDirectoryError {
  return new DataDirectoryError(
    'unknownVersion',
    dataPath,
    `${lockPath} has format version ${version}; this build reads ${LOCK_VERSION}`,
    `${OTHER_BUILD}; if no process uses the directory, remove that file`,
  );
}

/** The directory must carry the cluster id and node id that this process was started with. */
export function assertSameIdentity(paths: DataPaths, meta: DataMeta, wanted: Identity): void {
  if (meta.clusterId === wanted.clusterId && meta.nodeId === wanted.nodeId) return;
  throw new DataDirectoryError(
    'otherIdentity',
    paths.data,
    `belongs to ${nameOf(meta)}, but this process was started as ${nameOf(wanted)}`,
    'Start it with the recorded ids, or give this node a data directory of its own',
  );
}

/** A changed `walDir` would look like an empty log. */
export function assertSameWalDir(paths: DataPaths, meta: DataMeta): void {
  const wanted = paths.walMeta === null ? null : paths.wal;
  if (meta.walDir === wanted) return;
  throw new DataDirectoryError(
    'otherWalDir',
    paths.data,
    `its log lies in ${meta.walDir ?? `${paths.data}/wal`}, but walDir says ${paths.wal}`,
    'Set walDir to the recorded directory (leave it out for the one inside)',
  );
}

/** A new identity may only be made where no data lies. */
export function assertNoOrphans(disk: Disk, paths: DataPaths): void {
  const orphans = [...segments(disk, paths.wal), ...namesIn(disk, paths.snapshots)];
  if (orphans.length === 0) return;
  throw new DataDirectoryError(
    'missingMeta',
    paths.data,
    `${paths.meta} is missing, but there is data (${orphans.length} files, such as ${orphans[0]})`,
    `Restore meta from a backup; ${START_ANEW}`,
  );
}

/** A new node may not move into the separate WAL directory of another. */
export function assertWalDirFree(disk: Disk, paths: DataPaths, wanted: Identity): void {
  if (paths.wal === paths.data || paths.wal === paths.snapshots) {
    const finding = `walDir ${paths.wal} is taken by other files of this directory`;
    throw new DataDirectoryError('otherWalDir', paths.data, finding, 'Choose another walDir');
  }
  if (paths.walMeta === null) return;
  const owner = readMeta(disk, paths, paths.walMeta);
  if (owner === undefined) return;
  // The same node's own mark, without a segment, is left by a start that was cut short.
  if (owner.clusterId === wanted.clusterId && owner.nodeId === wanted.nodeId) return;
  const finding = `walDir ${paths.wal} belongs to ${nameOf(owner)}, not to ${nameOf(wanted)}`;
  throw new DataDirectoryError('otherWalDir', paths.data, finding, 'Choose another walDir');
}

/** The separate WAL directory must be there, and be the one that this directory was made with. */
export function assertWalDirOwned(disk: Disk, paths: DataPaths, meta: DataMeta): void {
  if (paths.walMeta === null) return;
  const owner = readMeta(disk, paths, paths.walMeta);
  if (owner?.incarnation === meta.incarnation) return;
  const found = owner === undefined ? 'has no meta file' : `has the log of ${nameOf(owner)}`;
  throw new DataDirectoryError(
    'missingLog',
    paths.data,
    `walDir ${paths.wal} ${found}, which is not the log that was made with this directory`,
    `Mount or restore the right one; ${START_ANEW}`,
  );
}

/** A directory that once held a log must still hold one. */
export function assertLogPresent(disk: Disk, paths: DataPaths): void {
  if (segments(disk, paths.wal).length > 0) return;
  throw new DataDirectoryError(
    'missingLog',
    paths.data,
    `${paths.meta} says that there is a log, but ${paths.wal} holds no *${SEGMENT_SUFFIX} file`,
    `Mount or restore the log; ${START_ANEW}`,
  );
}

function segments(disk: Disk, directory: string): string[] {
  return namesIn(disk, directory).filter((name) => name.endsWith(SEGMENT_SUFFIX));
}

function namesIn(disk: Disk, directory: string): string[] {
  return disk.exists(directory) ? disk.list(directory) : [];
}

/** A group whose entries the log holds must be run: leaving it out would look like losing it. */
export function assertNoGroupLost(
  paths: DataPaths,
  meta: DataMeta,
  wanted: readonly string[],
): void {
  const lost = meta.groups.filter((name) => !wanted.includes(name));
  if (lost.length === 0) return;
  throw new DataDirectoryError(
    'otherGroups',
    paths.data,
    `it holds the groups ${meta.groups.join(', ')}, and this start names ${wanted.join(', ')}`,
    `Name ${lost.join(', ')} too, in any order, or use another data directory`,
  );
}
