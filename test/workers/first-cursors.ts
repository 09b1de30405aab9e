/**
 * Where the cursors and positions of the tests of this folder start: at the beginning, and just
 * below 2^31 and 2^32, where arithmetic goes wrong first.
 *
 * It must never be imported by anything but tests.
 */

export const FIRST_CURSORS = [0, 2 ** 31 - 64, 2 ** 32 - 64] as const;

/** ` from 4294967232 on`, for the name of a test. */
export function fromThere(first: number): string {
  return first === 0 ? '' : ` (from ${first} on)`;
}
