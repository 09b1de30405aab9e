/**
 * Fault schedules: which fault strikes whom and when, as plain data drawn from a seed.
 *
 * A schedule is made before the run and never looks at it; only `leader` stands for whoever leads
 * then. Whatever is broken is mended again, at the latest by the `calm` that ends every schedule:
 * after it the cluster must recover. Who carries it out is inject.ts.
 */

import type { Prng } from '../../engine/raft/prng.js';
import { assert } from '../../engine/raft/types.js';
import { alignColumns, formatTime } from './trace.js';

/** A node number from 1, or whoever leads when the fault strikes (nobody: node 1). */
export type Target = number | 'leader';

/** What is done to the cluster. Ends of other faults (restart, heal, …) are faults as well. */
export type FaultAction =
  /** The process dies; what it wrote survives (kill), is lost when unsynced, or is torn. */
  | { readonly kind: 'kill' | 'powerLoss' | 'tornWrite'; readonly nodes: readonly Target[] }
  | { readonly kind: 'restart'; readonly nodes: 'down' }
  | { readonly kind: 'partition'; readonly left: readonly Target[] }
  /** Nobody hears these nodes, but they hear everybody (outward), or the reverse (inward). */
  | { readonly kind: 'oneWay'; readonly from: Target; readonly way: 'outward' | 'inward' }
  | { readonly kind: 'heal' }
  | { readonly kind: 'cut'; readonly a: Target; readonly b: number }
  | {
      readonly kind: 'flap';
      readonly a: Target;
      readonly b: number;
      readonly times: number;
      readonly periodUs: number;
    }
  | {
      readonly kind: 'loss' | 'duplication' | 'reordering';
      readonly probability: number;
    }
  | { readonly kind: 'delay'; readonly delayUs: number }
  | { readonly kind: 'pause'; readonly node: Target }
  | { readonly kind: 'resume'; readonly nodes: 'paused' }
  | { readonly kind: 'slowDisk'; readonly node: Target; readonly syncUs: number }
  | { readonly kind: 'normalDisk'; readonly nodes: 'all' }
  | { readonly kind: 'shortWrite' | 'syncError'; readonly node: Target }
  | { readonly kind: 'clockSkew'; readonly node: number; readonly rate: number }
  /** Everything is mended at once: the run must recover from here. */
  | { readonly kind: 'calm' };

export type Fault = FaultAction & { readonly timeUs: number };

/** The kinds that break something: a run draws at least five different ones. */
export const BREAKING_KINDS = [
  'kill',
  'powerLoss',
  'tornWrite',
  'partition',
  'oneWay',
  'cut',
  'flap',
  'loss',
  'duplication',
  'reordering',
  'delay',
  'pause',
  'slowDisk',
  'shortWrite',
  'syncError',
  'clockSkew',
] as const;
export type BreakingKind = (typeof BREAKING_KINDS)[number];

export interface FaultPlanOptions {
  /** Nodes are numbered 1 to this. */
  readonly nodes: number;
  readonly startUs: number;
  /** When everything is calmed. */
  readonly endUs: number;
  /** How many breaking faults; at least `kindsMin`. */
  readonly faults: number;
  readonly kindsMin?: number;
  /** Kinds to draw from; all by default. */
  readonly kinds?: readonly BreakingKind[];
}

const KINDS_MIN = 5;

/** A schedule in order of time. */
export function planFaults(prng: Prng, options: FaultPlanOptions): Fault[] {
  const { startUs, endUs, faults, nodes } = options;
  const kinds = shuffled(prng, options.kinds ?? BREAKING_KINDS);
  const kindsMin = options.kindsMin ?? Math.min(KINDS_MIN, kinds.length);
  assert(nodes >= 1 && endUs > startUs, 'faults need nodes and time');
  assert(faults >= kindsMin && kindsMin <= kinds.length, 'enough faults for that many kinds');
  const plan: Fault[] = [];
  for (let count = 0; count < faults; count += 1) {
    const kind = count < kindsMin ? kinds[count] : prng.pick(kinds);
    assert(kind !== undefined, 'the first faults are of different kinds');
    const timeUs = prng.between(startUs, endUs - 1);
    const [action, mend] = draw(prng, kind, nodes);
    plan.push({ ...action, timeUs });
    if (mend === null) continue;
    const mendUs = timeUs + prng.between(Math.floor(mend.lastsUs / 10), mend.lastsUs);
    if (mendUs < endUs) plan.push({ ...mend.action, timeUs: mendUs });
  }
  plan.sort((a, b) => a.timeUs - b.timeUs);
  plan.push({ kind: 'calm', timeUs: endUs });
  return plan;
}

/** What ends a fault, and the longest time until then. */
interface Mend {
  readonly action: FaultAction;
  readonly lastsUs: number;
}

const SECOND_US = 1_000_000;

