/**
 * Chunks of snapshots: raw bytes ↔ stored bytes, LZ4-compressed where that saves at least an
 * eighth, as they are where it does not.
 *
 * Compressed bytes are the raw length (u32, little-endian) and one raw LZ4 block. Everything works
 * on views of a SharedArrayBuffer. The native decoder takes as much memory as the length in front
 * of the bytes asks for, so it must never be called before checksum and bounds have been checked.
 */

import { compressSync, uncompressSync } from 'lz4-napi';
import { crc32c } from './checksum.js';

export const CHUNK_BYTES_MAX_DEFAULT = 1024 * 1024;
/** What `chunkBytesMax`, the most raw bytes of one chunk, may be set to. */
export const CHUNK_BYTES_MAX_LOWEST = 64 * 1024;
export const CHUNK_BYTES_MAX_HIGHEST = 16 * 1024 * 1024;

export const ChunkFlag = { stored: 0, lz4: 1 } as const;
export type ChunkFlag = (typeof ChunkFlag)[keyof typeof ChunkFlag];

/** LZ4 is kept when it saves at least one part in so many. */
const SAVING = 8;
/** No LZ4 block grows by more: a longer match costs a byte for each 255 of its length. */
const GROWTH_MAX = 255;
const GROWTH_SLACK_BYTES = 64;
const PREFIX_BYTES = 4;

/** What is known of a chunk's bytes without them. */
export interface ChunkBody {
  readonly flags: ChunkFlag;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** CRC-32C of the stored bytes. */
  readonly storedCrc: number;
}

/** Stored bytes that are not what their description says; `what` completes "the chunk …". */
export class ChunkDamage extends Error {
  readonly code = 'chunkDamage';
  readonly what: string;

  constructor(what: string) {
    super(`the chunk ${what}. Nothing was delivered: read it again or fetch it anew`);
    this.name = 'ChunkDamage';
    this.what = what;
  }
}

/** Refuses a `chunkBytesMax` that the format does not allow; the message names the bounds. */
export function checkChunkBytesMax(chunkBytesMax: number): void {
  const isWhole = Number.isSafeInteger(chunkBytesMax);
  const [low, high] = [CHUNK_BYTES_MAX_LOWEST, CHUNK_BYTES_MAX_HIGHEST];
  if (isWhole && chunkBytesMax >= low && chunkBytesMax <= high) return;
  throw new RangeError(
    `chunkBytesMax is ${chunkBytesMax}; it must be from ${low} to ${high} bytes`,
  );
}

/** The stored form of `raw`: a buffer of its own, or `raw` itself when LZ4 saves too little. */
export function compressChunk(raw: Uint8Array): { body: ChunkBody; stored: Uint8Array } {
  const rawBytes = raw.byteLength;
  if (rawBytes < 1 || rawBytes > CHUNK_BYTES_MAX_HIGHEST) {
    throw new RangeError(
      `chunk of ${rawBytes} bytes; it must have 1 to ${CHUNK_BYTES_MAX_HIGHEST}`,
    );
  }
  // The declaration asks for a Buffer; the library takes every view of bytes.
  const packed = compressSync(raw as Buffer);
  const isWorthIt = packed.byteLength <= rawBytes - Math.ceil(rawBytes / SAVING);
  if (!isWorthIt) return { body: bodyOfStored(raw), stored: raw };
  const storedBytes = packed.byteLength;
  const body = { flags: ChunkFlag.lz4, rawBytes, storedBytes, storedCrc: crc32c(packed) };
  return { body, stored: packed };
}

/** What is known of a chunk that is stored as it is. */
function bodyOfStored(raw: Uint8Array): ChunkBody {
  const rawBytes = raw.byteLength;
  return { flags: ChunkFlag.stored, rawBytes, storedBytes: rawBytes, storedCrc: crc32c(raw) };
}

/** Where in a slab the raw bytes are and the stored ones shall be; all in bytes. */
export interface SlabJob {
  readonly rawAt: number;
  readonly rawBytes: number;
  /** May be `rawAt`: then a chunk that does not compress is not moved at all. */
  readonly outAt: number;
  /** At least `rawBytes`. */
  readonly outBytesMax: number;
  /** False: the chunk is stored as it is, and only its checksum is worked out. */
  readonly compress: boolean;
}

