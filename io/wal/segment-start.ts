/**
 * Begins a segment: header sector and checkpoint block, written as one piece and synced before
 * use; and the creation of a log, which begins the first one.
 *
 * It must never begin a segment before the one before it was synced: the caller sees to that.
 */

import { dirname } from 'node:path';
import { type Disk, DiskError } from '../disk/disk.js';
import {
  BlockKind,
  BODY_BYTES_MAX,
  blockBytesFor,
  checksumSeed,
  FRAME_BYTES,
  finishBlock,
  type GroupMask,
  NO_GROUPS,
} from './block-format.js';
import { type GroupState, groupStatesBytes, writeGroupStates } from './checkpoint-record.js';
import { LiveSegment } from './live-segment.js';
import type { Recovered } from './recovery.js';
import {
  FIRST_SEGMENT,
  SECTOR_BYTES,
  segmentPath,
  type WalIdentity,
  writeSegmentHeader,
} from './segment-format.js';
import { SegmentReader } from './segment-reader.js';
import { isNoSpace, prepareSegment, type SegmentSupply } from './segment-supply.js';
import { WalFailed, WalNoSpace } from './wal-errors.js';

/** Name of the file that becomes the first segment when no spare is ready yet. */
const FIRST_NAME = 'first.spare';

/** What the first sectors of a segment say. */
export interface SegmentStart {
  readonly identity: WalIdentity;
  readonly segment: number;
  readonly segmentBytes: number;
  readonly sequence: number;
  readonly previousCrc: number;
  readonly durableSeq: number;
  readonly states: readonly GroupState[];
  /** Groups in doubt, also unknown ones. */
  readonly doubt: GroupMask;
  /** What unknown groups in doubt must not go back before; known ones have it in their state. */
  readonly termFloor: number;
}

/** Bytes of header and checkpoint together: what a new segment loses before its first request. */
export function segmentStartBytes(states: readonly GroupState[]): number {
  return SECTOR_BYTES + blockBytesFor(groupStatesBytes(states));
}

/** Header sector and checkpoint block, and the CRC that the next block repeats. */
export function encodeSegmentStart(start: SegmentStart): { bytes: Uint8Array; crc: number } {
  const { identity, segment, segmentBytes, sequence, previousCrc, durableSeq, states } = start;
  const bytes = new Uint8Array(segmentStartBytes(states));
  const view = new DataView(bytes.buffer);
  writeSegmentHeader(bytes, 0, identity, segment, segmentBytes);
  writeGroupStates(bytes, view, SECTOR_BYTES + FRAME_BYTES, states);
  const plan = {
    kind: BlockKind.checkpoint,
    bodyBytes: groupStatesBytes(states),
    previousCrc,
    requests: states.length,
    offset: SECTOR_BYTES,
    termMax: start.termFloor,
    mask: start.doubt,
    logId: identity.logId,
    segment,
    sequence,
    durableSeq,
  };
  const crc = finishBlock(bytes, view, SECTOR_BYTES, plan, checksumSeed(identity.logId, segment));
  return { bytes, crc };
}

/** Largest request record: half a segment, so that every fresh segment has room for it. */
export function requestBytesMax(segmentBytes: number): number {
  return Math.min(BODY_BYTES_MAX, Math.floor(segmentBytes / 2));
}

/** Runs a step whose failure is final, whatever its code. */
export function orFail(what: string, step: () => void): void {
  try {
    step();
  } catch (cause) {
    throw new WalFailed(what, cause);
  }
}

/**
 * Writes the first sectors of a named spare and syncs them: from here on it is the live segment.
 */
export function startSegment(
  disk: Disk,
  directory: string,
  bytes: Uint8Array,
  place: { segment: number; segmentBytes: number; logId: number; offset: number },
): LiveSegment {
  // What is left must hold the largest request and the reserve for term, vote and membership.
  const most = Math.floor(place.segmentBytes / 4);
  if (bytes.length > most) {
    const needed = `the state of all groups takes ${bytes.length} bytes`;
    const remedy = new Error(`${needed}, a segment gives it ${most}: raise segmentBytes`);
    throw new WalFailed(`beginning segment ${place.segment}`, remedy);
  }
  const live = new LiveSegment(disk, directory, place);
  try {
    live.append(bytes, bytes.length);
    orFail(`syncing ${live.path}`, () => live.sync());
  } catch (cause) {
    live.close();
    throw cause;
  }
  return live;
}

