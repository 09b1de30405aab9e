/**
 * The layout of what follows a snapshot's header: chunks, then the footer that makes it valid.
 *
 *   chunk, then its stored bytes, then zeros up to a multiple of 8:
 *   0       4        8         10      12    16        20       24       28        32
 *   ┌───────┬────────┬─────────┬───────┬─────┬─────────┬────────┬────────┬─────────┐
 *   │ magic │ number │ section │ flags │ raw │ stored  │ stored │ zeros  │ CRC u32 │
 *   │ u32   │ u32    │ u16     │ u16   │ u32 │ bytes   │ CRC    │        │         │
 *   └───────┴────────┴─────────┴───────┴─────┴─────────┴────────┴────────┴─────────┘
 *   footer, the last 48 bytes of the file:
 *   0       8        12        16          24             32           40       44        48
 *   ┌───────┬────────┬─────────┬───────────┬──────────────┬────────────┬────────┬─────────┐
 *   │ magic │ chunks │ running │ raw bytes │ stored bytes │ file bytes │ zeros  │ CRC u32 │
 *   │ 8 B   │ u32    │ CRC u32 │ u64       │ u64          │ u64        │        │         │
 *   └───────┴────────┴─────────┴───────────┴──────────────┴────────────┴────────┴─────────┘
 *
 * Every checksum here starts from the header's, so that a chunk of another snapshot never passes;
 * the running one goes over all chunk headers, and so over the checksums of all stored bytes. No
 * other file holds an offset into these; this file must never touch a disk.
 */

import { crc32c } from '../../codec/checksum.js';
import type { ChunkBody } from '../../codec/lz4-chunk.js';
import type { SnapshotSection } from '../../codec/snapshot-section.js';
import { isReadableU64, readU64, writeU64 } from '../../codec/u64.js';

export const CHUNK_HEADER_BYTES = 32;
export const FOOTER_BYTES = 48;

const OFFSET_MAGIC = 0;
const OFFSET_NUMBER = OFFSET_MAGIC + 4;
const OFFSET_SECTION = OFFSET_NUMBER + 4;
const OFFSET_FLAGS = OFFSET_SECTION + 2;
const OFFSET_RAW = OFFSET_FLAGS + 2;
const OFFSET_STORED = OFFSET_RAW + 4;
const OFFSET_STORED_CRC = OFFSET_STORED + 4;
const OFFSET_CRC = CHUNK_HEADER_BYTES - 4;
const CHUNK_MAGIC = 0x4b_4e_48_43; // "CHNK"

const FOOTER_CHUNKS = 8;
const FOOTER_RUNNING = FOOTER_CHUNKS + 4;
const FOOTER_RAW = FOOTER_RUNNING + 4;
const FOOTER_STORED = FOOTER_RAW + 8;
const FOOTER_FILE = FOOTER_STORED + 8;
const FOOTER_CRC = FOOTER_BYTES - 4;
const FOOTER_MAGIC = new Uint8Array([0x52, 0x52, 0x41, 0x46, 0x54, 0x45, 0x4e, 0x44]); // "RRAFTEND"

/** A chunk without its bytes: what travels in front of them. */
export interface ChunkHeader extends ChunkBody {
  /** 0 for the first of the file. */
  readonly number: number;
  readonly section: SnapshotSection;
}

/** A chunk header as it was found: section and flags may be of a later version. */
export interface FoundChunk extends Omit<ChunkHeader, 'section' | 'flags'> {
  readonly section: number;
  readonly flags: number;
}

export interface SnapshotFooter {
  readonly chunks: number;
  /** Over all chunk headers, in order. */
  readonly runningCrc: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** The length of the whole file. */
  readonly fileBytes: number;
}

