/**
 * What `ringraft repair` knows before it changes anything: what of a data directory is damaged,
 * whose it is, which members its groups have, and the highest term that was ever seen in it.
 *
 * The log is judged by the same rules as at a start. What is no damage, such as a log of another
 * node, another version or a directory that is not mounted, is thrown on as the refusal that it
 * is. It must never write.
 */

import { decodeConfiguration } from '../../codec/configuration.js';
import { DataDirectoryError } from '../data-directory-error.js';
import type { DataMeta } from '../data-meta.js';
import { type DataPaths, dataPaths } from '../data-paths.js';
import { readMeta } from '../data-refusals.js';
import { type Disk, DiskError } from '../disk/disk.js';
import { checkLog } from '../wal/recovery.js';
import { LogRemains } from '../wal/remains.js';
import { WalDamage, WalMissing, WalUnreadable } from '../wal/wal-errors.js';

/** Directories of earlier repairs, in the data directory and in a separate log directory. */
export const ASIDE = /^damaged-/;

export interface Whose {
  readonly clusterId: number;
  readonly nodeId: number;
}

/** Who votes in a group, as far as the newest configuration that can be read says it. */
export interface Electorate {
  readonly voters: readonly number[];
  /** Of a change of members under way: their majority is needed as well. */
  readonly outgoing: readonly number[];
  /** Those of both whose data were lost and not on record anew: they did not count then. */
  readonly erased: readonly number[];
}

export interface Examination {
  readonly paths: DataPaths;
  /** Null: it is missing or damaged. */
  readonly meta: DataMeta | null;
  /** One sentence each, without its full stop; empty: there is nothing to repair. */
  readonly damage: readonly string[];
  /** No segment is there at all, nor set aside before, as with a disk that is not mounted. */
  readonly isLogMissing: boolean;
  /** Null: neither meta nor a segment says it. */
  readonly whose: Whose | null;
  readonly remains: LogRemains;
  /** By group number; null where nothing readable says it. */
  readonly electorates: ReadonlyMap<number, Electorate | null>;
}

/** `walDir`: where the log lies if meta cannot say it. */
export function examine(disk: Disk, path: string, walDir: string | null): Examination {
  const damage: string[] = [];
  const inside = dataPaths(path);
  const meta = metaOf(disk, inside, inside.meta, damage);
  const paths = dataPaths(path, (meta === null ? walDir : meta.walDir) ?? undefined);
  const remains = new LogRemains();
  for (const directory of [...setAside(disk, paths), paths.wal]) {
    remains.add(disk, directory, meta?.logId ?? null);
  }
  // The mark of a log that lies elsewhere: a start wants it as well.
  const isMarked = meta?.complete === true && paths.walMeta !== null && disk.exists(paths.wal);
  if (isMarked) metaOf(disk, paths, paths.walMeta as string, damage);
  const whose = meta ?? remains.header;
  const isLogMissing = checkedLog(disk, paths, meta, whose, damage);
  return {
    paths,
    meta,
    damage,
    isLogMissing: isLogMissing && remains.header === null,
    whose: whose === null ? null : { clusterId: whose.clusterId, nodeId: whose.nodeId },
    remains,
    electorates: electoratesOf(meta, remains),
  };
}

function metaOf(disk: Disk, paths: DataPaths, path: string, damage: string[]): DataMeta | null {
  try {
    const meta = readMeta(disk, paths, path);
    if (meta === undefined) damage.push(`${path} is missing`);
    return meta ?? null;
  } catch (error) {
    if (!(error instanceof DataDirectoryError) || error.reason !== 'damagedMeta') throw error;
    damage.push(error.message.replace(/^data directory [^:]*: /, '').replace(/\. Restore.*$/s, ''));
    return null;
  }
}

/** True when there is no log at all. */
function checkedLog(
  disk: Disk,
  { wal }: DataPaths,
  meta: DataMeta | null,
  whose: Whose | null,
  damage: string[],
): boolean {
  // A node that never made its first segment has none to lose.
  if (meta !== null && !meta.complete) return false;
  if (whose === null) return true;
  try {
    const { clusterId, nodeId } = whose;
    checkLog(disk, wal, { clusterId, nodeId, logId: meta?.logId ?? null });
    return false;
  } catch (error) {
    if (error instanceof WalDamage || error instanceof WalUnreadable) {
      damage.push(`${error.path} at byte ${error.offset}: ${error.what}`);
      return false;
    }
    if (error instanceof WalMissing) {
      damage.push(error.message.replace(/\. Put .*$/s, ''));
      return !disk.exists(wal) || !disk.list(wal).some((name) => name.endsWith('.wal'));
    }
    if (!(error instanceof DiskError && error.code === 'EIO')) throw error;
    damage.push(`${error.path} cannot be read: ${error.code}`);
    return false;
  }
}

/** Where earlier repairs, which may have been cut short, have put logs. */
function setAside(disk: Disk, { data, wal, walMeta }: DataPaths): string[] {
  const roots = walMeta === null ? [data] : [data, wal];
  return roots.flatMap((root) => {
    if (!disk.exists(root)) return [];
    const found = disk.list(root).filter((name) => ASIDE.test(name));
    return found.map((name) => (root === data ? `${root}/${name}/wal` : `${root}/${name}`));
  });
}

function electoratesOf(meta: DataMeta | null, remains: LogRemains): Map<number, Electorate | null> {
  const groups = new Set([...(meta?.groups ?? []).keys(), ...remains.groups]);
  const first = (group: number): Electorate | null => {
    const row = meta?.firstMembers?.find(({ groups: known }) => known.includes(group));
    // One that began with nobody joined a group whose members only its log names.
    if (row === undefined || row.members.length === 0) return null;
    return { voters: row.members.map(({ id }) => id), outgoing: [], erased: [] };
  };
  return new Map([...groups].map((group) => [group, recorded(remains, group) ?? first(group)]));
}

function recorded(remains: LogRemains, group: number): Electorate | null {
  const found = remains.configurations.get(group);
  if (found === undefined) return null;
  try {
    const { voters, outgoing, members } = decodeConfiguration(found.bytes);
    const unrecorded = members.filter((each) => each.incarnation === 0).map(({ id }) => id);
    // A group that has recorded nobody yet is one whose first leader has not spoken.
    const erased = unrecorded.length === members.length ? [] : unrecorded;
    return { voters, outgoing, erased };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
