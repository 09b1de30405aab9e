/**
 * The log arena of one group: the only place where entry bytes live in memory. They are written
 * once and read there by disk, peers and state machine.
 *
 *        oldest                         next
 *   ┌────┬────────────────────────────┬──────┬────┐   capacity = 2^n bytes of shared memory
 *   │free│ live                       │ free │    │   a reservation never wraps: what does not fit
 *   └────┴────────────────────────────┴──────┴────┘   before the end is skipped and stays live
 *
 * Positions are u32, grow only, modulo 2^32; a place is `position & (capacity - 1)`. Bytes are
 * never changed in place once handed on: a truncation changes the index map (log-index.ts) only.
 * What may be released is the caller's knowledge: durable, applied and sent to every peer.
 */

import { assert } from '../raft/types.js';

/** Answer of `reserve` when the bytes do not fit now. */
export const ARENA_FULL = -1;

/** What freed regions are overwritten with in poison mode, so that a stale reader is caught. */
export const ARENA_POISON = 0xdb;

const ALIGNMENT = 8;
const CAPACITY_MIN = 128;
const CAPACITY_MAX = 2 ** 30;
/** The largest reservation is this part: one always fits while at most three quarters are live. */
const RESERVATIONS_PER_ARENA_MIN = 8;

function isArenaCapacity(bytes: number): boolean {
  return bytes >= CAPACITY_MIN && bytes <= CAPACITY_MAX && Number.isInteger(Math.log2(bytes));
}

/** Memory for an arena of `capacity` bytes: a power of two, at least 16 × `entryBytesMax`. */
export function createArena(capacity: number): SharedArrayBuffer {
  assert(isArenaCapacity(capacity), 'an arena capacity is a power of two within its bounds');
  return new SharedArrayBuffer(capacity);
}

/** An arena as any thread sees it: places and bytes, no knowledge of what is live. */
export class ArenaView {
  readonly capacity: number;
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer) {
    assert(isArenaCapacity(memory.byteLength), 'arena memory was made by createArena');
    this.capacity = memory.byteLength;
    this.bytes = Buffer.from(memory);
    this.view = new DataView(memory);
    this.#mask = this.capacity - 1;
  }

  /** The offset of a position in `bytes` and `view`. */
  offsetOf(position: number): number {
    return position & this.#mask;
  }

  /** The bytes at a position, not copied: valid until the region is released. */
  region(position: number, bytes: number): Buffer {
    const offset = position & this.#mask;
    assert(bytes >= 0 && offset + bytes <= this.capacity, 'a region never wraps');
    return this.bytes.subarray(offset, offset + bytes);
  }
}

export interface ArenaOptions {
  /** Where positions start (a multiple of 8); tests begin just below 2^31 and 2^32. */
  readonly firstPosition?: number;
  /** Overwrite regions the moment they are released. For tests: it costs a memory write. */
  readonly poison?: boolean;
}

/** The owner's side, in the group's consensus worker: who reserves and releases. */
export class Arena extends ArenaView {
  /** Largest single reservation. */
  readonly reserveBytesMax: number;
  readonly #poison: boolean;
  /** Both as int32 bit patterns of u32 positions, compared by `(a - b) >>> 0`. */
  #oldest: number;
  #next: number;

  constructor(memory: SharedArrayBuffer, options: ArenaOptions = {}) {
    super(memory);
    const first = options.firstPosition ?? 0;
    assert(first % ALIGNMENT === 0, 'an arena position is a multiple of 8');
    this.reserveBytesMax = this.capacity / RESERVATIONS_PER_ARENA_MIN;
    this.#poison = options.poison ?? false;
    this.#oldest = first | 0;
    this.#next = first | 0;
  }

  /**
   * Takes `bytes` contiguous bytes (a multiple of 8) and returns their position, or `ARENA_FULL`.
   * They are live, in this order, until released.
   */
  reserve(bytes: number): number {
    assert(bytes > 0 && bytes <= this.reserveBytesMax, 'a reservation is at most capacity / 8');
    assert(bytes % ALIGNMENT === 0, 'a reservation is a multiple of 8 bytes');
    const toEnd = this.capacity - this.offsetOf(this.#next);
    const skipped = bytes > toEnd ? toEnd : 0;
    if (this.liveBytes + skipped + bytes > this.capacity) return ARENA_FULL;
    const position = (this.#next + skipped) >>> 0;
    this.#next = (position + bytes) | 0;
    return position;
  }

  /** Gives back everything before `position`, which is live itself or `next`. */
  release(position: number): void {
    const freed = (position - this.#oldest) >>> 0;
    assert(freed <= this.liveBytes, 'only live bytes are released, oldest first');
    if (freed === 0) return;
    if (this.#poison) this.#overwrite(this.#oldest, freed);
    this.#oldest = position | 0;
  }

  /** Bytes not yet released, those skipped at the end of the memory included. */
  get liveBytes(): number {
    return (this.#next - this.#oldest) >>> 0;
  }

  get freeBytes(): number {
    return this.capacity - this.liveBytes;
  }

  /** The first live position (u32); equals `next` when nothing is live. */
  get oldest(): number {
    return this.#oldest >>> 0;
  }

  /** The position after the newest reservation (u32). */
  get next(): number {
    return this.#next >>> 0;
  }

  /** Whether the region lies wholly within what is live: the assertion of whoever hands one on. */
  isLive(position: number, bytes: number): boolean {
    return ((position - this.#oldest) >>> 0) + bytes <= this.liveBytes;
  }

  #overwrite(position: number, bytes: number): void {
    const start = this.offsetOf(position);
    const end = Math.min(start + bytes, this.capacity);
    this.bytes.fill(ARENA_POISON, start, end);
    this.bytes.fill(ARENA_POISON, 0, bytes - (end - start));
  }
}
