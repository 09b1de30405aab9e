/**
 * Copying, comparing and hashing of short byte ranges: the inner loops of the key-value store.
 *
 * Ranges are given as (buffer, start, end) so that nothing is allocated for them. Short ranges are
 * handled in JavaScript because a native call costs about 100 ns; long ones go native.
 */

const LOOP_BYTES_MAX = 128;

/** Copies `[start, end)` to `target` at `at`. The ranges must not overlap. */
export function copyBytes(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number,
): void {
  if (end - start > LOOP_BYTES_MAX) {
    source.copy(target, at, start, end);
    return;
  }
  for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from]!;
}

/** Whether `length` bytes at the two places are the same. */
export function equalBytes(
  a: Buffer,
  aAt: number,
  b: Buffer,
  bAt: number,
  length: number,
): boolean {
  if (length > LOOP_BYTES_MAX) return a.compare(b, bAt, bAt + length, aAt, aAt + length) === 0;
  for (let i = 0; i < length; i += 1) {
    if (a[aAt + i] !== b[bAt + i]) return false;
  }
  return true;
}

/** 32-bit MurmurHash3 of `[start, end)`, unsigned. The same on every node for the same seed. */
export function hashBytes(bytes: Buffer, start: number, end: number, seed: number): number {
  let hash = seed | 0;
  const tail = end - ((end - start) & 3);
  for (let at = start; at < tail; at += 4) {
    const word =
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash = rotate(hash ^ scramble(word), 13);
    hash = (Math.imul(hash, 5) + 0xe654_6b64) | 0;
  }
  let last = 0;
  for (let at = end - 1; at >= tail; at -= 1) last = (last << 8) | bytes[at]!;
  if (tail < end) hash ^= scramble(last);
  return mix(hash ^ (end - start));
}

function scramble(word: number): number {
  return Math.imul(rotate(Math.imul(word, 0xcc9e_2d51), 15), 0x1b87_3593);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  let hash = word;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
