/**
 * What one session remembers of its commands: the results of the last sequences, each of which is
 * answered again and never applied again, and a floor below which all is forgotten.
 *
 *   forgotten │ floor … newest: applied and kept, or still to come │ to come
 *
 * What is kept follows from sequences and lengths of results alone, so all replicas keep the same.
 * Results lie in one buffer off the heap. This file must never look into a result.
 */

/** Sequences of one session whose results are kept, from the newest down. */
export const WINDOW_SEQUENCES_MAX = 1024;
/** Bytes of results that one session keeps; the lowest sequences are forgotten first. */
export const WINDOW_BYTES_MAX = 256 * 1024;
/** A larger result is not kept: that its command was applied is. */
export const KEPT_RESULT_BYTES_MAX = 64 * 1024;
/** What a kept result counts beside its bytes. */
export const RESULT_OVERHEAD_BYTES = 16;

export const KeptKind = {
  reply: 0,
  rejected: 1,
  /** Applied; the result was too large to be kept. */
  tooLarge: 2,
} as const;
export type KeptKind = (typeof KeptKind)[keyof typeof KeptKind];

const SLOTS_FIRST = 8;
const BYTES_FIRST = 64;
const KIND_STATES = 4;
const NO_BYTES = Buffer.alloc(0);

export class SessionWindow {
  #floor = 1;
  #newest = 0;
  /** By slot, which is the sequence modulo their number; 0: nothing is kept there. */
  #sequences = new Float64Array(0);
  #places = new Uint32Array(0);
  /** Length × 4 + kind. */
  #lengths = new Uint32Array(0);
  #count = 0;
  #buffer = NO_BYTES;
  #used = 0;
  #live = 0;

  /** Lower sequences are forgotten. */
  get floor(): number {
    return this.#floor;
  }

  /** Results that are kept. */
  get count(): number {
    return this.#count;
  }

  /** What they count, their overhead included. */
  get bytes(): number {
    return this.#live + this.#count * RESULT_OVERHEAD_BYTES;
  }

  /** The slot of a sequence whose result is kept, or -1: valid until something is added. */
  find(sequence: number): number {
    const slots = this.#sequences.length;
    if (slots === 0) return -1;
    const slot = sequence % slots;
    return this.#sequences[slot] === sequence ? slot : -1;
  }

  kindAt(slot: number): KeptKind {
    return ((this.#lengths[slot] as number) % KIND_STATES) as KeptKind;
  }

  /** The result in a slot: a view, valid until something is added. */
  bytesAt(slot: number): Buffer {
    const start = this.#places[slot] as number;
    return this.#buffer.subarray(start, start + this.#lengthAt(slot));
  }

  #lengthAt(slot: number): number {
    return Math.floor((this.#lengths[slot] as number) / KIND_STATES);
  }

  /** Keeps a result; the lowest sequences make room for it. `sequence` is not below the floor. */
  add(sequence: number, kind: KeptKind, bytes: Uint8Array): void {
    this.#newest = Math.max(this.#newest, sequence);
    this.#raiseFloor(sequence - WINDOW_SEQUENCES_MAX + 1);
    this.#growSlots(sequence);
    const isKept = bytes.length <= KEPT_RESULT_BYTES_MAX;
    const kept = isKept ? bytes : NO_BYTES;
    const place = this.#reserve(kept.length);
    const slot = sequence % this.#sequences.length;
    this.#buffer.set(kept, place);
    this.#sequences[slot] = sequence;
    this.#places[slot] = place;
    this.#lengths[slot] = kept.length * KIND_STATES + (isKept ? kind : KeptKind.tooLarge);
    this.#live += kept.length;
    this.#count += 1;
    while (this.bytes > WINDOW_BYTES_MAX) this.#raiseFloor(this.#floor + 1);
  }

  #raiseFloor(floor: number): void {
    // Nothing is kept above the newest sequence: a long way up costs no more than the window.
    const end = Math.min(floor, this.#floor + this.#sequences.length);
    for (let sequence = this.#floor; sequence < end; sequence += 1) this.#drop(sequence);
    this.#floor = Math.max(this.#floor, floor);
  }

  #drop(sequence: number): void {
    const slot = this.find(sequence);
    if (slot < 0) return;
    this.#live -= this.#lengthAt(slot);
    this.#count -= 1;
    this.#sequences[slot] = 0;
  }

  /** Slots for every sequence from the floor to this one. */
  #growSlots(sequence: number): void {
    let slots = this.#sequences.length;
    if (sequence < this.#floor + slots) return;
    slots = Math.max(slots, SLOTS_FIRST);
    while (sequence >= this.#floor + slots) slots *= 2;
    const { sequences, places, lengths } = this.#takeSlots(slots);
    for (let from = 0; from < sequences.length; from += 1) {
      const kept = sequences[from] as number;
      if (kept === 0) continue;
      const to = kept % slots;
      this.#sequences[to] = kept;
      this.#places[to] = places[from] as number;
      this.#lengths[to] = lengths[from] as number;
    }
  }

  /** Empty slots in place of those that were there, which are returned. */
  #takeSlots(slots: number): Record<'sequences' | 'places' | 'lengths', ArrayLike<number>> {
    const before = { sequences: this.#sequences, places: this.#places, lengths: this.#lengths };
    this.#sequences = new Float64Array(slots);
    this.#places = new Uint32Array(slots);
    this.#lengths = new Uint32Array(slots);
    return before;
  }

  /** Room at the end of the buffer; what dropped results left is given back when it is full. */
  #reserve(bytes: number): number {
    const needed = this.#used + bytes;
    if (needed > this.#buffer.length) this.#rebuild(bytes);
    const place = this.#used;
    this.#used += bytes;
    return place;
  }

  #rebuild(bytes: number): void {
    const before = this.#buffer;
    const size = Math.max(BYTES_FIRST, (this.#live + bytes) * 2);
    this.#buffer = Buffer.allocUnsafeSlow(size);
    this.#used = 0;
    for (let slot = 0; slot < this.#sequences.length; slot += 1) {
      if (this.#sequences[slot] === 0) continue;
      const start = this.#places[slot] as number;
      const end = start + this.#lengthAt(slot);
      this.#places[slot] = this.#used;
      this.#used += before.copy(this.#buffer, this.#used, start, end);
    }
  }

  /** Forgets every result: nothing up to the newest sequence is answered or applied any more. */
  forget(): void {
    this.#floor = Math.max(this.#floor, this.#newest + 1);
    this.#takeSlots(0);
    this.#buffer = NO_BYTES;
    this.#used = 0;
    this.#live = 0;
    this.#count = 0;
  }

  /** Begins with this floor; results follow by `add`. */
  startAt(floor: number): void {
    this.#floor = floor;
    this.#newest = floor - 1;
  }

  /** Kept sequences in their order. */
  *sequences(): Generator<number> {
    for (let sequence = this.#floor; sequence <= this.#newest; sequence += 1) {
      if (this.find(sequence) >= 0) yield sequence;
    }
  }
}
