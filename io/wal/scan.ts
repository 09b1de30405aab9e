/**
 * The first half of recovery: reads every segment in order and stops at the first place that does
 * not continue the chain.
 *
 * It refuses what is not this node's log (version, ids, missing or resized files, valid blocks
 * that contradict each other); whether the stop is the end, a torn write or corruption is judged
 * in judge.ts. It must never write.
 */

import type { Disk } from '../disk/disk.js';
import { BlockKind, type FramePlace } from './block-format.js';
import { readGroupStates } from './checkpoint-record.js';
import { LogReplay } from './replay.js';
import { readRequests } from './request-record.js';
import {
  FIRST_SEGMENT,
  SECTOR_BYTES,
  type SegmentHeader,
  segmentOfName,
  segmentPath,
  WAL_FORMAT_VERSION,
  WAL_REQUIRED_KNOWN,
} from './segment-format.js';
import { isBlock, SCAN_WINDOW_BYTES, SegmentReader, type VerifiedBlock } from './segment-reader.js';
import { WalDamage, WalForeign, WalMissing, WalVersionError } from './wal-errors.js';

/** Who opens the log; `logId` is null when the caller does not know it (yet). */
export interface ExpectedIdentity {
  readonly clusterId: number;
  readonly nodeId: number;
  readonly logId: number | null;
}

/**
 * A segment as it was found; the header is null when it is not (or not yet) a header of its own.
 */
export interface FoundSegment {
  readonly reader: SegmentReader;
  readonly header: SegmentHeader | null;
  readonly place: FramePlace;
}

/** What keeps segment n + 1 from continuing segment n. */
export interface BrokenSuccession {
  readonly offset: number;
  readonly what: string;
  /** Its checkpoint is a whole valid block all the same: it was begun after another segment n. */
  readonly begun: boolean;
}

/** The first place that does not continue the log. */
export interface Stop {
  /** Position of the segment in the list of found ones. */
  readonly at: number;
  readonly offset: number;
  /** What the block there would have been. */
  readonly sequence: number;
  readonly previousCrc: number;
  readonly what: string;
  readonly succession: BrokenSuccession | null;
}

export interface LogScan {
  readonly segments: readonly FoundSegment[];
  readonly replay: LogReplay;
  readonly stop: Stop;
  readonly logId: number | null;
  readonly blocks: number;
  /** Kind of the last block that continues the chain; null when there is none. */
  readonly lastKind: number | null;
  /**
   * From this byte to the stop, no block says that a sync has completed: see rewrite.ts. 0 when not
   * even the beginning of the segment is known to be synced.
   */
  readonly unprovenFrom: number;
}

/** Segment numbers in the directory, ascending. Throws `WalMissing` when there is a gap. */
export function listSegments(disk: Disk, directory: string): number[] {
  if (!disk.exists(directory)) return [];
  const found = disk
    .list(directory)
    .map(segmentOfName)
    .filter((segment) => segment !== null)
    .sort((a, b) => a - b);
  for (let n = 1; n < found.length; n += 1) {
    const expected = found[n - 1]! + 1;
    if (found[n] === expected) continue;
    const path = segmentPath(directory, expected);
    throw new WalMissing(path, `segment ${expected} is absent, segment ${found[n]} exists`);
  }
  return found;
}

/** Opens the segments and reads their headers, refusing what cannot be this node's log. */
export function openSegments(
  disk: Disk,
  directory: string,
  numbers: readonly number[],
  expected: ExpectedIdentity,
): FoundSegment[] {
  const segments: FoundSegment[] = [];
  let logId = expected.logId;
  try {
    for (const number of numbers) {
      const path = segmentPath(directory, number);
      const reader = new SegmentReader(disk, path, number, SCAN_WINDOW_BYTES);
      segments.push({ reader, header: null, place: reader.place(logId) });
      const header = ownHeader(reader, { ...expected, logId }, numbers[0]!);
      logId = header?.logId ?? logId;
      segments[segments.length - 1] = { reader, header, place: reader.place(logId) };
      // Neither a file nor a window per segment stays open: a log may have thousands.
      reader.release();
    }
  } catch (error) {
    for (const segment of segments) segment.reader.release();
    throw error;
  }
  return segments;
}

