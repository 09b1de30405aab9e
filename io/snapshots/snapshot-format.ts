/**
 * The layout of a snapshot file. It holds nothing of the node that wrote it: a snapshot has the
 * same bytes on every node that received it.
 *
 *   ┌────────┬───────────────┬─────────┬─────────┬─── … ───┬────────┐
 *   │ header │ configuration │ chunk 0 │ chunk 1 │         │ footer │   each begins on 8 bytes,
 *   └────────┴───────────────┴─────────┴─────────┴─── … ───┴────────┘   zeros fill up
 *
 * The header, whose magic, version and checksum never move in any version:
 *
 *   0       8         12         16         20            24           32      36
 *   ┌───────┬─────────┬──────────┬──────────┬─────────────┬────────────┬───────┬──────────────┐
 *   │ magic │ version │ required │ optional │ chunk bytes │ cluster id │ group │ name hash    │
 *   │ 8 B   │ u32     │ bits u32 │ bits u32 │ max u32     │ u64        │ u32   │ u32          │
 *   └───────┴─────────┴──────────┴──────────┴─────────────┴────────────┴───────┴──────────────┘
 *   40            48           56               64           72              76        124
 *   ┌─────────────┬────────────┬────────────────┬────────────┬───────────────┬─ … ───┬─────────┐
 *   │ point index │ point term │ configuration  │ log's time │ configuration │ conf. │ CRC u32 │
 *   │ u64         │ u64        │ index u64      │ ms u64     │ bytes u32     │ CRC … │         │
 *   └─────────────┴────────────┴────────────────┴────────────┴───────────────┴─ … ───┴─────────┘
 *
 * Chunk and footer are drawn in chunk-format.ts. No other file holds an offset into this header;
 * this file must never touch a disk.
 */

import { crc32c } from '../../codec/checksum.js';
import {
  CHUNK_BYTES_MAX_HIGHEST,
  CHUNK_BYTES_MAX_LOWEST,
  checkChunkBytesMax,
} from '../../codec/lz4-chunk.js';
import { isReadableU64, readU64, writeU64 } from '../../codec/u64.js';
import { SnapshotDamage, SnapshotVersionError } from './snapshot-errors.js';

/** Raised when the meaning of a byte changes; a reader refuses every version but its own. */
export const SNAPSHOT_FORMAT_VERSION = 1;
/** Bits of required features. */
export const SnapshotFeature = {
  /** The image begins with the table of client sessions. */
  sessions: 1,
} as const;
/** Those that this reader knows. */
export const SNAPSHOT_REQUIRED_KNOWN = SnapshotFeature.sessions;

/** The header without the configuration. */
export const HEADER_BYTES = 128;
/** Far above what a group's membership takes; more is refused before memory is taken for it. */
export const CONFIGURATION_BYTES_MAX = 1024 * 1024;
const ALIGNMENT = 8;

const OFFSET_MAGIC = 0;
const OFFSET_VERSION = OFFSET_MAGIC + 8;
const OFFSET_REQUIRED = OFFSET_VERSION + 4;
const OFFSET_OPTIONAL = OFFSET_REQUIRED + 4;
const OFFSET_CHUNK_BYTES_MAX = OFFSET_OPTIONAL + 4;
const OFFSET_CLUSTER = OFFSET_CHUNK_BYTES_MAX + 4;
const OFFSET_GROUP = OFFSET_CLUSTER + 8;
const OFFSET_NAME_HASH = OFFSET_GROUP + 4;
const OFFSET_INDEX = OFFSET_NAME_HASH + 4;
const OFFSET_TERM = OFFSET_INDEX + 8;
const OFFSET_CONFIGURATION_INDEX = OFFSET_TERM + 8;
const OFFSET_TIME = OFFSET_CONFIGURATION_INDEX + 8;
const OFFSET_CONFIGURATION_BYTES = OFFSET_TIME + 8;
const OFFSET_CONFIGURATION_CRC = OFFSET_CONFIGURATION_BYTES + 4;
const OFFSET_CRC = HEADER_BYTES - 4;
const U64_FIELDS = [
  OFFSET_CLUSTER,
  OFFSET_INDEX,
  OFFSET_TERM,
  OFFSET_CONFIGURATION_INDEX,
  OFFSET_TIME,
];

