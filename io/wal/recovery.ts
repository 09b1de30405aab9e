/**
 * Opens what a former life left: scan, judge, cut, and every group's recovered log.
 *
 *   scan.ts reads → judge.ts tells torn from corrupt → here: mark, clear, discard, sync
 *
 * The steps of a cut may be interrupted and repeated anywhere. First one sector, the cut block,
 * is written and synced: it keeps "in doubt", and the term up to which something may have been
 * promised, alive however often the node crashes from here on.
 * Only then is the rest cleared. It must never change a byte of a log that is refused.
 */

import type { Disk, DiskFile } from '../disk/disk.js';
import {
  BLOCK_BYTES_MIN,
  BlockKind,
  checksumSeed,
  finishBlock,
  type GroupMask,
  maskEmpty,
  maskHas,
} from './block-format.js';
import { type Judged, judge } from './judge.js';
import { writeWhole } from './live-segment.js';
import { LogReader } from './log-reader.js';
import { rewriteUnproven } from './rewrite.js';
import {
  type ExpectedIdentity,
  type FoundSegment,
  type LogScan,
  listSegments,
  openSegments,
  scanLog,
} from './scan.js';
import { segmentPath, WAL_COMPACTS } from './segment-format.js';
import type { SegmentSize } from './segment-list.js';
import { WalDamage, WalMissing } from './wal-errors.js';
import type { RecoveredGroup } from './wal-types.js';

const CLEAR_SLICE_BYTES = 1024 * 1024;
const MEASURE_BYTES = 1024 * 1024;

/** What was cut off, for the operator's log. */
export interface CutReport {
  readonly path: string;
  readonly offset: number;
  /** The sequence of the first block that is gone. */
  readonly sequence: number;
  readonly what: string;
  readonly clearedBytes: number;
}

export interface WalReport {
  /** True when there was no log, or only one whose creation had not been finished. */
  readonly created: boolean;
  readonly segments: number;
  readonly blocks: number;
  /** Blocks that were recognisable and cut: their groups are in doubt. */
  readonly tornBlocks: number;
  /** Null when the log ended cleanly. */
  readonly cut: CutReport | null;
  /** What no block proves to have been synced, and was therefore written again. */
  readonly rewrittenBytes: number;
  /** Segment file that was named but never begun, and was removed. */
  readonly discarded: string | null;
  /** Groups in doubt, also ones that the log does not know: see `maskHas`. */
  readonly doubt: GroupMask;
  /**
   * A group in doubt that the log does not know starts from `raisedTo` of this; those it knows
   * have been raised. 0: no block that was cut held a term.
   */
  readonly termFloor: number;
}

/** Where the writer goes on. */
export interface LogTail {
  readonly logId: number;
  readonly segment: number;
  readonly segmentBytes: number;
  readonly offset: number;
  readonly sequence: number;
  readonly previousCrc: number;
  /** The last block is a seal or a checkpoint: everything acknowledged is protected. */
  readonly sealed: boolean;
  /** The segment may hold compactions: false for one that an older build began. */
  readonly compacts: boolean;
}

export interface Recovered {
  readonly tail: LogTail;
  readonly groups: readonly RecoveredGroup[];
  readonly report: WalReport;
  /** All segments, ascending, with their bytes. */
  readonly segments: readonly SegmentSize[];
}

/**
 * Recovers the log in `directory`. Null: there is none, or its creation was never finished and what
 * there was has been removed; with `mustExist` both are refused instead.
 */
export function recover(
  disk: Disk,
  directory: string,
  expected: ExpectedIdentity,
  mustExist: boolean,
): Recovered | null {
  const numbers = listSegments(disk, directory);
  if (numbers.length === 0) {
    if (!mustExist) return null;
    throw new WalMissing(directory, 'this node has made a log, and there is no segment of it');
  }
  return survey(disk, directory, numbers, expected, mustExist, (scan, judged) => {
    if (!judged.unbegun) return settle(disk, directory, scan, judged);
    discard(disk, directory, scan.segments[0]!);
    return null;
  });
}

/** Throws what `recover` would refuse a log for that must exist; changes nothing. */
export function checkLog(disk: Disk, directory: string, expected: ExpectedIdentity): void {
  const numbers = listSegments(disk, directory);
  if (numbers.length === 0) throw new WalMissing(directory, 'there is no segment in it');
  survey(disk, directory, numbers, expected, true, () => null);
}

/** Reads and judges the log, and hands it on unless it is refused. */
function survey<T>(
  disk: Disk,
  directory: string,
  numbers: readonly number[],
  expected: ExpectedIdentity,
  mustExist: boolean,
  goOn: (scan: LogScan, judged: Judged) => T,
): T {
  const segments = openSegments(disk, directory, numbers, expected);
  try {
    const scan = scanLog(segments, expected.nodeId);
    const judged = judge(scan);
    if (judged.unbegun && mustExist)
      throw new WalDamage(segments[0]!.reader.path, scan.stop.offset, scan.stop.what);
    if (!judged.unbegun) refuseIncomplete(directory, scan);
    return goOn(scan, judged);
  } finally {
    for (const { reader } of segments) reader.release();
  }
}

/** Segments are freed only once nobody needs them: what is gone all the same was taken away. */
function refuseIncomplete(directory: string, { replay, segments }: LogScan): void {
  const { missing } = replay;
  if (missing === null) return;
  throw new WalMissing(segmentPath(directory, segments[0]!.reader.segment - 1), missing);
}

