/**
 * Which entries of one group are in memory and where: log index → arena position and size.
 *
 *   compacted … │ firstInMemory … last │          one ring of positions, one of sizes, both sized
 *   (on disk)   │ (in the arena)       │          to a power of two that doubles up to a bound
 *
 * Entries mostly lie back to back, so a range of them is a few contiguous pieces: a new piece
 * begins where the arena wrapped, or where a truncation left dead bytes behind (a *break*). An
 * entry at offset 0 is a break even if its predecessor filled the arena to the last byte. The map
 * never touches arena bytes and never decides what may leave memory.
 */

import { assert, type LogIndex, logIndex } from '../raft/types.js';

/** Back-to-back entries `first..last`: `bytes` bytes of the arena from `position`. */
export interface LogPiece {
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly position: number;
  readonly bytes: number;
}

const SLOTS_AT_START = 1024;

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

export class LogIndexMap {
  /** Most entries that can be in memory at once. */
  readonly entriesMax: number;
  readonly #arenaMask: number;
  #positions: Uint32Array;
  #sizes: Uint32Array;
  #mask: number;
  #first: number;
  /** One past the last entry. */
  #next: number;
  /** Indexes > #first, ascending, of entries whose bytes do not follow their predecessor's. */
  readonly #breaks: number[] = [];

  /**
   * For an arena of `arenaBytes` and at most `entriesMax` entries (both powers of two); `next` is
   * the index of the first entry to be appended.
   */
  constructor(arenaBytes: number, entriesMax: number, next: LogIndex = logIndex(1)) {
    assert(isPowerOfTwo(arenaBytes), 'an arena has 2^n bytes');
    assert(isPowerOfTwo(entriesMax), 'a map holds 2^n entries');
    const slots = Math.min(entriesMax, SLOTS_AT_START);
    this.entriesMax = entriesMax;
    this.#arenaMask = arenaBytes - 1;
    this.#positions = new Uint32Array(slots);
    this.#sizes = new Uint32Array(slots);
    this.#mask = slots - 1;
    this.#first = next;
    this.#next = next;
  }