/**
 * Makes stored bytes of raw ones inside one slab: the stored bytes begin at `outAt`. Throws a
 * RangeError, before anything is changed, for a job that lies outside the slab or whose two ranges
 * overlap in part.
 */
export function compressInSlab(slab: Uint8Array, job: SlabJob): ChunkBody {
  const { rawAt, rawBytes, outAt, outBytesMax } = job;
  assertRange(slab, rawAt, rawBytes);
  assertRange(slab, outAt, outBytesMax);
  const apart = rawAt + rawBytes <= outAt || outAt + outBytesMax <= rawAt;
  if (!(rawAt === outAt || apart)) {
    throw new RangeError(`raw bytes at ${rawAt} and stored ones at ${outAt} overlap in part`);
  }
  if (outBytesMax < rawBytes) {
    throw new RangeError(`room of ${outBytesMax} bytes for a chunk of ${rawBytes}`);
  }
  const raw = slab.subarray(rawAt, rawAt + rawBytes);
  const { body, stored } = job.compress
    ? compressChunk(raw)
    : { body: bodyOfStored(raw), stored: raw };
  if (body.flags === ChunkFlag.lz4 || rawAt !== outAt) slab.set(stored, outAt);
  return body;
}

/**
 * Throws ChunkDamage unless `stored` are the bytes that `body` describes and may be decoded in
 * bounded memory: checksum first, then every length, with nothing allocated.
 */
export function checkStored(body: ChunkBody, stored: Uint8Array, chunkBytesMax: number): void {
  const { flags, rawBytes, storedBytes } = body;
  if (stored.byteLength !== storedBytes) {
    throw new ChunkDamage(`has ${stored.byteLength} stored bytes, its header says ${storedBytes}`);
  }
  const crc = crc32c(stored);
  if (crc !== body.storedCrc) {
    throw new ChunkDamage(
      `fails its checksum: ${hex(crc)}, its header says ${hex(body.storedCrc)}`,
    );
  }
  if (!(rawBytes >= 1 && rawBytes <= chunkBytesMax)) {
    throw new ChunkDamage(`announces ${rawBytes} raw bytes, at most ${chunkBytesMax} are allowed`);
  }
  if (flags === ChunkFlag.stored) {
    if (storedBytes === rawBytes) return;
    throw new ChunkDamage(`is stored as it is in ${storedBytes} bytes but has ${rawBytes}`);
  }
  if (rawBytes > GROWTH_MAX * storedBytes + GROWTH_SLACK_BYTES) {
    throw new ChunkDamage(`announces ${rawBytes} raw bytes, more than ${storedBytes} can hold`);
  }
  if (storedBytes <= PREFIX_BYTES) throw new ChunkDamage(`is LZ4 of ${storedBytes} bytes`);
  const prefix = new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);
  if (prefix !== rawBytes) {
    throw new ChunkDamage(`announces ${prefix} raw bytes inside, its header says ${rawBytes}`);
  }
}

/** The raw bytes: a buffer of their own, or `stored` itself. Throws as checkStored does. */
export function decompressChunk(
  body: ChunkBody,
  stored: Uint8Array,
  chunkBytesMax: number,
): Uint8Array {
  checkStored(body, stored, chunkBytesMax);
  if (body.flags === ChunkFlag.stored) return stored;
  const raw = unpack(stored);
  if (raw.byteLength !== body.rawBytes) {
    throw new ChunkDamage(`decompresses to ${raw.byteLength} bytes instead of ${body.rawBytes}`);
  }
  return raw;
}

/** As decompressChunk, copied to `target` at `at`, which must have room for the raw bytes. */
export function decompressInto(
  body: ChunkBody,
  stored: Uint8Array,
  chunkBytesMax: number,
  target: Uint8Array,
  at: number,
): void {
  assertRange(target, at, body.rawBytes);
  target.set(decompressChunk(body, stored, chunkBytesMax), at);
}

function unpack(stored: Uint8Array): Uint8Array {
  try {
    return uncompressSync(stored);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ChunkDamage(`is no LZ4 block: ${reason}`);
  }
}

function assertRange(bytes: Uint8Array, at: number, length: number): void {
  const areWhole = Number.isSafeInteger(at) && Number.isSafeInteger(length);
  if (areWhole && at >= 0 && length >= 0 && at + length <= bytes.byteLength) return;
  throw new RangeError(`bytes ${at} + ${length} lie outside of a slab of ${bytes.byteLength}`);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