/** Writes a chunk's header at `at`. */
export function writeChunkHeader(
  bytes: Uint8Array,
  at: number,
  chunk: ChunkHeader,
  seed: number,
): void {
  const own = bytes.subarray(at, at + CHUNK_HEADER_BYTES);
  const view = new DataView(own.buffer, own.byteOffset, CHUNK_HEADER_BYTES);
  own.fill(0);
  view.setUint32(OFFSET_MAGIC, CHUNK_MAGIC, true);
  view.setUint32(OFFSET_NUMBER, chunk.number, true);
  view.setUint16(OFFSET_SECTION, chunk.section, true);
  view.setUint16(OFFSET_FLAGS, chunk.flags, true);
  view.setUint32(OFFSET_RAW, chunk.rawBytes, true);
  view.setUint32(OFFSET_STORED, chunk.storedBytes, true);
  view.setUint32(OFFSET_STORED_CRC, chunk.storedCrc, true);
  view.setUint32(OFFSET_CRC, crc32c(own.subarray(0, OFFSET_CRC), seed), true);
}

/** The chunk header at `at`, whatever it says; null when none of this snapshot is there. */
export function readChunkHeader(bytes: Uint8Array, at: number, seed: number): FoundChunk | null {
  const own = bytes.subarray(at, at + CHUNK_HEADER_BYTES);
  if (own.byteLength < CHUNK_HEADER_BYTES) return null;
  const view = new DataView(own.buffer, own.byteOffset, CHUNK_HEADER_BYTES);
  if (view.getUint32(OFFSET_MAGIC, true) !== CHUNK_MAGIC) return null;
  if (view.getUint32(OFFSET_CRC, true) !== crc32c(own.subarray(0, OFFSET_CRC), seed)) return null;
  return {
    number: view.getUint32(OFFSET_NUMBER, true),
    section: view.getUint16(OFFSET_SECTION, true),
    flags: view.getUint16(OFFSET_FLAGS, true),
    rawBytes: view.getUint32(OFFSET_RAW, true),
    storedBytes: view.getUint32(OFFSET_STORED, true),
    storedCrc: view.getUint32(OFFSET_STORED_CRC, true),
  };
}

/**
 * The running checksum after the chunk header at `at`; the header's seed before the first. It
 * leaves the header's own checksum out: a CRC over bytes and their CRC is the same for all bytes.
 */
export function runningCrcAfter(running: number, bytes: Uint8Array, at: number): number {
  return crc32c(bytes.subarray(at, at + OFFSET_CRC), running);
}

/** Writes the footer at `at`. */
export function writeFooter(
  bytes: Uint8Array,
  at: number,
  footer: SnapshotFooter,
  seed: number,
): void {
  const own = bytes.subarray(at, at + FOOTER_BYTES);
  const view = new DataView(own.buffer, own.byteOffset, FOOTER_BYTES);
  own.fill(0);
  own.set(FOOTER_MAGIC);
  view.setUint32(FOOTER_CHUNKS, footer.chunks, true);
  view.setUint32(FOOTER_RUNNING, footer.runningCrc, true);
  writeU64(view, FOOTER_RAW, footer.rawBytes);
  writeU64(view, FOOTER_STORED, footer.storedBytes);
  writeU64(view, FOOTER_FILE, footer.fileBytes);
  view.setUint32(FOOTER_CRC, crc32c(own.subarray(0, FOOTER_CRC), seed), true);
}

/** The footer in `own`, which is just as long as one; null when it is none of this snapshot. */
export function readFooter(own: Uint8Array, seed: number): SnapshotFooter | null {
  if (own.byteLength !== FOOTER_BYTES) return null;
  if (FOOTER_MAGIC.some((byte, at) => own[at] !== byte)) return null;
  const view = new DataView(own.buffer, own.byteOffset, FOOTER_BYTES);
  if (view.getUint32(FOOTER_CRC, true) !== crc32c(own.subarray(0, FOOTER_CRC), seed)) return null;
  const numbers = [FOOTER_RAW, FOOTER_STORED, FOOTER_FILE];
  if (!numbers.every((offset) => isReadableU64(view, offset))) return null;
  return {
    chunks: view.getUint32(FOOTER_CHUNKS, true),
    runningCrc: view.getUint32(FOOTER_RUNNING, true),
    rawBytes: readU64(view, FOOTER_RAW),
    storedBytes: readU64(view, FOOTER_STORED),
    fileBytes: readU64(view, FOOTER_FILE),
  };
}
