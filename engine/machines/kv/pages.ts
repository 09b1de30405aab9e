/**
 * The memory of a key-value store: slots in pages of 1 MiB outside the JavaScript heap, so that a
 * million records cost the garbage collector a few hundred objects.
 *
 * A page holds slots of one size class and keeps its own free list; a page without a used slot goes
 * back. A slot is named by a handle, page number in the high 16 bits, offset in 16-byte granules in
 * the low 16. Page number 0 is never given out, so handle 0 means "nothing", and the last number is
 * kept back so that no handle is all ones. This file must never know what a slot holds.
 */

import { SIZE_CLASSES, sizeClass, slotBytes } from './size-classes.js';

export const PAGE_BYTES = 1 << 20;
export const PAGE_SHIFT = 16;
export const GRANULE_SHIFT = 4;
export const GRANULE_MASK = 0xffff;
const PAGES_MAX = 0xffff;
/** Emptied pages kept for the next class that needs one. */
const SPARE_PAGES_MAX = 4;

const NO_BYTES = Buffer.alloc(0);
const NO_WORDS = new Uint32Array(0);

export class Pages {
  /** Memory by page number, as bytes and as 32-bit words. */
  readonly bytes: Buffer[] = [NO_BYTES];
  readonly words: Uint32Array[] = [NO_WORDS];
  /** Bytes in slots that are in use. */
  usedBytes = 0;
  /** Bytes obtained from the system. */
  reservedBytes = 0;

  /** Per page: slot size, slots in use, first free slot + 1, first byte never used. */
  readonly #slot = new Uint32Array(PAGES_MAX);
  readonly #used = new Uint32Array(PAGES_MAX);
  readonly #free = new Uint32Array(PAGES_MAX);
  readonly #fresh = new Uint32Array(PAGES_MAX);
  /** Pages of a class with room, doubly linked. */
  readonly #next = new Uint16Array(PAGES_MAX);
  readonly #previous = new Uint16Array(PAGES_MAX);
  readonly #open = new Uint16Array(SIZE_CLASSES);
  readonly #vacantNumbers: number[] = [];
  readonly #spares: ArrayBuffer[] = [];

  /** The size of the page's slots. */
  slotBytes(page: number): number {
    return this.#slot[page]!;
  }

  /** Every slot that is in use, or was, begins below this byte of the page. */
  extent(page: number): number {
    return this.#fresh[page]!;
  }

  /** A slot of at least `bytes` bytes, contents undefined. */
  allocate(bytes: number): number {
    const kind = sizeClass(bytes);
    if (kind === 0) return this.#allocateOwn(slotBytes(bytes));
    let page = this.#open[kind]!;
    if (page === 0) page = this.#openPage(kind, slotBytes(bytes));
    const slot = this.#slot[page]!;
    let granule = this.#free[page]!;
    if (granule !== 0) {
      granule -= 1;
      this.#free[page] = this.words[page]![granule << 2]!;
    } else {
      const at = this.#fresh[page]!;
      granule = at >>> GRANULE_SHIFT;
      this.#fresh[page] = at + slot;
    }
    this.#used[page] = this.#used[page]! + 1;
    this.usedBytes += slot;
    if (this.#isFull(page)) this.#unlink(kind, page);
    return ((page << PAGE_SHIFT) | granule) >>> 0;
  }

  /** Returns a slot; `bytes` is the size it was allocated for, or one of the same slot size. */
  release(handle: number, bytes: number): void {
    const page = handle >>> PAGE_SHIFT;
    const granule = handle & GRANULE_MASK;
    const slot = this.#slot[page]!;
    if (slot !== slotBytes(bytes))
      throw new Error('assertion failed: slot released as another size');
    this.usedBytes -= slot;
    const kind = sizeClass(bytes);
    if (kind === 0) {
      this.#dropPage(page, slot);
      return;
    }
    if (this.#isFull(page)) this.#link(kind, page);
    this.words[page]![granule << 2] = this.#free[page]!;
    this.#free[page] = granule + 1;
    this.#used[page] = this.#used[page]! - 1;
    if (this.#used[page] === 0) this.#retire(kind, page);
  }

  #isFull(page: number): boolean {
    return this.#free[page] === 0 && this.#fresh[page]! + this.#slot[page]! > PAGE_BYTES;
  }

  #allocateOwn(bytes: number): number {
    const page = this.#takeNumber();
    this.#install(page, new ArrayBuffer(bytes), bytes);
    this.#used[page] = 1;
    this.#fresh[page] = bytes;
    this.usedBytes += bytes;
    this.reservedBytes += bytes;
    return (page << PAGE_SHIFT) >>> 0;
  }

  #openPage(kind: number, slot: number): number {
    const page = this.#takeNumber();
    let memory = this.#spares.pop();
    if (memory === undefined) {
      memory = new ArrayBuffer(PAGE_BYTES);
      this.reservedBytes += PAGE_BYTES;
    }
    this.#install(page, memory, slot);
    this.#used[page] = 0;
    this.#free[page] = 0;
    this.#fresh[page] = 0;
    this.#link(kind, page);
    return page;
  }

  #takeNumber(): number {
    const vacant = this.#vacantNumbers.pop();
    if (vacant !== undefined) return vacant;
    if (this.bytes.length >= PAGES_MAX) throw new Error(`all ${PAGES_MAX - 1} pages are in use`);
    this.bytes.push(NO_BYTES);
    this.words.push(NO_WORDS);
    return this.bytes.length - 1;
  }

  #install(page: number, memory: ArrayBuffer, slot: number): void {
    this.bytes[page] = Buffer.from(memory);
    this.words[page] = new Uint32Array(memory);
    this.#slot[page] = slot;
  }

  #retire(kind: number, page: number): void {
    this.#unlink(kind, page);
    if (this.#spares.length < SPARE_PAGES_MAX) {
      this.#spares.push(this.words[page]!.buffer as ArrayBuffer);
      this.#dropPage(page, 0);
    } else {
      this.#dropPage(page, PAGE_BYTES);
    }
  }

  #dropPage(page: number, bytesReturned: number): void {
    this.bytes[page] = NO_BYTES;
    this.words[page] = NO_WORDS;
    this.#slot[page] = 0;
    this.#fresh[page] = 0;
    this.#vacantNumbers.push(page);
    this.reservedBytes -= bytesReturned;
  }

  #link(kind: number, page: number): void {
    const head = this.#open[kind]!;
    this.#next[page] = head;
    this.#previous[page] = 0;
    if (head !== 0) this.#previous[head] = page;
    this.#open[kind] = page;
  }

  #unlink(kind: number, page: number): void {
    const next = this.#next[page]!;
    const previous = this.#previous[page]!;
    if (next !== 0) this.#previous[next] = previous;
    if (previous !== 0) this.#next[previous] = next;
    else this.#open[kind] = next;
  }
}
