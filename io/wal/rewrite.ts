/**
 * Writes once more, byte by byte as it stands, the end of a log whose sync no block proves.
 *
 * A process that stops at a failed sync leaves blocks that the next one can read and no later sync
 * will write: the system has taken them for written (Linux marks the pages clean). Only writing
 * them again makes the sync of a recovery cover them.
 * It must never write what it has not verified, nor touch a block that a later one proves synced.
 */

import type { DiskFile } from '../disk/disk.js';
import { FRAME_BYTES } from './block-format.js';
import { writeWhole } from './live-segment.js';
import type { LogScan } from './scan.js';
import { readSegmentHeader, SECTOR_BYTES } from './segment-format.js';
import { isBlock } from './segment-reader.js';
import { WalFailed } from './wal-errors.js';

/** Rewrites in `file`, the segment of the stop; returns how many bytes. The caller syncs. */
export function rewriteUnproven(file: DiskFile, scan: LogScan): number {
  const { stop, unprovenFrom } = scan;
  const { reader, place } = scan.segments[stop.at]!;
  let offset = unprovenFrom;
  if (offset === 0 && stop.offset > SECTOR_BYTES) {
    const at = reader.locate(0, SECTOR_BYTES);
    const sector = reader.bytes.subarray(at, at + SECTOR_BYTES);
    // The very bytes that are written are the ones to verify: another read may give others.
    if (readSegmentHeader(sector) === null) throw changed(file, 0);
    writeWhole(file, sector, SECTOR_BYTES, 0);
    offset = SECTOR_BYTES;
  }
  let crc: number | null = null;
  while (offset < stop.offset) {
    const found = reader.block(offset, place);
    if (!isBlock(found)) throw changed(file, offset);
    const { blockBytes } = found.frame;
    const start = found.body - FRAME_BYTES;
    writeWhole(file, reader.bytes.subarray(start, start + blockBytes), blockBytes, offset);
    offset += blockBytes;
    crc = found.frame.crc;
  }
  // The chain ends where the scan saw it end, or these are not the blocks that were replayed.
  if (crc !== null && (offset !== stop.offset || crc !== stop.previousCrc)) {
    throw changed(file, offset);
  }
  return Math.max(0, stop.offset - unprovenFrom);
}

function changed(file: DiskFile, offset: number): WalFailed {
  const what = `recovering ${file.path}: byte ${offset} read differently a moment ago`;
  return new WalFailed(what, new Error('the disk gives back other bytes at each read'));
}
