/**
 * Writes one snapshot file: aside under `NAME.tmp`, chunk by chunk, and under its own name only
 * when it is whole and durable.
 *
 * Every call is one short step, so that its caller can do other work between two of them, and syncs
 * every few MiB, so that the last one is short too. After a failure the temporary file is removed;
 * what was under the name before must never be touched until the new file is durable.
 */

import { dirname } from 'node:path';
import { crc32c } from '../../codec/checksum.js';
import { ChunkFlag } from '../../codec/lz4-chunk.js';
import type { Disk, DiskFile } from '../disk/disk.js';
import {
  CHUNK_HEADER_BYTES,
  type ChunkHeader,
  FOOTER_BYTES,
  runningCrcAfter,
  type SnapshotFooter,
  writeChunkHeader,
  writeFooter,
} from './chunk-format.js';
import { writeFully } from './exact-transfer.js';
import { SnapshotChunkRefused, SnapshotDamage } from './snapshot-errors.js';
import { aligned, decodeSnapshotHeader, type StoredHeader } from './snapshot-format.js';
import { UNFINISHED_SUFFIX } from './snapshot-names.js';

/** Bytes after which what was written is synced. */
export const SYNC_BYTES_DEFAULT = 4 * 1024 * 1024;

export interface WriterOptions {
  /** Sync after this many bytes; 4 MiB by default. */
  readonly syncBytes?: number;
}

/** How far the file has come: what its footer will say, but for the length. */
interface Written {
  readonly chunks: number;
  readonly runningCrc: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Where the last stored byte ends; the zeros after it belong to the next write. */
  readonly end: number;
}

type State = 'open' | 'finished' | 'failed' | 'abandoned';

export class SnapshotWriter {
  /** What the file will be called. */
  readonly path: string;
  readonly header: StoredHeader;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #syncBytes: number;
  /** The zeros after one chunk and the header of the next, written as one. */
  readonly #lead = new Uint8Array(aligned(1) + CHUNK_HEADER_BYTES);
  /** What the file is called until it is whole. */
  readonly #aside: string;
  #written: Written;
  /** Bytes that no sync has made durable yet. */
  #unsynced: number;
  #state: State = 'open';

  constructor(
    disk: Disk,
    path: string,
    file: DiskFile,
    header: StoredHeader,
    options: WriterOptions,
  ) {
    this.path = path;
    this.header = header;
    this.#disk = disk;
    this.#file = file;
    this.#aside = file.path;
    this.#syncBytes = options.syncBytes ?? SYNC_BYTES_DEFAULT;
    const end = header.bytes.byteLength;
    this.#written = { chunks: 0, runningCrc: header.seed, rawBytes: 0, storedBytes: 0, end };
    this.#unsynced = end;
  }

  /**
   * Begins the file that will be called `path`. `headerBytes` come from `encodeSnapshotHeader`, or
   * from the node that sends the snapshot. Throws SnapshotDamage or SnapshotVersionError for bytes
   * that are no header, DiskError when the disk fails.
   */
  static create(
    disk: Disk,
    path: string,
    headerBytes: Uint8Array,
    options: WriterOptions = {},
    aside = path + UNFINISHED_SUFFIX,
  ): SnapshotWriter {
    const header = decodeSnapshotHeader(headerBytes, path);
    // Never the file of an earlier attempt: one whose sync failed is not durable by a later sync.
    if (disk.exists(aside)) disk.remove(aside);
    const file = disk.open(aside, 'create');
    const writer = new SnapshotWriter(disk, path, file, header, options);
    writer.#attempt(() => writeFully(file, header.bytes, 0));
    return writer;
  }

  /** Chunks that were taken so far: the number that the next one must have. */
  get chunks(): number {
    return this.#written.chunks;
  }

  get rawBytes(): number {
    return this.#written.rawBytes;
  }

  get storedBytes(): number {
    return this.#written.storedBytes;
  }

