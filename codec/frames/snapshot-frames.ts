/**
 * What is said on bulk connections: who fetches asks for chunks of a snapshot, who has it sends
 * them or says why not.
 *
 *   FETCH, byte 0     4       8      12          16      24
 *         ┌───────┬───────┬──────┬───────────┬───────┬──────┐
 *         │ group │ count │ from │ reserved  │ index │ term │
 *         │ u32   │ u32   │ u32  │ u32 = 0   │ u64   │ u64  │
 *         └───────┴───────┴──────┴───────────┴───────┴──────┘
 *   CHUNK, byte 0     4            8       12       16      20          24             28
 *         ┌───────┬────────────┬───────┬────────┬───────┬───────────┬──────────────┬───────┐
 *         │ group │ head bytes │ chunk │ chunks │ flags │ raw bytes │ stored bytes │ crc   │ …
 *         │ u32   │ u32        │ u32   │ u32    │ 2×u16 │ u32       │ u32          │ u32   │
 *         └───────┴────────────┴───────┴────────┴───────┴───────────┴──────────────┴───────┘
 *   32        36             40      48     56          64             72           80
 *    ┌─────────┬──────────────┬───────┬──────┬───────────┬──────────────┬────────────┬──────────┐
 *  … │ running │ reserved     │ index │ term │ raw bytes │ stored bytes │ file bytes │ file's   │ …
 *    │ crc u32 │ u32 = 0      │ u64   │ u64  │ all, u64  │ all, u64     │ u64        │ head     │
 *    └─────────┴──────────────┴───────┴──────┴───────────┴──────────────┴────────────┴──────────┘
 *  … stored bytes      chunks, running crc and the last three are what the file's footer says;
 *                      the file's head comes with chunk 0 only; flags: those of the chunk, then its
 *                      section less 1, which is 0 for the machine's
 *   REFUSED: group u32 │ text bytes u32 │ index u64 │ term u64 │ text, UTF-8
 *
 * Reading never throws; a number that is out of bounds makes the frame malformed. Whether a chunk's
 * stored bytes are what its crc says is not judged here.
 */

import { isReadableU64, readU64, writeU64 } from '../u64.js';
import { FRAME_HEADER_BYTES, FrameKind } from './frame-format.js';

interface Point {
  readonly index: number;
  readonly term: number;
}

/** Asks for `count` chunks at most, from chunk `from` on. */
export interface SnapshotFetch {
  readonly group: number;
  readonly point: Point;
  readonly from: number;
  readonly count: number;
}

/** What the footer of a snapshot's file says: see io/snapshots/chunk-format.ts. */
export interface SnapshotTotals {
  readonly chunks: number;
  readonly runningCrc: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly fileBytes: number;
}

/** All of a chunk but its stored bytes. */
export interface SnapshotChunkHead {
  readonly group: number;
  readonly point: Point;
  readonly totals: SnapshotTotals;
  /** How the file begins; with chunk 0, else empty. */
  readonly head: Uint8Array;
  readonly packed: {
    readonly chunk: number;
    /** Whose bytes they are: see snapshot-section.ts; it may be of a later version. */
    readonly section: number;
    readonly flags: number;
    readonly rawBytes: number;
    readonly storedBytes: number;
    /** CRC-32C of the stored bytes. */
    readonly crc: number;
  };
}

export interface SnapshotRefusal {
  readonly group: number;
  readonly point: Point;
  readonly text: string;
}

const OFFSET_GROUP = 0;
const OFFSET_COUNT = OFFSET_GROUP + 4;
const OFFSET_FETCH_FROM = OFFSET_COUNT + 4;
const OFFSET_FETCH_RESERVED = OFFSET_FETCH_FROM + 4;
const OFFSET_FETCH_POINT = OFFSET_FETCH_RESERVED + 4;
const POINT_BYTES = 16;
export const FETCH_BYTES = OFFSET_FETCH_POINT + POINT_BYTES;

const OFFSET_CHUNK = OFFSET_COUNT + 4;
const OFFSET_CHUNKS = OFFSET_CHUNK + 4;
const OFFSET_FLAGS = OFFSET_CHUNKS + 4;
const OFFSET_SECTION = OFFSET_FLAGS + 2;
const OFFSET_RAW_BYTES = OFFSET_SECTION + 2;
const OFFSET_STORED_BYTES = OFFSET_RAW_BYTES + 4;
const OFFSET_CRC = OFFSET_STORED_BYTES + 4;
const OFFSET_RUNNING_CRC = OFFSET_CRC + 4;
const OFFSET_CHUNK_RESERVED = OFFSET_RUNNING_CRC + 4;
const OFFSET_CHUNK_POINT = OFFSET_CHUNK_RESERVED + 4;
const OFFSET_ALL_RAW = OFFSET_CHUNK_POINT + POINT_BYTES;
const OFFSET_ALL_STORED = OFFSET_ALL_RAW + 8;
const OFFSET_FILE_BYTES = OFFSET_ALL_STORED + 8;
/** A chunk's head without that of its file. */
export const CHUNK_FIXED_BYTES = OFFSET_FILE_BYTES + 8;

