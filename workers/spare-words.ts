/**
 * How the io thread gets spare segments that the bulk thread prepares and gives freed ones back,
 * and how the consensus workers hear that there is none: six shared words.
 *
 *   Int32: wanted (by io) │ prepared (by bulk) │ problem (by bulk, 1: the last attempt found no
 *          space) │ full (by io, 1: no more entries) │ waits (by io, counts looks without room) │
 *          freed (by io, counts segments that the log has given back)
 *
 * Wanted, prepared and freed count from the start; spare number n is `firstNumber + n`, freed
 * segment number n is `firstSegment + n`: they go oldest first. A commit never waits for a spare:
 * without one the log reports busy.
 */

import type { SegmentSupply } from '../io/wal/segment-supply.js';
import { spareName } from '../io/wal/segment-supply.js';

const WORD_WANTED = 0;
const WORD_PREPARED = 1;
const WORD_PROBLEM = 2;
const WORD_FULL = 3;
const WORD_WAITS = 4;
const WORD_FREED = 5;
const WORDS = 6;

export function createSpareWords(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** The io thread's side. */
export class SharedSegmentSupply implements SegmentSupply {
  readonly #words: Int32Array;
  readonly #directory: string;
  readonly #firstNumber: number;
  readonly #adopted: string[];
  readonly #wake: () => void;
  #taken = 0;

  /** `adopted` are finished spares that an earlier run left; `wake` rings the bulk thread. */
  constructor(
    words: SharedArrayBuffer,
    directory: string,
    firstNumber: number,
    adopted: readonly string[],
    wake: () => void,
  ) {
    this.#words = new Int32Array(words);
    this.#directory = directory;
    this.#firstNumber = firstNumber;
    this.#adopted = [...adopted];
    this.#wake = wake;
  }

  get #fromBulk(): number {
    return Atomics.load(this.#words, WORD_PREPARED) - this.#taken;
  }

  get ready(): number {
    return this.#adopted.length + this.#fromBulk;
  }

  get isStarved(): boolean {
    return Atomics.load(this.#words, WORD_PROBLEM) === 1;
  }

  take(): string | null {
    const adopted = this.#adopted.shift();
    if (adopted !== undefined) return adopted;
    if (this.#fromBulk === 0) return null;
    const name = spareName(this.#firstNumber + this.#taken);
    this.#taken += 1;
    return `${this.#directory}/${name}`;
  }

  want(): void {
    if (this.ready > 0) return;
    if (Atomics.load(this.#words, WORD_WANTED) === Atomics.load(this.#words, WORD_PREPARED)) {
      Atomics.add(this.#words, WORD_WANTED, 1);
    }
    this.#wake();
  }

  /** The bulk thread knows which one it is: the log frees them in the order of their numbers. */
  recycle(_segment: number): void {
    Atomics.add(this.#words, WORD_FREED, 1);
    this.#wake();
  }
}

/** The bulk thread's side. */
export class SpareOrders {
  readonly #words: Int32Array;
  readonly #firstNumber: number;
  readonly #firstSegment: number;
  #recycled = 0;

  /** `firstSegment` is the oldest one that the log had when it was opened. */
  constructor(words: SharedArrayBuffer, firstNumber: number, firstSegment: number) {
    this.#words = new Int32Array(words);
    this.#firstNumber = firstNumber;
    this.#firstSegment = firstSegment;
  }

  /** The oldest segment that was freed and not recycled yet; null when there is none. */
  get freedSegment(): number | null {
    if (Atomics.load(this.#words, WORD_FREED) === this.#recycled) return null;
    return this.#firstSegment + this.#recycled;
  }

  /** The file of `freedSegment` bears another name now, or none. */
  recycled(): void {
    this.#recycled += 1;
  }

  get isWanted(): boolean {
    const wanted = Atomics.load(this.#words, WORD_WANTED);
    return wanted > Atomics.load(this.#words, WORD_PREPARED);
  }

  /** Name of the next spare to prepare. */
  get nextName(): string {
    return spareName(this.#firstNumber + Atomics.load(this.#words, WORD_PREPARED));
  }

  prepared(): void {
    Atomics.store(this.#words, WORD_PROBLEM, 0);
    Atomics.add(this.#words, WORD_PREPARED, 1);
  }

  failed(): void {
    Atomics.store(this.#words, WORD_PROBLEM, 1);
  }
}

const ROOM_SHORT = 1;
const ROOM_FULL = 2;

/**
 * What the io thread tells the consensus workers: whether entries still find room, and that what
 * waits for it does not wait for a stalled disk.
 */
export class RoomWords {
  readonly #words: Int32Array;

  constructor(words: SharedArrayBuffer) {
    this.#words = new Int32Array(words);
  }

  /** Clients' entries are to be refused. */
  get isShort(): boolean {
    return Atomics.load(this.#words, WORD_FULL) >= ROOM_SHORT;
  }

  /** Those of leaders too. */
  get isFull(): boolean {
    return Atomics.load(this.#words, WORD_FULL) >= ROOM_FULL;
  }

  /** Grows, modulo 2^32, with each look at a submission that found no room. */
  get waits(): number {
    return Atomics.load(this.#words, WORD_WAITS);
  }

  say({ isShort, isFull }: { readonly isShort: boolean; readonly isFull: boolean }): void {
    const room = isFull ? ROOM_FULL : ROOM_SHORT;
    Atomics.store(this.#words, WORD_FULL, isShort || isFull ? room : 0);
  }

  waited(): void {
    Atomics.add(this.#words, WORD_WAITS, 1);
  }
}

/** Whether the last attempt to prepare a spare found the disk full. For status. */
export function diskIsFull(words: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(words), WORD_PROBLEM) === 1;
}
