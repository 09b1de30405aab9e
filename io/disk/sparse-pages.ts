/**
 * The bytes of one file in memory, in pages that exist once something other than zeros was written:
 * a zero-filled spare segment costs nothing until the log reaches it.
 *
 * Bytes past `size` are always zero, so that growing needs no cleaning. This file must never know
 * durability: the simulated disk adds that on top.
 */

export class SparsePages {
  readonly pageBytes: number;
  readonly #zeros: Uint8Array;
  readonly #pages = new Map<number, Uint8Array>();
  #size = 0;

  constructor(pageBytes: number) {
    this.pageBytes = pageBytes;
    this.#zeros = new Uint8Array(pageBytes);
  }

  get size(): number {
    return this.#size;
  }

  /** The page as it is kept, undefined when it holds zeros only. */
  page(index: number): Uint8Array | undefined {
    return this.#pages.get(index);
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const end = Math.min(position + length, this.#size);
    for (let at = position; at < end; ) {
      const index = Math.floor(at / this.pageBytes);
      const start = at - index * this.pageBytes;
      const count = Math.min(this.pageBytes - start, end - at);
      const page = this.#pages.get(index) ?? this.#zeros;
      target.set(page.subarray(start, start + count), offset + at - position);
      at += count;
    }
    return Math.max(0, end - position);
  }

  write(source: Uint8Array, offset: number, length: number, position: number): void {
    const end = position + length;
    for (let at = position; at < end; ) {
      const index = Math.floor(at / this.pageBytes);
      const start = at - index * this.pageBytes;
      const count = Math.min(this.pageBytes - start, end - at);
      const from = offset + at - position;
      this.#put(index, start, source.subarray(from, from + count));
      at += count;
    }
    if (length > 0 && end > this.#size) this.#size = end;
  }

  /** Cuts the file or extends it by zeros. */
  resize(length: number): void {
    if (length < this.#size) {
      const last = Math.floor(length / this.pageBytes);
      this.#pages.get(last)?.fill(0, length - last * this.pageBytes);
      for (const index of this.#pages.keys()) {
        if (index * this.pageBytes >= length) this.#pages.delete(index);
      }
    }
    this.#size = length;
  }

  #put(index: number, start: number, bytes: Uint8Array): void {
    let page = this.#pages.get(index);
    if (page === undefined) {
      if (this.#isZero(bytes)) return;
      page = new Uint8Array(this.pageBytes);
      this.#pages.set(index, page);
    }
    page.set(bytes, start);
  }

  #isZero(bytes: Uint8Array): boolean {
    if (bytes[0] !== 0) return false;
    return Buffer.compare(bytes, this.#zeros.subarray(0, bytes.byteLength)) === 0;
  }
}
