/**
 * Goes on with a snapshot file whose writing was broken off: finds the chunks that are whole, one a
 * step, and hands over a writer that continues after them.
 *
 * What the system shows of the file need not be on the medium, and after a failed sync it never
 * gets there: bytes and length count for nothing until they are written to a file of this process.
 * So the chunks are copied. It must never go on with the file of another snapshot.
 */

import { crc32c } from '../../codec/checksum.js';
import { ChunkFlag } from '../../codec/lz4-chunk.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import {
  CHUNK_HEADER_BYTES,
  type ChunkHeader,
  type FoundChunk,
  isKnownSection,
  readChunkHeader,
} from './chunk-format.js';
import { readFully } from './exact-transfer.js';
import { aligned, decodeSnapshotHeader, type StoredHeader } from './snapshot-format.js';
import { COPY_SUFFIX, UNFINISHED_SUFFIX } from './snapshot-names.js';
import { SnapshotWriter, type WriterOptions } from './snapshot-writer.js';

/**
 * The unfinished file of `path`, if it begins with just these header bytes; else null, and
 * `SnapshotWriter.create` starts over. Throws DiskError when the disk fails.
 */
export function resumeSnapshot(
  disk: Disk,
  path: string,
  headerBytes: Uint8Array,
  options: WriterOptions = {},
): SnapshotResume | null {
  const header = decodeSnapshotHeader(headerBytes, path);
  if (!disk.exists(path + UNFINISHED_SUFFIX)) return null;
  const file = disk.open(path + UNFINISHED_SUFFIX, 'read');
  try {
    const found = new Uint8Array(header.bytes.byteLength);
    const count = readFully(file, found, 0, found.byteLength, 0);
    const isSame = header.bytes.every((byte, at) => found[at] === byte);
    if (count === found.byteLength && isSame) {
      const aside = path + COPY_SUFFIX;
      const writer = SnapshotWriter.create(disk, path, headerBytes, options, aside);
      return new SnapshotResume(disk, file, writer);
    }
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  return null;
}

export class SnapshotResume {
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #writer: SnapshotWriter;
  readonly #header: StoredHeader;
  readonly #bytes: Uint8Array;
  /** Where the last whole chunk's bytes end. */
  #end: number;

  constructor(disk: Disk, file: DiskFile, writer: SnapshotWriter) {
    this.#disk = disk;
    this.#file = file;
    this.#writer = writer;
    this.#header = writer.header;
    this.#bytes = new Uint8Array(aligned(1) + CHUNK_HEADER_BYTES + writer.header.chunkBytesMax);
    this.#end = writer.header.bytes.byteLength;
  }

  /** Chunks that were found whole so far. */
  get chunks(): number {
    return this.#writer.chunks;
  }

  /**
   * Looks at one more chunk. Null: it is whole, go on. At the first that is not, a writer is
   * returned that continues in its place. A DiskError removes the file.
   */
  step(): SnapshotWriter | null {
    try {
      if (this.#takeChunk()) return null;
      this.#file.close();
      this.#writer.moveAside(this.#file.path);
    } catch (error) {
      this.#discard();
      throw error;
    }
    return this.#writer;
  }

  /** Gives up and leaves the unfinished file as it is. */
  close(): void {
    this.#file.close();
    this.#writer.abandon();
  }

  /** Whether one more chunk is whole; then it was copied. */
  #takeChunk(): boolean {
    const headerAt = aligned(this.#end) - this.#end;
    const leadBytes = headerAt + CHUNK_HEADER_BYTES;
    const bytes = this.#bytes;
    if (this.#read(0, leadBytes) < leadBytes) return false;
    const chunk = readChunkHeader(bytes, headerAt, this.#header.seed);
    if (chunk === null || !this.#isNext(chunk)) return false;
    const { storedBytes } = chunk;
    if (this.#read(leadBytes, storedBytes) < storedBytes) return false;
    const stored = bytes.subarray(leadBytes, leadBytes + storedBytes);
    if (crc32c(stored) !== chunk.storedCrc) return false;
    this.#writer.append(chunk, stored);
    this.#end += leadBytes + storedBytes;
    return true;
  }

  #read(at: number, length: number): number {
    return readFully(this.#file, this.#bytes, at, length, this.#end + at);
  }

  #isNext(chunk: FoundChunk): chunk is ChunkHeader {
    const { number, section, flags, rawBytes, storedBytes } = chunk;
    if (number !== this.#writer.chunks || !isKnownSection(section)) return false;
    if (storedBytes < 1 || rawBytes > this.#header.chunkBytesMax) return false;
    if (flags === ChunkFlag.stored) return storedBytes === rawBytes;
    return flags === ChunkFlag.lz4 && storedBytes <= rawBytes;
  }

  /** Best effort: what cannot be removed now is a leftover, removed at the next start. */
  #discard(): void {
    this.#writer.abandon();
    this.#file.close();
    try {
      this.#disk.remove(this.#file.path);
    } catch {
      // The disk failed already, and that is what is thrown.
    }
  }
}
