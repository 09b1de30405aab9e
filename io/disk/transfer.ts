/**
 * The bounds that every disk asserts before it moves a byte, so that a wrong offset fails the same
 * way on the real disk as in the simulator. (`fs.writeSync` takes a negative position for "where
 * the file stands", which would be a silent misplaced write.)
 */

/** Throws a RangeError unless `[offset, offset + length)` lies in `buffer`. */
export function assertTransfer(
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): void {
  if (!(Number.isSafeInteger(offset) && offset >= 0 && length >= 0)) {
    throw new RangeError(`transfer of ${length} bytes at buffer offset ${offset}`);
  }
  if (!(Number.isSafeInteger(length) && offset + length <= buffer.byteLength)) {
    throw new RangeError(`transfer past the buffer: ${offset} + ${length} > ${buffer.byteLength}`);
  }
  assertPosition(position);
}

/** Throws a RangeError unless `position` is a byte position or length of a file. */
export function assertPosition(position: number): void {
  if (!(Number.isSafeInteger(position) && position >= 0)) {
    throw new RangeError(`not a file position: ${position}`);
  }
}
