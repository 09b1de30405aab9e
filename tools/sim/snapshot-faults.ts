/**
 * Decides, by chance and until the run calms down, what goes wrong with snapshots on one node: a
 * job of the codec pool, a chunk on its way, a connection in the middle of a transfer, a file that
 * is asked for.
 *
 * It only decides and counts; the device does it.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { Counts } from './counts.js';
import type { SnapshotFaultShares } from './damage-plan.js';

type Name = keyof SnapshotFaultShares;

const COUNTED = {
  pack: 'packFailures',
  lose: 'lostChunks',
  cut: 'brokenTransfers',
  gone: 'goneSnapshots',
  rot: 'rottenSnapshots',
} as const satisfies Record<Name, keyof Counts>;

/** Files that may rot in one life once the run calms down. */
const LATE_ROTS_MAX = 1;

export class SnapshotFaults {
  readonly #shares: SnapshotFaultShares;
  readonly #prng: Prng;
  readonly #counts: Counts;
  readonly #isOver: () => boolean;
  #lateRots = 0;

  constructor(shares: SnapshotFaultShares, prng: Prng, counts: Counts, isOver: () => boolean) {
    this.#shares = shares;
    this.#prng = prng;
    this.#counts = counts;
    this.#isOver = isOver;
  }

  strikes(name: Name): boolean {
    const isLate = this.#isOver();
    if (this.#shares[name] === 0 || (isLate && !this.#mayStrikeLate(name))) return false;
    if (!this.#prng.chance(this.#shares[name])) return false;
    if (isLate) this.#lateRots += 1;
    this.#counts[COUNTED[name]] += 1;
    return true;
  }

  /** Most followers that lag ask for a file only then. It costs them a while, and never rest. */
  #mayStrikeLate(name: Name): boolean {
    return name === 'rot' && this.#lateRots < LATE_ROTS_MAX;
  }
}
