/**
 * The few statistics that reports need: median and quantiles of a handful of numbers.
 *
 * It must never round: whoever prints does.
 */

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('a median needs at least one value');
  const ordered = sorted(values);
  const upper = Math.floor(ordered.length / 2);
  const lower = ordered.length % 2 === 0 ? upper - 1 : upper;
  return ((ordered[lower] as number) + (ordered[upper] as number)) / 2;
}

/** The smallest value that at least this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('a quantile needs at least one value');
  if (share < 0 || share > 1) throw new Error('a quantile is between 0 and 1');
  const at = Math.max(0, Math.ceil(values.length * share) - 1);
  return sorted(values)[at] as number;
}
