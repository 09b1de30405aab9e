/**
 * The replies that one connection still owes, in the order of its requests.
 *
 * A request that goes elsewhere takes a slot; its token comes back with the result. A reply that is
 * known before its turn is kept in its slot as bytes. Slots are numbers in typed arrays, so a
 * request allocates nothing; the room doubles on demand and never shrinks while something is owed.
 * This file must never write a reply of its own.
 */

/** What is known of a slot, as bits. */
export const SlotFlag = {
  /** A command for the log, else a query. */
  write: 1,
  /** A refusal because another node leads is answered by REDIRECT. */
  redirects: 2,
  /** The reply is here and waits for its turn. */
  ready: 4,
  /** The command has a place in a client session. */
  inSession: 8,
} as const;

/** Tokens count modulo 2^30, so that they stay small integers everywhere. */
const TOKEN_MASK = 0x3fff_ffff;
/** A reply that is kept costs this much beside its bytes. */
const KEPT_OVERHEAD_BYTES = 160;
const CAPACITY_MIN = 16;
/** Room beyond this is given back once nothing is owed. */
const CAPACITY_KEPT = 1024;

export class ReplyQueue {
  #mask = CAPACITY_MIN - 1;
  #shapes = new Uint8Array(CAPACITY_MIN);
  #flags = new Uint8Array(CAPACITY_MIN);
  #fences = new Int32Array(CAPACITY_MIN);
  #values = new Int32Array(CAPACITY_MIN);
  #kept: (Buffer | null)[] = new Array<Buffer | null>(CAPACITY_MIN).fill(null);
  #keptBytes = 0;
  #head = 0;
  #length = 0;

  /** Replies owed. */
  get length(): number {
    return this.#length;
  }

  /** Memory of replies that wait for their turn: small ones cost more than their bytes. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** The token that the next `push` gives out. */
  get nextToken(): number {
    return (this.#head + this.#length) & TOKEN_MASK;
  }

  isHead(token: number): boolean {
    return token === this.#head;
  }

  shapeOf(token: number): number {
    return this.#shapes[token & this.#mask] as number;
  }

  flagsOf(token: number): number {
    return this.#flags[token & this.#mask] as number;
  }

  fenceOf(token: number): number {
    return this.#fences[token & this.#mask] as number;
  }

  valuesOf(token: number): number {
    return this.#values[token & this.#mask] as number;
  }

  /** A reply is owed; `shape`, `fence` and `values` are the caller's to interpret. */
  push(shape: number, flags: number, fence: number, values = 0): void {
    if (this.#length > this.#mask) this.#grow();
    const slot = this.nextToken & this.#mask;
    this.#shapes[slot] = shape;
    this.#flags[slot] = flags;
    this.#fences[slot] = fence;
    this.#values[slot] = values;
    this.#length += 1;
  }

  /** A reply that is known already, behind others that are not. */
  pushKnown(reply: Buffer): void {
    const token = this.nextToken;
    this.push(0, 0, 0);
    this.keep(token, reply);
  }

  /** The reply of a slot that is not the head's; the bytes are kept as they are. */
  keep(token: number, reply: Buffer): void {
    const slot = token & this.#mask;
    this.#flags[slot] = (this.#flags[slot] as number) | SlotFlag.ready;
    this.#kept[slot] = reply;
    this.#keptBytes += KEPT_OVERHEAD_BYTES + reply.length;
  }

  /** The head's reply was written. */
  shift(): void {
    this.#head = (this.#head + 1) & TOKEN_MASK;
    this.#length -= 1;
  }

  /** The head's reply if it was kept, and the slot is left; null when it is still awaited. */
  shiftKept(): Buffer | null {
    if (this.#length === 0) return null;
    const slot = this.#head & this.#mask;
    const reply = this.#kept[slot] as Buffer | null;
    if (reply === null) return null;
    this.#kept[slot] = null;
    this.#keptBytes -= KEPT_OVERHEAD_BYTES + reply.length;
    this.shift();
    return reply;
  }

  /** Gives back room that a burst needed. */
  trim(): void {
    if (this.#length > 0 || this.#mask < CAPACITY_KEPT) return;
    this.#resize(CAPACITY_MIN);
  }

  #grow(): void {
    this.#resize(2 * (this.#mask + 1));
  }

  #resize(capacity: number): void {
    const shapes = new Uint8Array(capacity);
    const flags = new Uint8Array(capacity);
    const fences = new Int32Array(capacity);
    const values = new Int32Array(capacity);
    const kept = new Array<Buffer | null>(capacity).fill(null);
    for (let i = 0; i < this.#length; i += 1) {
      const from = (this.#head + i) & this.#mask;
      const to = (this.#head + i) & (capacity - 1);
      shapes[to] = this.#shapes[from] as number;
      flags[to] = this.#flags[from] as number;
      fences[to] = this.#fences[from] as number;
      values[to] = this.#values[from] as number;
      kept[to] = this.#kept[from] as Buffer | null;
    }
    this.#mask = capacity - 1;
    this.#shapes = shapes;
    this.#flags = flags;
    this.#fences = fences;
    this.#values = values;
    this.#kept = kept;
  }
}
