/**
 * The layout of a block: one group commit, the unit of write, checksum and sync.
 *
 *   byte 0         80                                   blockBytes − 80        blockBytes
 *        ┌─────────┬──────────────────────────┬─────────┬──────────┐
 *        │ header  │ body: bodyBytes          │ zeros   │ trailer  │   a multiple of 512 bytes
 *        └─────────┴──────────────────────────┴─────────┴──────────┘
 *
 * Header and trailer are the same frame under two magics, so either one alone says whose block it
 * was:
 *
 *   0      4     8      12          16         20        24            28         32
 *   ┌──────┬─────┬──────┬───────────┬──────────┬─────────┬─────────────┬──────────┬───────────────┐
 *   │magic │ CRC │ kind │blockBytes │bodyBytes │body CRC │previous CRC │ requests │offset in file │
 *   └──────┴─────┴──────┴───────────┴──────────┴─────────┴─────────────┴──────────┴───────────────┘
 *   36        40            48      56           64         72            80
 *   ┌─────────┬─────────────┬───────┬────────────┬──────────┬─────────────┐
 *   │ termMax │ groups mask │log id │ segment no.│ sequence │ durableSeq  │  u32, from 40 on u64
 *   └─────────┴─────────────┴───────┴────────────┴──────────┴─────────────┘
 *
 * Every CRC starts from a seed over (log id, segment), so nothing that a recycled file still holds
 * validates. The body CRC covers the zeros too: no byte of a block is outside a checksum.
 * No other file holds an offset into a frame. This file must never touch a disk.
 */

import { crc32c } from '../../codec/checksum.js';
import { isReadableU64, readU64, writeU64 } from '../../codec/u64.js';
import { SECTOR_BYTES } from './segment-format.js';

export const BlockKind = {
  /**
   * First block of a segment: the state of every group, so that no older segment is its only
   * holder.
   */
  checkpoint: 1,
  /** The requests of one group commit. */
  batch: 2,
  /** Empty; repeats `durableSeq` after a sync that nothing follows. */
  seal: 3,
  /**
   * Written by recovery where it cut; its mask says which groups may have lost something, its
   * `termMax` up to which term.
   */
  cut: 4,
  /**
   * Last of a segment, written once the next one is begun and synced, and outside the chain: it
   * follows that one's checkpoint and says that it is durable. Without it nobody would miss a
   * newest segment that is taken away.
   */
  handover: 5,
} as const;
export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

export const BODY_BYTES_MAX = 4 * 1024 * 1024;
export const FRAME_BYTES = 80;
/** An empty block: one sector. */
export const BLOCK_BYTES_MIN = SECTOR_BYTES;
export const BLOCK_BYTES_MAX = blockBytesFor(BODY_BYTES_MAX);

const OFFSET_MAGIC = 0;
const OFFSET_CRC = OFFSET_MAGIC + 4;
const OFFSET_KIND = OFFSET_CRC + 4;
const OFFSET_BLOCK_BYTES = OFFSET_KIND + 4;
const OFFSET_BODY_BYTES = OFFSET_BLOCK_BYTES + 4;
const OFFSET_BODY_CRC = OFFSET_BODY_BYTES + 4;
const OFFSET_PREVIOUS = OFFSET_BODY_CRC + 4;
const OFFSET_REQUESTS = OFFSET_PREVIOUS + 4;
const OFFSET_OFFSET = OFFSET_REQUESTS + 4;
const OFFSET_TERM_MAX = OFFSET_OFFSET + 4;
const OFFSET_MASK_LOW = OFFSET_TERM_MAX + 4;
const OFFSET_MASK_HIGH = OFFSET_MASK_LOW + 4;
const OFFSET_LOG = OFFSET_MASK_HIGH + 4;
const OFFSET_SEGMENT = OFFSET_LOG + 8;
const OFFSET_SEQUENCE = OFFSET_SEGMENT + 8;
const OFFSET_DURABLE = OFFSET_SEQUENCE + 8;

const HEADER_MAGIC = 0x4b_4c_42_52; // "RBLK"
const TRAILER_MAGIC = 0x4c_52_54_52; // "RTRL"

/** A set of groups as 64 bits by `group mod 64`: exact below 64 groups, a superset above. */
export interface GroupMask {
  readonly low: number;
  readonly high: number;
}

export const NO_GROUPS: GroupMask = { low: 0, high: 0 };

