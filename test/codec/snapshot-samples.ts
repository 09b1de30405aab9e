/**
 * Chunks of snapshots and what is said of them, for the tests of codec/frames, io/net and workers.
 */

import fc from 'fast-check';
import { crc32c } from '../../codec/checksum.js';
import { FRAME_HEADER_BYTES, FrameKind, sealFrame } from '../../codec/frames/frame-format.js';
import {
  CHUNKS_MAX,
  encodeChunkHead,
  type SnapshotChunkHead,
  type SnapshotFetch,
} from '../../codec/frames/snapshot-frames.js';
import { concat, slab, viewOf } from './frame-samples.js';

export const POINT = { index: 1234, term: 5 };

export function askFor(group: number, from = 0, count = 1): SnapshotFetch {
  return { group, point: POINT, from, count };
}

export const TOTALS = {
  chunks: 1000,
  runningCrc: 0x1234_5678,
  rawBytes: 1_000_000,
  storedBytes: 900_000,
  fileBytes: 950_000,
};

/** A chunk of `storedBytes` bytes, and its bytes. */
export function chunkOf(
  chunk: number,
  storedBytes: number,
  change: Partial<SnapshotChunkHead> = {},
): { head: SnapshotChunkHead; stored: Uint8Array } {
  const stored = slab(storedBytes, chunk + 1);
  const bytes = { rawBytes: storedBytes, storedBytes, crc: crc32c(stored) };
  const packed = { chunk, section: 1, flags: 0, ...bytes };
  const head = {
    group: 1,
    point: POINT,
    totals: TOTALS,
    head: chunk === 0 ? slab(40, 3) : new Uint8Array(0),
    packed,
    ...change,
  };
  return { head, stored };
}

/** The whole frame of a chunk. */
export function chunkFrame(head: SnapshotChunkHead, stored: Uint8Array): Uint8Array {
  const body = encodeChunkHead(head);
  const front = concat([new Uint8Array(FRAME_HEADER_BYTES), body]);
  sealFrame(front, viewOf(front), 0, FrameKind.snapshotChunk, body.length, stored);
  return concat([front, stored]);
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const numbers = fc.maxSafeNat();
const points = fc
  .record({ index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), term: numbers })
  .map((point) => ({ ...point }));

export const fetches: fc.Arbitrary<SnapshotFetch> = fc
  .record({
    group: u32,
    point: points,
    from: fc.integer({ min: 0, max: CHUNKS_MAX - 1 }),
    count: fc.integer({ min: 1, max: CHUNKS_MAX }),
  })
  .map((fetch) => ({ ...fetch }));

export const chunks = fc
  .record({
    group: u32,
    point: points,
    place: fc.nat(3),
    more: fc.integer({ min: 1, max: 1000 }),
    runningCrc: u32,
    allRaw: numbers,
    allStored: numbers,
    fileBytes: numbers,
    headBytes: fc.nat(300),
    section: fc.integer({ min: 1, max: 0x1_0000 }),
    flags: fc.nat(0xffff),
    rawBytes: fc.nat(4 * 1024 * 1024),
    storedBytes: fc.nat(3000),
    crc: u32,
  })
  .map((each) => {
    const { group, point, place, more, headBytes, rawBytes, storedBytes, crc } = each;
    const { section, flags, runningCrc, allRaw, allStored, fileBytes } = each;
    const chunks = place + more;
    const head: SnapshotChunkHead = {
      group,
      point,
      totals: { chunks, runningCrc, rawBytes: allRaw, storedBytes: allStored, fileBytes },
      head: slab(place === 0 ? headBytes : 0, 9),
      packed: { chunk: place, section, flags, rawBytes, storedBytes, crc },
    };
    return { head, stored: slab(storedBytes, place) };
  });
