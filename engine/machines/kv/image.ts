/**
 * A snapshot in progress: an iterator of chunks that shows the store as it was when it was made,
 * although writes go on between two chunks.
 *
 * It walks the records as they lie in memory, by handle (pages.ts): by key each of them would be a
 * miss of the processor's caches, and a snapshot would cost three times as much. A record ahead of
 * the walk that is about to change is copied into the stream first (`beforeChange`); a record
 * written since the snapshot began carries its epoch and is skipped. Nothing is copied for records
 * that stay as they are, and none of them moves. A large record is copied over several pulls, and
 * the rest of it at once before it changes. The store must call `beforeChange` before every
 * overwrite and removal while this is its tap.
 */

import { copyBytes } from './bytes.js';
import { writeU32 } from './commands.js';
import { IMAGE_LENGTH_BYTES, imageHeader } from './image-format.js';
import { GRANULE_SHIFT, PAGE_SHIFT } from './pages.js';
import type { ImageTap, Store } from './store.js';

/**
 * What one `next` may do, in bytes copied, with a slot looked at counted as so many: a walk over
 * records that were all written since, or over pages that deletions have emptied, must not take the
 * thread for longer than a chunk does. It is half a millisecond or so.
 */
const WORK_BYTES_PER_PULL = 192 * 1024;
const SLOT_WORK_BYTES = 64;
/** Of chunks that were pulled and are filled again: as garbage they would stay for long. */
const FREE_BYTES_MAX = 8 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

export class Image implements IterableIterator<Uint8Array>, ImageTap {
  readonly #store: Store;
  readonly #chunkBytes: number;
  readonly #epoch: number;
  /** The walk: the page it is in, the memory that page had then, and the next slot's first byte. */
  #page = 0;
  #memory: Uint32Array;
  #at = 0;
  #state: 'walking' | 'finished' | 'superseded' = 'walking';
  #chunk: Buffer;
  #chunkUsed = 0;
  readonly #full: Buffer[] = [];
  #fullBytes = 0;
  /** The chunk that was pulled last, until the next is asked for. */
  #lent: Buffer | null = null;
  readonly #free: Buffer[] = [];
  #work = 0;
  /** The record that is in the stream up to byte `#cutAt` of its page, 0 for none. */
  #cut = 0;
  #cutAt = 0;
  readonly #length = Buffer.alloc(IMAGE_LENGTH_BYTES);

  /** Begins a snapshot of the store; one that was still running is superseded. */
  constructor(store: Store, chunkBytes: number) {
    this.#store = store;
    this.#chunkBytes = chunkBytes;
    this.#chunk = Buffer.allocUnsafeSlow(chunkBytes);
    store.epoch += 1;
    this.#epoch = store.epoch;
    this.#memory = store.records.pages.words[0] as Uint32Array;
    if (store.tap instanceof Image) store.tap.#supersede();
    store.tap = this;
    const header = imageHeader(store.keys);
    this.#put(header, 0, header.length);
  }

  [Symbol.iterator](): this {
    return this;
  }

  get backlogBytes(): number {
    return this.#fullBytes;
  }

