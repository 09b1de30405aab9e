/**
 * Signed 64-bit integers, as 8 little-endian bytes and as decimal text.
 *
 * In memory such a value is a number while that is exact and a bigint beyond ±(2^53 − 1), so
 * counters of ordinary size never touch BigInt. This file must never round: what does not fit is
 * `null`.
 */

/** A number while it is a safe integer, a bigint otherwise; never a bigint that would be safe. */
export type Int64 = number | bigint;

export const INT64_BYTES = 8;
/** Longest decimal text, `-9223372036854775808`. */
export const DECIMAL_BYTES_MAX = 20;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const TWO_32 = 0x1_0000_0000;
/** A high word in [−2^21, 2^21) keeps the whole value within ±2^53. */
const SAFE_HIGH = 0x20_0000;
/** Any decimal of this many digits is a safe integer. */
const SAFE_DIGITS = 15;

const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/** Brings an exact value into the form that `Int64` promises; null outside 64 bits. */
function narrow(value: bigint): Int64 | null {
  if (value < INT64_MIN || value > INT64_MAX) return null;
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

export function readInt64(buffer: Buffer, offset: number): Int64 {
  const high = buffer.readInt32LE(offset + 4);
  if (high >= -SAFE_HIGH && high < SAFE_HIGH) {
    const value = high * TWO_32 + buffer.readUInt32LE(offset);
    if (Number.isSafeInteger(value)) return value;
  }
  return buffer.readBigInt64LE(offset);
}

/** Writes 8 bytes and returns the offset after them. */
export function writeInt64(buffer: Buffer, offset: number, value: Int64): number {
  if (typeof value === 'bigint') return buffer.writeBigInt64LE(value, offset);
  buffer.writeUInt32LE(value >>> 0, offset);
  buffer.writeInt32LE(Math.floor(value / TWO_32), offset + 4);
  return offset + INT64_BYTES;
}

/** The sum, or null when it needs more than 64 bits. */
export function addInt64(a: Int64, b: Int64): Int64 | null {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt(a) + BigInt(b));
}

/** The value with its sign turned, or null for −2^63, which has no positive counterpart. */
export function negateInt64(value: Int64): Int64 | null {
  return typeof value === 'number' ? 0 - value : narrow(-value);
}

/**
 * Reads the canonical decimal text in `[start, end)`: no plus sign, no leading zero, no spaces and
 * no `-0`, as Redis demands of a counter. Null when it is anything else or exceeds 64 bits.
 */
export function parseInt64(bytes: Uint8Array, start: number, end: number): Int64 | null {
  if (end - start < 1 || end - start > DECIMAL_BYTES_MAX) return null;
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (first === end) return null;
  if (bytes[first] === ZERO) return !negative && end - first === 1 ? 0 : null;
  if (end - first > SAFE_DIGITS) return parseLong(bytes, start, first, end);
  let value = 0;
  for (let at = first; at < end; at += 1) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return null;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

function parseLong(bytes: Uint8Array, start: number, first: number, end: number): Int64 | null {
  for (let at = first; at < end; at += 1) {
    if (bytes[at]! < ZERO || bytes[at]! > NINE) return null;
  }
  return narrow(BigInt(String.fromCharCode(...bytes.subarray(start, end))));
}

/** Writes the canonical decimal text and returns the offset after it. */
export function writeDecimal(bytes: Uint8Array, offset: number, value: Int64): number {
  if (typeof value === 'bigint') return writeText(bytes, offset, value.toString());
  let rest = value;
  let at = offset;
  if (rest < 0) {
    bytes[at] = MINUS;
    at += 1;
    rest = -rest;
  }
  // Beyond 31 bits division is done in doubles; the engine's own formatting is no slower.
  if (rest > 0x7fff_ffff) return writeText(bytes, at, String(rest));
  let end = at + 1;
  for (let bound = 10; rest >= bound && end < at + 10; bound *= 10) end += 1;
  for (let digitAt = end - 1; digitAt >= at; digitAt -= 1) {
    const tenth = (rest / 10) | 0;
    bytes[digitAt] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

function writeText(bytes: Uint8Array, offset: number, text: string): number {
  for (let i = 0; i < text.length; i += 1) bytes[offset + i] = text.charCodeAt(i);
  return offset + text.length;
}
