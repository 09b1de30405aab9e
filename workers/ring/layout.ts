/**
 * Where the shared words of a ring and of a doorbell lie. No other file holds an offset into them.
 *
 *   ring, byte 0           128          256          384                        384 + capacity
 *        ┌────────────────┬────────────┬────────────┬───────────────────────────┐
 *        │ magic, version,│ tail       │ head       │ records (see record.ts)   │
 *        │ capacity       │ (producer) │ (consumer) │ capacity = 2^n bytes      │
 *        └────────────────┴────────────┴────────────┴───────────────────────────┘
 *   bell, byte 0          4          8           12             128
 *        ┌────────────────┬──────────┬───────────┬──────────────┐
 *        │ sleeping (0/1) │ sequence │ delivered │ (unused)     │  one such block per sleeper
 *        └────────────────┴──────────┴───────────┴──────────────┘
 *
 * Blocks are 128 bytes apart (two cache lines, since processors fetch lines in pairs), so a store
 * by one thread never takes the line that another one polls. Cursors count bytes, only grow, modulo
 * 2^32; the capacity divides 2^32, so `cursor & (capacity - 1)` is the place in the data area. They
 * are held as int32 bit patterns (small integers to V8) and compared by `(a - b) >>> 0`.
 */

import { assert } from './assert.js';

const BLOCK_BYTES = 128;
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;
const WORDS_PER_BLOCK = BLOCK_BYTES / WORD_BYTES;

/** "RING" read as a little-endian word. */
const RING_MAGIC = 0x474e4952;
const RING_VERSION = 1;

const WORD_MAGIC = 0;
const WORD_VERSION = WORD_MAGIC + 1;
const WORD_CAPACITY = WORD_VERSION + 1;
export const WORD_TAIL = WORDS_PER_BLOCK;
export const WORD_HEAD = WORD_TAIL + WORDS_PER_BLOCK;
const RING_HEADER_WORDS = WORD_HEAD + WORDS_PER_BLOCK;
export const RING_HEADER_BYTES = RING_HEADER_WORDS * WORD_BYTES;

export const RING_CAPACITY_MIN = 128;
export const RING_CAPACITY_MAX = 2 ** 30;

/** The typed windows of one ring; every thread that opens the memory makes its own. */
export interface RingWindows {
  readonly capacity: number;
  readonly header: Int32Array;
  /** The data area as words (record headers), as bytes and as a DataView (payloads). */
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly view: DataView;
}

function isRingCapacity(bytes: number): boolean {
  return (
    bytes >= RING_CAPACITY_MIN && bytes <= RING_CAPACITY_MAX && Number.isInteger(Math.log2(bytes))
  );
}

/**
 * Memory for one ring of `capacity` bytes (a power of two). Both cursors start at `firstCursor`, a
 * multiple of 8: tests begin just below 2^31 and 2^32 where arithmetic goes wrong first.
 */
export function createRing(capacity: number, firstCursor = 0): SharedArrayBuffer {
  assert(isRingCapacity(capacity), 'a ring capacity is a power of two within its bounds');
  assert(firstCursor % 8 === 0, 'a ring cursor is a multiple of 8');
  const memory = new SharedArrayBuffer(RING_HEADER_BYTES + capacity);
  const header = new Int32Array(memory, 0, RING_HEADER_WORDS);
  header[WORD_MAGIC] = RING_MAGIC;
  header[WORD_VERSION] = RING_VERSION;
  header[WORD_CAPACITY] = capacity;
  Atomics.store(header, WORD_HEAD, firstCursor | 0);
  Atomics.store(header, WORD_TAIL, firstCursor | 0);
  return memory;
}

/** Opens memory made by `createRing`, in this or in another thread. */
export function openRing(memory: SharedArrayBuffer): RingWindows {
  assert(memory.byteLength > RING_HEADER_BYTES, 'ring memory holds more than a header');
  const header = new Int32Array(memory, 0, RING_HEADER_WORDS);
  assert(header[WORD_MAGIC] === RING_MAGIC, 'ring memory begins with the ring magic');
  assert(header[WORD_VERSION] === RING_VERSION, 'ring memory has the version this code knows');
  const capacity = memory.byteLength - RING_HEADER_BYTES;
  assert(header[WORD_CAPACITY] === capacity, 'ring memory is as long as its capacity says');
  assert(isRingCapacity(capacity), 'a ring capacity is a power of two within its bounds');
  return {
    capacity,
    header,
    words: new Int32Array(memory, RING_HEADER_BYTES, capacity / WORD_BYTES),
    bytes: Buffer.from(memory, RING_HEADER_BYTES, capacity),
    view: new DataView(memory, RING_HEADER_BYTES, capacity),
  };
}

/** 1 while the sleeper sleeps or is about to; whoever swaps it to 0 owes the notification. */
export const WORD_SLEEPING = 0;
/** The word that is waited on; it grows by one with each notification. */
export const WORD_SEQUENCE = WORD_SLEEPING + 1;
/** Stamp of a notification that has been delivered in full: see `stampDelivery`. */
export const WORD_DELIVERED = WORD_SEQUENCE + 1;

const STAMP_BITS = 16;

/** One word: the low halves of a sequence (high half) and of a time in milliseconds (low half). */
export function stampDelivery(sequence: number, ms: number): number {
  return (sequence << STAMP_BITS) | (ms & 0xffff);
}

/** How far the stamped sequence is ahead of `sequence`, modulo 2^16, as a signed number. */
export function stampedSequenceAhead(stamp: number, sequence: number): number {
  return (((stamp >> STAMP_BITS) - sequence) << STAMP_BITS) >> STAMP_BITS;
}

/** How many milliseconds the stamped time lies before `ms`, modulo 2^16, as a signed number. */
export function stampedMsBefore(stamp: number, ms: number): number {
  return ((ms - stamp) << STAMP_BITS) >> STAMP_BITS;
}

/** Memory for `count` doorbells, all awake. */
export function createDoorbells(count: number): SharedArrayBuffer {
  assert(count > 0, 'there is at least one doorbell');
  return new SharedArrayBuffer(count * BLOCK_BYTES);
}

/** The words of doorbell `number` (from 0) in memory made by `createDoorbells`. */
export function openDoorbell(memory: SharedArrayBuffer, number: number): Int32Array {
  assert(number >= 0 && (number + 1) * BLOCK_BYTES <= memory.byteLength, 'the doorbell exists');
  return new Int32Array(memory, number * BLOCK_BYTES, WORDS_PER_BLOCK);
}
