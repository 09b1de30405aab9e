/**
 * How the clocks of a run go wrong, and what its reads ask for: drawn from the seed like the rest
 * of the plan, from streams of their own.
 *
 * Where leases are kept no clock runs faster or slower than they allow for. A machine that is
 * suspended keeps its monotonic clock still and its wall clock right: then no wall clock is set
 * back, which would hide it.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { FaultFamily } from './fault-families.js';
import type { Operation, ReadTermsOf } from './operation.js';

/** What clocks may do where nothing rests on them. */
const RATE_MIN = 0.5;
const RATE_MAX = 2;

export interface ClockPlan {
  /** Null: no leases, and reads are linearizable or bounded. */
  readonly leaseDrift: number | null;
  readonly rateMin: number;
  readonly rateMax: number;
  /** Machines suspended, threads that pause in a turn, processes that stop, wall clocks set. */
  readonly suspensions: number;
  readonly stalls: number;
  readonly stops: number;
  readonly wallJumps: number;
  /** Leaders that lose one peer, then all, while those are as impatient as they may be. */
  readonly sieges: number;
  /** Leaders that are cut off as they hand over. */
  readonly handOvers: number;
  /** A wall clock may be set back. */
  readonly jumpsBack: boolean;
  /** Shares of the reads. */
  readonly byLease: number;
  readonly bounded: number;
  readonly stalenessMs: readonly number[];
}

export const SOUND_CLOCKS: ClockPlan = {
  leaseDrift: null,
  rateMin: RATE_MIN,
  rateMax: RATE_MAX,
  suspensions: 0,
  stalls: 0,
  stops: 0,
  wallJumps: 0,
  sieges: 0,
  handOvers: 0,
  jumpsBack: false,
  byLease: 0,
  bounded: 0,
  stalenessMs: [],
};

export function drawClocks(prng: Prng, families: readonly FaultFamily[]): ClockPlan {
  if (!families.includes('clock')) return SOUND_CLOCKS;
  const leaseDrift = prng.chance(0.6) ? prng.pick([0.05, 0.1, 0.3]) : null;
  // The fastest and the slowest differ by a little less than a lease allows for.
  const rateMin = leaseDrift === null ? RATE_MIN : Math.sqrt(1 - leaseDrift) * 1.001;
  const jumpsBack = prng.chance(0.3);
  return {
    leaseDrift,
    rateMin,
    rateMax: leaseDrift === null ? RATE_MAX : 1 / rateMin,
    suspensions: jumpsBack ? 0 : prng.pick([0, 1, 2, 4]),
    stalls: prng.pick([1, 1, 3, 6]),
    stops: prng.pick([0, 0, 1, 2]),
    wallJumps: prng.pick([0, 0, 2, 5]),
    sieges: leaseDrift === null ? 0 : prng.pick([0, 1, 2, 3]),
    handOvers: leaseDrift === null ? 0 : prng.pick([0, 0, 1, 2]),
    jumpsBack,
    byLease: leaseDrift === null ? 0 : prng.pick([0.3, 0.6]),
    bounded: prng.pick([0, 0.2, 0.4]),
    stalenessMs: prng.pick([[1, 20], [50, 200], [500]]),
  };
}

/** As the core's options have it. */
export function leaseOf({ leaseDrift }: ClockPlan): { readonly leaseDrift?: number } {
  return leaseDrift === null ? {} : { leaseDrift };
}

export function withinRates({ rateMin, rateMax }: ClockPlan, rate: number): number {
  return Math.min(rateMax, Math.max(rateMin, rate));
}

/** Has reads ask for what the plan says; whatever is not a read stays as it is. */
export class ReadTermsDrawn {
  readonly #plan: ClockPlan;
  readonly #prng: Prng;

  constructor(plan: ClockPlan, seed: number) {
    this.#plan = plan;
    this.#prng = new Prng(seed);
  }

  draw(operation: Operation): Operation {
    const { byLease, bounded } = this.#plan;
    if (operation.op !== 'get' || byLease + bounded === 0) return operation;
    const toss = this.#prng.below(1000) / 1000;
    const terms = this.#termsFor(toss, byLease, bounded);
    return terms === null ? operation : { ...operation, terms };
  }

  #termsFor(toss: number, byLease: number, bounded: number): ReadTermsOf | null {
    if (toss < byLease) return { consistency: 'lease', maxStalenessMs: 0 };
    if (toss >= byLease + bounded) return null;
    const maxStalenessMs = this.#prng.pick(this.#plan.stalenessMs);
    return { consistency: 'bounded', maxStalenessMs };
  }
}
