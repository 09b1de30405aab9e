/**
 * The randomness that a simulated part is given. The seeded generator of the core satisfies it, but
 * io may not import the core and so asks for the shape only.
 *
 * Nothing in io may draw from `Math.random`: a run must replay from its seed.
 */

export interface RandomSource {
  /** A uniform unsigned 32-bit integer. */
  u32(): number;
  /** A uniform integer in `[0, bound)`. */
  below(bound: number): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
}
