/**
 * Carries out the damages of a run: each on one node, and only while a majority of the others is
 * whole. A node is whole again once it has started with everything, or was readmitted.
 */

import type { SimCluster } from './cluster.js';
import type { Damage } from './damage-plan.js';
import type { SimNode } from './node.js';
import type { World } from './world.js';

const AGAIN_US = 150_000;
const LOOK_US = 10_000;
/** How long a write is waited for that could be lost. */
const WAIT_MAX_US = 1_000_000;
/** How long the node goes on with a loss that it does not know. */
const UNAWARE_MAX_US = 200_000;
/** Starts take up to 60 ms; by then the node may have fetched what it lacks, or be about to. */
const FOUND_AGAIN_US = 150_000;

export class Damages {
  readonly #world: World;
  readonly #cluster: SimCluster;
  /** Kinds that struck. */
  readonly kinds = new Set<string>();

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  schedule(damages: readonly Damage[]): void {
    for (const damage of damages) {
      this.#world.scheduler.at(damage.timeUs, () => this.#strike(damage));
    }
  }

  #strike(damage: Damage): void {
    const { scheduler, plan } = this.#world;
    if (scheduler.nowUs >= plan.faultsEndUs) return;
    const { kind, part, node } = damage;
    const member = this.#cluster.members[node - 1]!;
    if (!this.#cluster.mayLose(node) || !member.isUp || member.isDamaged) {
      scheduler.after(AGAIN_US, () => this.#strike(damage));
      return;
    }
    if (kind === 'bitFlip' || kind === 'lostSnapshots') {
      const struck = kind === 'bitFlip' ? member.flipAtRest(part) : member.loseSnapshots();
      if (struck) this.kinds.add(kind);
      member.restart();
      return;
    }
    if (kind === 'unreadableSnapshots') {
      this.#hideSnapshots(member);
      return;
    }
    member.loseNextWrite(kind, part);
    this.#world.event(node, `${kind} in ${part} is to come`);
    this.#watch(damage, scheduler.nowUs + WAIT_MAX_US);
  }

  /** One start without snapshots, and a while later one that finds them again. */
  #hideSnapshots(member: SimNode): void {
    const { scheduler, plan } = this.#world;
    this.kinds.add('unreadableSnapshots');
    member.hideSnapshots();
    member.restart();
    const leftUs = plan.faultsEndUs - scheduler.nowUs;
    scheduler.after(Math.min(FOUND_AGAIN_US, leftUs), () => {
      member.crash('kept');
      member.restart();
    });
  }

  /**
   * Lets the node go on until what it lost can be noticed, then ends its process; at the end of the
   * faults in any case, so that nothing strikes a cluster at rest.
   */
  #watch(damage: Damage, untilUs: number): void {
    const { scheduler, plan } = this.#world;
    const member = this.#cluster.members[damage.node - 1]!;
    // Its process died by itself: the next start shows what is left.
    if (!member.hasLossToCome) {
      this.kinds.add(damage.kind);
      return;
    }
    const leftUs = plan.faultsEndUs - scheduler.nowUs;
    const state = member.lossState;
    if (state === 'proven' || (state === 'unproven' && leftUs <= 0)) {
      this.kinds.add(damage.kind);
      this.#endAfter(Math.min(plan.seed % UNAWARE_MAX_US, leftUs), member);
      return;
    }
    if (leftUs <= 0 || scheduler.nowUs >= untilUs) member.keepWrites();
    if (!member.hasLossToCome) return;
    scheduler.after(Math.min(LOOK_US, leftUs), () => this.#watch(damage, untilUs));
  }

  #endAfter(delayUs: number, member: SimNode): void {
    const { life } = member;
    this.#world.scheduler.after(delayUs, () => {
      if (member.life !== life) return;
      member.crash('kept');
      member.restart();
    });
  }
}
