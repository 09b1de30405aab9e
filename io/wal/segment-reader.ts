/**
 * Reads one segment file through a window: header sector, verified blocks, and a scan for frames.
 *
 * It says what is there and what is wrong with it; whether that is torn, corrupt or simply the
 * end is not decided here. It must never write.
 */

import { type Disk, DiskError, type DiskFile } from '../disk/disk.js';
import {
  type BlockFrame,
  bodyMatches,
  checksumSeed,
  FRAME_BYTES,
  type FramePlace,
  readHeaderFrame,
  readTrailerFrame,
  trailerMatches,
} from './block-format.js';
import { readSegmentHeader, SECTOR_BYTES, type SegmentHeader } from './segment-format.js';
import { WalUnreadable } from './wal-errors.js';

/** Window of a scan over whole segments; a reader of single blocks passes less. */
export const SCAN_WINDOW_BYTES = 4 * 1024 * 1024;
const ZERO_SLICE_BYTES = 64 * 1024;
const ZEROS = new Uint8Array(ZERO_SLICE_BYTES);

/** A block whose frames, checksums and bounds hold; its body starts at `body` of the window. */
export interface VerifiedBlock {
  readonly frame: BlockFrame;
  readonly body: number;
}

/** Why there is no block here; `zero` when the place holds nothing at all. */
export interface Unreadable {
  readonly zero: boolean;
  readonly what: string;
}

const OUT_OF_FILE: Unreadable = { zero: true, what: 'the segment ends here' };

export class SegmentReader {
  readonly path: string;
  readonly segment: number;
  readonly size: number;
  readonly #disk: Disk;
  #file: DiskFile | null;
  readonly #windowBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #start = 0;
  #length = 0;

  constructor(disk: Disk, path: string, segment: number, windowBytes: number) {
    this.path = path;
    this.segment = segment;
    this.#disk = disk;
    this.#file = disk.open(path, 'read');
    this.size = this.#file.size();
    this.#windowBytes = windowBytes;
  }

  /** The window; positions in it are what `locate` returned, valid until the next `locate`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get view(): DataView {
    return this.#view;
  }

  /**
   * Brings bytes `[offset, offset + length)` of the file into the window and says where they are.
   * Throws `WalUnreadable` when the disk cannot read one of them.
   */
  locate(offset: number, length: number): number {
    if (offset < 0 || offset + length > this.size) {
      throw new RangeError(
        `bytes ${offset}+${length} are outside ${this.path} (${this.size} bytes)`,
      );
    }
    const inside = offset >= this.#start && offset + length <= this.#start + this.#length;
    if (!inside) this.#load(offset, length);
    return offset - this.#start;
  }

