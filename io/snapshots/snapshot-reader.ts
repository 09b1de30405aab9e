/**
 * Reads one snapshot file: header and footer at once, chunks by their number, as they are stored
 * (to be sent) or decompressed (to be restored).
 *
 * It never delivers a byte that it has not verified (what a target holds after a throw counts for
 * nothing), and takes memory for one chunk whatever the file says. Where chunks lie is found by
 * walking their headers, lazily; when the last one is reached all of them must agree with the
 * footer. It must never write.
 */

import {
  type ChunkBody,
  ChunkDamage,
  ChunkFlag,
  checkStored,
  decompressInto,
} from '../../codec/lz4-chunk.js';
import { isKnownSection, SnapshotSection } from '../../codec/snapshot-section.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import {
  CHUNK_HEADER_BYTES,
  type ChunkHeader,
  FOOTER_BYTES,
  type FoundChunk,
  readChunkHeader,
  readFooter,
  runningCrcAfter,
  type SnapshotFooter,
} from './chunk-format.js';
import { readFully } from './exact-transfer.js';
import { SnapshotDamage, SnapshotVersionError } from './snapshot-errors.js';
import {
  aligned,
  decodeSnapshotHeader,
  HEADER_BYTES,
  SnapshotFeature,
  type StoredHeader,
  snapshotHeaderBytes,
} from './snapshot-format.js';

/** A chunk and where its stored bytes begin in the file. */
export interface PlacedChunk extends ChunkHeader {
  readonly offset: number;
}

export class SnapshotReader {
  readonly path: string;
  readonly header: StoredHeader;
  readonly footer: SnapshotFooter;
  readonly #file: DiskFile;
  /** The chunks whose headers were walked so far. */
  readonly #walked: PlacedChunk[] = [];
  readonly #lead = new Uint8Array(aligned(1) + CHUNK_HEADER_BYTES);
  #runningCrc: number;
  #rawBytes = 0;
  #storedBytes = 0;
  #stored = new Uint8Array(0);

  constructor(path: string, file: DiskFile, header: StoredHeader, footer: SnapshotFooter) {
    this.path = path;
    this.#file = file;
    this.header = header;
    this.footer = footer;
    this.#runningCrc = header.seed;
  }