const MAGIC = new Uint8Array([0x52, 0x52, 0x41, 0x46, 0x54, 0x53, 0x4e, 0x50]); // "RRAFTSNP"

/** A place in a group's log. */
export interface LogPoint {
  readonly index: number;
  readonly term: number;
}

/** What a snapshot says of itself; its ids are those of the handshake between nodes. */
export interface SnapshotHeader {
  readonly clusterId: number;
  readonly group: number;
  /** Hash of the group's name. */
  readonly nameHash: number;
  /** The last entry that the image contains. */
  readonly point: LogPoint;
  /** The membership at the point, as the payload of its entry, and that entry's index. */
  readonly configuration: { readonly index: number; readonly bytes: Uint8Array };
  /** The most raw bytes of one chunk. */
  readonly chunkBytesMax: number;
  /** The log's clock at the point, milliseconds since 1970: machines see it never decrease. */
  readonly timeMs: number;
  /** Bits of features; 0 when absent. */
  readonly required?: number;
  readonly optional?: number;
}

/** A header that was read: its fields, the bytes that travel, and the seed of what follows. */
export interface StoredHeader extends Required<SnapshotHeader> {
  readonly version: number;
  /** Header and configuration as they stand in the file: what a receiver begins with. */
  readonly bytes: Uint8Array;
  /** The header's own checksum: checksums of chunks and footer start from it. */
  readonly seed: number;
}

/** `length` with the zeros that follow it. */
export function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Header and configuration of this version, ready to be written. Throws RangeErrors. */
export function encodeSnapshotHeader(header: SnapshotHeader): Uint8Array {
  const { configuration, point } = header;
  const configurationBytes = configuration.bytes.byteLength;
  checkChunkBytesMax(header.chunkBytesMax);
  if (configurationBytes > CONFIGURATION_BYTES_MAX) {
    throw new RangeError(
      `configuration of ${configurationBytes} bytes, at most ${CONFIGURATION_BYTES_MAX}`,
    );
  }
  const bytes = new Uint8Array(aligned(HEADER_BYTES + configurationBytes));
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, OFFSET_MAGIC);
  view.setUint32(OFFSET_VERSION, SNAPSHOT_FORMAT_VERSION, true);
  view.setUint32(OFFSET_REQUIRED, header.required ?? 0, true);
  view.setUint32(OFFSET_OPTIONAL, header.optional ?? 0, true);
  view.setUint32(OFFSET_CHUNK_BYTES_MAX, header.chunkBytesMax, true);
  writeU64(view, OFFSET_CLUSTER, header.clusterId);
  view.setUint32(OFFSET_GROUP, header.group, true);
  view.setUint32(OFFSET_NAME_HASH, header.nameHash, true);
  writeU64(view, OFFSET_INDEX, point.index);
  writeU64(view, OFFSET_TERM, point.term);
  writeU64(view, OFFSET_CONFIGURATION_INDEX, configuration.index);
  writeU64(view, OFFSET_TIME, header.timeMs);
  view.setUint32(OFFSET_CONFIGURATION_BYTES, configurationBytes, true);
  view.setUint32(OFFSET_CONFIGURATION_CRC, crc32c(configuration.bytes), true);
  view.setUint32(OFFSET_CRC, crc32c(bytes.subarray(0, OFFSET_CRC)), true);
  bytes.set(configuration.bytes, HEADER_BYTES);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * How many bytes header and configuration have together, from the header alone. Throws
 * SnapshotDamage or SnapshotVersionError, which name `path`.
 */
