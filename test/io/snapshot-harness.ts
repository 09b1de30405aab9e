/**
 * What the tests of snapshot files share: images that say which they are, files that hold them, and
 * the bytes of files.
 *
 * It must never look inside a file's layout: tests that do say so themselves.
 */

import assert from 'node:assert/strict';
import { compressChunk } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk } from '../../io/disk/disk.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { readWholeFile } from '../../io/disk/whole-file.js';
import type { SnapshotFooter } from '../../io/snapshots/chunk-format.js';
import {
  encodeSnapshotHeader,
  type LogPoint,
  type SnapshotHeader,
} from '../../io/snapshots/snapshot-format.js';
import { SnapshotReader } from '../../io/snapshots/snapshot-reader.js';
import { SnapshotWriter, type WriterOptions } from '../../io/snapshots/snapshot-writer.js';

export const CLUSTER_ID = 7;
export const DIRECTORY = '/data/snapshots';
const FILE_BYTES_MAX = 1 << 28;

export function newDisk(seed = 1): SimulatedDisk {
  const disk = new SimulatedDisk(new Prng(seed));
  disk.makeDirectory(DIRECTORY);
  disk.syncDirectory('/');
  disk.syncDirectory('/data');
  return disk;
}

export function headerFor(point: LogPoint, overrides: Partial<SnapshotHeader> = {}): Uint8Array {
  return encodeSnapshotHeader({
    clusterId: CLUSTER_ID,
    group: 1,
    nameHash: 0xdead_beef,
    point,
    configuration: { index: 1, bytes: Buffer.from('voters 1 2 3') },
    chunkBytesMax: 64 * 1024,
    timeMs: 1_700_000_000_000,
    ...overrides,
  });
}

/** Bytes that LZ4 cannot shorten. */
export function noise(count: number, seed: number): Uint8Array {
  const prng = new Prng(seed);
  return Uint8Array.from({ length: count }, () => prng.below(256));
}

/** Bytes that it can, and that name what they belong to. */
export function words(count: number, word: string): Uint8Array {
  return Buffer.from(word.repeat(Math.ceil(count / word.length)).slice(0, count));
}

/** The chunks of the image at a point: of both forms, and of lengths that need zeros after them. */
export function imageOf({ index }: LogPoint): Uint8Array[] {
  return [
    words(1003, `image ${index};`),
    noise(301, index),
    words(700, `${index},`),
    noise(9, index + 1),
  ];
}

export function appendAll(writer: SnapshotWriter, image: readonly Uint8Array[]): void {
  for (const raw of image.slice(writer.chunks)) {
    const { body, stored } = compressChunk(raw);
    const place = { number: writer.chunks, section: SnapshotSection.machine };
    writer.append({ ...body, ...place }, stored);
  }
}

export function writeSnapshot(
  disk: Disk,
  path: string,
  headerBytes: Uint8Array,
  image: readonly Uint8Array[],
  options: WriterOptions = {},
): SnapshotFooter {
  const writer = SnapshotWriter.create(disk, path, headerBytes, options);
  appendAll(writer, image);
  return writer.finish();
}

export function bytesOf(disk: Disk, path: string): Buffer {
  return Buffer.from(readWholeFile(disk, path, FILE_BYTES_MAX));
}

export function overwrite(disk: Disk, path: string, bytes: Uint8Array): void {
  const file = disk.open(path, 'create');
  file.truncate(0);
  for (let at = 0; at < bytes.length; ) at += file.write(bytes, at, bytes.length - at, at);
  file.sync();
  file.close();
}

/** Reads everything in both forms and compares it. */
export function assertHolds(reader: SnapshotReader, image: readonly Uint8Array[]): void {
  assert.equal(reader.chunkCount, image.length);
  const seen: Buffer[] = [];
  for (const { bytes } of reader.rawChunks()) seen.push(Buffer.from(bytes));
  assert.deepEqual(seen, image.map(Buffer.from));
  reader.verify();
}

export function assertFileHolds(disk: Disk, path: string, image: readonly Uint8Array[]): void {
  const reader = SnapshotReader.open(disk, path);
  assertHolds(reader, image);
  reader.close();
}