  /**
   * Throws SnapshotDamage when header or footer are not whole or not of one file,
   * SnapshotVersionError for what another version wrote, DiskError when it cannot be read.
   */
  static open(disk: Disk, path: string): SnapshotReader {
    const file = disk.open(path, 'read');
    try {
      const header = readHeaderOf(file, path);
      const footer = readFooterOf(file, path, header);
      return new SnapshotReader(path, file, header, footer);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get chunkCount(): number {
    return this.footer.chunks;
  }

  /** The header of chunk `number`, and where its bytes begin; RangeError when there is none. */
  chunk(number: number): PlacedChunk {
    if (!(Number.isSafeInteger(number) && number >= 0 && number < this.footer.chunks)) {
      throw new RangeError(`no chunk ${number} in ${this.path}, it has ${this.footer.chunks}`);
    }
    while (this.#walked.length <= number) this.#walk();
    return this.#walked[number] as PlacedChunk;
  }

  /** Reads the stored bytes of a chunk to `target` at `at`, verified, and returns its header. */
  readStored(number: number, target: Uint8Array, at = 0): PlacedChunk {
    const chunk = this.chunk(number);
    this.#readStored(chunk, target, at);
    return chunk;
  }

  /** Reads the raw bytes of a chunk to `target` at `at`, verified, and returns its header. */
  readRaw(number: number, target: Uint8Array, at = 0): PlacedChunk {
    const chunk = this.chunk(number);
    if (chunk.flags === ChunkFlag.stored) {
      this.#readStored(chunk, target, at);
      return chunk;
    }
    if (this.#stored.byteLength < chunk.storedBytes) {
      this.#stored = new Uint8Array(chunk.storedBytes);
    }
    this.#readStored(chunk, this.#stored, 0);
    const stored = this.#stored.subarray(0, chunk.storedBytes);
    this.#named(chunk, () => {
      decompressInto(chunk, stored, this.header.chunkBytesMax, target, at);
    });
    return chunk;
  }

  /**
   * All chunks in order, each decompressed to a buffer that is reused for the next: the bytes are
   * valid until the iterator is advanced.
   */
  *rawChunks(): Generator<{ readonly chunk: PlacedChunk; readonly bytes: Uint8Array }> {
    if (this.footer.chunks === 0) this.#checkEnd();
    let buffer = new Uint8Array(0);
    for (let number = 0; number < this.footer.chunks; number += 1) {
      const { rawBytes } = this.chunk(number);
      if (buffer.byteLength < rawBytes) buffer = new Uint8Array(rawBytes);
      const chunk = this.readRaw(number, buffer);
      yield { chunk, bytes: buffer.subarray(0, rawBytes) };
    }
  }

  /** Reads and decompresses everything; throws as the reads do. */
  verify(): void {
    let rawBytes = 0;
    for (const { bytes } of this.rawChunks()) rawBytes += bytes.byteLength;
    if (rawBytes === this.footer.rawBytes) return;
    const what = `${rawBytes} raw bytes were read, the footer says ${this.footer.rawBytes}`;
    throw this.#damage(this.footer.fileBytes - FOOTER_BYTES, what);
  }

  close(): void {
    this.#file.close();
  }

  /** Reads the next chunk header, with the zeros before it. */
  #walk(): void {
    const end = this.#walkedEnd();
    const headerAt = aligned(end) - end;
    const leadBytes = headerAt + CHUNK_HEADER_BYTES;
    const offset = end + headerAt;
    const footerAt = this.footer.fileBytes - FOOTER_BYTES;
    const number = this.#walked.length;
    if (end + leadBytes > footerAt) {
      throw this.#damage(offset, `chunk ${number} of ${this.footer.chunks} has no room`);
    }
    this.#fill(this.#lead, 0, leadBytes, end);
    this.#checkZeros(headerAt, end);
    const found = readChunkHeader(this.#lead, headerAt, this.header.seed);
    if (found === null) throw this.#damage(offset, `the header of chunk ${number} is unreadable`);
    const chunk = this.#judged(found, offset);
    if (end + leadBytes + aligned(chunk.storedBytes) > footerAt) {
      throw this.#damage(offset, `chunk ${number} reaches past the footer`);
    }
    this.#runningCrc = runningCrcAfter(this.#runningCrc, this.#lead, headerAt);
    this.#rawBytes += chunk.rawBytes;
    this.#storedBytes += chunk.storedBytes;
    this.#walked.push({ ...chunk, offset: end + leadBytes });
    if (this.#walked.length < this.footer.chunks) return;
    try {
      this.#checkEnd();
    } catch (error) {
      this.#walked.pop();
      throw error;
    }
  }

  /** The chunk, when this build knows what it says and the numbers are possible. */
  #judged(found: FoundChunk, offset: number): ChunkHeader {
    const { number, section, flags, rawBytes, storedBytes } = found;
    const expected = this.#walked.length;
    if (number !== expected) {
      throw this.#damage(offset, `chunk ${number} stands in the place of chunk ${expected}`);
    }
    if (!isKnownSection(section)) {
      const known = 'this program knows machine (1) and sessions (2)';
      throw new SnapshotVersionError(this.path, `chunk ${number} of section ${section}, ${known}`);
    }
    if (!isFlags(flags)) {
      const known = 'this program knows stored (0) and lz4 (1)';
      throw new SnapshotVersionError(this.path, `chunk ${number} with flags ${flags}, ${known}`);
    }
    this.#checkPlace(number, section, offset);
    const { chunkBytesMax } = this.header;
    const arePossible =
      rawBytes >= 1 && rawBytes <= chunkBytesMax && storedBytes >= 1 && storedBytes <= rawBytes;
    if (arePossible) return { ...found, section, flags };
    const numbers = `${rawBytes} raw bytes in ${storedBytes}, chunks have at most ${chunkBytesMax}`;
    throw this.#damage(offset, `chunk ${number} announces ${numbers}`);
  }

  /** Sessions come before the machine, and only where the header says that there are some. */
  #checkPlace(number: number, section: SnapshotSection, offset: number): void {
    const hasSessions = (this.header.required & SnapshotFeature.sessions) !== 0;
    const isFirst = number === 0 || this.#walked[number - 1]?.section === SnapshotSection.sessions;
    const isSessions = section === SnapshotSection.sessions;
    if (isSessions ? hasSessions && isFirst : !hasSessions || number > 0) return;
    const what = isSessions ? 'of sessions where none may be' : 'of the machine, without sessions';
    throw this.#damage(offset, `chunk ${number} is ${what}`);
  }

