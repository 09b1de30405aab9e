/**
 * Ends processes while they take over a snapshot of the leader: it is durable, and the log that it
 * replaces is still on disk.
 *
 * That moment is one write long, so that faults drawn by the clock hardly ever meet it. Nothing
 * strikes once the faults have ended.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { SimCluster } from './cluster.js';
import { Stream, streamSeed } from './plan.js';
import type { World } from './world.js';

/** Most often nothing of it has been written by then. */
const AT_ONCE_US = 100;
const DOWN_MAX_US = 200_000;

export class BrokenInstalls {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #prng: Prng;

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
    this.#prng = new Prng(streamSeed(world.plan.seed, Stream.installs));
  }

  watch(): void {
    this.#world.onLogReset = (node) => this.#onLogReset(node);
  }

  #onLogReset(node: number): void {
    const { plan, scheduler } = this.#world;
    if (scheduler.nowUs >= plan.faultsEndUs || !this.#prng.chance(plan.brokenInstalls)) return;
    const withinUs = this.#prng.pick([AT_ONCE_US, plan.writeUs]);
    scheduler.after(this.#prng.below(withinUs), () => this.#kill(node));
  }

  #kill(node: number): void {
    const { scheduler, counts } = this.#world;
    if (!this.#cluster.isUp(node)) return;
    counts.brokenInstalls += 1;
    this.#cluster.crash(node, 'kept');
    scheduler.after(this.#prng.below(DOWN_MAX_US), () => this.#cluster.restart(node));
  }
}
