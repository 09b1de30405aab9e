/**
 * Records between a consensus worker and the transport thread.
 *
 *   SEND         │ to u32 │ frame kind u32 │ body bytes u32 │ pieces u32 │ body, padded to 8 │
 *                │ per piece: position u32 │ bytes u32 │            (entries in the arena)
 *   SEND_INLINE  │ to u32 │ frame kind u32 │ body bytes u32 │ 0 u32     │ body, padded to 8 │ slab
 *   FRAME        │ from u32 │ frame kind u32 │ incarnation f64 │ body
 *   UP, DOWN     │ peer u32 │ restarted u32  │ incarnation f64 │
 *   MEMBERS      │ lost u32 │ 0 u32 │ configuration: see codec/configuration.ts
 *
 * A body is a frame body of codec/frames; the records never say what is in it. MEMBERS says which
 * configuration is in force in the group, before anything is sent to a member that is new, and with
 * `lost` 1 that no leader is known there that it names.
 */

export const PeerRecordKind = {
  send: 1,
  sendInline: 2,
  frame: 3,
  up: 4,
  down: 5,
  members: 6,
} as const;

const OFFSET_NODE = 0;
const OFFSET_KIND = OFFSET_NODE + 4;
const OFFSET_BODY_BYTES = OFFSET_KIND + 4;
const OFFSET_PIECES = OFFSET_BODY_BYTES + 4;
const SEND_HEADER_BYTES = OFFSET_PIECES + 4;
const PIECE_BYTES = 8;
const OFFSET_INCARNATION = OFFSET_BODY_BYTES;
export const FRAME_RECORD_BYTES = OFFSET_INCARNATION + 8;

const padded = (bytes: number): number => (bytes + 7) & ~7;

/** Bytes of a SEND record; of a SEND_INLINE record when `pieces` is 0 and the slab is added. */
export function sendBytes(bodyBytes: number, pieces: number): number {
  return SEND_HEADER_BYTES + padded(bodyBytes) + pieces * PIECE_BYTES;
}

/** Writes the header; the body goes to the returned offset, pieces or slab after it. */
export function writeSendHeader(
  view: DataView,
  at: number,
  to: number,
  frameKind: number,
  bodyBytes: number,
  pieces: number,
): number {
  view.setUint32(at + OFFSET_NODE, to, true);
  view.setUint32(at + OFFSET_KIND, frameKind, true);
  view.setUint32(at + OFFSET_BODY_BYTES, bodyBytes, true);
  view.setUint32(at + OFFSET_PIECES, pieces, true);
  return at + SEND_HEADER_BYTES;
}

/** Offset of what follows the body. */
export function afterBody(bodyAt: number, bodyBytes: number): number {
  return bodyAt + padded(bodyBytes);
}

export function writePiece(
  view: DataView,
  at: number,
  which: number,
  position: number,
  bytes: number,
): void {
  view.setUint32(at + which * PIECE_BYTES, position, true);
  view.setUint32(at + which * PIECE_BYTES + 4, bytes, true);
}

export interface SendRecord {
  readonly to: number;
  readonly frameKind: number;
  readonly bodyAt: number;
  readonly bodyBytes: number;
  /** Where pieces or the slab begin. */
  readonly restAt: number;
  readonly pieces: number;
}

export function readSend(view: DataView, at: number): SendRecord {
  const bodyBytes = view.getUint32(at + OFFSET_BODY_BYTES, true);
  const bodyAt = at + SEND_HEADER_BYTES;
  return {
    to: view.getUint32(at + OFFSET_NODE, true),
    frameKind: view.getUint32(at + OFFSET_KIND, true),
    bodyAt,
    bodyBytes,
    restAt: afterBody(bodyAt, bodyBytes),
    pieces: view.getUint32(at + OFFSET_PIECES, true),
  };
}

export function readPiece(
  view: DataView,
  restAt: number,
  which: number,
): { position: number; bytes: number } {
  const at = restAt + which * PIECE_BYTES;
  return { position: view.getUint32(at, true), bytes: view.getUint32(at + 4, true) };
}

/** Header of FRAME, UP and DOWN; `detail` is the frame kind, or 1 for a peer that restarted. */
export function writePeerHeader(
  view: DataView,
  at: number,
  peer: number,
  detail: number,
  incarnation: number,
): void {
  view.setUint32(at + OFFSET_NODE, peer, true);
  view.setUint32(at + OFFSET_KIND, detail, true);
  view.setFloat64(at + OFFSET_INCARNATION, incarnation, true);
}

export function readPeerHeader(
  view: DataView,
  at: number,
): { peer: number; detail: number; incarnation: number } {
  return {
    peer: view.getUint32(at + OFFSET_NODE, true),
    detail: view.getUint32(at + OFFSET_KIND, true),
    incarnation: view.getFloat64(at + OFFSET_INCARNATION, true),
  };
}

const MEMBERS_HEADER_BYTES = 8;

export function membersBytes(configuration: Uint8Array): number {
  return MEMBERS_HEADER_BYTES + configuration.length;
}

export function writeMembers(
  buffer: Buffer,
  view: DataView,
  at: number,
  configuration: Uint8Array,
  isLost: boolean,
): void {
  view.setUint32(at, isLost ? 1 : 0, true);
  view.setUint32(at + 4, 0, true);
  buffer.set(configuration, at + MEMBERS_HEADER_BYTES);
}

/** Of a MEMBERS record of `bytes` bytes; the configuration is only lent. */
export function readMembers(
  buffer: Buffer,
  view: DataView,
  at: number,
  bytes: number,
): { readonly configuration: Uint8Array; readonly isLost: boolean } {
  const configuration = buffer.subarray(at + MEMBERS_HEADER_BYTES, at + bytes);
  return { configuration, isLost: view.getUint32(at, true) === 1 };
}