  /** Where the last walked chunk's bytes end, or header and configuration. */
  #walkedEnd(): number {
    const last = this.#walked.at(-1);
    if (last === undefined) return this.header.bytes.byteLength;
    return last.offset + last.storedBytes;
  }

  /** After the last chunk: the zeros before the footer, and all that the footer sums up. */
  #checkEnd(): void {
    const end = this.#walkedEnd();
    const { fileBytes, runningCrc, rawBytes, storedBytes } = this.footer;
    const footerAt = fileBytes - FOOTER_BYTES;
    if (aligned(end) !== footerAt) {
      throw this.#damage(end, `the chunks end here, the footer begins at byte ${footerAt}`);
    }
    this.#fill(this.#lead, 0, footerAt - end, end);
    this.#checkZeros(footerAt - end, end);
    if (this.#runningCrc !== runningCrc) {
      throw this.#damage(footerAt, 'the chunk headers are not those that the footer sums up');
    }
    if (this.#rawBytes !== rawBytes || this.#storedBytes !== storedBytes) {
      const found = `${this.#rawBytes} raw and ${this.#storedBytes} stored`;
      const what = `${found} bytes, the footer says ${rawBytes} and ${storedBytes}`;
      throw this.#damage(footerAt, `the chunks have ${what}`);
    }
  }

  #checkZeros(count: number, position: number): void {
    if (this.#lead.subarray(0, count).every((byte) => byte === 0)) return;
    throw this.#damage(position, 'bytes that are not zero stand between two parts');
  }

  #readStored(chunk: PlacedChunk, target: Uint8Array, at: number): void {
    const { storedBytes, offset } = chunk;
    if (!(at >= 0 && at + storedBytes <= target.byteLength)) {
      const room = `${target.byteLength} bytes from ${at}`;
      throw new RangeError(`chunk ${chunk.number} has ${storedBytes} bytes, the target ${room}`);
    }
    this.#fill(target, at, storedBytes, offset);
    this.#named(chunk, () => {
      checkStored(chunk, target.subarray(at, at + storedBytes), this.header.chunkBytesMax);
    });
  }

  #named(chunk: ChunkBody & { number: number; offset: number }, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ChunkDamage)) throw error;
      throw this.#damage(chunk.offset, `chunk ${chunk.number} ${error.what}`);
    }
  }

  #fill(target: Uint8Array, at: number, length: number, position: number): void {
    const count = readFully(this.#file, target, at, length, position);
    if (count < length) throw this.#damage(position + count, 'the file ends inside its chunks');
  }

  #damage(offset: number, what: string): SnapshotDamage {
    return new SnapshotDamage(this.path, offset, what);
  }
}

/** Header and configuration of an open file, verified; for files without a footer as well. */
export function readHeaderOf(file: DiskFile, path: string): StoredHeader {
  const head = new Uint8Array(HEADER_BYTES);
  const count = readFully(file, head, 0, HEADER_BYTES, 0);
  const bytes = new Uint8Array(snapshotHeaderBytes(head.subarray(0, count), path));
  const length = readFully(file, bytes, 0, bytes.byteLength, 0);
  return decodeSnapshotHeader(bytes.subarray(0, length), path);
}

function readFooterOf(file: DiskFile, path: string, header: StoredHeader): SnapshotFooter {
  const size = file.size();
  const at = size - FOOTER_BYTES;
  if (at < header.bytes.byteLength) {
    throw new SnapshotDamage(
      path,
      size,
      'the file ends without a footer: it was broken off or cut',
    );
  }
  const bytes = new Uint8Array(FOOTER_BYTES);
  const count = readFully(file, bytes, 0, FOOTER_BYTES, at);
  const footer = readFooter(bytes.subarray(0, count), header.seed);
  if (footer === null) {
    throw new SnapshotDamage(path, at, 'no footer stands at the end: it was broken off or cut');
  }
  if (footer.fileBytes !== size) {
    const what = `the file has ${size} bytes, its footer says ${footer.fileBytes}`;
    throw new SnapshotDamage(path, at, what);
  }
  return footer;
}

function isFlags(flags: number): flags is ChunkFlag {
  return flags === ChunkFlag.stored || flags === ChunkFlag.lz4;
}
