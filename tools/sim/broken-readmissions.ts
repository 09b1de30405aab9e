/**
 * Strikes a leader in the middle of a readmission, while no life of the wiped replica is recorded:
 * it dies, or is left alone with just that replica.
 *
 * These moments are short, so that faults drawn by the clock hardly ever meet one. The majority of
 * intact replicas is left; nothing strikes once the faults have ended.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { NodeId } from '../../engine/raft/types.js';
import type { SimCluster } from './cluster.js';
import { Stream, streamSeed } from './plan.js';
import type { World } from './world.js';

/** The erasing entry has been sent by then, and often not yet been committed. */
const STRIKES_WITHIN_US = 4_000;
const LASTS_US = { least: 200_000, most: 900_000 } as const;

export class BrokenReadmissions {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #prng: Prng;

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
    this.#prng = new Prng(streamSeed(world.plan.seed, Stream.readmissions));
  }

  watch(): void {
    this.#world.onErasure = (node, erased) => this.#onErasure(node, erased);
  }

  #onErasure(node: number, erased: readonly NodeId[]): void {
    const { plan, scheduler } = this.#world;
    if (scheduler.nowUs >= plan.faultsEndUs) return;
    if (!this.#prng.chance(plan.brokenReadmissions)) return;
    const act = this.#prng.chance(0.5) ? this.#kill : this.#isolate;
    scheduler.after(this.#prng.below(STRIKES_WITHIN_US), () => act.call(this, node, erased));
  }

  #kill(node: number): void {
    const { scheduler, counts } = this.#world;
    if (!this.#cluster.isUp(node)) return;
    counts.brokenReadmissions += 1;
    this.#cluster.crash(node, 'kept');
    scheduler.after(this.#lastsUs(), () => this.#cluster.restart(node));
  }

  #isolate(node: number, erased: readonly NodeId[]): void {
    const { network, scheduler, counts } = this.#world;
    const side = new Set<number>([node, ...erased]);
    const others = this.#cluster.members.map(({ id }) => id).filter((id) => !side.has(id));
    if (others.length === 0) return;
    counts.brokenReadmissions += 1;
    this.#world.event(node, 'is left alone with the replica that it readmits');
    network.partition([...side], others);
    scheduler.after(this.#lastsUs(), () => network.heal());
  }

  #lastsUs(): number {
    return this.#prng.between(LASTS_US.least, LASTS_US.most);
  }
}