  next(): IteratorResult<Uint8Array> {
    if (this.#state === 'superseded') throw new Error('a newer snapshot of this machine began');
    this.#takeBack();
    this.#work = 0;
    while (this.#full.length === 0 && this.#state === 'walking') {
      if (this.#work >= WORK_BYTES_PER_PULL) return { done: false, value: NO_BYTES };
      this.#goOn();
    }
    const chunk = this.#full.shift();
    if (chunk === undefined) return { done: true, value: undefined };
    this.#fullBytes -= chunk.length;
    this.#lent = chunk;
    return { done: false, value: chunk };
  }

  #takeBack(): void {
    const chunk = this.#lent;
    this.#lent = null;
    const freeBytes = this.#free.length * this.#chunkBytes;
    if (chunk?.length === this.#chunkBytes && freeBytes < FREE_BYTES_MAX) this.#free.push(chunk);
  }

  #goOn(): void {
    if (this.#cut !== 0) this.#goOnWithCut();
    else this.#walk();
  }

  /** Gives up the snapshot; called by `for … of` when it is left early. */
  return(): IteratorResult<Uint8Array> {
    this.#release();
    this.#full.length = 0;
    this.#fullBytes = 0;
    this.#lent = null;
    return { done: true, value: undefined };
  }

  beforeChange(handle: number): void {
    if (this.#store.records.epoch(handle) >= this.#epoch) return;
    if (handle === this.#cut) {
      this.#finishCut();
      return;
    }
    if (handle < this.#position) return;
    this.#finishCut();
    this.#emit(handle);
    this.#finishCut();
  }

  /** Every record with a smaller handle has been walked. */
  get #position(): number {
    return this.#page * 2 ** PAGE_SHIFT + (this.#at >>> GRANULE_SHIFT);
  }

  /** Looks at the next slot. Writes come between calls only, never within one. */
  #walk(): void {
    const { records } = this.#store;
    const { pages } = records;
    this.#work += SLOT_WORK_BYTES;
    const at = this.#at;
    // A page that was given back and taken again meanwhile holds nothing of the image any more.
    const isSame = pages.words[this.#page] === this.#memory;
    if (!isSame || at >= pages.extent(this.#page)) {
      this.#nextPage();
      return;
    }
    this.#at = at + pages.slotBytes(this.#page);
    const handle = (this.#page << PAGE_SHIFT) | (at >>> GRANULE_SHIFT);
    if (records.epoch(handle >>> 0) < this.#epoch) this.#emit(handle >>> 0);
  }

  #nextPage(): void {
    const { words } = this.#store.records.pages;
    this.#page += 1;
    this.#at = 0;
    const memory = words[this.#page];
    if (memory === undefined) this.#complete();
    else this.#memory = memory;
  }

  #complete(): void {
    if (this.#chunkUsed > 0) this.#pushFull(this.#chunk.subarray(0, this.#chunkUsed));
    this.#release();
  }

  #supersede(): void {
    this.return();
    this.#state = 'superseded';
  }

  #release(): void {
    if (this.#state === 'walking') this.#state = 'finished';
    if (this.#store.tap === this) this.#store.tap = null;
    this.#cut = 0;
    this.#free.length = 0;
    this.#chunk = NO_BYTES;
    this.#chunkUsed = 0;
  }

  /** Puts a record into the stream: whole, or its front when it fills more than this chunk. */
  #emit(handle: number): void {
    const { records } = this.#store;
    const bytes = records.bytes(handle);
    const keyStart = records.keyStart(handle);
    const valueStart = records.valueStart(handle);
    const valueEnd = records.valueEnd(handle);
    const size = 2 * IMAGE_LENGTH_BYTES + valueEnd - keyStart;
    if (this.#chunkUsed + size >= this.#chunkBytes) {
      this.#putLength(valueStart - keyStart);
      this.#put(bytes, keyStart, valueStart);
      this.#putLength(valueEnd - valueStart);
      if (valueStart === valueEnd) return;
      this.#cut = handle;
      this.#cutAt = valueStart;
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
    this.#work += size;
  }

  /** As much of the cut record as the chunk has room for: a large value takes several pulls. */
  #goOnWithCut(): void {
    const { records } = this.#store;
    const end = records.valueEnd(this.#cut);
    const to = Math.min(end, this.#cutAt + this.#chunkBytes - this.#chunkUsed);
    this.#put(records.bytes(this.#cut), this.#cutAt, to);
    this.#work += to - this.#cutAt;
    this.#cutAt = to;
    if (to === end) this.#cut = 0;
  }

  /** Nothing else may follow in the stream before the record that was cut is whole. */
  #finishCut(): void {
    while (this.#cut !== 0) this.#goOnWithCut();
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
      this.#pushFull(this.#chunk);
      this.#chunk = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#chunkBytes);
      this.#chunkUsed = 0;
    }
  }

  #pushFull(chunk: Buffer): void {
    this.#full.push(chunk);
    this.#fullBytes += chunk.length;
  }
}
