/**
 * Results of a batch, back to back, as they travel from a consensus worker to whoever proposed or
 * asked:
 *
 *   ┌───────────────────────────────┬───────────────┐
 *   │ u32: length × 2 + rejected    │ length bytes  │   … one per entry or query, in order
 *   └───────────────────────────────┴───────────────┘
 *
 * This file must never interpret the bytes: they are the state machine's own.
 */

export const RESULT_HEADER_BYTES = 4;

/** Memory beyond this is given back as soon as it is empty. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/** Collects results into one growing buffer that is reused between batches. */
export class ResultWriter {
  #buffer: Buffer;
  #view: DataView;
  #length = 0;
  #count = 0;

  readonly #initialBytes: number;

  constructor(initialBytes = 64 * 1024) {
    this.#initialBytes = initialBytes;
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  }

  get count(): number {
    return this.#count;
  }

  get length(): number {
    return this.#length;
  }

  /** What `length` would be with one more result. */
  lengthWith(bytes: Uint8Array): number {
    return this.#length + RESULT_HEADER_BYTES + bytes.length;
  }

  /** The results so far: valid until `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    this.#count = 0;
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#replace(this.#initialBytes);
  }

  add(bytes: Uint8Array, rejected: boolean): void {
    const length = bytes.length;
    const at = this.#reserve(length, rejected);
    if (length <= 16) {
      for (let i = 0; i < length; i += 1) this.#buffer[at + i] = bytes[i] as number;
    } else {
      this.#buffer.set(bytes, at);
    }
  }

  #reserve(length: number, rejected: boolean): number {
    const needed = this.#length + RESULT_HEADER_BYTES + length;
    if (needed > this.#buffer.length) this.#grow(needed);
    this.#view.setUint32(this.#length, length * 2 + (rejected ? 1 : 0), true);
    const at = this.#length + RESULT_HEADER_BYTES;
    this.#length = needed;
    this.#count += 1;
    return at;
  }

  #grow(needed: number): void {
    const held = this.bytes;
    this.#replace(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.set(held);
  }

  #replace(bytes: number): void {
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  }
}

/** Walks results; properties describe the current one after `next` returned true. */
export class ResultReader {
  readonly #buffer: Buffer;
  readonly #limit: number;
  #at: number;
  start = 0;
  end = 0;
  rejected = false;

  constructor(buffer: Buffer, offset: number, length: number) {
    this.#buffer = buffer;
    this.#at = offset;
    this.#limit = offset + length;
  }

  next(): boolean {
    if (this.#at + RESULT_HEADER_BYTES > this.#limit) return false;
    const header = this.#buffer.readUInt32LE(this.#at);
    this.start = this.#at + RESULT_HEADER_BYTES;
    this.end = this.start + (header >>> 1);
    this.rejected = (header & 1) === 1;
    if (this.end > this.#limit) throw new RangeError('a result runs past the end of its batch');
    this.#at = this.end;
    return true;
  }
}
