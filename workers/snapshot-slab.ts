/**
 * The shared slab that chunks of snapshots lie in while they travel between threads: only slot
 * numbers move.
 *
 *   ┌ one word per slot: 0 free, 1 taken ┬ slot 0: raw │ packed ┬ slot 1: raw │ packed ┬ …
 *
 * `raw` holds a chunk of the image, `packed` the same as a file or a peer has it. Whoever takes a
 * slot hands it on with its number or gives it back; a slot has one owner at any time. Nobody waits
 * for one: without a free slot there is simply less in flight. Untouched slots cost no memory.
 *
 * Each use has slots of its own: a transfer to a slow peer keeps its slots for as long as it likes,
 * and a snapshot that is taken meanwhile, or read, or fetched, is none the slower.
 */

import type { SlabJob } from '../codec/lz4-chunk.js';
import { assert } from '../engine/raft/types.js';

/** Answer of `take` when all slots of the use are taken. */
export const NO_SLOT = -1;

/** What slots are for, and how many there are for it. */
const SLOTS_OF = {
  /** The image of the own machine, on its way to a file; of all groups together. */
  taking: 4,
  /** A file, on its way to the own machine. */
  reading: 2,
  /** A file, on its way to peers. */
  serving: 8,
  /** What comes from a peer, on its way to a file. */
  landing: 3,
} as const;

export type SlotUse = keyof typeof SLOTS_OF;
const USES = Object.keys(SLOTS_OF) as SlotUse[];

const SLOTS = USES.reduce((sum, use) => sum + SLOTS_OF[use], 0);
const FREE = 0;
const TAKEN = 1;
const WORDS_BYTES = 128;
/** Room behind a packed chunk's bytes for what its codec may add. */
const PACKED_SPARE_BYTES = 4096;

/** The first slot of a use. */
function firstOf(use: SlotUse): number {
  return USES.slice(0, USES.indexOf(use)).reduce((sum, each) => sum + SLOTS_OF[each], 0);
}

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

  /** Slots of a use that are free now. */
  free(use: SlotUse): number {
    const first = firstOf(use);
    let free = 0;
    for (let slot = first; slot < first + SLOTS_OF[use]; slot += 1) {
      if (!this.isTaken(slot)) free += 1;
    }
    return free;
  }

  isTaken(slot: number): boolean {
    return Atomics.load(this.#words, slot) !== FREE;
  }

  /** A slot for the caller alone, one of those of this use; or `NO_SLOT`. */
  take(use: SlotUse): number {
    const first = firstOf(use);
    for (let slot = first; slot < first + SLOTS_OF[use]; slot += 1) {
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

  /** The codec pool's job for a slot that holds so many raw bytes. */
  job(slot: number, rawBytes: number, compress: boolean): SlabJob {
    const rawAt = this.rawAt(slot);
    if (!compress) return { rawAt, rawBytes, outAt: rawAt, outBytesMax: rawBytes, compress };
    const outAt = this.packedAt(slot);
    return { rawAt, rawBytes, outAt, outBytesMax: this.packedBytesMax, compress };
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
