/**
 * How long to wait before the next attempt: exponential, bounded, jittered so that nodes that lost
 * the same peer do not come back in step. Pure; randomness is given.
 */

/** Uniform integers in `[0, bound)`; `Prng` is one. */
export interface RandomSource {
  below(bound: number): number;
}

export interface BackoffLimits {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Between half and all of `minMs × 2^attempt`, the latter at most `maxMs`; attempts count from 0.
 */
export function backoffMs(attempt: number, limits: BackoffLimits, random: RandomSource): number {
  const full = Math.min(limits.maxMs, limits.minMs * 2 ** Math.min(attempt, 30));
  const half = Math.floor(full / 2);
  return half + random.below(full - half + 1);
}
