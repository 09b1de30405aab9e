/**
 * A small seeded generator (xorshift128, seeded by splitmix32): the only randomness of the core and
 * of the simulator. The same seed gives the same sequence on every machine.
 *
 * It must never be used for identities or secrets.
 */

const TWO_32 = 0x1_0000_0000;

function splitmix(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is any non-negative safe integer. */
  constructor(seed: number) {
    const low = splitmix(seed >>> 0);
    const high = splitmix(Math.floor(seed / TWO_32) >>> 0);
    this.#a = low();
    this.#b = low() ^ high();
    this.#c = low();
    this.#d = (low() ^ high() ^ 1) >>> 0;
    if ((this.#a | this.#b | this.#c | this.#d) === 0) this.#d = 1;
  }

  /** A uniform unsigned 32-bit integer. */
  u32(): number {
    let t = this.#d;
    const s = this.#a;
    this.#d = this.#c;
    this.#c = this.#b;
    this.#b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.#a = (t ^ s ^ (s >>> 19)) >>> 0;
    return this.#a;
  }

  /** A uniform integer in `[0, bound)`; bound is between 1 and 2^32. */
  below(bound: number): number {
    return Math.floor((this.u32() / TWO_32) * bound);
  }

  /** A uniform integer in `[low, high]`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.u32() < probability * TWO_32;
  }

  /** One element of a non-empty list. */
  pick<T>(list: readonly T[]): T {
    const value = list[this.below(list.length)];
    if (value === undefined) throw new Error('pick from an empty list');
    return value;
  }
}