/** The header when it is whole and this segment's; null when it may never have been written. */
function ownHeader(
  reader: SegmentReader,
  expected: ExpectedIdentity,
  oldest: number,
): SegmentHeader | null {
  const { path, segment, size } = reader;
  const header = reader.header();
  if (header === null) {
    // A segment gets its name only after its whole length was written and synced.
    if (size >= 2 * SECTOR_BYTES && size % SECTOR_BYTES === 0) return null;
    throw new WalDamage(path, size, `the file has only ${size} bytes`);
  }
  refuseVersion(path, header);
  refuseForeign(path, header, expected);
  if (header.segment !== segment) {
    // A recycled file holds the header of its last life until the new one is written.
    if (header.segment < oldest && segment !== oldest) return null;
    throw new WalDamage(path, 0, `the file is segment ${header.segment}, its name says ${segment}`);
  }
  if (size === header.segmentBytes) return header;
  const at = Math.min(size, header.segmentBytes);
  throw new WalDamage(
    path,
    at,
    `the file has ${size} bytes, its header says ${header.segmentBytes}`,
  );
}

function refuseVersion(path: string, header: SegmentHeader): void {
  if (header.version !== WAL_FORMAT_VERSION) {
    const what = `log format version ${header.version}; this program reads ${WAL_FORMAT_VERSION}`;
    throw new WalVersionError(path, what);
  }
  const unknown = (header.required & ~WAL_REQUIRED_KNOWN) >>> 0;
  if (unknown === 0) return;
  const bits = unknown.toString(16).padStart(8, '0');
  throw new WalVersionError(path, `required features 0x${bits} are unknown to this program`);
}

function refuseForeign(path: string, header: SegmentHeader, expected: ExpectedIdentity): void {
  const { clusterId, nodeId, logId } = expected;
  if (header.clusterId !== clusterId) {
    throw new WalForeign(path, 'cluster id', header.clusterId, clusterId);
  }
  if (header.nodeId !== nodeId) throw new WalForeign(path, 'node id', header.nodeId, nodeId);
  if (logId !== null && header.logId !== logId) {
    throw new WalForeign(path, 'log id', header.logId, logId);
  }
}

/** Where the replay stands between two blocks. */
interface Progress {
  sequence: number;
  previousCrc: number;
  blocks: number;
  lastKind: number | null;
  /** Blocks of this segment whose sync no block so far has claimed, ascending. */
  unproven: { readonly sequence: number; readonly offset: number }[];
}

/**
 * Replays the segments of node `self` up to the first place that does not continue the log.
 */
export function scanLog(segments: readonly FoundSegment[], self: number): LogScan {
  const replay = new LogReplay(self);
  const progress: Progress = {
    sequence: 1,
    previousCrc: 0,
    blocks: 0,
    lastKind: null,
    unproven: [],
  };
  const logId = segments.find((segment) => segment.header !== null)?.header?.logId ?? null;
  for (let at = 0; at < segments.length; at += 1) {
    const segment = segments[at]!;
    const end = segment.header === null ? UNBEGUN : replaySegment(segment, at, progress, replay);
    const next = segments[at + 1];
    const succession = next === undefined ? null : succeeds(next, progress);
    if (end.open && next !== undefined && succession === null) {
      segment.reader.release();
      continue;
    }
    const { sequence, previousCrc, blocks, lastKind } = progress;
    const stop = { at, offset: end.offset, sequence, previousCrc, what: end.what, succession };
    const unprovenFrom = unprovenStart(progress, end.offset);
    return { segments, replay, stop, logId, blocks, lastKind, unprovenFrom };
  }
  throw new Error('assertion failed: a log without segments was scanned');
}

/** A segment that begins with an unproven block has an unproven header too. */
function unprovenStart({ unproven }: Progress, end: number): number {
  const first = unproven[0]?.offset ?? end;
  return first === SECTOR_BYTES ? 0 : first;
}

/** Where replay of a segment ended; `open` when a next segment may continue from there. */
interface SegmentEnd {
  readonly offset: number;
  readonly what: string;
  readonly open: boolean;
}