export function snapshotHeaderBytes(head: Uint8Array, path: string): number {
  if (head.byteLength < HEADER_BYTES) {
    throw new SnapshotDamage(path, head.byteLength, 'the file ends inside its header');
  }
  if (MAGIC.some((byte, at) => head[OFFSET_MAGIC + at] !== byte)) {
    throw new SnapshotDamage(path, OFFSET_MAGIC, 'it does not begin as a snapshot does');
  }
  const view = viewOf(head);
  if (view.getUint32(OFFSET_CRC, true) !== crc32c(head.subarray(0, OFFSET_CRC))) {
    throw new SnapshotDamage(path, OFFSET_CRC, 'the header fails its checksum');
  }
  const version = view.getUint32(OFFSET_VERSION, true);
  if (version !== SNAPSHOT_FORMAT_VERSION) {
    const known = `this program reads version ${SNAPSHOT_FORMAT_VERSION} only`;
    throw new SnapshotVersionError(path, `snapshot of format version ${version}, ${known}`);
  }
  const unknown = view.getUint32(OFFSET_REQUIRED, true) & ~SNAPSHOT_REQUIRED_KNOWN;
  if (unknown !== 0) {
    const bits = (unknown >>> 0).toString(16).padStart(8, '0');
    throw new SnapshotVersionError(path, `snapshot with required features ${bits}, unknown here`);
  }
  const configurationBytes = view.getUint32(OFFSET_CONFIGURATION_BYTES, true);
  if (configurationBytes > CONFIGURATION_BYTES_MAX) {
    const most = `at most ${CONFIGURATION_BYTES_MAX} are possible`;
    const what = `it announces a configuration of ${configurationBytes} bytes, ${most}`;
    throw new SnapshotDamage(path, OFFSET_CONFIGURATION_BYTES, what);
  }
  return aligned(HEADER_BYTES + configurationBytes);
}

/**
 * The header in `bytes`, which begin with it and its configuration. Throws SnapshotDamage or
 * SnapshotVersionError, which name `path`.
 */
export function decodeSnapshotHeader(bytes: Uint8Array, path: string): StoredHeader {
  const length = snapshotHeaderBytes(bytes.subarray(0, HEADER_BYTES), path);
  if (bytes.byteLength < length) {
    throw new SnapshotDamage(path, bytes.byteLength, 'the file ends inside its configuration');
  }
  const own = Uint8Array.prototype.slice.call(bytes, 0, length);
  const view = viewOf(own);
  if (!U64_FIELDS.every((offset) => isReadableU64(view, offset))) {
    throw new SnapshotDamage(path, OFFSET_CLUSTER, 'the header holds a number past 2^53');
  }
  const chunkBytesMax = view.getUint32(OFFSET_CHUNK_BYTES_MAX, true);
  if (chunkBytesMax < CHUNK_BYTES_MAX_LOWEST || chunkBytesMax > CHUNK_BYTES_MAX_HIGHEST) {
    const what = `it announces chunks of up to ${chunkBytesMax} bytes`;
    throw new SnapshotDamage(path, OFFSET_CHUNK_BYTES_MAX, what);
  }
  const end = HEADER_BYTES + view.getUint32(OFFSET_CONFIGURATION_BYTES, true);
  const configuration = own.subarray(HEADER_BYTES, end);
  if (crc32c(configuration) !== view.getUint32(OFFSET_CONFIGURATION_CRC, true)) {
    throw new SnapshotDamage(path, HEADER_BYTES, 'the configuration fails its checksum');
  }
  if (own.subarray(end).some((byte) => byte !== 0)) {
    throw new SnapshotDamage(path, end, 'bytes that are not zero follow the configuration');
  }
  return {
    version: view.getUint32(OFFSET_VERSION, true),
    required: view.getUint32(OFFSET_REQUIRED, true),
    optional: view.getUint32(OFFSET_OPTIONAL, true),
    clusterId: readU64(view, OFFSET_CLUSTER),
    group: view.getUint32(OFFSET_GROUP, true),
    nameHash: view.getUint32(OFFSET_NAME_HASH, true),
    point: { index: readU64(view, OFFSET_INDEX), term: readU64(view, OFFSET_TERM) },
    configuration: { index: readU64(view, OFFSET_CONFIGURATION_INDEX), bytes: configuration },
    chunkBytesMax,
    timeMs: readU64(view, OFFSET_TIME),
    bytes: own,
    seed: view.getUint32(OFFSET_CRC, true),
  };
}
