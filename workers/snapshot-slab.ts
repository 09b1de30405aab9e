/**
 * The shared slab that chunks of snapshots lie in while they travel between threads: only slot
 * numbers move.
 *
 *   ┌ one word per slot: 0 free, 1 taken ┬ slot 0: raw │ packed ┬ slot 1: raw │ packed ┬ …
 *
 * `raw` holds a chunk of the image, `packed` the same as a file or a peer has it. Whoever takes a
 * slot hands it on with its number or gives it back; a slot has one owner at any time. Nobody waits
 * for one: without a free slot there is simply less in flight. Untouched slots cost no memory.
 */

import { assert } from '../engine/raft/types.js';

/** Answer of `take` when all slots are taken. */
export const NO_SLOT = -1;

const SLOTS = 8;
const FREE = 0;
const TAKEN = 1;
const WORDS_BYTES = 64;
/** Room behind a packed chunk's bytes for what its codec may add. */
const PACKED_SPARE_BYTES = 4096;

export function createSnapshotSlab(chunkBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS_BYTES + SLOTS * (2 * chunkBytes + PACKED_SPARE_BYTES));
}

export class SnapshotSlab {
  /** Bytes of an image per chunk at most. */
  readonly chunkBytes: number;
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Buffer;
  readonly #slotBytes: number;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#slotBytes = (memory.byteLength - WORDS_BYTES) / SLOTS;
    this.chunkBytes = (this.#slotBytes - PACKED_SPARE_BYTES) / 2;
    this.#words = new Int32Array(memory, 0, SLOTS);
    this.#bytes = Buffer.from(memory);
  }

  get packedBytesMax(): number {
    return this.chunkBytes + PACKED_SPARE_BYTES;
  }

  get free(): number {
    let free = 0;
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (Atomics.load(this.#words, slot) === FREE) free += 1;
    }
    return free;
  }

  /** A slot for the caller alone, if more than `leave` are free; else `NO_SLOT`. */
  take(leave = 0): number {
    if (leave > 0 && this.free <= leave) return NO_SLOT;
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (Atomics.compareExchange(this.#words, slot, FREE, TAKEN) === FREE) return slot;
    }
    return NO_SLOT;
  }

  give(slot: number): void {
    const before = Atomics.exchange(this.#words, slot, FREE);
    assert(before === TAKEN, 'a slot is given back once, by its owner');
  }

  /** Where the raw bytes of a slot begin in `memory`. */
  rawAt(slot: number): number {
    return WORDS_BYTES + slot * this.#slotBytes;
  }

  packedAt(slot: number): number {
    return this.rawAt(slot) + this.chunkBytes;
  }

  raw(slot: number, bytes = this.chunkBytes): Buffer {
    const at = this.rawAt(slot);
    return this.#bytes.subarray(at, at + bytes);
  }

  packed(slot: number, bytes = this.packedBytesMax): Buffer {
    const at = this.packedAt(slot);
    return this.#bytes.subarray(at, at + bytes);
  }
}
