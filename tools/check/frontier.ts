/**
 * The frontier of a partial linearization of one key: which operations may come next.
 *
 * The completed operations' calls and returns lie in a doubly linked list in real-time order (Lowe,
 * "Testing for linearizability", 2017). An operation may come next when its call stands before
 * the first return that is left. `take` and `untake` nest like a stack; nothing is ever copied.
 */

import { assert } from '../../engine/raft/types.js';
import type { Operation, Result } from '../sim/operation.js';

/** An operation with a known result; `call` and `end` are places in the order of events. */
export interface Completed {
  readonly id: number;
  readonly operation: Operation;
  readonly result: Result;
  readonly call: number;
  readonly end: number;
}

/** An operation that may take effect once after `call`, or never. */
export interface Open {
  readonly id: number;
  readonly operation: Operation;
  readonly call: number;
}

const WORD_BITS = 30;

export class Frontier {
  readonly #completed: readonly Completed[];
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Of each list node: the operation it belongs to, as `2 × operation + (1 for a return)`. */
  readonly #nodes: Int32Array;
  readonly #callNode: Int32Array;
  readonly #returnNode: Int32Array;
  readonly #taken: Uint8Array;
  readonly #head: number;
  #takenCount = 0;
  /** All operations below are taken. */
  #base = 0;

  /** `completed` is in order of calls. */
  constructor(completed: readonly Completed[]) {
    const count = completed.length;
    this.#completed = completed;
    this.#head = 2 * count;
    this.#nodes = new Int32Array(2 * count);
    this.#callNode = new Int32Array(count);
    this.#returnNode = new Int32Array(count);
    this.#taken = new Uint8Array(count);
    this.#next = new Int32Array(2 * count + 1);
    this.#previous = new Int32Array(2 * count + 1);
    this.#thread();
  }

  get isDone(): boolean {
    return this.#takenCount === this.#completed.length;
  }

  /**
   * Puts the numbers of the operations that may come next into `into`, in order of calls; returns
   * the number of the one among them that returns first, -1 when none is left.
   */
  candidates(into: number[]): number {
    into.length = 0;
    for (let node = this.#after(this.#head); node !== this.#head; node = this.#after(node)) {
      const tag = this.#nodes[node] ?? 0;
      if ((tag & 1) === 1) return tag >> 1;
      into.push(tag >> 1);
    }
    return -1;
  }

  take(number: number): void {
    this.#unlink(this.#callNode[number] ?? -1);
    this.#unlink(this.#returnNode[number] ?? -1);
    this.#taken[number] = 1;
    this.#takenCount += 1;
    while (this.#taken[this.#base] === 1) this.#base += 1;
  }

  /** Undoes the latest `take` that was not undone. */
  untake(number: number): void {
    this.#relink(this.#returnNode[number] ?? -1);
    this.#relink(this.#callNode[number] ?? -1);
    this.#taken[number] = 0;
    this.#takenCount -= 1;
    this.#base = Math.min(this.#base, number);
  }

  /** The set of taken operations, exactly, as a short text: those above a full prefix as bits. */
  signature(): string {
    let left = this.#takenCount - this.#base;
    let text = String(this.#base);
    for (let start = this.#base; left > 0; start += WORD_BITS) {
      let word = 0;
      for (let bit = 0; bit < WORD_BITS; bit += 1) {
        if (this.#taken[start + bit] !== 1) continue;
        word |= 1 << bit;
        left -= 1;
      }
      text += `.${word.toString(36)}`;
    }
    return text;
  }

  #after(node: number): number {
    return this.#next[node] ?? this.#head;
  }

  #thread(): void {
    const places = this.#completed.flatMap(({ call, end }, number) => {
      assert(call < end, 'an operation returns after its call');
      return [
        { place: call, tag: 2 * number },
        { place: end, tag: 2 * number + 1 },
      ];
    });
    places.sort((a, b) => a.place - b.place);
    places.forEach(({ tag }, node) => {
      this.#nodes[node] = tag;
      const nodeOf = (tag & 1) === 1 ? this.#returnNode : this.#callNode;
      nodeOf[tag >> 1] = node;
    });
    // A ring through the head, which is the last node of the arrays.
    const ring = this.#head + 1;
    for (let node = 0; node < ring; node += 1) {
      this.#next[node] = (node + 1) % ring;
      this.#previous[(node + 1) % ring] = node;
    }
  }

  #unlink(node: number): void {
    const next = this.#next[node] ?? 0;
    const previous = this.#previous[node] ?? 0;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #relink(node: number): void {
    const next = this.#next[node] ?? 0;
    const previous = this.#previous[node] ?? 0;
    this.#next[previous] = node;
    this.#previous[next] = node;
  }
}
