/**
 * Who is killed in which trial, and when. By the seed alone: two runs with one seed plan the same,
 * though what the nodes do meanwhile is theirs.
 */

import type { Prng } from '../../engine/raft/prng.js';

export type VictimKind = 'leader' | 'follower' | 'all' | 'all, twice';

export interface TrialPlan {
  readonly kind: VictimKind;
  /** From the first acknowledged write to the kill. */
  readonly killAfterMs: number;
  /** From the kill to the restart; with survivors the load goes on meanwhile. */
  readonly downMs: number;
  /** For `all, twice`: from the restart to the second kill, most likely in the recovery. */
  readonly againAfterMs: number;
  /** From the moment that all serve to the end of the load. */
  readonly loadAfterMs: number;
  /** While it is dead, files of one of the killed nodes are damaged. */
  readonly damages: boolean;
}

/** Of the trials of a run with damage. */
const DAMAGE_SHARE = 0.5;

const KINDS: readonly VictimKind[] = ['leader', 'follower', 'all', 'leader', 'all', 'all, twice'];

/** Every kind comes up in each round of six, in an order of its own. */
export function planTrials(
  prng: Prng,
  trials: number,
  nodes: number,
  withDamage = false,
): TrialPlan[] {
  const plans: TrialPlan[] = [];
  let round: VictimKind[] = [];
  while (plans.length < trials) {
    if (round.length === 0) round = shuffled(prng, nodes === 1 ? alone() : KINDS);
    plans.push({
      kind: round.pop() ?? 'all',
      killAfterMs: prng.between(50, 900),
      downMs: prng.between(0, 700),
      againAfterMs: prng.between(20, 900),
      loadAfterMs: prng.between(50, 400),
      damages: withDamage && prng.chance(DAMAGE_SHARE),
    });
  }
  return plans;
}

/** A node on its own has no followers, and killing its leader is killing all. */
function alone(): readonly VictimKind[] {
  return KINDS.filter((kind) => kind === 'all' || kind === 'all, twice');
}

function shuffled<T>(prng: Prng, list: readonly T[]): T[] {
  const mixed = [...list];
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = prng.below(at + 1);
    const one = mixed[at] as T;
    mixed[at] = mixed[other] as T;
    mixed[other] = one;
  }
  return mixed;
}
