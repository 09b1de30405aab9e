/**
 * The layout of a segment file: its name, its header sector, and where its blocks may lie.
 *
 *   byte 0        512          a multiple of 512                     segmentBytes
 *        ┌────────┬────────────┬───────┬───────┬─── … ───┬───────────┐
 *        │ header │ checkpoint │ block │ block │         │ free      │
 *        └────────┴────────────┴───────┴───────┴─── … ───┴───────────┘
 *
 * The free part is zeros in a new file and bytes of its former life in a recycled one.
 *
 * The header sector, whose place, magic, version and checksum never move in any version:
 *
 *   0       8         12          16         20         24        32       40
 *   ┌───────┬─────────┬───────────┬──────────┬──────────┬─────────┬────────┬────────┐
 *   │ magic │ version │ segment   │ required │ optional │ cluster │ node   │ log    │
 *   │ 8 B   │ u32     │ bytes u32 │ bits u32 │ bits u32 │ id u64  │ id u64 │ id u64 │
 *   └───────┴─────────┴───────────┴──────────┴──────────┴─────────┴────────┴────────┘
 *   48             56       508       512
 *   ┌──────────────┬─ … ────┬─────────┐
 *   │ segment no.  │ zeros  │ CRC u32 │
 *   │ u64          │        │         │
 *   └──────────────┴─ … ────┴─────────┘
 *
 * No other file holds an offset into this sector. This file must never touch a disk.
 */

import { crc32c } from '../../codec/checksum.js';
import { readU64, writeU64 } from '../../codec/u64.js';

/** Blocks begin and end on this boundary, so that a write never touches an acknowledged sector. */
export const SECTOR_BYTES = 512;

/** Raised when the meaning of a byte changes; a reader refuses every version but its own. */
export const WAL_FORMAT_VERSION = 1;
/**
 * Required feature: the segment may hold compactions, resets and copies, and the segments before
 * it may be gone. Every segment of this build has it.
 */
export const WAL_COMPACTS = 1;
/** Bits of required features that this reader knows. */
export const WAL_REQUIRED_KNOWN = WAL_COMPACTS;

export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 4608;
export const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;

/** The first number of every log; numbers grow by one and are never used for a second segment. */
export const FIRST_SEGMENT = 1;

const OFFSET_MAGIC = 0;
const OFFSET_VERSION = OFFSET_MAGIC + 8;
const OFFSET_SEGMENT_BYTES = OFFSET_VERSION + 4;
const OFFSET_REQUIRED = OFFSET_SEGMENT_BYTES + 4;
const OFFSET_OPTIONAL = OFFSET_REQUIRED + 4;
const OFFSET_CLUSTER = OFFSET_OPTIONAL + 4;
const OFFSET_NODE = OFFSET_CLUSTER + 8;
const OFFSET_LOG = OFFSET_NODE + 8;
const OFFSET_SEGMENT = OFFSET_LOG + 8;
const OFFSET_CRC = SECTOR_BYTES - 4;

const MAGIC = new Uint8Array([0x52, 0x52, 0x41, 0x46, 0x54, 0x57, 0x41, 0x4c]); // "RRAFTWAL"

/** Whose log this is; every segment repeats it. */
export interface WalIdentity {
  readonly clusterId: number;
  readonly nodeId: number;
  /** Random, made with the log: tells two logs of one node apart. */
  readonly logId: number;
}

export interface SegmentHeader extends WalIdentity {
  readonly version: number;
  readonly required: number;
  readonly optional: number;
  readonly segment: number;
  readonly segmentBytes: number;
}

/** Writes a header sector of this version at `start`. */
export function writeSegmentHeader(
  bytes: Uint8Array,
  start: number,
  identity: WalIdentity,
  segment: number,
  segmentBytes: number,
): void {
  const sector = bytes.subarray(start, start + SECTOR_BYTES);
  const view = new DataView(sector.buffer, sector.byteOffset, SECTOR_BYTES);
  sector.fill(0);
  sector.set(MAGIC, OFFSET_MAGIC);
  view.setUint32(OFFSET_VERSION, WAL_FORMAT_VERSION, true);
  view.setUint32(OFFSET_SEGMENT_BYTES, segmentBytes, true);
  view.setUint32(OFFSET_REQUIRED, WAL_COMPACTS, true);
  writeU64(view, OFFSET_CLUSTER, identity.clusterId);
  writeU64(view, OFFSET_NODE, identity.nodeId);
  writeU64(view, OFFSET_LOG, identity.logId);
  writeU64(view, OFFSET_SEGMENT, segment);
  view.setUint32(OFFSET_CRC, crc32c(sector.subarray(0, OFFSET_CRC)), true);
}

/** The header in this sector, whatever its version says; null when it is not a whole header. */
export function readSegmentHeader(sector: Uint8Array): SegmentHeader | null {
  if (sector.length < SECTOR_BYTES) return null;
  for (let at = 0; at < MAGIC.length; at += 1) {
    if (sector[OFFSET_MAGIC + at] !== MAGIC[at]) return null;
  }
  const view = new DataView(sector.buffer, sector.byteOffset, SECTOR_BYTES);
  if (view.getUint32(OFFSET_CRC, true) !== crc32c(sector.subarray(0, OFFSET_CRC))) return null;
  return {
    version: view.getUint32(OFFSET_VERSION, true),
    required: view.getUint32(OFFSET_REQUIRED, true),
    optional: view.getUint32(OFFSET_OPTIONAL, true),
    clusterId: readU64(view, OFFSET_CLUSTER),
    nodeId: readU64(view, OFFSET_NODE),
    logId: readU64(view, OFFSET_LOG),
    segment: readU64(view, OFFSET_SEGMENT),
    segmentBytes: view.getUint32(OFFSET_SEGMENT_BYTES, true),
  };
}

const NAME = /^([0-9a-f]{16})\.wal$/;

export function segmentName(segment: number): string {
  return `${segment.toString(16).padStart(16, '0')}.wal`;
}

export function segmentPath(directory: string, segment: number): string {
  return `${directory}/${segmentName(segment)}`;
}

/** The number in a segment's file name; null for every other file of the directory. */
export function segmentOfName(name: string): number | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const segment = Number.parseInt(match[1] ?? '', 16);
  return Number.isSafeInteger(segment) && segment >= FIRST_SEGMENT ? segment : null;
}

/** Refuses a segment size that the format cannot hold; the message names the bounds. */
export function checkSegmentBytes(segmentBytes: number): void {
  const inRange = segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX;
  if (inRange && segmentBytes % SECTOR_BYTES === 0) return;
  throw new RangeError(
    `segmentBytes is ${segmentBytes}; it must be a multiple of ${SECTOR_BYTES} ` +
      `from ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`,
  );
}
