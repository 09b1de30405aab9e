/**
 * A snapshot of the key-value machine as one stream of bytes, little-endian:
 *
 *   byte  0          4         6          8
 *         ┌──────────┬─────────┬──────────┬──────────────┐
 *         │ magic    │ version │ reserved │ record count │   once
 *         │ "RRKV"   │ u16 = 1 │ u16 = 0  │ u64          │
 *         └──────────┴─────────┴──────────┴──────────────┘
 *         ┌────────────┬─────┬──────────────┬───────┐
 *         │ u32 keyLen │ key │ u32 valueLen │ value │          record count times, in any order
 *         └────────────┴─────┴──────────────┴───────┘
 *
 * Chunks cut this stream anywhere. The count makes a truncated stream an error instead of a smaller
 * state. This file must trust no length before it is checked.
 */

import { KEY_BYTES_MAX } from './records.js';

const MAGIC = Buffer.from('RRKV', 'latin1');
const VERSION = 1;
const OFFSET_VERSION = MAGIC.length;
const OFFSET_COUNT = OFFSET_VERSION + 4;
export const IMAGE_HEADER_BYTES = OFFSET_COUNT + 8;
export const IMAGE_LENGTH_BYTES = 4;

export function imageHeader(recordCount: number): Buffer {
  const header = Buffer.alloc(IMAGE_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt16LE(VERSION, OFFSET_VERSION);
  header.writeBigUInt64LE(BigInt(recordCount), OFFSET_COUNT);
  return header;
}

/** Takes one record: its key and value are ranges of `bytes`, which are lent for the call. */
export type RecordSink = (
  bytes: Buffer,
  keyStart: number,
  keyEnd: number,
  valueStart: number,
  valueEnd: number,
) => void;

/** Reads the stream back, chunk by chunk; throws on the first thing that cannot be right. */
export class ImageReader {
  readonly #sink: RecordSink;
  readonly #valueBytesMax: number;
  #recordsLeft = -1;
  /** The front of an item that the last chunk cut, and how many bytes it needs to be readable. */
  #pending = Buffer.alloc(0);
  #pendingBytes = 0;

  constructor(sink: RecordSink, valueBytesMax: number) {
    this.#sink = sink;
    this.#valueBytesMax = valueBytesMax;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    // Feeds a cut item just the bytes it lacks: each round completes a length or the item.
    while (this.#pendingBytes > 0 && at < bytes.length) {
      const need = this.#bytesNeeded(this.#pending, 0, this.#pendingBytes);
      const take = Math.min(need - this.#pendingBytes, bytes.length - at);
      this.#keep(bytes, at, at + take, need);
      at += take;
      if (this.#pendingBytes < need) return;
      if (this.#consume(this.#pending, 0, this.#pendingBytes) > 0) this.#pendingBytes = 0;
    }
    for (let used = -1; used !== 0; at += used) used = this.#consume(bytes, at, bytes.length);
    if (at < bytes.length) {
      this.#keep(bytes, at, bytes.length, this.#bytesNeeded(bytes, at, bytes.length));
    }
  }

  /** Declares the stream finished; throws when something is missing. */
  end(): void {
    if (this.#recordsLeft < 0) throw new Error('snapshot image ends within its header');
    if (this.#recordsLeft > 0 || this.#pendingBytes > 0) {
      throw new Error(`snapshot image ends ${this.#recordsLeft} records early`);
    }
  }

  #keep(bytes: Buffer, start: number, end: number, need: number): void {
    const total = this.#pendingBytes + end - start;
    if (this.#pending.length < total) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, total));
      this.#pending.copy(grown, 0, 0, this.#pendingBytes);
      this.#pending = grown;
    }
    bytes.copy(this.#pending, this.#pendingBytes, start, end);
    this.#pendingBytes = total;
  }

  /** Bytes from `at` on that must be there to read one length more, or the whole item. */
  #bytesNeeded(bytes: Buffer, at: number, end: number): number {
    if (this.#recordsLeft < 0) return IMAGE_HEADER_BYTES;
    if (this.#recordsLeft === 0) throw new Error('snapshot image goes on after its last record');
    const have = end - at;
    if (have < IMAGE_LENGTH_BYTES) return IMAGE_LENGTH_BYTES;
    const keyLength = bytes.readUInt32LE(at);
    if (keyLength > KEY_BYTES_MAX) {
      throw new Error(`snapshot image: key of ${keyLength} bytes, at most ${KEY_BYTES_MAX}`);
    }
    const lengths = 2 * IMAGE_LENGTH_BYTES + keyLength;
    if (have < lengths) return lengths;
    const valueLength = bytes.readUInt32LE(at + IMAGE_LENGTH_BYTES + keyLength);
    if (valueLength > this.#valueBytesMax) {
      throw new Error(
        `snapshot image: value of ${valueLength} bytes, at most ${this.#valueBytesMax}`,
      );
    }
    return lengths + valueLength;
  }

  /** Reads one item at `at` when it is whole; returns its size, 0 when it is cut or absent. */
  #consume(bytes: Buffer, at: number, end: number): number {
    if (at >= end) return 0;
    const need = this.#bytesNeeded(bytes, at, end);
    if (end - at < need) return 0;
    if (this.#recordsLeft < 0) {
      this.#recordsLeft = readHeader(bytes, at);
      return need;
    }
    const keyStart = at + IMAGE_LENGTH_BYTES;
    const keyEnd = keyStart + bytes.readUInt32LE(at);
    const valueStart = keyEnd + IMAGE_LENGTH_BYTES;
    this.#recordsLeft -= 1;
    this.#sink(bytes, keyStart, keyEnd, valueStart, at + need);
    return need;
  }
}

function readHeader(bytes: Buffer, at: number): number {
  if (bytes.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0) {
    throw new Error('snapshot image does not begin with RRKV');
  }
  const version = bytes.readUInt16LE(at + OFFSET_VERSION);
  if (version !== VERSION) {
    throw new Error(`snapshot image has format version ${version}, this build reads ${VERSION}`);
  }
  const count = bytes.readBigUInt64LE(at + OFFSET_COUNT);
  if (count > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error('snapshot image: absurd count');
  return Number(count);
}
