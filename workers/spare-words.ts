/**
 * How the io thread gets spare segments that the bulk thread prepares: three shared words.
 *
 *   Int32: wanted (by io) │ prepared (by bulk) │ problem (1: the last attempt found no space)
 *
 * Both count from the start; spare number n is `firstNumber + n`. A commit never waits for a spare:
 * without one the log reports busy.
 */

import type { SegmentSupply } from '../io/wal/segment-supply.js';
import { spareName } from '../io/wal/segment-supply.js';

const WORD_WANTED = 0;
const WORD_PREPARED = 1;
const WORD_PROBLEM = 2;
const WORDS = 3;

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
}

/** The bulk thread's side. */
export class SpareOrders {
  readonly #words: Int32Array;
  readonly #firstNumber: number;

  constructor(words: SharedArrayBuffer, firstNumber: number) {
    this.#words = new Int32Array(words);
    this.#firstNumber = firstNumber;
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

/** Whether the last attempt to prepare a spare found the disk full. For status. */
export function diskIsFull(words: SharedArrayBuffer): boolean {
  return Atomics.load(new Int32Array(words), WORD_PROBLEM) === 1;
}
