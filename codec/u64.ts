/**
 * Unsigned 64-bit integers as two little-endian 32-bit words, held in a JavaScript number.
 *
 * Terms, log indexes and sequence numbers are 64 bits on disk and on the wire but stay below 2^53
 * in memory. This file must never round silently: a word pair past 2^53 is an assertion failure.
 */

const TWO_32 = 0x1_0000_0000;
const HIGH_MAX = 0x20_0000;

/** Reads the u64 at `offset`. Throws when the value does not fit a safe integer. */
export function readU64(view: DataView, offset: number): number {
  const high = view.getUint32(offset + 4, true);
  if (high >= HIGH_MAX)
    throw new RangeError(`u64 at byte ${offset} exceeds 2^53 (high word ${high})`);
  return high * TWO_32 + view.getUint32(offset, true);
}

/** Whether `readU64` can read what lies at `offset`: for bytes that nobody has verified. */
export function isReadableU64(view: DataView, offset: number): boolean {
  return view.getUint32(offset + 4, true) < HIGH_MAX;
}

/** Writes a non-negative safe integer as u64 at `offset`. */
export function writeU64(view: DataView, offset: number, value: number): void {
  if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) {
    throw new RangeError(`u64 out of range: ${value}`);
  }
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, (value / TWO_32) >>> 0, true);
}