/** Performs the cut and gathers what the writer and the groups need to go on. */
function settle(disk: Disk, directory: string, scan: LogScan, judged: Judged): Recovered {
  const { stop, replay } = scan;
  const last = scan.segments[stop.at]!;
  const marked = !maskEmpty(judged.doubt);
  const { clearedBytes, rewrittenBytes, previousCrc } = applyCut(disk, scan, judged);
  if (marked) replay.cut(judged.doubt, judged.termFloor);
  if (judged.discarded !== null) discard(disk, directory, judged.discarded);
  const segments = scan.segments.filter((segment) => segment !== judged.discarded);
  const { path, segment } = last.reader;
  const { offset, sequence, what } = stop;
  const cut = clearedBytes === 0 ? null : { path, offset, sequence, what, clearedBytes };
  return {
    tail: {
      logId: scan.logId!,
      segment,
      segmentBytes: last.reader.size,
      offset: marked ? offset + BLOCK_BYTES_MIN : offset,
      sequence: marked ? sequence + 1 : sequence,
      previousCrc,
      sealed: !marked && isSealed(scan.lastKind),
      compacts: ((last.header?.required ?? 0) & WAL_COMPACTS) !== 0,
    },
    groups: finishGroups(disk, directory, replay),
    report: {
      created: false,
      segments: segments.length,
      blocks: scan.blocks,
      tornBlocks: judged.tornBlocks,
      cut,
      rewrittenBytes,
      discarded: judged.discarded?.reader.path ?? null,
      doubt: replay.doubt,
      termFloor: replay.termFloor,
    },
    segments: segments.map(({ reader }) => ({ segment: reader.segment, bytes: reader.size })),
  };
}

/**
 * Whether the last block leaves nothing to protect: a checkpoint only repeats what is elsewhere.
 */
function isSealed(lastKind: number | null): boolean {
  return lastKind === BlockKind.seal || lastKind === BlockKind.checkpoint;
}

/**
 * Rewrites what may be in memory only, marks (synced before anything is cleared) and clears; syncs
 * at the end, even a log that needed none of them.
 */
function applyCut(
  disk: Disk,
  scan: LogScan,
  judged: Judged,
): { clearedBytes: number; rewrittenBytes: number; previousCrc: number } {
  const { stop } = scan;
  const { reader } = scan.segments[stop.at]!;
  const file = disk.open(reader.path, 'readwrite');
  try {
    let previousCrc = stop.previousCrc;
    let from = stop.offset;
    const rewrittenBytes = rewriteUnproven(file, scan);
    if (!maskEmpty(judged.doubt)) {
      previousCrc = writeCutBlock(file, scan, judged);
      file.sync();
      from += BLOCK_BYTES_MIN;
    }
    clear(file, from, judged.dirtyEnd);
    // What this process reads may be in the page cache only: it is synced before it is served.
    file.sync();
    const clearedBytes = Math.max(0, judged.dirtyEnd - stop.offset);
    return { clearedBytes, rewrittenBytes, previousCrc };
  } finally {
    file.close();
  }
}

function writeCutBlock(
  file: DiskFile,
  { segments, stop, logId }: LogScan,
  { doubt, termFloor }: Judged,
): number {
  const { segment } = segments[stop.at]!.reader;
  const bytes = new Uint8Array(BLOCK_BYTES_MIN);
  const plan = {
    kind: BlockKind.cut,
    bodyBytes: 0,
    previousCrc: stop.previousCrc,
    requests: 0,
    offset: stop.offset,
    // The frames that said so are about to be overwritten and cleared.
    termMax: termFloor,
    mask: doubt,
    logId: logId!,
    segment,
    sequence: stop.sequence,
    // Nothing before this place is claimed to be synced that was not claimed by an earlier block.
    durableSeq: 0,
  };
  const seed = checksumSeed(plan.logId, segment);
  const crc = finishBlock(bytes, new DataView(bytes.buffer), 0, plan, seed);
  writeWhole(file, bytes, bytes.length, stop.offset);
  return crc;
}

function clear(file: DiskFile, from: number, to: number): void {
  if (to <= from) return;
  const zeros = new Uint8Array(Math.min(CLEAR_SLICE_BYTES, to - from));
  for (let at = from; at < to; at += zeros.length) {
    writeWhole(file, zeros, Math.min(zeros.length, to - at), at);
  }
}

function discard(disk: Disk, directory: string, { reader }: FoundSegment): void {
  disk.remove(reader.path);
  disk.syncDirectory(directory);
}

function finishGroups(disk: Disk, directory: string, replay: LogScan['replay']): RecoveredGroup[] {
  const reader = new LogReader(disk, directory);
  try {
    return replay.finish((group, location, last, termOf) => {
      let bytes = 0;
      for (let first = location.first; first <= last; ) {
        const wanted = { group, location, first, last, bytesMax: MEASURE_BYTES, termOf };
        const runs = reader.read(wanted);
        if (runs.length === 0) {
          throw new Error(
            `assertion failed: entry ${first} of group ${group} was read and is gone`,
          );
        }
        for (const run of runs) {
          bytes += run.bytes.length;
          first += run.count;
        }
      }
      return bytes;
    });
  } finally {
    reader.close();
  }
}

/** Whether a group may have lost something it acknowledged, also one that the log does not know. */
export function isInDoubt(
  opened: { readonly groups: readonly RecoveredGroup[]; readonly report: WalReport },
  group: number,
): boolean {
  const known = opened.groups.find((candidate) => candidate.group === group);
  return known?.inDoubt ?? maskHas(opened.report.doubt, group);
}
