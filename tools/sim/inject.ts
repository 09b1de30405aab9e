/**
 * Carries out a fault schedule on a cluster at its times, and counts the faults that did something.
 *
 * A kind that never struck shows as 0, so that a simulation which tests nothing is noticed. What a
 * crash or a slow disk means is the cluster's business: this file knows only whom to ask.
 */

import {
  BREAKING_KINDS,
  type BreakingKind,
  describeFault,
  type Fault,
  type Target,
} from './faults.js';
import type { Conditions, SimNetwork } from './network.js';
import type { Scheduler } from './scheduler.js';
import { OUTSIDE, type Trace } from './trace.js';

/** What becomes of the bytes that a dying node had not synced. */
export type Aftermath = 'kept' | 'lost' | 'torn';

/** The cluster as faults see it; nodes are numbered from 1. */
export interface FaultSubjects {
  readonly nodes: number;
  /** The node that leads in the highest term, 0 when there is none. */
  leader(): number;
  isUp(node: number): boolean;
  crash(node: number, aftermath: Aftermath): void;
  /** Starts a node that is down. */
  restart(node: number): void;
  pause(node: number): void;
  resume(node: number): void;
  /** How long a sync takes from now on; null for the usual. */
  setSyncTime(node: number, syncUs: number | null): void;
  /** The next write is short, or the next sync fails. */
  armDisk(node: number, kind: 'shortWrite' | 'syncError'): void;
  /** Forgets armed disk faults that have not struck. */
  disarmDisk(node: number): void;
  setClockRate(node: number, rate: number): void;
}

export class FaultInjector {
  /** How many faults of each kind changed something. */
  readonly counts: Record<BreakingKind, number>;
  readonly #scheduler: Scheduler;
  readonly #network: SimNetwork;
  readonly #subjects: FaultSubjects;
  readonly #trace: Trace;

  constructor(scheduler: Scheduler, network: SimNetwork, subjects: FaultSubjects, trace: Trace) {
    this.#scheduler = scheduler;
    this.#network = network;
    this.#subjects = subjects;
    this.#trace = trace;
    const zeros = BREAKING_KINDS.map((kind) => [kind, 0]);
    this.counts = Object.fromEntries(zeros) as Record<BreakingKind, number>;
  }

  schedule(faults: readonly Fault[]): void {
    for (const fault of faults) this.#scheduler.at(fault.timeUs, () => this.#strike(fault));
  }

  #strike(fault: Fault): void {
    this.#trace.event(this.#scheduler.nowUs, OUTSIDE, `${fault.kind} ${describeFault(fault)}`);
    switch (fault.kind) {
      case 'kill':
      case 'powerLoss':
      case 'tornWrite':
        this.#crash(fault.kind, fault.nodes);
        break;
      case 'restart':
        this.#restart();
        break;
      case 'resume':
        this.#resume();
        break;
      case 'normalDisk':
        this.#each((node) => this.#subjects.setSyncTime(node, null));
        break;
      case 'calm':
        this.#calm();
        break;
      case 'heal':
        this.#network.heal();
        break;
      case 'partition':
      case 'oneWay':
      case 'cut':
      case 'flap':
        this.#divide(fault);
        break;
      case 'loss':
      case 'duplication':
      case 'reordering':
        this.#worsen(fault.kind, { [fault.kind]: fault.probability }, fault.probability);
        break;
      case 'delay':
        this.#worsen('delay', { delayUs: fault.delayUs }, fault.delayUs);
        break;
      default:
        this.#afflict(fault);
    }
  }

  #crash(kind: 'kill' | 'powerLoss' | 'tornWrite', targets: readonly Target[]): void {
    const aftermath = ({ kill: 'kept', powerLoss: 'lost', tornWrite: 'torn' } as const)[kind];
    // Resolved first: when the leader dies nobody leads.
    const nodes = targets.map((target) => this.#resolve(target));
    for (const node of nodes) {
      if (!this.#subjects.isUp(node)) continue;
      this.counts[kind] += 1;
      this.#subjects.crash(node, aftermath);
    }
  }

  #divide(fault: Extract<Fault, { kind: 'partition' | 'oneWay' | 'cut' | 'flap' }>): void {
    switch (fault.kind) {
      case 'partition': {
        const left = fault.left.map((target) => this.#resolve(target));
        const right = this.#others(left);
        if (right.length === 0) return;
        this.#network.partition(left, right);
        break;
      }
      case 'oneWay': {
        const node = [this.#resolve(fault.from)];
        const others = this.#others(node);
        if (others.length === 0) return;
        if (fault.way === 'outward') this.#network.oneWay(node, others);
        else this.#network.oneWay(others, node);
        break;
      }
      default: {
        const a = this.#resolve(fault.a);
        // A link has two ends: when both were drawn alike, the next node is the other.
        const b = fault.b === a ? (a % this.#subjects.nodes) + 1 : fault.b;
        if (a === b || !this.#network.isUp(a, b)) return;
        if (fault.kind === 'cut') this.#network.cut(a, b);
        else this.#network.flap(a, b, fault.times, fault.periodUs);
      }
    }
    this.counts[fault.kind] += 1;
  }

  #worsen(kind: BreakingKind, change: Partial<Conditions>, amount: number): void {
    if (amount > 0) this.counts[kind] += 1;
    this.#network.setConditions(change);
  }

  #afflict(
    fault: Extract<
      Fault,
      { kind: 'pause' | 'slowDisk' | 'shortWrite' | 'syncError' | 'clockSkew' }
    >,
  ): void {
    const node = this.#resolve(fault.node);
    if (!this.#subjects.isUp(node)) return;
    this.counts[fault.kind] += 1;
    if (fault.kind === 'pause') this.#subjects.pause(node);
    else if (fault.kind === 'slowDisk') this.#subjects.setSyncTime(node, fault.syncUs);
    else if (fault.kind === 'clockSkew') this.#subjects.setClockRate(node, fault.rate);
    else this.#subjects.armDisk(node, fault.kind);
  }

  #calm(): void {
    this.#network.heal();
    this.#network.setConditions({ loss: 0, duplication: 0, reordering: 0, delayUs: 0 });
    this.#each((node) => {
      this.#subjects.disarmDisk(node);
      this.#subjects.setSyncTime(node, null);
      this.#subjects.setClockRate(node, 1);
    });
    this.#resume();
    this.#restart();
  }

  #restart(): void {
    this.#each((node) => {
      if (!this.#subjects.isUp(node)) this.#subjects.restart(node);
    });
  }

  #resume(): void {
    this.#each((node) => this.#subjects.resume(node));
  }

  #each(act: (node: number) => void): void {
    for (let node = 1; node <= this.#subjects.nodes; node += 1) act(node);
  }

  #others(nodes: readonly number[]): number[] {
    const others: number[] = [];
    this.#each((node) => {
      if (!nodes.includes(node)) others.push(node);
    });
    return others;
  }

  #resolve(target: Target): number {
    return target === 'leader' ? this.#subjects.leader() || 1 : target;
  }
}
