/**
 * The randomness a simulated part is given. The seeded generator of the core satisfies it; io may not
 * import the core, so it asks for the shape only. Nothing in io may draw from `Math.random`.
 */

export interface RandomSource {
  /** A uniform unsigned 32-bit integer. */
  u32(): number;
  /** A uniform integer in `[0, bound)`. */
  below(bound: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
}
