/**
 * The layout of one frame between peers.
 *
 *   byte 0          4        8       9      10      11      12
 *        ┌──────────┬────────┬───────┬──────┬───────┬───────┬──────────────┐
 *        │ checksum │ length │ magic │ kind │ flags │ check │ body         │
 *        │ u32      │ u32    │ u8    │ u8   │ u8    │ u8    │ length bytes │
 *        └──────────┴────────┴───────┴──────┴───────┴───────┴──────────────┘
 *
 * `checksum` is the CRC-32C of everything after it. `check` makes the XOR of bytes 4–11 a constant,
 * so a damaged length is noticed before anyone waits for, or allocates, that many bytes. A frame
 * carries no version of its own: that of the handshake covers all frames of a connection, and
 * `magic` changes when this header does.
 * No other file holds an offset into a frame header. This file must never look into a body.
 */

import { MessageKind } from '../../engine/raft/message.js';
import { assert } from '../../engine/raft/types.js';
import { crc32c } from '../checksum.js';

/** Kinds 1–31 are messages of the core; heartbeats and their replies hold many groups each. */
export const FrameKind = {
  ...MessageKind,
  hello: 32,
  refuse: 33,
  /** Declares groups beyond those that fit into HELLO, or made since. */
  groups: 34,
  /** Says nothing but "alive". */
  ping: 35,
  /** Instead of a handshake: see join-frames.ts. */
  ask: 36,
  told: 37,
  forward: 48,
  forwarded: 49,
  /** A piece of an append or forward that is too large for one frame: see frame-parts.ts. */
  part: 50,
  /** Snapshots, on bulk connections only: see snapshot-frames.ts. */
  snapshotFetch: 51,
  snapshotChunk: 52,
  snapshotRefused: 53,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

/** Why a frame is not one; the connection that brought it cannot be trusted further. */
export type FrameProblem = 'magic' | 'header' | 'flags' | 'length' | 'checksum' | 'chunk';

const OFFSET_CHECKSUM = 0;
const OFFSET_LENGTH = OFFSET_CHECKSUM + 4;
const OFFSET_MAGIC = OFFSET_LENGTH + 4;
const OFFSET_KIND = OFFSET_MAGIC + 1;
const OFFSET_FLAGS = OFFSET_KIND + 1;
const OFFSET_CHECK = OFFSET_FLAGS + 1;
export const FRAME_HEADER_BYTES = OFFSET_CHECK + 1;

/** Not a letter, not the first byte of TLS, SSH, HTTP or RESP. */
const FRAME_MAGIC = 0xa7;
const CHECK_CONSTANT = 0x5c;

/** No flag is defined yet: a set one means a peer that speaks something newer. */
const FLAGS_KNOWN = 0;

/** The largest frame before the handshake is done. */
export const GREETING_BYTES_MAX = 1024;
/** A frame with entries that is larger leaves in parts, to a peer that puts them together. */
export const PART_BYTES_MAX = 256 * 1024;
/**
 * The default largest frame, whole or in parts: 256 KiB, one entry of 1 MiB, and room for headers.
 */
export const FRAME_BYTES_MAX = (256 + 1024 + 1) * 1024;

function checkByte(view: DataView, offset: number): number {
  const folded =
    view.getUint32(offset + OFFSET_LENGTH, true) ^ view.getUint32(offset + OFFSET_MAGIC, true);
  return (folded ^ (folded >>> 8) ^ (folded >>> 16) ^ (folded >>> 24)) & 0xff;
}

function continueOver(checksum: number, slab: Uint8Array | null): number {
  return slab === null || slab.length === 0 ? checksum : crc32c(slab, checksum);
}

/**
 * Writes the header in front of `headBytes` of body that already stand at
 * `offset + FRAME_HEADER_BYTES`; the rest of the body are the slabs, checksummed where they lie.
 * Returns the bytes of the whole frame, slabs included.
 */
export function sealFrame(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  kind: FrameKind,
  headBytes: number,
  slabA: Uint8Array | null = null,
  slabB: Uint8Array | null = null,
): number {
  const slabBytes = (slabA === null ? 0 : slabA.length) + (slabB === null ? 0 : slabB.length);
  const head = FRAME_HEADER_BYTES + headBytes;
  assert(offset + head <= bytes.length, 'a frame is sealed inside its buffer');
  view.setUint32(offset + OFFSET_LENGTH, headBytes + slabBytes, true);
  view.setUint8(offset + OFFSET_MAGIC, FRAME_MAGIC);
  view.setUint8(offset + OFFSET_KIND, kind);
  view.setUint8(offset + OFFSET_FLAGS, 0);
  view.setUint8(offset + OFFSET_CHECK, 0);
  view.setUint8(offset + OFFSET_CHECK, checkByte(view, offset) ^ CHECK_CONSTANT);
  let checksum = crc32c(bytes.subarray(offset + OFFSET_LENGTH, offset + head));
  checksum = continueOver(checksum, slabA);
  checksum = continueOver(checksum, slabB);
  view.setUint32(offset + OFFSET_CHECKSUM, checksum, true);
  return head + slabBytes;
}

/** One whole frame in a buffer of its own: for the rare frames of the handshake. */
export function makeFrame(kind: FrameKind, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  bytes.set(body, FRAME_HEADER_BYTES);
  sealFrame(bytes, new DataView(bytes.buffer), 0, kind, body.length);
  return bytes;
}

/** What is wrong with the header at `offset`, judged before any byte of the body is there. */
export function headerProblem(
  view: DataView,
  offset: number,
  frameBytesMax: number,
): FrameProblem | null {
  if (view.getUint8(offset + OFFSET_MAGIC) !== FRAME_MAGIC) return 'magic';
  if (checkByte(view, offset) !== CHECK_CONSTANT) return 'header';
  if ((view.getUint8(offset + OFFSET_FLAGS) & ~FLAGS_KNOWN) !== 0) return 'flags';
  return frameBytes(view, offset) > frameBytesMax ? 'length' : null;
}

/** Bytes of the frame at `offset`, header included. */
export function frameBytes(view: DataView, offset: number): number {
  return FRAME_HEADER_BYTES + view.getUint32(offset + OFFSET_LENGTH, true);
}

export function frameKind(view: DataView, offset: number): number {
  return view.getUint8(offset + OFFSET_KIND);
}

/** The checksum of the frame at `offset` as far as `end`: to be continued over what follows. */
export function checksumOver(bytes: Uint8Array, offset: number, end: number): number {
  return crc32c(bytes.subarray(offset + OFFSET_LENGTH, end));
}

export function announcedChecksum(view: DataView, offset: number): number {
  return view.getUint32(offset + OFFSET_CHECKSUM, true);
}

/** Whether the whole frame at `offset` is as it was sealed. */
export function checksumHolds(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  totalBytes: number,
): boolean {
  return checksumOver(bytes, offset, offset + totalBytes) === announcedChecksum(view, offset);
}
