/**
 * Which slot size a record of so many bytes gets: multiples of 16 up to 1 KiB, then eight steps
 * per doubling, so that a slot wastes at most an eighth.
 *
 * A pure function of the size, so that the memory a state takes is the same on every node. This
 * file must never know pages.
 */

const FINE_STEP_SHIFT = 4;
const FINE_BYTES_MAX = 1024;
const FINE_CLASSES = FINE_BYTES_MAX >>> FINE_STEP_SHIFT;
const STEPS_SHIFT = 3;
const STEPS = 1 << STEPS_SHIFT;
const FIRST_EXPONENT = 10;

/** Slots up to this size share pages; larger ones get memory of their own. */
export const SHARED_SLOT_BYTES_MAX = 256 * 1024;

/** Class 0 stands for memory of its own; 1 … SIZE_CLASSES − 1 are the shared slot sizes. */
export const SIZE_CLASSES = 1 + FINE_CLASSES + (18 - FIRST_EXPONENT) * STEPS;

/** Exponent of the power of two strictly below `bytes`. */
function exponentBelow(bytes: number): number {
  return 31 - Math.clz32(bytes - 1);
}

/** The slot size for `bytes`, which must be 1 … 2^30. */
export function slotBytes(bytes: number): number {
  if (bytes <= FINE_BYTES_MAX) return ((bytes + 15) >>> FINE_STEP_SHIFT) << FINE_STEP_SHIFT;
  const shift = exponentBelow(bytes) - STEPS_SHIFT;
  return (((bytes - 1) >>> shift) + 1) << shift;
}

/** The size class for `bytes`; 0 when it must have memory of its own. */
export function sizeClass(bytes: number): number {
  if (bytes <= FINE_BYTES_MAX) return (bytes + 15) >>> FINE_STEP_SHIFT;
  if (bytes > SHARED_SLOT_BYTES_MAX) return 0;
  const exponent = exponentBelow(bytes);
  const step = ((bytes - 1) >>> (exponent - STEPS_SHIFT)) & (STEPS - 1);
  return FINE_CLASSES + 1 + (exponent - FIRST_EXPONENT) * STEPS + step;
}
