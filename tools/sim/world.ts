/**
 * What all parts of one run share: its plan, time, network, counters, trace and witnesses.
 *
 * Only what is outside the simulated nodes lives here; a node must never learn anything from it
 * that a real one could not know.
 */

import { Prng } from '../../engine/raft/prng.js';
import { assert, type NodeId } from '../../engine/raft/types.js';
import type { Counts } from './counts.js';
import { noCounts } from './counts.js';
import { SimNetwork } from './network.js';
import { type RunPlan, Stream, streamSeed } from './plan.js';
import { Scheduler } from './scheduler.js';
import type { Trace } from './trace.js';
import { GroupWitness } from './witness.js';

export class World {
  readonly plan: RunPlan;
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly counts: Counts = noCounts();
  readonly trace: Trace;
  /** Every message is traced, not only what happens rarely. */
  readonly isDetailed: boolean;
  /** A leader has erased the life of replicas that it is about to readmit. */
  onErasure: (node: number, erased: readonly NodeId[]) => void = () => {};
  /** A log is about to begin anew behind a snapshot of the leader. */
  onLogReset: (node: number) => void = () => {};
  readonly #witnesses: readonly GroupWitness[];

  constructor(plan: RunPlan, trace: Trace, isDetailed: boolean) {
    this.plan = plan;
    this.trace = trace;
    this.isDetailed = isDetailed;
    const networkSeed = new Prng(streamSeed(plan.seed, Stream.network));
    this.network = new SimNetwork(this.scheduler, networkSeed, { latency: plan.latency });
    this.#witnesses = Array.from(
      { length: plan.groups },
      (_, group) => new GroupWitness(group, (node) => this.#onReadmitted(group, node)),
    );
  }

  #onReadmitted(group: number, node: number): void {
    this.counts.readmissions += 1;
    this.event(node, `g${group} counts again`);
  }

  get witnesses(): readonly GroupWitness[] {
    return this.#witnesses;
  }

  witnessOf(group: number): GroupWitness {
    const witness = this.#witnesses[group];
    assert(witness !== undefined, 'groups are numbered from 0');
    return witness;
  }

  event(node: number, text: string): void {
    this.trace.event(this.scheduler.nowUs, node, text);
  }
}
