/**
 * A connection's requests, written out once into one buffer that is then sent round and round; only
 * the twelve bytes of the key change from one turn to the next.
 *
 *   SET  *3␍␊$3␍␊SET␍␊$12␍␊key:00001234␍␊$16␍␊….␍␊      GET  *2␍␊$3␍␊GET␍␊$12␍␊key:00001234␍␊
 *
 * Each slot has a value of its own. A slot may be rewritten once its reply has arrived, since its
 * bytes have then left this process; so there must never be more requests in flight than `slots`.
 * Nothing is allocated per request.
 */

export type RequestOrder =
  /** Uniform over all keys, with replacement. */
  | { readonly kind: 'uniform'; readonly seed: number }
  /** Every `stride`th key from `first`, once: for filling. */
  | { readonly kind: 'sequence'; readonly first: number; readonly stride: number };

export interface RequestShape {
  /** At least the number of requests in flight on this connection. */
  readonly slots: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** 0: only SET; 1: only GET; between: interleaved evenly. */
  readonly readShare: number;
  readonly order: RequestOrder;
}

export type WriteBytes = (bytes: Uint8Array) => void;

const SET_HEAD = '*3\r\n$3\r\nSET\r\n$12\r\n';
const GET_HEAD = '*2\r\n$3\r\nGET\r\n$12\r\n';
const KEY_PREFIX = 'key:';
const KEY_BYTES = 12;
/** Where a key's digits begin in a request: the same for both kinds. */
const DIGITS_AT = SET_HEAD.length + KEY_PREFIX.length;
const TWO_32 = 0x1_0000_0000;
const FOUR_DIGITS = 10_000;

/** `0000` to `9999` as bytes: eight digits take two look-ups and no division per digit. */
const DIGITS = Buffer.from(
  Array.from({ length: FOUR_DIGITS }, (_, n) => String(n).padStart(4, '0')).join(''),
  'latin1',
);

/** The key with number `index`, as it stands in a request. */
export function keyName(index: number): string {
  return KEY_PREFIX + String(index).padStart(KEY_BYTES - KEY_PREFIX.length, '0');
}

export class RequestRing {
  readonly slots: number;
  readonly #bytes: Buffer;
  /** Where each slot begins, and after the last one the end. */
  readonly #offsets: Float64Array;
  readonly #keys: number;
  #cursor = 0;
  #random = 0;
  #next = 0;
  readonly #stride: number;

  constructor(shape: RequestShape) {
    this.slots = shape.slots;
    this.#keys = shape.keys;
    if (shape.order.kind === 'sequence') {
      this.#next = shape.order.first;
      this.#stride = shape.order.stride;
    } else {
      // xorshift never leaves zero, so a seed of zero must not reach it.
      this.#random = (Math.imul(shape.order.seed, 0x9e3779b1) ^ 0x6d2b79f5) >>> 0 || 1;
      this.#stride = 0;
    }
    this.#offsets = offsetsOf(shape);
    this.#bytes = Buffer.allocUnsafe(this.#offsets[shape.slots] ?? 0);
    this.#fill(shape);
  }

  /** How many requests are left in the sequence; without one there is no end. */
  get left(): number {
    if (this.#stride === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.ceil((this.#keys - this.#next) / this.#stride));
  }

  /** Hands `count` requests to `write`, in one piece or, where the ring wraps, in two. */
  emit(count: number, write: WriteBytes): void {
    const until = this.slots - this.#cursor;
    const first = Math.min(count, until);
    this.#emitRun(first, write);
    if (count > first) this.#emitRun(count - first, write);
  }

  #emitRun(count: number, write: WriteBytes): void {
    const begin = this.#cursor;
    const end = begin + count;
    const bytes = this.#bytes;
    const offsets = this.#offsets;
    for (let slot = begin; slot < end; slot++) {
      const key = this.#key();
      const high = Math.floor(key / FOUR_DIGITS);
      let from = high << 2;
      let at = offsets[slot]! + DIGITS_AT;
      bytes[at++] = DIGITS[from++]!;
      bytes[at++] = DIGITS[from++]!;
      bytes[at++] = DIGITS[from++]!;
      bytes[at++] = DIGITS[from]!;
      from = (key - high * FOUR_DIGITS) << 2;
      bytes[at++] = DIGITS[from++]!;
      bytes[at++] = DIGITS[from++]!;
      bytes[at++] = DIGITS[from++]!;
      bytes[at] = DIGITS[from]!;
    }
    this.#cursor = end === this.slots ? 0 : end;
    write(bytes.subarray(offsets[begin], offsets[end]));
  }

  #key(): number {
    if (this.#stride !== 0) {
      const key = this.#next;
      this.#next += this.#stride;
      return key;
    }
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return Math.floor(((random >>> 0) / TWO_32) * this.#keys);
  }

  #fill(shape: RequestShape): void {
    const { order } = shape;
    const letters = new Letters(order.kind === 'uniform' ? order.seed : order.first);
    for (let slot = 0; slot < shape.slots; slot++) {
      const at = this.#offsets[slot]!;
      if (isRead(slot, shape.readShare)) {
        this.#bytes.write(`${GET_HEAD}${keyName(0)}\r\n`, at, 'latin1');
        continue;
      }
      const head = `${SET_HEAD}${keyName(0)}\r\n$${shape.valueBytes}\r\n`;
      const valueAt = at + this.#bytes.write(head, at, 'latin1');
      letters.fill(this.#bytes.subarray(valueAt, valueAt + shape.valueBytes));
      this.#bytes.write('\r\n', valueAt + shape.valueBytes, 'latin1');
    }
  }
}

/** Reads stand evenly between the writes, so that every stretch of the ring has the ratio. */
function isRead(slot: number, readShare: number): boolean {
  return Math.floor((slot + 1) * readShare) > Math.floor(slot * readShare);
}

function offsetsOf(shape: RequestShape): Float64Array {
  const getBytes = GET_HEAD.length + KEY_BYTES + 2;
  const lengthDigits = String(shape.valueBytes).length;
  const setBytes = SET_HEAD.length + KEY_BYTES + 2 + 1 + lengthDigits + 2 + shape.valueBytes + 2;
  const offsets = new Float64Array(shape.slots + 1);
  for (let slot = 0; slot < shape.slots; slot++) {
    offsets[slot + 1] = offsets[slot]! + (isRead(slot, shape.readShare) ? getBytes : setBytes);
  }
  return offsets;
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

/** Values in which no compression finds anything, others for each seed. */
class Letters {
  #state: number;

  constructor(seed: number) {
    this.#state = (Math.imul(seed + 1, 0x9e3779b1) ^ 0x2545f491) >>> 0 || 1;
  }

  fill(value: Uint8Array): void {
    let state = this.#state;
    for (let at = 0; at < value.length; at++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      value[at] = ALPHABET[(state >>> 8) & 63]!;
    }
    this.#state = state;
  }
}
