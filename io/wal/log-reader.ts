/**
 * Reads old entries of one group back from the segments, for slow peers and for replay at start.
 *
 * It scans blocks forward from a known location and keeps, for each index wanted, the run whose
 * term the caller's log has there: what a later truncation replaced is skipped. It works while
 * the writer appends to the live segment, because a block is either whole or not a block. It must
 * never write.
 */

import { entryBytes, entryPayloadBytes } from '../../codec/entry.js';
import type { Disk } from '../disk/disk.js';
import { BlockKind } from './block-format.js';
import { readRequests, type StoredRun } from './request-record.js';
import { SECTOR_BYTES, type SegmentHeader, segmentOfName, segmentPath } from './segment-format.js';
import { isBlock, SegmentReader } from './segment-reader.js';
import { WalDamage, WalMissing } from './wal-errors.js';
import type { PersistRun } from './wal-types.js';

const READ_AHEAD_BYTES = 256 * 1024;
const OUTPUT_BYTES_MIN = 4096;

export interface LogRead {
  readonly group: number;
  /** A block at or before the one that holds `first`. */
  readonly location: { readonly segment: number; readonly offset: number };
  readonly first: number;
  readonly last: number;
  /** Bound on the entry bytes returned; the first entry is returned whatever its size. */
  readonly bytesMax: number;
  /** The term that the group's log has at this index. */
  readonly termOf: (index: number) => number;
}

/** What is wanted of one group, wherever it lies. */
export type Wanted = Pick<LogRead, 'first' | 'last' | 'bytesMax' | 'termOf'>;

/** What one read has gathered: entries `[first, next)`, contiguous in one growing buffer. */
export class Gathering {
  readonly #read: Wanted;
  #bytes = new Uint8Array(OUTPUT_BYTES_MIN);
  #used = 0;
  readonly #runs: { term: number; first: number; count: number; start: number }[] = [];
  next: number;
  full = false;

  constructor(read: Wanted) {
    this.#read = read;
    this.next = read.first;
  }

  get done(): boolean {
    return this.full || this.next > this.#read.last;
  }

  /** Takes from a stored run what is wanted next, if it is there and still part of the log. */
  take(run: StoredRun, bytes: Uint8Array, view: DataView): void {
    const end = run.first + run.count;
    if (this.done || run.first > this.next || end <= this.next) return;
    let at = run.start;
    for (let index = run.first; index < this.next; index += 1) {
      at += entryBytes(entryPayloadBytes(view, at));
    }
    const start = at;
    const first = this.next;
    while (this.next < end && this.#wants(run.term)) {
      const length = entryBytes(entryPayloadBytes(view, at));
      const total = this.#used + (at - start) + length;
      if (total > this.#read.bytesMax && total > length) {
        this.full = true;
        break;
      }
      at += length;
      this.next += 1;
    }
    if (this.next > first) this.#copy(run.term, first, bytes.subarray(start, at));
  }

  #wants(term: number): boolean {
    return this.next <= this.#read.last && this.#read.termOf(this.next) === term;
  }

  #copy(term: number, first: number, piece: Uint8Array): void {
    const needed = this.#used + piece.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = grown;
    }
    const run = this.#runs.at(-1);
    const count = this.next - first;
    if (run !== undefined && run.term === term) run.count += count;
    else this.#runs.push({ term, first, count, start: this.#used });
    this.#bytes.set(piece, this.#used);
    this.#used = needed;
  }

  runs(): PersistRun[] {
    return this.#runs.map(({ term, first, count, start }, n) => {
      const end = this.#runs[n + 1]?.start ?? this.#used;
      return { term, first, count, bytes: this.#bytes.subarray(start, end) };
    });
  }
}

