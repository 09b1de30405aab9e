/**
 * A snapshot in progress: an iterator of chunks that shows the store as it was when it was made,
 * although writes go on between two chunks.
 *
 * It walks the keys by rank (key-index.ts) from 0 upwards. A record ahead of the walk that is
 * about to change is copied into the stream first (`beforeChange`); a record written since the
 * snapshot began carries its epoch and is skipped. Nothing is copied for records that stay as they
 * are. The store must call `beforeChange` before every overwrite and removal while this is its
 * tap.
 */

import { copyBytes } from './bytes.js';
import { writeU32 } from './commands.js';
import { IMAGE_LENGTH_BYTES, imageHeader } from './image-format.js';
import { RANK_END, rankOf } from './key-index.js';
import type { ImageTap, Store } from './store.js';

/** Index slots taken between two looks at whether a chunk is full. */
const SLOTS_PER_WALK = 64;

export class Image implements IterableIterator<Uint8Array>, ImageTap {
  readonly #store: Store;
  readonly #chunkBytes: number;
  readonly #epoch: number;
  /** Everything of a smaller rank has been walked. */
  #position = 0;
  #state: 'walking' | 'finished' | 'superseded' = 'walking';
  #chunk: Buffer;
  #chunkUsed = 0;
  readonly #full: Buffer[] = [];
  readonly #length = Buffer.alloc(IMAGE_LENGTH_BYTES);
  readonly #emitOld = (handle: number): void => {
    if (this.#store.records.epoch(handle) < this.#epoch) this.#emit(handle);
  };

  /** Begins a snapshot of the store; one that was still running is superseded. */
  constructor(store: Store, chunkBytes: number) {
    this.#store = store;
    this.#chunkBytes = chunkBytes;
    this.#chunk = Buffer.allocUnsafeSlow(chunkBytes);
    store.epoch += 1;
    this.#epoch = store.epoch;
    if (store.tap instanceof Image) store.tap.#state = 'superseded';
    store.tap = this;
    const header = imageHeader(store.keys);
    this.#put(header, 0, header.length);
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Uint8Array> {
    if (this.#state === 'superseded') throw new Error('a newer snapshot of this machine began');
    while (this.#full.length === 0 && this.#state === 'walking') this.#walk();
    const chunk = this.#full.shift();
    if (chunk !== undefined) return { done: false, value: chunk };
    return { done: true, value: undefined };
  }

  /** Gives up the snapshot; called by `for … of` when it is left early. */
  return(): IteratorResult<Uint8Array> {
    this.#finish();
    this.#full.length = 0;
    return { done: true, value: undefined };
  }

  beforeChange(handle: number, hash: number): void {
    if (this.#store.records.epoch(handle) >= this.#epoch) return;
    if (rankOf(hash) >= this.#position) this.#emit(handle);
  }

  /** Takes the next few slots of the index. Writes come between walks only, never within one. */
  #walk(): void {
    const { index } = this.#store;
    const slotRanks = index.rangeEnd(this.#position) - this.#position;
    const to = Math.min(RANK_END, this.#position + slotRanks * SLOTS_PER_WALK);
    index.visit(this.#position, to, this.#emitOld);
    this.#position = to;
    if (to < RANK_END) return;
    this.#finish();
    if (this.#chunkUsed > 0) this.#full.push(this.#chunk.subarray(0, this.#chunkUsed));
    this.#chunkUsed = 0;
  }

  #finish(): void {
    if (this.#state === 'walking') this.#state = 'finished';
    if (this.#store.tap === this) this.#store.tap = null;
  }

  #emit(handle: number): void {
    const { records } = this.#store;
    const bytes = records.bytes(handle);
    const keyStart = records.keyStart(handle);
    const valueStart = records.valueStart(handle);
    const valueEnd = records.valueEnd(handle);
    const size = 2 * IMAGE_LENGTH_BYTES + valueEnd - keyStart;
    if (this.#chunkUsed + size >= this.#chunkBytes) {
      this.#emitCut(bytes, keyStart, valueStart, valueEnd);
      return;
    }
    const chunk = this.#chunk;
    const keyAt = this.#chunkUsed + IMAGE_LENGTH_BYTES;
    const valueAt = keyAt + valueStart - keyStart + IMAGE_LENGTH_BYTES;
    writeU32(chunk, this.#chunkUsed, valueStart - keyStart);
    copyBytes(bytes, keyStart, valueStart, chunk, keyAt);
    writeU32(chunk, valueAt - IMAGE_LENGTH_BYTES, valueEnd - valueStart);
    copyBytes(bytes, valueStart, valueEnd, chunk, valueAt);
    this.#chunkUsed += size;
  }

  /** A record that fills its chunk or goes on in the next. */
  #emitCut(bytes: Buffer, keyStart: number, valueStart: number, valueEnd: number): void {
    this.#putLength(valueStart - keyStart);
    this.#put(bytes, keyStart, valueStart);
    this.#putLength(valueEnd - valueStart);
    this.#put(bytes, valueStart, valueEnd);
  }

  #putLength(length: number): void {
    writeU32(this.#length, 0, length);
    this.#put(this.#length, 0, IMAGE_LENGTH_BYTES);
  }

  #put(source: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const taken = Math.min(end - from, this.#chunkBytes - this.#chunkUsed);
      copyBytes(source, from, from + taken, this.#chunk, this.#chunkUsed);
      this.#chunkUsed += taken;
      from += taken;
      if (this.#chunkUsed < this.#chunkBytes) continue;
      this.#full.push(this.#chunk);
      this.#chunk = Buffer.allocUnsafeSlow(this.#chunkBytes);
      this.#chunkUsed = 0;
    }
  }
}
