/**
 * One key with its value, in a slot of the store's pages:
 *
 *   byte  0             4         8          10         12
 *         ┌─────────────┬─────────┬──────────┬──────────┬───────────┬─────────────┐
 *         │ valueLength │ epoch   │ keyBytes │ reserved │ key bytes │ value bytes │
 *         │ u32         │ u32     │ u16      │ u16 = 0  │           │             │
 *         └─────────────┴─────────┴──────────┴──────────┴───────────┴─────────────┘
 *
 * `epoch` counts the snapshots begun before the record was last written: it tells a running
 * snapshot which records belong to its image. A slot without a record has the largest. No other
 * file holds an offset into a record.
 */

import { copyBytes, equalBytes } from './bytes.js';
import { GRANULE_MASK, GRANULE_SHIFT, PAGE_SHIFT, Pages } from './pages.js';
import { slotBytes } from './size-classes.js';

const WORD_VALUE_LENGTH = 0;
const WORD_EPOCH = WORD_VALUE_LENGTH + 1;
const WORD_KEY_LENGTH = WORD_EPOCH + 1;
const HEADER_BYTES = (WORD_KEY_LENGTH + 1) * 4;
const WORDS_PER_GRANULE_SHIFT = GRANULE_SHIFT - 2;

/** Of a slot whose record was released: newer than any image. */
const EPOCH_FREE = 0xffff_ffff;

/** The longest key: commands carry its length in 16 bits. */
export const KEY_BYTES_MAX = 0xffff;

export class Records {
  readonly pages = new Pages();

  /** A new record with this key and room for the value, which the caller copies in. */
  create(
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    valueLength: number,
    epoch: number,
  ): number {
    const keyLength = keyEnd - keyStart;
    const handle = this.pages.allocate(HEADER_BYTES + keyLength + valueLength);
    const words = this.pages.words[handle >>> PAGE_SHIFT]!;
    const at = (handle & GRANULE_MASK) << WORDS_PER_GRANULE_SHIFT;
    words[at + WORD_VALUE_LENGTH] = valueLength;
    words[at + WORD_EPOCH] = epoch;
    words[at + WORD_KEY_LENGTH] = keyLength;
    copyBytes(key, keyStart, keyEnd, this.bytes(handle), this.keyStart(handle));
    return handle;
  }

  release(handle: number): void {
    this.#free(handle, this.#size(handle, this.valueLength(handle)));
  }

  #free(handle: number, bytes: number): void {
    this.#words(handle)[this.#at(handle) + WORD_EPOCH] = EPOCH_FREE;
    this.pages.release(handle, bytes);
  }

  /**
   * Gives the record another value length; the first `keep` bytes of the value stay. The record may
   * move: the returned handle replaces the old one, which is then void.
   */
  resize(handle: number, valueLength: number, keep: number, epoch: number): number {
    const before = this.#size(handle, this.valueLength(handle));
    const after = this.#size(handle, valueLength);
    if (slotBytes(before) === slotBytes(after)) {
      const words = this.#words(handle);
      const at = (handle & GRANULE_MASK) << WORDS_PER_GRANULE_SHIFT;
      words[at + WORD_VALUE_LENGTH] = valueLength;
      words[at + WORD_EPOCH] = epoch;
      return handle;
    }
    const from = this.bytes(handle);
    const moved = this.create(
      from,
      this.keyStart(handle),
      this.valueStart(handle),
      valueLength,
      epoch,
    );
    const start = this.valueStart(handle);
    copyBytes(from, start, start + keep, this.bytes(moved), this.valueStart(moved));
    this.#free(handle, before);
    return moved;
  }

  /** The page that holds the record; the offsets below point into it. */
  bytes(handle: number): Buffer {
    return this.pages.bytes[handle >>> PAGE_SHIFT]!;
  }

  keyStart(handle: number): number {
    return ((handle & GRANULE_MASK) << GRANULE_SHIFT) + HEADER_BYTES;
  }

  keyLength(handle: number): number {
    return this.#words(handle)[this.#at(handle) + WORD_KEY_LENGTH]!;
  }

  /** Where the value starts, which is where the key ends. */
  valueStart(handle: number): number {
    return this.keyStart(handle) + this.keyLength(handle);
  }

  valueLength(handle: number): number {
    return this.#words(handle)[this.#at(handle) + WORD_VALUE_LENGTH]!;
  }

  valueEnd(handle: number): number {
    return this.valueStart(handle) + this.valueLength(handle);
  }

  epoch(handle: number): number {
    return this.#words(handle)[this.#at(handle) + WORD_EPOCH]!;
  }

  hasKey(handle: number, key: Buffer, start: number, length: number): boolean {
    if (this.keyLength(handle) !== length) return false;
    return equalBytes(this.bytes(handle), this.keyStart(handle), key, start, length);
  }

  #words(handle: number): Uint32Array {
    return this.pages.words[handle >>> PAGE_SHIFT]!;
  }

  #at(handle: number): number {
    return (handle & GRANULE_MASK) << WORDS_PER_GRANULE_SHIFT;
  }

  #size(handle: number, valueLength: number): number {
    return HEADER_BYTES + this.keyLength(handle) + valueLength;
  }
}