/** A reader that keeps its last segment open between reads. */
export class LogReader {
  readonly #disk: Disk;
  readonly #directory: string;
  #reader: SegmentReader | null = null;
  #logId = 0;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /**
   * Entries `[first..]` in runs of one term each, as copies. Empty when the log ends before
   * `first`, or the segment has been freed. Throws `WalDamage` when the place that should hold
   * `first` is damaged, `WalUnreadable` when the disk cannot read it.
   */
  read(read: LogRead): PersistRun[] {
    const gathering = new Gathering(read);
    let { segment, offset } = read.location;
    let damage: WalDamage | null = null;
    this.#renew();
    while (!gathering.done && this.#open(segment)) {
      const reader = this.#reader!;
      const end = this.#scan(reader, offset, read.group, gathering);
      if (end.damage !== null) damage ??= new WalDamage(reader.path, end.offset, end.damage);
      segment += 1;
      offset = SECTOR_BYTES;
    }
    if (gathering.next === read.first && damage !== null) this.#confirm(damage);
    return gathering.runs();
  }

  /** What was read before may be old: blocks were appended, or the segment was freed. */
  #renew(): void {
    if (this.#reader !== null && this.#disk.exists(this.#reader.path)) this.#reader.forget();
    else this.close();
  }

  /** Throws the damage unless the blocks simply end there, before what a former life left. */
  #confirm(damage: WalDamage): void {
    const { path, offset } = damage;
    if (!this.#disk.exists(path)) return;
    const segment = segmentOfName(path.slice(path.lastIndexOf('/') + 1))!;
    const reader = new SegmentReader(this.#disk, path, segment, READ_AHEAD_BYTES);
    try {
      if (reader.header()?.segment !== segment) return;
      const end = reader.scanFrames(offset, reader.place(this.#logId), () => {});
      if (end > offset) throw damage;
    } finally {
      reader.release();
    }
  }

  /** Reads blocks of one segment until enough is gathered or there is no further block. */
  #scan(
    reader: SegmentReader,
    from: number,
    group: number,
    gathering: Gathering,
  ): { offset: number; damage: string | null } {
    const place = reader.place(this.#logId);
    let offset = from;
    while (!gathering.done) {
      const block = reader.block(offset, place);
      if (!isBlock(block)) return { offset, damage: block.zero ? null : block.what };
      const { frame, body } = block;
      if (frame.kind === BlockKind.batch) {
        const { bytes, view } = reader;
        const requests = readRequests(bytes, view, body, frame.bodyBytes, frame.requests);
        for (const request of requests ?? []) {
          if (request.group !== group) continue;
          for (const run of request.runs) gathering.take(run, bytes, view);
        }
      }
      offset += frame.blockBytes;
    }
    return { offset, damage: null };
  }

  #open(segment: number): boolean {
    if (this.#reader?.segment === segment) return true;
    const path = segmentPath(this.#directory, segment);
    if (!this.#disk.exists(path)) return false;
    this.close();
    const reader = new SegmentReader(this.#disk, path, segment, READ_AHEAD_BYTES);
    const header = headerOf(reader);
    if (header === null || header.segment !== segment) {
      // Renamed into place but not begun yet: the log ends before it.
      reader.release();
      return false;
    }
    this.#logId = header.logId;
    this.#reader = reader;
    return true;
  }

  close(): void {
    this.#reader?.release();
    this.#reader = null;
  }
}

/** The header, or what the disk failed with: a read that is tried again and again keeps no file. */
function headerOf(reader: SegmentReader): SegmentHeader | null {
  try {
    return reader.header();
  } catch (error) {
    reader.release();
    throw error;
  }
}

/** One read with a reader of its own. Throws `WalMissing` when the location's segment is absent. */
export function readLog(read: LogRead & { readonly disk: Disk; readonly directory: string }): {
  runs: PersistRun[];
} {
  const path = segmentPath(read.directory, read.location.segment);
  if (!read.disk.exists(path)) {
    throw new WalMissing(path, `entries from index ${read.first} of group ${read.group} lie in it`);
  }
  const reader = new LogReader(read.disk, read.directory);
  try {
    return { runs: reader.read(read) };
  } finally {
    reader.close();
  }
}