const UNBEGUN: SegmentEnd = {
  offset: 0,
  what: 'the segment header is unreadable',
  open: false,
};

function replaySegment(
  { reader, place }: FoundSegment,
  at: number,
  progress: Progress,
  replay: LogReplay,
): SegmentEnd {
  let offset = SECTOR_BYTES;
  progress.unproven = [];
  for (;;) {
    const found = reader.block(offset, place);
    if (!isBlock(found)) return { offset, what: found.what, open: offset > SECTOR_BYTES };
    const oldest = at === 0 && offset === SECTOR_BYTES;
    // The oldest segment present begins the chain, at 1 or where compaction freed what was before.
    if (oldest && reader.segment !== FIRST_SEGMENT) adopt(found, progress);
    const what = breaks(found, offset, progress);
    if (what !== null) return { offset, what, open: offset > SECTOR_BYTES };
    applyBlock(reader, offset, found, oldest, replay);
    progress.sequence += 1;
    progress.previousCrc = found.frame.crc;
    progress.blocks += 1;
    progress.lastKind = found.frame.kind;
    claimSync(found, offset, progress);
    offset += found.frame.blockBytes;
  }
}

/** Books the block at `offset`, and that everything up to its `durableSeq` had been synced. */
function claimSync({ frame }: VerifiedBlock, offset: number, progress: Progress): void {
  const { unproven } = progress;
  unproven.push({ sequence: frame.sequence, offset });
  let proven = 0;
  while (unproven[proven]!.sequence <= frame.durableSeq) proven += 1;
  if (proven > 0) unproven.splice(0, proven);
}

function adopt({ frame }: VerifiedBlock, progress: Progress): void {
  progress.sequence = frame.sequence;
  progress.previousCrc = frame.previousCrc;
}

/** Why a valid block does not continue the log here; null when it does. */
function breaks({ frame }: VerifiedBlock, offset: number, progress: Progress): string | null {
  if (frame.sequence !== progress.sequence) {
    return `block ${frame.sequence} stands where block ${progress.sequence} belongs`;
  }
  if (frame.previousCrc !== progress.previousCrc) {
    return `block ${frame.sequence} follows another block than the one before it`;
  }
  const isCheckpoint = frame.kind === BlockKind.checkpoint;
  if (isCheckpoint === (offset === SECTOR_BYTES)) return null;
  return `block ${frame.sequence} is of kind ${frame.kind} at byte ${offset}`;
}

/** What keeps `next` from continuing the log; null when it does. */
function succeeds(next: FoundSegment, progress: Progress): BrokenSuccession | null {
  if (next.header === null) {
    return { offset: 0, what: 'the segment header is unreadable', begun: false };
  }
  const found = next.reader.block(SECTOR_BYTES, next.place);
  if (!isBlock(found)) return { offset: SECTOR_BYTES, what: found.what, begun: false };
  const what = breaks(found, SECTOR_BYTES, progress);
  return what === null ? null : { offset: SECTOR_BYTES, what, begun: true };
}

/** Applies a block whose checksums hold; what it says and cannot be true is damage, never a cut. */
function applyBlock(
  reader: SegmentReader,
  offset: number,
  { frame, body }: VerifiedBlock,
  oldest: boolean,
  replay: LogReplay,
): void {
  const problem = (() => {
    const { bytes, view, segment } = reader;
    switch (frame.kind) {
      case BlockKind.batch: {
        const requests = readRequests(bytes, view, body, frame.bodyBytes, frame.requests);
        if (requests === null) return 'its request records do not fill it';
        return replay.batch(requests, { bytes, view, segment, offset });
      }
      case BlockKind.checkpoint: {
        const states = readGroupStates(bytes, view, body, frame.bodyBytes, frame.requests);
        if (states === null) return 'its group states do not fill it';
        return replay.checkpoint(states, frame, oldest);
      }
      case BlockKind.seal:
        return null;
      case BlockKind.cut:
        replay.cut(frame.mask, frame.termMax);
        return null;
      default:
        return `its kind ${frame.kind} is unknown`;
    }
  })();
  if (problem === null) return;
  throw new WalDamage(reader.path, offset, `block ${frame.sequence} is valid, but ${problem}`);
}