const OFFSET_REFUSED_POINT = OFFSET_COUNT + 4;
const REFUSED_HEAD_BYTES = OFFSET_REFUSED_POINT + POINT_BYTES;

/** Chunks of one snapshot, and so the largest number and count of chunks. */
export const CHUNKS_MAX = 2 ** 24;
/** Bytes of the image in one chunk. */
export const CHUNK_RAW_BYTES_MAX = 4 * 1024 * 1024;
/** What packing may add to them. */
const PACKED_SPARE_BYTES = 4096;
export const CHUNK_STORED_BYTES_MAX = CHUNK_RAW_BYTES_MAX + PACKED_SPARE_BYTES;
export const HEAD_BYTES_MAX = 64 * 1024;
export const REFUSED_TEXT_BYTES_MAX = 1024;

/** The largest frame of a chunk. */
export const CHUNK_FRAME_BYTES_MAX =
  FRAME_HEADER_BYTES + CHUNK_FIXED_BYTES + HEAD_BYTES_MAX + CHUNK_STORED_BYTES_MAX;
/** The largest other frame of a bulk connection: 4096 groups are declared in one. */
export const BULK_FRAME_BYTES_MAX = FRAME_HEADER_BYTES + 64 * 1024;

function writePoint(view: DataView, offset: number, point: Point): void {
  writeU64(view, offset, point.index);
  writeU64(view, offset + 8, point.term);
}

function readPoint(view: DataView, offset: number): Point | null {
  if (!isReadableU64(view, offset) || !isReadableU64(view, offset + 8)) return null;
  const index = readU64(view, offset);
  return index === 0 ? null : { index, term: readU64(view, offset + 8) };
}

function assertWithin(what: string, value: number, low: number, high: number): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  throw new RangeError(`${what} is ${value}, a frame holds ${low} to ${high}`);
}