  /** The oldest entry in memory; `last + 1` when there is none. */
  get firstInMemory(): LogIndex {
    return logIndex(this.#first);
  }

  /** The newest entry; also that of the log, since entries only leave memory at the old end. */
  get last(): LogIndex {
    return logIndex(this.#next - 1);
  }

  get count(): number {
    return this.#next - this.#first;
  }

  /** Entries that can still be appended. Look here first: appending without room is a mistake. */
  get room(): number {
    return this.entriesMax - this.count;
  }

  has(index: LogIndex): boolean {
    return index >= this.#first && index < this.#next;
  }

  /** Places the next entry: its arena position and its bytes, header and alignment included. */
  append(position: number, bytes: number): LogIndex {
    assert(this.room > 0, 'the index map has room for the entry');
    assert(bytes > 0, 'an entry has bytes');
    if (this.count > this.#mask) this.#grow();
    const index = this.#next;
    if (index > this.#first && !this.#continues(position)) this.#breaks.push(index);
    this.#positions[index & this.#mask] = position;
    this.#sizes[index & this.#mask] = bytes;
    this.#next = index + 1;
    return logIndex(index);
  }

  /** Drops the entries after `index`. Their arena bytes stay as they are until released. */
  truncateAfter(index: LogIndex): void {
    assert(index < this.#next, 'a truncation is within the log');
    this.#next = index + 1;
    if (this.#next < this.#first) this.#first = this.#next;
    while (this.#breaks.length > 0 && this.#breaks[this.#breaks.length - 1]! >= this.#next) {
      this.#breaks.pop();
    }
  }

  /** Forgets the entries before `index`, which stay on disk only. */
  evictBefore(index: LogIndex): void {
    assert(index <= this.#next, 'an eviction is within the log');
    if (index <= this.#first) return;
    this.#first = index;
    let passed = 0;
    while (passed < this.#breaks.length && this.#breaks[passed]! <= index) passed += 1;
    if (passed > 0) this.#breaks.splice(0, passed);
  }

  /** Forgets everything: the log goes on at `next`, as after a snapshot was installed. */
  resetTo(next: LogIndex): void {
    this.#first = next;
    this.#next = next;
    this.#breaks.length = 0;
  }

  /** Arena position (u32) of an entry in memory. */
  positionOf(index: LogIndex): number {
    assert(this.has(index), 'the entry is in memory');
    return this.#positions[index & this.#mask]!;
  }

  /** Bytes of an entry in memory, header and alignment included. */
  bytesOf(index: LogIndex): number {
    assert(this.has(index), 'the entry is in memory');
    return this.#sizes[index & this.#mask]!;
  }

  /** Arena position (u32) just after an entry in memory. */
  endPositionOf(index: LogIndex): number {
    assert(this.has(index), 'the entry is in memory');
    return this.#endAt(index);
  }

  /**
   * The last index so that the entries `first..it` lie back to back, `it ≤ last`, and they take at
   * most `bytesMax` bytes; `first` itself when it alone is larger.
   */
  pieceLast(first: LogIndex, last: LogIndex, bytesMax = Number.POSITIVE_INFINITY): LogIndex {
    assert(first <= last && this.has(first) && this.has(last), 'the range is in memory');
    const unbroken = Math.min(last, this.#breakAfter(first) - 1);
    if (this.#span(first, unbroken) <= bytesMax) return logIndex(unbroken);
    let fits: number = first;
    let tooFar = unbroken;
    while (tooFar - fits > 1) {
      const middle = fits + Math.floor((tooFar - fits) / 2);
      if (this.#span(first, middle) <= bytesMax) fits = middle;
      else tooFar = middle;
    }
    return logIndex(fits);
  }

  /** The contiguous pieces that cover `first..last`, in order, each at most `bytesMax` bytes. */
  pieces(first: LogIndex, last: LogIndex, bytesMax = Number.POSITIVE_INFINITY): LogPiece[] {
    const pieces: LogPiece[] = [];
    for (let at = first; at <= last; ) {
      const end = this.pieceLast(at, last, bytesMax);
      const bytes = this.#span(at, end);
      pieces.push({ first: at, last: end, position: this.positionOf(at), bytes });
      at = logIndex(end + 1);
    }
    return pieces;
  }

  /** Entry bytes of `first..last`, gaps between pieces not counted. */
  bytesBetween(first: LogIndex, last: LogIndex): number {
    let bytes = 0;
    for (let at = first; at <= last; ) {
      const end = this.pieceLast(at, last);
      bytes += this.#span(at, end);
      at = logIndex(end + 1);
    }
    return bytes;
  }

  /** Whether bytes at `position` follow those of the last entry, in the memory itself. */
  #continues(position: number): boolean {
    return (position & this.#arenaMask) !== 0 && this.#endAt(this.#next - 1) === position;
  }

  #endAt(index: number): number {
    const slot = index & this.#mask;
    return (this.#positions[slot]! + this.#sizes[slot]!) >>> 0;
  }

  /** Bytes from the start of `first` to the end of `last`, both in one piece. */
  #span(first: number, last: number): number {
    return (this.#endAt(last) - this.#positions[first & this.#mask]!) >>> 0;
  }

  /** The first break after `index`, or one past the end. */
  #breakAfter(index: number): number {
    let low = 0;
    let high = this.#breaks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#breaks[middle]! <= index) low = middle + 1;
      else high = middle;
    }
    return this.#breaks[low] ?? this.#next;
  }

  #grow(): void {
    const slots = (this.#mask + 1) * 2;
    assert(slots <= this.entriesMax, 'the index map grows within its bound');
    const positions = new Uint32Array(slots);
    const sizes = new Uint32Array(slots);
    for (let index = this.#first; index < this.#next; index += 1) {
      positions[index & (slots - 1)] = this.#positions[index & this.#mask]!;
      sizes[index & (slots - 1)] = this.#sizes[index & this.#mask]!;
    }
    this.#positions = positions;
    this.#sizes = sizes;
    this.#mask = slots - 1;
  }
}
