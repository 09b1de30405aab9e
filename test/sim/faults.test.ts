/**
 * Fault schedules: kinds, order, mending, text; and that the injector asks the right subjects.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import {
  BREAKING_KINDS,
  type BreakingKind,
  type Fault,
  planFaults,
  renderFaults,
} from '../../tools/sim/faults.js';
import { type Aftermath, FaultInjector, type FaultSubjects } from '../../tools/sim/inject.js';
import { SimNetwork } from '../../tools/sim/network.js';
import { Scheduler } from '../../tools/sim/scheduler.js';
import { Trace } from '../../tools/sim/trace.js';

const OPTIONS = { nodes: 3, startUs: 1_000_000, endUs: 10_000_000, faults: 8 };

const isBreaking = (fault: Fault): boolean => {
  if (!BREAKING_KINDS.includes(fault.kind as BreakingKind)) return false;
  return (
    !('probability' in fault && fault.probability === 0) &&
    !('delayUs' in fault && fault.delayUs === 0)
  );
};

test('a schedule has five kinds of faults or more, in order, and ends with calm', () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const plan = planFaults(new Prng(seed), OPTIONS);
    const breaking = plan.filter(isBreaking);
    assert.equal(breaking.length, 8);
    assert.ok(new Set(breaking.map(({ kind }) => kind)).size >= 5);
    const times = plan.map(({ timeUs }) => timeUs);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.ok((times[0] ?? 0) >= OPTIONS.startUs);
    assert.deepEqual(plan.at(-1), { kind: 'calm', timeUs: OPTIONS.endUs });
  }
});

test('over some seeds every kind is drawn, and crashes of one, several and all nodes', () => {
  const kinds = new Set<string>();
  const victims = new Set<number>();
  for (let seed = 0; seed < 200; seed += 1) {
    for (const fault of planFaults(new Prng(seed), OPTIONS)) {
      kinds.add(fault.kind);
      if (fault.kind === 'powerLoss') victims.add(fault.nodes.length);
    }
  }
  for (const kind of BREAKING_KINDS) assert.ok(kinds.has(kind), kind);
  assert.deepEqual([...victims].sort(), [1, 2, 3]);
});

test('a schedule depends on the seed only and survives JSON', () => {
  const plan = planFaults(new Prng(7), OPTIONS);
  assert.deepEqual(planFaults(new Prng(7), OPTIONS), plan);
  assert.notDeepEqual(planFaults(new Prng(8), OPTIONS), plan);
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
});

test('a schedule may be drawn from chosen kinds, for a single node too', () => {
  const kinds = ['kill', 'cut', 'partition'] as const;
  const plan = planFaults(new Prng(1), { ...OPTIONS, nodes: 1, kinds, faults: 20 });
  const drawn = new Set(plan.filter(isBreaking).map(({ kind }) => kind));
  assert.deepEqual([...drawn].sort(), [...kinds].sort());
});

test('a schedule prints one aligned line per fault', () => {
  const faults: Fault[] = [
    { kind: 'powerLoss', nodes: ['leader', 2], timeUs: 1_500_000 },
    { kind: 'oneWay', from: 3, way: 'outward', timeUs: 12_000_000 },
    { kind: 'slowDisk', node: 1, syncUs: 40_000, timeUs: 12_000_001 },
  ];
  assert.deepEqual(renderFaults(faults), [
    '    1500.000  powerLoss  leader n2',
    '   12000.000  oneWay     n3 → nobody',
    '   12000.001  slowDisk   n1 sync 40 ms',
  ]);
});

class Subjects implements FaultSubjects {
  readonly nodes = 3;
  readonly log: string[] = [];
  readonly #down = new Set<number>();

  leader(): number {
    return this.#down.has(2) ? 0 : 2;
  }
  isUp(node: number): boolean {
    return !this.#down.has(node);
  }
  crash(node: number, aftermath: Aftermath): void {
    this.#down.add(node);
    this.log.push(`crash ${node} ${aftermath}`);
  }
  restart(node: number): void {
    this.#down.delete(node);
    this.log.push(`restart ${node}`);
  }
  pause(node: number): void {
    this.log.push(`pause ${node}`);
  }
  resume(node: number): void {
    this.log.push(`resume ${node}`);
  }
  setSyncTime(node: number, syncUs: number | null): void {
    this.log.push(`sync ${node} ${syncUs}`);
  }
  armDisk(node: number, kind: string): void {
    this.log.push(`${kind} ${node}`);
  }
  disarmDisk(node: number): void {
    this.log.push(`disarm ${node}`);
  }
  setClockRate(node: number, rate: number): void {
    this.log.push(`rate ${node} ${rate}`);
  }
}

function inject(faults: readonly Fault[]) {
  const scheduler = new Scheduler();
  const network = new SimNetwork(scheduler, new Prng(1));
  const subjects = new Subjects();
  const trace = new Trace();
  for (let node = 1; node <= 3; node += 1) {
    network.attach(node, { connected() {}, frame() {}, reset() {} });
  }
  scheduler.runUntil(100_000);
  const injector = new FaultInjector(scheduler, network, subjects, trace);
  injector.schedule(faults);
  scheduler.runUntil(20_000_000);
  return { injector, network, subjects, trace };
}

test('faults strike their targets, and those without effect are not counted', () => {
  const { injector, subjects, network } = inject([
    { kind: 'tornWrite', nodes: ['leader', 2, 3], timeUs: 200_000 },
    { kind: 'kill', nodes: [3], timeUs: 300_000 },
    { kind: 'pause', node: 3, timeUs: 300_001 },
    { kind: 'restart', nodes: 'down', timeUs: 400_000 },
    { kind: 'cut', a: 1, b: 1, timeUs: 500_000 },
    { kind: 'syncError', node: 'leader', timeUs: 600_000 },
    { kind: 'loss', probability: 0.3, timeUs: 700_000 },
    { kind: 'loss', probability: 0, timeUs: 800_000 },
  ]);
  assert.deepEqual(subjects.log, [
    'crash 2 torn',
    'crash 3 torn',
    'restart 2',
    'restart 3',
    'syncError 2',
  ]);
  const struck = Object.entries(injector.counts).filter(([, count]) => count > 0);
  assert.deepEqual(struck, [
    ['tornWrite', 2],
    ['cut', 1],
    ['loss', 1],
    ['syncError', 1],
  ]);
  assert.equal(network.counts.cuts, 1);
});

test('partitions divide the network as drawn, and calm mends everything', () => {
  const { network, subjects, trace } = inject([
    { kind: 'partition', left: [1], timeUs: 200_000 },
    { kind: 'oneWay', from: 2, way: 'inward', timeUs: 200_000 },
    { kind: 'powerLoss', nodes: [3], timeUs: 300_000 },
    { kind: 'calm', timeUs: 400_000 },
  ]);
  assert.equal(network.counts.partitions + network.counts.oneWays, 2);
  assert.equal(network.counts.heals, 1);
  assert.ok(subjects.log.includes('restart 3'));
  assert.ok(subjects.log.includes('resume 1'));
  assert.deepEqual(trace.lines().at(-1), '     400.000  --  calm everything is mended');
});

test('every drawn schedule can be carried out', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const { subjects } = inject(planFaults(new Prng(seed), OPTIONS));
    for (let node = 1; node <= 3; node += 1) assert.ok(subjects.isUp(node));
  }
});
