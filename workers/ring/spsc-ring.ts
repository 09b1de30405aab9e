/**
 * The ring between exactly one producing and one consuming thread: claim, fill, commit; drain.
 *
 * Nothing here waits, allocates per record or throws for load: full is the value `RING_FULL`, and
 * what to do then is the caller's decision. It never wakes anybody (doorbell.ts does). The order
 * that makes it safe: payload writes, then one `Atomics.store` of the tail publishes them; the
 * consumer's reads, then one `Atomics.store` of the head gives the bytes back.
 */

import { assert } from './assert.js';
import { openRing, type RingWindows, WORD_HEAD, WORD_TAIL } from './layout.js';
import {
  payloadBytesMax,
  RECORD_HEADER_BYTES,
  RECORD_PADDING,
  recordBytes,
  recordKind,
  recordLength,
  writeRecordHeader,
  writeRecordLength,
} from './record.js';

/** Answer of `tryClaim` when the record does not fit now. */
export const RING_FULL = -1;

/** Answers of a record handler: gone from the ring, or left as the first of the next drain. */
export const RECORD_TAKEN = true;
export const RECORD_LEFT = false;

/** `at` is the payload's offset in the consumer's `bytes` and `view`, valid during the call. */
export type RecordHandler = (kind: number, at: number, bytes: number) => boolean;

const NO_CLAIM = -1;

export class RingProducer {
  readonly capacity: number;
  /** Largest payload of one record; claiming more is a mistake, not a full ring. */
  readonly payloadBytesMax: number;
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #ring: RingWindows;
  readonly #mask: number;
  /** End of the newest claim; runs ahead of the shared tail until `commit`. */
  #tail: number;
  #committed: number;
  /** The head as last read. It may lag, which only makes the ring look fuller than it is. */
  #head: number;
  /** Offset of the newest claim's record while it may still shrink. */
  #claim = NO_CLAIM;

  constructor(memory: SharedArrayBuffer) {
    this.#ring = openRing(memory);
    this.capacity = this.#ring.capacity;
    this.payloadBytesMax = payloadBytesMax(this.capacity);
    this.bytes = this.#ring.bytes;
    this.view = this.#ring.view;
    this.#mask = this.capacity - 1;
    this.#tail = Atomics.load(this.#ring.header, WORD_TAIL);
    this.#committed = this.#tail;
    this.#head = Atomics.load(this.#ring.header, WORD_HEAD);
  }