function draw(prng: Prng, kind: BreakingKind, nodes: number): [FaultAction, Mend | null] {
  switch (kind) {
    case 'kill':
    case 'powerLoss':
    case 'tornWrite':
      return [{ kind, nodes: drawVictims(prng, nodes) }, RESTART];
    case 'partition':
      return [{ kind, left: drawSide(prng, nodes) }, HEAL];
    case 'oneWay':
      return [{ kind, from: drawTarget(prng, nodes), way: prng.pick(['outward', 'inward']) }, HEAL];
    case 'cut':
      return [{ kind, a: drawTarget(prng, nodes), b: prng.between(1, nodes) }, null];
    case 'flap': {
      const periodUs = prng.between(20_000, 200_000);
      const a = drawTarget(prng, nodes);
      return [{ kind, a, b: prng.between(1, nodes), times: prng.between(3, 10), periodUs }, null];
    }
    case 'loss':
    case 'duplication':
    case 'reordering': {
      const probability = prng.pick([0.02, 0.1, 0.3]);
      return [
        { kind, probability },
        { action: { kind, probability: 0 }, lastsUs: SECOND_US },
      ];
    }
    case 'delay': {
      const delayUs = prng.pick([5_000, 50_000, 300_000]);
      return [
        { kind, delayUs },
        { action: { kind, delayUs: 0 }, lastsUs: SECOND_US },
      ];
    }
    case 'pause':
      return [{ kind, node: drawTarget(prng, nodes) }, RESUME];
    case 'slowDisk':
      return [{ kind, node: drawTarget(prng, nodes), syncUs: prng.pick(SLOW_SYNC_US) }, FASTER];
    case 'shortWrite':
      return [{ kind, node: drawTarget(prng, nodes) }, null];
    case 'syncError':
      // The node stops at its next sync, by itself: it needs a restart like a killed one.
      return [{ kind, node: drawTarget(prng, nodes) }, RESTART];
    case 'clockSkew':
      return [{ kind, node: prng.between(1, nodes), rate: prng.pick(CLOCK_RATES) }, null];
  }
}

const RESTART: Mend = { action: { kind: 'restart', nodes: 'down' }, lastsUs: 1.5 * SECOND_US };
const HEAL: Mend = { action: { kind: 'heal' }, lastsUs: 2 * SECOND_US };
const RESUME: Mend = { action: { kind: 'resume', nodes: 'paused' }, lastsUs: 1.5 * SECOND_US };
const FASTER: Mend = { action: { kind: 'normalDisk', nodes: 'all' }, lastsUs: 2 * SECOND_US };
const SLOW_SYNC_US = [5_000, 40_000, 400_000];
const CLOCK_RATES = [0.5, 0.9, 0.99, 1.01, 1.1, 2];

function drawTarget(prng: Prng, nodes: number): Target {
  return prng.chance(0.5) ? 'leader' : prng.between(1, nodes);
}

/** One node, most often; sometimes several, sometimes all. */
function drawVictims(prng: Prng, nodes: number): readonly Target[] {
  const toss = prng.below(20);
  if (toss < 12 || nodes === 1) return [drawTarget(prng, nodes)];
  const count = toss < 16 ? prng.between(2, nodes) : nodes;
  return shuffled(prng, numbersTo(nodes)).slice(0, count).sort(byNumber);
}

/** The leader alone, or any part of the cluster that leaves somebody on the other side. */
function drawSide(prng: Prng, nodes: number): readonly Target[] {
  if (nodes < 3 || prng.chance(0.4)) return [drawTarget(prng, nodes)];
  return shuffled(prng, numbersTo(nodes))
    .slice(0, prng.between(1, nodes - 1))
    .sort(byNumber);
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function shuffled<T>(prng: Prng, list: readonly T[]): T[] {
  const left = [...list];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(prng.below(left.length), 1));
  return result;
}

/** `nodes n1 n3`, `node leader  sync 40.000 ms`: what the action is about, without its kind. */
export function describeFault(action: FaultAction): string {
  const names = (targets: readonly Target[]) => targets.map(nameOf).join(' ');
  switch (action.kind) {
    case 'kill':
    case 'powerLoss':
    case 'tornWrite':
      return names(action.nodes);
    case 'restart':
    case 'resume':
    case 'normalDisk':
      return action.nodes;
    case 'partition':
      return `${names(action.left)} | the others`;
    case 'oneWay':
      return action.way === 'outward'
        ? `${nameOf(action.from)} → nobody`
        : `nobody → ${nameOf(action.from)}`;
    case 'cut':
      return linkOf(action);
    case 'flap':
      return `${linkOf(action)} ${action.times} × every ${inMs(action.periodUs)}`;
    case 'loss':
    case 'duplication':
    case 'reordering':
      return `probability ${action.probability}`;
    case 'delay':
      return `up to ${inMs(action.delayUs)}`;
    case 'slowDisk':
      return `${nameOf(action.node)} sync ${inMs(action.syncUs)}`;
    case 'pause':
    case 'shortWrite':
    case 'syncError':
      return nameOf(action.node);
    case 'clockSkew':
      return `${nameOf(action.node)} rate ${action.rate}`;
    case 'heal':
      return 'all partitions';
    case 'calm':
      return 'everything is mended';
  }
}

function nameOf(target: Target): string {
  return target === 'leader' ? 'leader' : `n${target}`;
}

function linkOf({ a, b }: { readonly a: Target; readonly b: number }): string {
  return `${nameOf(a)} – ${nameOf(b)}`;
}

function inMs(timeUs: number): string {
  return `${timeUs / 1_000} ms`;
}

/** The schedule for people: one aligned line per fault. */
export function renderFaults(faults: readonly Fault[]): string[] {
  const rows = faults.map((fault) => [formatTime(fault.timeUs), fault.kind, describeFault(fault)]);
  return alignColumns(rows);
}