/** What header and trailer say about their block. */
export interface BlockFrame {
  readonly kind: number;
  readonly blockBytes: number;
  readonly bodyBytes: number;
  readonly bodyCrc: number;
  readonly previousCrc: number;
  readonly requests: number;
  /** Where the block lies in its file: a misdirected or copied block does not validate. */
  readonly offset: number;
  /** No hard state in the block has a later term; 0 when there is none. See term-floor.ts. */
  readonly termMax: number;
  readonly mask: GroupMask;
  readonly logId: number;
  readonly segment: number;
  readonly sequence: number;
  /** The last sequence whose sync had completed when this frame was written. */
  readonly durableSeq: number;
  /** The frame's own CRC, which the next block repeats as `previousCrc`: the chain. */
  readonly crc: number;
}

/** What the writer decides about a block; sizes and checksums follow from the body. */
export interface BlockPlan {
  readonly kind: BlockKind;
  readonly bodyBytes: number;
  readonly previousCrc: number;
  readonly requests: number;
  readonly offset: number;
  readonly termMax: number;
  readonly mask: GroupMask;
  readonly logId: number;
  readonly segment: number;
  readonly sequence: number;
  readonly durableSeq: number;
}

/** Bytes that a block with this body takes on disk. */
export function blockBytesFor(bodyBytes: number): number {
  return Math.ceil((bodyBytes + 2 * FRAME_BYTES) / SECTOR_BYTES) * SECTOR_BYTES;
}

/** The seed of all checksums in one segment of one log. */
export function checksumSeed(logId: number, segment: number): number {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  writeU64(view, 0, logId);
  writeU64(view, 8, segment);
  return crc32c(bytes);
}

/**
 * Completes the block that begins at `start` of `bytes` and whose body is already in place:
 * zeros, checksum, header, trailer. Returns the frame's CRC. `seed` is `checksumSeed` of the
 * plan's segment.
 */
export function finishBlock(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  plan: BlockPlan,
  seed: number,
): number {
  const blockBytes = blockBytesFor(plan.bodyBytes);
  const bodyStart = start + FRAME_BYTES;
  const trailer = start + blockBytes - FRAME_BYTES;
  bytes.fill(0, bodyStart + plan.bodyBytes, trailer);
  view.setUint32(start + OFFSET_MAGIC, HEADER_MAGIC, true);
  view.setUint32(start + OFFSET_KIND, plan.kind, true);
  view.setUint32(start + OFFSET_BLOCK_BYTES, blockBytes, true);
  view.setUint32(start + OFFSET_BODY_BYTES, plan.bodyBytes, true);
  view.setUint32(start + OFFSET_BODY_CRC, crc32c(bytes.subarray(bodyStart, trailer), seed), true);
  view.setUint32(start + OFFSET_PREVIOUS, plan.previousCrc, true);
  view.setUint32(start + OFFSET_REQUESTS, plan.requests, true);
  view.setUint32(start + OFFSET_OFFSET, plan.offset, true);
  view.setUint32(start + OFFSET_TERM_MAX, plan.termMax, true);
  view.setUint32(start + OFFSET_MASK_LOW, plan.mask.low, true);
  view.setUint32(start + OFFSET_MASK_HIGH, plan.mask.high, true);
  writeU64(view, start + OFFSET_LOG, plan.logId);
  writeU64(view, start + OFFSET_SEGMENT, plan.segment);
  writeU64(view, start + OFFSET_SEQUENCE, plan.sequence);
  writeU64(view, start + OFFSET_DURABLE, plan.durableSeq);
  const crc = frameCrc(bytes, start, seed);
  view.setUint32(start + OFFSET_CRC, crc, true);
  bytes.copyWithin(trailer, start, start + FRAME_BYTES);
  view.setUint32(trailer + OFFSET_MAGIC, TRAILER_MAGIC, true);
  return crc;
}

function frameCrc(bytes: Uint8Array, at: number, seed: number): number {
  return crc32c(bytes.subarray(at + OFFSET_KIND, at + FRAME_BYTES), seed);
}

/** Where a frame is looked for. */
export interface FramePlace {
  readonly segment: number;
  /** Null: accepts the log that the frame itself names (the segment's header is unreadable). */
  readonly logId: number | null;
  /** `checksumSeed` of both; unused while `logId` is null. */
  readonly seed: number;
}

/**
 * The header frame at byte `at` of the window, which is byte `offset` of the file; null when
 * invalid.
 */
export function readHeaderFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  offset: number,
  place: FramePlace,
): BlockFrame | null {
  const frame = readFrame(bytes, view, at, HEADER_MAGIC, place);
  return frame !== null && frame.offset === offset ? frame : null;
}