  /**
   * Claims a record and returns the offset of its payload in `bytes` and `view`, or `RING_FULL`.
   * The consumer sees it after `commit`. `keepFree` bytes stay free afterwards: the share that
   * urgent kinds (heartbeats, votes, durable acknowledgements) have reserved against bulk ones.
   */
  tryClaim(kind: number, bytes: number, keepFree = 0): number {
    assert(kind > 0, 'a record kind is positive');
    assert(bytes >= 0 && bytes <= this.payloadBytesMax, 'a record is at most capacity / 8');
    const padding = this.#paddingFor(bytes);
    if (!this.#fits(padding + recordBytes(bytes) + keepFree)) return RING_FULL;
    let at = this.#tail & this.#mask;
    if (padding > 0) {
      writeRecordHeader(this.#ring.words, at, padding - RECORD_HEADER_BYTES, RECORD_PADDING);
      this.#tail = (this.#tail + padding) | 0;
      at = 0;
    }
    writeRecordHeader(this.#ring.words, at, bytes, kind);
    this.#tail = (this.#tail + recordBytes(bytes)) | 0;
    this.#claim = at;
    return at + RECORD_HEADER_BYTES;
  }

  /** Cuts the newest claim, not yet committed, to the bytes that were really filled. */
  shrink(bytes: number): void {
    assert(this.#claim !== NO_CLAIM, 'only the newest uncommitted claim shrinks');
    const claimed = recordLength(this.#ring.words, this.#claim);
    assert(bytes >= 0 && bytes <= claimed, 'a claim only shrinks');
    writeRecordLength(this.#ring.words, this.#claim, bytes);
    this.#tail = (this.#tail - recordBytes(claimed) + recordBytes(bytes)) | 0;
  }

  /** Publishes every claim since the last commit, together. Returns whether there was one. */
  commit(): boolean {
    if (this.#tail === this.#committed) return false;
    assert((this.#tail - this.#head) >>> 0 <= this.capacity, 'the tail stays within the ring');
    this.#committed = this.#tail;
    this.#claim = NO_CLAIM;
    Atomics.store(this.#ring.header, WORD_TAIL, this.#tail);
    return true;
  }

  /** Whether `tryClaim` with these numbers would succeed now: what a sleeper with backlog asks. */
  hasRoom(bytes: number, keepFree = 0): boolean {
    return this.#fits(this.#paddingFor(bytes) + recordBytes(bytes) + keepFree);
  }

  /** The cursor after the newest claim, shrunk if it will be (a u32): kept to ask `hasConsumed`. */
  get position(): number {
    return this.#tail >>> 0;
  }

  /**
   * Whether the consumer has drained past `position` and published it. A position older than 2^32
   * bytes of traffic may be answered "not yet" for one more round of the ring, never wrongly "yes".
   */
  hasConsumed(position: number): boolean {
    const behind = (this.#tail - position) >>> 0;
    if (behind >= (this.#tail - this.#head) >>> 0) return true;
    this.#head = Atomics.load(this.#ring.header, WORD_HEAD);
    return behind >= (this.#tail - this.#head) >>> 0;
  }

  /** Bytes before the end of the data area that a record with this payload has to skip. */
  #paddingFor(bytes: number): number {
    const toEnd = this.capacity - (this.#tail & this.#mask);
    return recordBytes(bytes) > toEnd ? toEnd : 0;
  }

  #fits(needed: number): boolean {
    if (((this.#tail - this.#head) >>> 0) + needed <= this.capacity) return true;
    this.#head = Atomics.load(this.#ring.header, WORD_HEAD);
    const used = (this.#tail - this.#head) >>> 0;
    assert(used <= this.capacity, 'the head never passes the tail');
    return used + needed <= this.capacity;
  }
}

export class RingConsumer {
  readonly capacity: number;
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #ring: RingWindows;
  readonly #mask: number;
  readonly #payloadBytesMax: number;
  #head: number;
  /** Set during a drain; a handler that threw leaves it set, and the ring refuses to go on. */
  #draining = false;

  constructor(memory: SharedArrayBuffer) {
    this.#ring = openRing(memory);
    this.capacity = this.#ring.capacity;
    this.bytes = this.#ring.bytes;
    this.view = this.#ring.view;
    this.#mask = this.capacity - 1;
    this.#payloadBytesMax = payloadBytesMax(this.capacity);
    this.#head = Atomics.load(this.#ring.header, WORD_HEAD);
  }

  /**
   * Hands at most `limit` records to `handler` in order and returns how many it took. Their bytes
   * go back to the producer once, at the end. A handler that answers `RECORD_LEFT` (no room further
   * on) ends the drain and meets the same record first next time.
   */
  drain(handler: RecordHandler, limit: number): number {
    assert(!this.#draining, 'a drain is neither nested nor resumed after a failure');
    const tail = Atomics.load(this.#ring.header, WORD_TAIL);
    let head = this.#head;
    if (head === tail) return 0;
    assert((tail - head) >>> 0 <= this.capacity, 'the tail stays within the ring');
    this.#draining = true;
    let taken = 0;
    while (head !== tail && taken < limit) {
      const at = head & this.#mask;
      const length = recordLength(this.#ring.words, at);
      const kind = recordKind(this.#ring.words, at);
      const next = (head + recordBytes(length)) | 0;
      this.#check(kind, length, at, (tail - head) >>> 0);
      if (kind !== RECORD_PADDING) {
        if (handler(kind, at + RECORD_HEADER_BYTES, length) === RECORD_LEFT) break;
        taken += 1;
      }
      head = next;
    }
    this.#release(head);
    this.#draining = false;
    return taken;
  }

  /** Whether a drain would find a record. One shared load: what a sleeper asks before it waits. */
  hasRecords(): boolean {
    return Atomics.load(this.#ring.header, WORD_TAIL) !== this.#head;
  }

  /** The cursor up to which records were taken (a u32). */
  get consumed(): number {
    return this.#head >>> 0;
  }

  /** The cursor up to which the producer has published (a u32). */
  get published(): number {
    return Atomics.load(this.#ring.header, WORD_TAIL) >>> 0;
  }

  #release(head: number): void {
    if (head === this.#head) return;
    this.#head = head;
    Atomics.store(this.#ring.header, WORD_HEAD, head);
  }

  /** The consumer's half of the producer's assertions: nothing below believes a torn header. */
  #check(kind: number, length: number, at: number, available: number): void {
    assert(kind > 0 || kind === RECORD_PADDING, 'a published record has a known sort of kind');
    assert(length >= 0 && length <= this.#payloadBytesMax, 'a published length is in bounds');
    const bytes = recordBytes(length);
    assert(bytes <= available, 'a published record ends at or before the tail');
    assert(at + bytes <= this.capacity, 'a published record never wraps');
  }
}
