/**
 * Carries out a repair: what is damaged is moved aside, never deleted, and a new incarnation with
 * an empty log takes its place.
 *
 * The new log begins with the highest term that was found anywhere, its vote spent: no promise of
 * the old life is made again with another content, also where it is not known any more. The steps
 * may be cut short anywhere: until the last one the directory is refused at a start, and a second
 * repair finds all it needs, in the aside directories too.
 */

import type { DataMeta } from '../data-meta.js';
import { metaBytes } from '../data-refusals.js';
import { type Disk, DiskError } from '../disk/disk.js';
import { makeDurableDirectory } from '../disk/durable-directory.js';
import { replaceFile } from '../disk/whole-file.js';
import { InlineSegmentSupply } from '../wal/segment-supply.js';
import { Wal } from '../wal/wal.js';
import { ASIDE, type Examination } from './examine.js';

const SEGMENT_BYTES = 64 * 1024 * 1024;

export interface RepairOptions {
  readonly randomU48: () => number;
  readonly nowMs: number;
}

export interface Repaired {
  /** Where the damaged files are now, and their names there. */
  readonly aside: readonly { readonly directory: string; readonly names: readonly string[] }[];
  /** Null: nothing said whose directory it was, the next start makes a new identity. */
  readonly meta: DataMeta | null;
  readonly term: number;
}

/** Repairs a directory of which `refusalOf` (refusal.ts) says nothing. */
export function setAside(disk: Disk, examination: Examination, options: RepairOptions): Repaired {
  const { paths, meta, whose, remains } = examination;
  const stamp = new Date(options.nowMs).toISOString().replace(/[:.]/g, '-');
  const mark = `damaged-${stamp}`;
  const into = `${paths.data}/${mark}`;
  const moved = [
    move(disk, paths.wal, paths.walMeta === null ? `${into}/wal` : `${paths.wal}/${mark}`),
  ];
  // Without meta nobody knows which group a number in a snapshot's name was.
  if (meta === null) moved.push(move(disk, paths.snapshots, `${into}/snapshots`));
  moved.push(keepMeta(disk, examination, into));
  const aside = moved.filter(({ names }) => names.length > 0);
  if (whose === null) return { aside, meta: null, term: remains.termMax };
  const made: DataMeta = {
    walDir: paths.walMeta === null ? null : paths.wal,
    groups: [],
    ...meta,
    ...whose,
    incarnation: options.randomU48(),
    logId: options.randomU48(),
    createdAtMs: options.nowMs,
    // From here on a start without the log below is refused.
    complete: true,
  };
  for (const path of [paths.wal, paths.snapshots]) makeDurableDirectory(disk, path);
  if (paths.walMeta !== null) replaceFile(disk, paths.walMeta, metaBytes(paths, made));
  replaceFile(disk, paths.meta, metaBytes(paths, made));
  beginLog(disk, examination, made);
  return { aside, meta: made, term: remains.termMax };
}

/** Moves all files of `from`, but for what marks its owner and what was moved before. */
function move(disk: Disk, from: string, to: string): { directory: string; names: string[] } {
  const isOurs = (name: string): boolean =>
    !ASIDE.test(name) && name !== 'meta' && !name.startsWith('LOCK');
  const names = disk.exists(from) ? disk.list(from).filter(isOurs) : [];
  if (names.length === 0) return { directory: to, names };
  makeDurableDirectory(disk, to);
  for (const name of names) disk.rename(`${from}/${name}`, `${to}/${name}`);
  for (const directory of [to, from]) disk.syncDirectory(directory);
  return { directory: to, names };
}

/** Meta is replaced where it stands: what it said before is kept as well. */
function keepMeta(
  disk: Disk,
  { paths, whose }: Examination,
  to: string,
): { directory: string; names: string[] } {
  if (!disk.exists(paths.meta)) return { directory: to, names: [] };
  makeDurableDirectory(disk, to);
  if (whose === null) disk.rename(paths.meta, `${to}/meta`);
  else copy(disk, paths.meta, `${to}/meta`);
  for (const directory of [to, paths.data]) disk.syncDirectory(directory);
  return { directory: to, names: ['meta'] };
}

function copy(disk: Disk, from: string, to: string): void {
  const file = disk.open(from, 'read');
  try {
    const bytes = new Uint8Array(file.size());
    for (let at = 0; at < bytes.length; ) {
      const count = file.read(bytes, at, bytes.length - at, at);
      if (count === 0) break;
      at += count;
    }
    replaceFile(disk, to, bytes);
  } finally {
    file.close();
  }
}

/** An empty log in which every group has spent its vote in the highest term. */
function beginLog(disk: Disk, { paths, remains, electorates }: Examination, meta: DataMeta): void {
  const { clusterId, nodeId, logId } = meta;
  const segmentBytes = remains.header?.segmentBytes ?? SEGMENT_BYTES;
  const directory = paths.wal;
  const { wal } = Wal.open({
    disk,
    directory,
    clusterId,
    nodeId,
    logId,
    newLogId: logId,
    segmentBytes,
    sync: { mode: 'always', intervalMs: 0 },
    supply: new InlineSegmentSupply(disk, directory, segmentBytes),
  });
  const term = remains.termMax;
  for (const group of term === 0 ? [] : electorates.keys()) {
    const hardState = { term, vote: nodeId };
    const request = { group, seq: 1, generation: 0, term, hardState, runs: [] };
    while (!wal.stage(request)) {
      if (wal.busy) throw new DiskError('ENOSPC', 'write', directory);
      wal.commit(0);
    }
  }
  wal.commit(0);
  wal.close();
}