/**
 * The trailer frame at byte `at` of the window, which is byte `offset` of the file; null when
 * invalid.
 */
export function readTrailerFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  offset: number,
  place: FramePlace,
): BlockFrame | null {
  const frame = readFrame(bytes, view, at, TRAILER_MAGIC, place);
  const end = offset + FRAME_BYTES;
  return frame !== null && frame.offset + frame.blockBytes === end ? frame : null;
}

function readFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  magic: number,
  place: FramePlace,
): BlockFrame | null {
  if (view.getUint32(at + OFFSET_MAGIC, true) !== magic) return null;
  const logId = smallU64(view, at + OFFSET_LOG);
  if (logId < 0 || (place.logId !== null && logId !== place.logId)) return null;
  const crc = view.getUint32(at + OFFSET_CRC, true);
  const seed = place.logId === null ? checksumSeed(logId, place.segment) : place.seed;
  if (frameCrc(bytes, at, seed) !== crc) return null;
  const frame: BlockFrame = {
    kind: view.getUint32(at + OFFSET_KIND, true),
    blockBytes: view.getUint32(at + OFFSET_BLOCK_BYTES, true),
    bodyBytes: view.getUint32(at + OFFSET_BODY_BYTES, true),
    bodyCrc: view.getUint32(at + OFFSET_BODY_CRC, true),
    previousCrc: view.getUint32(at + OFFSET_PREVIOUS, true),
    requests: view.getUint32(at + OFFSET_REQUESTS, true),
    offset: view.getUint32(at + OFFSET_OFFSET, true),
    termMax: view.getUint32(at + OFFSET_TERM_MAX, true),
    mask: {
      low: view.getUint32(at + OFFSET_MASK_LOW, true),
      high: view.getUint32(at + OFFSET_MASK_HIGH, true),
    },
    logId,
    segment: readU64(view, at + OFFSET_SEGMENT),
    sequence: readU64(view, at + OFFSET_SEQUENCE),
    durableSeq: readU64(view, at + OFFSET_DURABLE),
    crc,
  };
  return frame.segment === place.segment && wellSized(frame) ? frame : null;
}

function wellSized(frame: BlockFrame): boolean {
  return (
    frame.bodyBytes <= BODY_BYTES_MAX &&
    frame.blockBytes === blockBytesFor(frame.bodyBytes) &&
    frame.durableSeq < frame.sequence
  );
}

/** Reads a u64 of unverified bytes: −1 instead of an assertion when it is past 2^53. */
function smallU64(view: DataView, at: number): number {
  return isReadableU64(view, at) ? readU64(view, at) : -1;
}

/**
 * True when the trailer repeats the (already verified) header of the block that begins at
 * `start`.
 */
export function trailerMatches(view: DataView, start: number, frame: BlockFrame): boolean {
  const trailer = start + frame.blockBytes - FRAME_BYTES;
  if (view.getUint32(trailer + OFFSET_MAGIC, true) !== TRAILER_MAGIC) return false;
  for (let at = OFFSET_CRC; at < FRAME_BYTES; at += 4) {
    if (view.getUint32(trailer + at, true) !== view.getUint32(start + at, true)) return false;
  }
  return true;
}

/** True when the body of a block in the window carries the checksum that its header promises. */
export function bodyMatches(
  bytes: Uint8Array,
  start: number,
  frame: BlockFrame,
  seed: number,
): boolean {
  const body = bytes.subarray(start + FRAME_BYTES, start + frame.blockBytes - FRAME_BYTES);
  return crc32c(body, seed) === frame.bodyCrc;
}

export function maskWith(mask: GroupMask, group: number): GroupMask {
  const bit = group & 63;
  if (bit < 32) return { low: (mask.low | (1 << bit)) >>> 0, high: mask.high };
  return { low: mask.low, high: (mask.high | (1 << (bit - 32))) >>> 0 };
}

export function maskUnion(a: GroupMask, b: GroupMask): GroupMask {
  return { low: (a.low | b.low) >>> 0, high: (a.high | b.high) >>> 0 };
}

export function maskHas(mask: GroupMask, group: number): boolean {
  const bit = group & 63;
  return bit < 32 ? (mask.low & (1 << bit)) !== 0 : (mask.high & (1 << (bit - 32))) !== 0;
}

export function maskEmpty(mask: GroupMask): boolean {
  return mask.low === 0 && mask.high === 0;
}
