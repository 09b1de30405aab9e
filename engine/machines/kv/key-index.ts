/**
 * From a key's hash to its record: an open-addressing table of (hash, handle) pairs in typed
 * arrays.
 *
 * It grows without a pause: a bigger table is put beside the old one and every write moves a few
 * slots over. Slots that were moved or deleted in the old table keep a mark, so that probing
 * through them still works. The home slot is the hash's low bits, and the walk goes by *rank*, the
 * hash with its bits reversed: a slot of a table of any size is a contiguous range of ranks, so a
 * rank is a cursor that survives growth, and keys inserted in the order of a walk still spread
 * evenly. This file never reads a record but to compare a key.
 */

import type { Records } from './records.js';

const BITS_MIN = 10;
const BITS_MAX = 30;
/** Old slots moved per write: a doubling ends long before the new table fills. */
const MOVES_PER_WRITE = 16;
/** In an old table: was here, is elsewhere now. Never a handle, see pages.ts. */
const MOVED = 0xffff_ffff;

/** One past the largest rank. */
export const RANK_END = 2 ** 32;

/** A key's place in the order of a walk: its hash with the bits reversed. */
export function rankOf(hash: number): number {
  let word = hash;
  word = ((word >>> 1) & 0x5555_5555) | ((word & 0x5555_5555) << 1);
  word = ((word >>> 2) & 0x3333_3333) | ((word & 0x3333_3333) << 2);
  word = ((word >>> 4) & 0x0f0f_0f0f) | ((word & 0x0f0f_0f0f) << 4);
  word = ((word >>> 8) & 0x00ff_00ff) | ((word & 0x00ff_00ff) << 8);
  return ((word >>> 16) | (word << 16)) >>> 0;
}

type Visitor = (handle: number) => void;

export class KeyIndex {
  /** Keys present. */
  count = 0;

  readonly #records: Records;
  #table = new Uint32Array(2 << BITS_MIN);
  #bits = BITS_MIN;
  #old: Uint32Array | null = null;
  #oldBits = 0;
  #moved = 0;
  /** Where the last `find` ended: the slot, and the table it is in. */
  #foundAt = 0;
  #foundIn: Uint32Array = this.#table;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Bytes of the tables themselves. */
  get tableBytes(): number {
    return this.#table.byteLength + (this.#old?.byteLength ?? 0);
  }