  #load(offset: number, length: number): void {
    const wanted = Math.min(this.size - offset, Math.max(length, this.#windowBytes));
    if (wanted > this.#bytes.length) {
      this.#bytes = new Uint8Array(wanted);
      this.#view = new DataView(this.#bytes.buffer);
    }
    // Until it is filled: a read that fails leaves bytes of two places in it.
    this.#length = 0;
    const isFilled = this.#fill(this.#bytes, offset, wanted);
    if (!isFilled) this.#fillBySectors(this.#bytes, offset, length);
    this.#start = offset;
    this.#length = isFilled ? wanted : length;
  }

  /** False when the disk cannot read some of it, which may lie in what is only read ahead. */
  #fill(target: Uint8Array, offset: number, length: number): boolean {
    try {
      this.#read(target, 0, length, offset);
      return true;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'EIO') return false;
      throw error;
    }
  }

  /** Reads once more, which finds the sector that cannot be read. */
  #fillBySectors(target: Uint8Array, offset: number, length: number): void {
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      try {
        this.#read(target, at, Math.min(SECTOR_BYTES, length - at), offset + at);
      } catch (error) {
        if (!(error instanceof DiskError && error.code === 'EIO')) throw error;
        throw new WalUnreadable(this.path, offset + at, error);
      }
    }
  }

  /** What is missing of a file that shrank meanwhile reads as zeros, and validates nowhere. */
  #read(target: Uint8Array, start: number, length: number, position: number): void {
    this.#file ??= this.#disk.open(this.path, 'read');
    let filled = 0;
    while (filled < length) {
      const count = this.#file.read(target, start + filled, length - filled, position + filled);
      if (count <= 0) break;
      filled += count;
    }
    target.fill(0, start + filled, start + length);
  }

  /** Drops the window: another thread may have appended since it was filled. */
  forget(): void {
    this.#length = 0;
  }

  /** The header sector, read past the window: a log of many segments reads many headers. */
  header(): SegmentHeader | null {
    if (this.size < SECTOR_BYTES) return null;
    const sector = new Uint8Array(SECTOR_BYTES);
    this.#fillBySectors(sector, 0, SECTOR_BYTES);
    return readSegmentHeader(sector);
  }

  place(logId: number | null): FramePlace {
    const seed = logId === null ? 0 : checksumSeed(logId, this.segment);
    return { segment: this.segment, logId, seed };
  }

  /** The block at `offset`, verified by itself: sequence and chain are the caller's to compare. */
  block(offset: number, place: FramePlace): VerifiedBlock | Unreadable {
    if (offset + SECTOR_BYTES > this.size) return OUT_OF_FILE;
    const first = this.locate(offset, SECTOR_BYTES);
    const frame = readHeaderFrame(this.#bytes, this.#view, first, offset, place);
    if (frame === null) {
      const zero = this.#zeroInWindow(first, first + SECTOR_BYTES);
      return { zero, what: zero ? 'zeros where a block was' : 'the block header is unreadable' };
    }
    const name = `block ${frame.sequence}`;
    if (offset + frame.blockBytes > this.size) {
      return { zero: false, what: `${name} reaches past the end of the file` };
    }
    const start = this.locate(offset, frame.blockBytes);
    const seed = place.logId === null ? checksumSeed(frame.logId, this.segment) : place.seed;
    if (!bodyMatches(this.#bytes, start, frame, seed)) {
      return { zero: false, what: `the body of ${name} fails its checksum` };
    }
    if (!trailerMatches(this.#view, start, frame)) {
      return { zero: false, what: `the trailer of ${name} does not match its header` };
    }
    return { frame, body: start + FRAME_BYTES };
  }

  /**
   * Visits every recognisable header and trailer from `from` to the end of the file, whatever lies
   * between them, and returns where the last of their blocks ends (`from` when there is none).
   */
  scanFrames(from: number, place: FramePlace, visit: (frame: BlockFrame) => void): number {
    let end = from;
    const whole = this.size - (this.size % SECTOR_BYTES);
    for (let offset = from; offset < whole; ) {
      const slice = Math.min(ZERO_SLICE_BYTES, whole - offset);
      const at = this.locate(offset, slice);
      if (!this.#zeroInWindow(at, at + slice)) {
        this.#scanSlice(offset, at, slice, place, (frame) => {
          end = Math.max(end, Math.min(frame.offset + frame.blockBytes, this.size));
          visit(frame);
        });
      }
      offset += slice;
    }
    return end;
  }

  #scanSlice(
    offset: number,
    at: number,
    length: number,
    place: FramePlace,
    visit: (frame: BlockFrame) => void,
  ): void {
    for (let sector = 0; sector < length; sector += SECTOR_BYTES) {
      const start = at + sector;
      const header = readHeaderFrame(this.#bytes, this.#view, start, offset + sector, place);
      if (header !== null) visit(header);
      const last = SECTOR_BYTES - FRAME_BYTES;
      const tail = offset + sector + last;
      const trailer = readTrailerFrame(this.#bytes, this.#view, start + last, tail, place);
      if (trailer !== null) visit(trailer);
    }
  }

  #zeroInWindow(from: number, to: number): boolean {
    const { buffer, byteOffset } = this.#bytes;
    const slice = Buffer.from(buffer, byteOffset + from, to - from);
    return slice.equals(to - from === ZERO_SLICE_BYTES ? ZEROS : ZEROS.subarray(0, to - from));
  }

  /** Gives file and window back; the next `locate` takes them again. */
  release(): void {
    this.#file?.close();
    this.#file = null;
    this.#bytes = new Uint8Array(0);
    this.#view = new DataView(this.#bytes.buffer);
    this.#length = 0;
  }
}

export function isBlock(found: VerifiedBlock | Unreadable): found is VerifiedBlock {
  return 'frame' in found;
}