/** Everything `createLog` needs to know: a part of the options of the log. */
export interface NewLog {
  readonly disk: Disk;
  readonly directory: string;
  readonly clusterId: number;
  readonly nodeId: number;
  readonly logId?: number;
  readonly newLogId?: number;
  readonly segmentBytes: number;
  readonly supply: SegmentSupply;
}

/**
 * Creates the first segment of a log. A crash on the way leaves an unfinished one, which recovery
 * recognises and removes: nothing can have been acknowledged in it. The directory above the log's
 * is the caller's to make durable.
 */
export function createLog(options: NewLog): Recovered {
  const { disk, directory, clusterId, nodeId, segmentBytes } = options;
  const logId = options.logId ?? options.newLogId;
  if (logId === undefined) throw new RangeError('no log to open, and no newLogId to create one');
  if (!disk.exists(directory)) disk.makeDirectory(directory);
  // Also when it exists: whoever made it may have died before this.
  disk.syncDirectory(dirname(directory));
  const spare = firstSpare(options);
  const segment = FIRST_SEGMENT;
  disk.rename(spare, segmentPath(directory, segment));
  disk.syncDirectory(directory);
  const { bytes, crc } = encodeSegmentStart({
    identity: { clusterId, nodeId, logId },
    segment,
    segmentBytes,
    sequence: 1,
    previousCrc: 0,
    durableSeq: 0,
    states: [],
    doubt: NO_GROUPS,
    termFloor: 0,
  });
  const place = { logId, segment, segmentBytes, offset: 0 };
  startSegment(disk, directory, bytes, place).close();
  const doubt = NO_GROUPS;
  return {
    tail: {
      ...place,
      offset: bytes.length,
      sequence: 2,
      previousCrc: crc,
      sealed: true,
      compacts: true,
    },
    groups: [],
    report: {
      created: true,
      segments: 1,
      blocks: 1,
      tornBlocks: 0,
      cut: null,
      rewrittenBytes: 0,
      discarded: null,
      doubt,
      termFloor: 0,
    },
    segments: [{ segment, bytes: segmentBytes }],
  };
}

function firstSpare({ disk, directory, segmentBytes, supply }: NewLog): string {
  const left = `${directory}/${FIRST_NAME}`;
  if (disk.exists(left)) disk.remove(left);
  const ready = supply.take();
  if (ready !== null && isNew(disk, ready)) return ready;
  // A file with a former life: a log that begins anew may have the id of that life's log.
  if (ready !== null) disk.remove(ready);
  return spareNow({ disk, directory, segmentBytes, supply });
}

function isNew(disk: Disk, path: string): boolean {
  const reader = new SegmentReader(disk, path, FIRST_SEGMENT, SECTOR_BYTES);
  const isBlank = reader.header() === null;
  reader.release();
  return isBlank;
}

/**
 * A spare, whatever it takes: only for a log that is being opened. Throws `WalNoSpace` where that
 * is more than the disk has.
 */
export function spareNow({
  disk,
  directory,
  segmentBytes,
  supply,
}: Omit<NewLog, 'clusterId' | 'nodeId'>): string {
  const ready = supply.take();
  if (ready !== null) return ready;
  supply.want();
  // Another thread may only begin to prepare one now: the log cannot wait for it.
  const spare = supply.take();
  if (spare !== null) return spare;
  try {
    return prepareSegment(disk, directory, FIRST_NAME, segmentBytes);
  } catch (error) {
    if (!(error instanceof DiskError) || !isNoSpace(error)) throw error;
    throw new WalNoSpace(directory, segmentBytes, error);
  }
}