  /** The record of this key, or 0. Remembers the place for `replaceFound` and `removeFound`. */
  find(hash: number, key: Buffer, start: number, length: number): number {
    const handle = this.#probe(this.#table, this.#bits, hash, key, start, length);
    if (handle !== 0 || this.#old === null) return handle;
    return this.#probe(this.#old, this.#oldBits, hash, key, start, length);
  }

  /** Adds a key that `find` has just not found. */
  insert(hash: number, handle: number): void {
    this.count += 1;
    if (this.count > this.#capacity() * 0.7) this.#grow();
    place(this.#table, this.#bits, hash, handle);
  }

  /** The record that `find` has just found moved to another handle. */
  replaceFound(handle: number): void {
    this.#foundIn[2 * this.#foundAt + 1] = handle;
  }

  /** Takes out the key that `find` has just found. */
  removeFound(): void {
    this.count -= 1;
    if (this.#foundIn === this.#table) this.#close(this.#foundAt);
    else this.#foundIn[2 * this.#foundAt + 1] = MOVED;
    if (this.#old === null && this.#bits > BITS_MIN && this.count < this.#capacity() / 16) {
      this.#resize(Math.max(BITS_MIN, this.#bits - 2));
    }
  }

  /**
   * Calls `visitor` for every key whose rank is in `[from, to)`. The visitor must not change the
   * index.
   */
  visit(from: number, to: number, visitor: Visitor): void {
    visitRanks(this.#table, this.#bits, from, to, visitor);
    if (this.#old !== null) visitRanks(this.#old, this.#oldBits, from, to, visitor);
  }

  /** Calls `visitor` for every key, faster than by rank. The visitor must not change the index. */
  visitAll(visitor: Visitor): void {
    visitSlots(this.#table, visitor);
    if (this.#old !== null) visitSlots(this.#old, visitor);
  }

  /**
   * The end of the slot that rank `from` lies in, which is the smallest range that is worth a
   * visit.
   */
  rangeEnd(from: number): number {
    const width = 2 ** (32 - this.#bits);
    return (Math.floor(from / width) + 1) * width;
  }

  #capacity(): number {
    return 1 << this.#bits;
  }

  #probe(
    table: Uint32Array,
    bits: number,
    hash: number,
    key: Buffer,
    start: number,
    length: number,
  ): number {
    const mask = (1 << bits) - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const handle = table[2 * slot + 1]!;
      if (handle === 0) return 0;
      if (table[2 * slot] !== hash || handle === MOVED) continue;
      if (!this.#records.hasKey(handle, key, start, length)) continue;
      this.#foundAt = slot;
      this.#foundIn = table;
      return handle;
    }
  }

  /** Empties a slot of the current table and pulls back what probing had pushed past it. */
  #close(slot: number): void {
    const table = this.#table;
    const mask = this.#capacity() - 1;
    let hole = slot;
    for (let at = (hole + 1) & mask; table[2 * at + 1] !== 0; at = (at + 1) & mask) {
      const home = table[2 * at]! & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table[2 * hole] = table[2 * at]!;
      table[2 * hole + 1] = table[2 * at + 1]!;
      hole = at;
    }
    table[2 * hole + 1] = 0;
  }

  #grow(): void {
    // The moves per write end a resize long before this; only a direct caller could outrun them.
    while (this.#old !== null) this.advance();
    if (this.#bits === BITS_MAX) throw new Error(`more than ${this.count} keys in one store`);
    this.#resize(this.#bits + 1);
  }

  #resize(bits: number): void {
    this.#old = this.#table;
    this.#oldBits = this.#bits;
    this.#moved = 0;
    this.#table = new Uint32Array(2 * 2 ** bits);
    this.#bits = bits;
  }

  /**
   * Moves the next few slots out of the old table. To be called once per write, *before* `find`,
   * since it moves what `find` remembers.
   */
  advance(): void {
    const old = this.#old;
    if (old === null) return;
    const end = Math.min(this.#moved + MOVES_PER_WRITE, old.length / 2);
    for (let slot = this.#moved; slot < end; slot += 1) {
      const handle = old[2 * slot + 1]!;
      if (handle === 0 || handle === MOVED) continue;
      place(this.#table, this.#bits, old[2 * slot]!, handle);
      old[2 * slot + 1] = MOVED;
    }
    this.#moved = end;
    if (end === old.length / 2) this.#old = null;
  }
}

function place(table: Uint32Array, bits: number, hash: number, handle: number): void {
  const mask = (1 << bits) - 1;
  let slot = hash & mask;
  while (table[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
  table[2 * slot] = hash;
  table[2 * slot + 1] = handle;
}

/** Keys at home in a slot lie between it and the next empty one. */
function visitRanks(
  table: Uint32Array,
  bits: number,
  from: number,
  to: number,
  visitor: Visitor,
): void {
  const mask = (1 << bits) - 1;
  const width = 2 ** (32 - bits);
  for (let low = Math.floor(from / width) * width; low < to; low += width) {
    const home = rankOf(low) & mask;
    for (let slot = home; table[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      const hash = table[2 * slot]!;
      const handle = table[2 * slot + 1]!;
      if ((hash & mask) !== home || handle === MOVED) continue;
      const rank = rankOf(hash);
      if (rank >= from && rank < to) visitor(handle);
    }
  }
}

function visitSlots(table: Uint32Array, visitor: Visitor): void {
  for (let at = 1; at < table.length; at += 2) {
    const handle = table[at]!;
    if (handle !== 0 && handle !== MOVED) visitor(handle);
  }
}
