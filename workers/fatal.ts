/**
 * The fatal word: one per node, set when a thread dies, looked at by every thread once per turn, so
 * that none goes on with a partner that is gone.
 *
 *   byte 0        4         8
 *       ┌────────┬─────────┬──────────────────────┐
 *       │ code   │ message │ message, UTF-8, cut  │
 *       │ i32    │ length  │ to 504 bytes         │
 *       └────────┴─────────┴──────────────────────┘
 *
 * The first death wins; later ones are consequences and change nothing. It never wakes anybody: who
 * raises it rings every doorbell afterwards, and every sleeper's `hasWork` looks at the word.
 */

import { assert } from './ring/assert.js';

const FATAL_BYTES = 512;
const WORD_CODE = 0;
const WORD_LENGTH = WORD_CODE + 1;
const OFFSET_MESSAGE = (WORD_LENGTH + 1) * Int32Array.BYTES_PER_ELEMENT;
const MESSAGE_BYTES_MAX = FATAL_BYTES - OFFSET_MESSAGE;

/** No thread has died. Codes of deaths are positive. */
export const NOT_FATAL = 0;
/** A death whose message is still being written: fatal already, its reason follows. */
export const FATAL_UNEXPLAINED = -1;

export function createFatalWord(): SharedArrayBuffer {
  return new SharedArrayBuffer(FATAL_BYTES);
}

export class FatalWord {
  readonly #words: Int32Array;
  readonly #bytes: Buffer;

  constructor(memory: SharedArrayBuffer) {
    assert(memory.byteLength === FATAL_BYTES, 'a fatal word has its own memory');
    this.#words = new Int32Array(memory, 0, WORD_LENGTH + 1);
    this.#bytes = Buffer.from(memory, OFFSET_MESSAGE, MESSAGE_BYTES_MAX);
  }

  /** Records a death. Returns false, and changes nothing, when another one was first. */
  raise(code: number, message: string): boolean {
    assert(code > NOT_FATAL, 'a fatal code is positive');
    const before = Atomics.compareExchange(this.#words, WORD_CODE, NOT_FATAL, FATAL_UNEXPLAINED);
    if (before !== NOT_FATAL) return false;
    this.#words[WORD_LENGTH] = this.#bytes.write(message, 'utf8');
    Atomics.store(this.#words, WORD_CODE, code);
    return true;
  }

  /** `NOT_FATAL`, the code of the first death, or `FATAL_UNEXPLAINED`. One shared load. */
  code(): number {
    return Atomics.load(this.#words, WORD_CODE);
  }

  /** What the dying thread said; empty while nobody has or it is still being written. */
  message(): string {
    if (this.code() <= NOT_FATAL) return '';
    return this.#bytes.toString('utf8', 0, this.#words[WORD_LENGTH]);
  }
}