export function encodeFetch(asked: SnapshotFetch): Uint8Array {
  assertWithin('from', asked.from, 0, CHUNKS_MAX - 1);
  assertWithin('count', asked.count, 1, CHUNKS_MAX);
  const bytes = new Uint8Array(FETCH_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(OFFSET_GROUP, asked.group, true);
  view.setUint32(OFFSET_COUNT, asked.count, true);
  view.setUint32(OFFSET_FETCH_FROM, asked.from, true);
  writePoint(view, OFFSET_FETCH_POINT, asked.point);
  return bytes;
}

/** The request in `[offset, offset + length)`, or null when it is malformed. */
export function decodeFetch(view: DataView, offset: number, length: number): SnapshotFetch | null {
  if (length !== FETCH_BYTES) return null;
  const count = view.getUint32(offset + OFFSET_COUNT, true);
  const from = view.getUint32(offset + OFFSET_FETCH_FROM, true);
  const reserved = view.getUint32(offset + OFFSET_FETCH_RESERVED, true);
  const point = readPoint(view, offset + OFFSET_FETCH_POINT);
  if (point === null || reserved !== 0) return null;
  if (count < 1 || count > CHUNKS_MAX || from >= CHUNKS_MAX) return null;
  return { group: view.getUint32(offset + OFFSET_GROUP, true), point, from, count };
}

/** The head of a chunk; its stored bytes come right after it. */
export function encodeChunkHead(head: SnapshotChunkHead): Uint8Array {
  const { packed, totals } = head;
  const bytes = new Uint8Array(CHUNK_FIXED_BYTES + head.head.length);
  const view = new DataView(bytes.buffer);
  assertWithin('head bytes', head.head.length, 0, HEAD_BYTES_MAX);
  assertWithin('chunks', totals.chunks, 0, CHUNKS_MAX);
  assertWithin('raw bytes', packed.rawBytes, 0, CHUNK_RAW_BYTES_MAX);
  assertWithin('stored bytes', packed.storedBytes, 0, CHUNK_STORED_BYTES_MAX);
  view.setUint32(OFFSET_GROUP, head.group, true);
  view.setUint32(OFFSET_COUNT, head.head.length, true);
  view.setUint32(OFFSET_CHUNK, packed.chunk, true);
  view.setUint32(OFFSET_CHUNKS, totals.chunks, true);
  view.setUint16(OFFSET_FLAGS, packed.flags, true);
  view.setUint16(OFFSET_SECTION, packed.section - 1, true);
  view.setUint32(OFFSET_RAW_BYTES, packed.rawBytes, true);
  view.setUint32(OFFSET_STORED_BYTES, packed.storedBytes, true);
  view.setUint32(OFFSET_CRC, packed.crc, true);
  writePoint(view, OFFSET_CHUNK_POINT, head.point);
  view.setUint32(OFFSET_RUNNING_CRC, totals.runningCrc, true);
  writeU64(view, OFFSET_ALL_RAW, totals.rawBytes);
  writeU64(view, OFFSET_ALL_STORED, totals.storedBytes);
  writeU64(view, OFFSET_FILE_BYTES, totals.fileBytes);
  bytes.set(head.head, CHUNK_FIXED_BYTES);
  return bytes;
}

/**
 * Bytes of the head that begins at `offset`, the file's included, judged by its fixed part alone
 * and by `length`, that of the whole body; null when it is malformed.
 */
export function chunkHeadBytes(view: DataView, offset: number, length: number): number | null {
  if (length < CHUNK_FIXED_BYTES) return null;
  const headBytes = view.getUint32(offset + OFFSET_COUNT, true);
  const stored = view.getUint32(offset + OFFSET_STORED_BYTES, true);
  if (headBytes > HEAD_BYTES_MAX || stored > CHUNK_STORED_BYTES_MAX) return null;
  const bytes = CHUNK_FIXED_BYTES + headBytes;
  return length === bytes + stored ? bytes : null;
}

function isPlaced(chunk: number, chunks: number, storedBytes: number): boolean {
  // An image without a byte has no chunk, and is sent as the empty chunk 0 of none.
  if (chunks === 0) return chunk === 0 && storedBytes === 0;
  return chunk < chunks && chunks <= CHUNKS_MAX;
}

/** The head of a body of `length` bytes at `offset`, that of the file copied; or null. */
export function decodeChunkHead(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  length: number,
): SnapshotChunkHead | null {
  const headBytes = chunkHeadBytes(view, offset, length);
  if (headBytes === null) return null;
  const u32 = (at: number): number => view.getUint32(offset + at, true);
  const packed = {
    chunk: u32(OFFSET_CHUNK),
    section: view.getUint16(offset + OFFSET_SECTION, true) + 1,
    flags: view.getUint16(offset + OFFSET_FLAGS, true),
    rawBytes: u32(OFFSET_RAW_BYTES),
    storedBytes: u32(OFFSET_STORED_BYTES),
    crc: u32(OFFSET_CRC),
  };
  const point = readPoint(view, offset + OFFSET_CHUNK_POINT);
  if (point === null || !isPlaced(packed.chunk, u32(OFFSET_CHUNKS), packed.storedBytes))
    return null;
  if (packed.rawBytes > CHUNK_RAW_BYTES_MAX) return null;
  if (packed.chunk !== 0 && headBytes > CHUNK_FIXED_BYTES) return null;
  if (u32(OFFSET_CHUNK_RESERVED) !== 0) return null;
  for (const at of [OFFSET_ALL_RAW, OFFSET_ALL_STORED, OFFSET_FILE_BYTES]) {
    if (!isReadableU64(view, offset + at)) return null;
  }
  return {
    group: u32(OFFSET_GROUP),
    point,
    totals: {
      chunks: u32(OFFSET_CHUNKS),
      runningCrc: u32(OFFSET_RUNNING_CRC),
      rawBytes: readU64(view, offset + OFFSET_ALL_RAW),
      storedBytes: readU64(view, offset + OFFSET_ALL_STORED),
      fileBytes: readU64(view, offset + OFFSET_FILE_BYTES),
    },
    head: new Uint8Array(bytes.subarray(offset + CHUNK_FIXED_BYTES, offset + headBytes)),
    packed,
  };
}

/** The text is cut to fit. */
export function encodeRefused(refusal: SnapshotRefusal): Uint8Array {
  const text = new TextEncoder().encode(refusal.text).subarray(0, REFUSED_TEXT_BYTES_MAX);
  const bytes = new Uint8Array(REFUSED_HEAD_BYTES + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(OFFSET_GROUP, refusal.group, true);
  view.setUint32(OFFSET_COUNT, text.length, true);
  writePoint(view, OFFSET_REFUSED_POINT, refusal.point);
  bytes.set(text, REFUSED_HEAD_BYTES);
  return bytes;
}

/** The refusal in `[offset, offset + length)`, its text made fit for one line; or null. */
export function decodeRefused(
  view: DataView,
  offset: number,
  length: number,
): SnapshotRefusal | null {
  if (length < REFUSED_HEAD_BYTES) return null;
  const textBytes = view.getUint32(offset + OFFSET_COUNT, true);
  const point = readPoint(view, offset + OFFSET_REFUSED_POINT);
  if (point === null || textBytes > REFUSED_TEXT_BYTES_MAX) return null;
  if (length !== REFUSED_HEAD_BYTES + textBytes) return null;
  const start = view.byteOffset + offset + REFUSED_HEAD_BYTES;
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, start, textBytes).slice());
  const group = view.getUint32(offset + OFFSET_GROUP, true);
  return { group, point, text: text.replace(/[^\x20-\x7e]/g, '?') };
}

/** Whether this kind has its place on bulk connections alone. */
export function isSnapshotKind(kind: number): boolean {
  return kind >= FrameKind.snapshotFetch && kind <= FrameKind.snapshotRefused;
}

/** Whether a body of this length can be of this kind, one that is handed out whole. */
export function snapshotLengthFits(kind: number, length: number): boolean {
  if (kind === FrameKind.snapshotFetch) return length === FETCH_BYTES;
  const textBytes = length - REFUSED_HEAD_BYTES;
  const isRefused = kind === FrameKind.snapshotRefused;
  return isRefused && textBytes >= 0 && textBytes <= REFUSED_TEXT_BYTES_MAX;
}