  /**
   * Takes the next chunk. Throws SnapshotChunkRefused, with nothing written, when it is not the
   * next one or its bytes are not those of its header; DiskError when the disk fails, and then the
   * file is gone.
   */
  append(chunk: ChunkHeader, stored: Uint8Array): void {
    this.#assertOpen();
    this.#checkChunk(chunk, stored);
    const { end, runningCrc } = this.#written;
    const headerAt = aligned(end) - end;
    this.#lead.fill(0, 0, headerAt);
    writeChunkHeader(this.#lead, headerAt, chunk, this.header.seed);
    const lead = this.#lead.subarray(0, headerAt + CHUNK_HEADER_BYTES);
    this.#attempt(() => {
      writeFully(this.#file, lead, end);
      writeFully(this.#file, stored, end + lead.byteLength);
      this.#written = {
        chunks: chunk.number + 1,
        runningCrc: runningCrcAfter(runningCrc, lead, headerAt),
        rawBytes: this.#written.rawBytes + chunk.rawBytes,
        storedBytes: this.#written.storedBytes + chunk.storedBytes,
        end: end + lead.byteLength + chunk.storedBytes,
      };
      this.#unsynced += lead.byteLength + chunk.storedBytes;
      if (this.#unsynced >= this.#syncBytes) this.#sync();
    });
  }

  /**
   * Ends the file and gives it its name, durably. `expected` is the footer of the snapshot that
   * this is a copy of: throws SnapshotDamage, and removes the copy, when it is another one. A
   * DiskError of the last step, the sync of the directory, leaves the whole file under its name,
   * which may then be lost with the power.
   */
  finish(expected?: SnapshotFooter): SnapshotFooter {
    this.#assertOpen();
    const { end, chunks, runningCrc, rawBytes, storedBytes } = this.#written;
    const fileBytes = aligned(end) + FOOTER_BYTES;
    const footer = { chunks, runningCrc, rawBytes, storedBytes, fileBytes };
    const tail = new Uint8Array(fileBytes - end);
    writeFooter(tail, tail.byteLength - FOOTER_BYTES, footer, this.header.seed);
    this.#attempt(() => {
      if (expected !== undefined && !isSameFooter(footer, expected)) {
        const what = `${describe(footer)} were received, ${describe(expected)} were sent`;
        throw new SnapshotDamage(this.#aside, end, what);
      }
      writeFully(this.#file, tail, end);
      this.#sync();
      this.#file.close();
      this.#disk.rename(this.#aside, this.path);
      this.#disk.syncDirectory(dirname(this.path));
    });
    this.#state = 'finished';
    return footer;
  }

  /** Removes what was written so far; does nothing after `finish` or a failure. */
  abandon(): void {
    if (this.#state === 'open') this.#discard('abandoned');
  }

  #checkChunk(chunk: ChunkHeader, stored: Uint8Array): void {
    const { number, rawBytes, storedBytes, storedCrc, flags } = chunk;
    const refuse = (what: string): SnapshotChunkRefused =>
      new SnapshotChunkRefused(this.#aside, what);
    if (number !== this.#written.chunks) {
      throw refuse(`its number is ${number}, the next is ${this.#written.chunks}`);
    }
    if (!(rawBytes >= 1 && rawBytes <= this.header.chunkBytesMax)) {
      throw refuse(`it has ${rawBytes} raw bytes, at most ${this.header.chunkBytesMax} may be`);
    }
    if (stored.byteLength !== storedBytes || storedBytes < 1 || storedBytes > rawBytes) {
      const said = `its header says ${storedBytes} for ${rawBytes} raw ones`;
      throw refuse(`it has ${stored.byteLength} stored bytes, ${said}`);
    }
    if (flags === ChunkFlag.stored && storedBytes !== rawBytes) {
      throw refuse(`it is not compressed but has ${storedBytes} bytes for ${rawBytes}`);
    }
    if (crc32c(stored) !== storedCrc) throw refuse('its bytes fail their checksum');
  }

  #sync(): void {
    this.#file.sync();
    this.#unsynced = 0;
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#discard('failed');
      throw error;
    }
  }

  /** Best effort: what cannot be removed now is a leftover, removed at the next start. */
  #discard(state: State): void {
    this.#state = state;
    try {
      this.#file.close();
    } catch {
      // A handle that does not close keeps no name: the removal matters.
    }
    try {
      this.#disk.remove(this.#aside);
    } catch {
      // Either it was renamed already, or the disk is what failed in the first place.
    }
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    throw new Error(`the writer of ${this.path} is ${this.#state}: begin a new one`);
  }
}

function isSameFooter(one: SnapshotFooter, other: SnapshotFooter): boolean {
  return (
    one.chunks === other.chunks &&
    one.runningCrc === other.runningCrc &&
    one.rawBytes === other.rawBytes &&
    one.storedBytes === other.storedBytes &&
    one.fileBytes === other.fileBytes
  );
}

function describe({ chunks, storedBytes, runningCrc }: SnapshotFooter): string {
  const running = runningCrc.toString(16).padStart(8, '0');
  return `${chunks} chunks of ${storedBytes} bytes with running checksum ${running}`;
}
