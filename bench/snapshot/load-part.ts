/**
 * The rows under load: windows without and with snapshots, in turns on the same nodes and from the
 * same sort of log; at saturation first, then at half of the rate that was measured there.
 *
 * Before each window but the first two all nodes take a snapshot at rest, so that none begins with
 * another's log. A window in which a node did not complete all of its snapshots measures nothing.
 */

import { totalErrors } from '../../tools/load/error-kinds.js';
import type { LoadReport } from '../../tools/load/load-report.js';
import { Generator } from '../cluster/generator.js';
import type { Nodes } from '../cluster/nodes.js';
import { cpuUs } from '../cluster/process-figures.js';
import { digestProblems, stateDigests } from '../cluster/state-digests.js';
import { median } from '../statistics.js';
import { PeakMemory } from './peak-memory.js';
import type { Measured, RowId } from './snapshot-rows.js';
import { type Taken, takeEvery, takeSnapshot } from './take-snapshots.js';

export const SNAPSHOTS_PER_WINDOW = 3;
export const IN_FLIGHT = 1024;
export const CONNECTIONS = 4;
/** At half rate commands wait in the generator only when far more than usual are under way. */
const IN_FLIGHT_PACED = 16_384;

export interface LoadPlan {
  readonly keys: number;
  readonly valueBytes: number;
  /** Which of the two loads. */
  readonly loads: readonly ('saturated' | 'half')[];
  readonly runs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** After each window. */
  readonly rested: () => void;
}

/** What one window showed. */
export interface Window {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly gapMs: number;
  readonly peakMiB: readonly number[];
  readonly taken: readonly Taken[];
  /** Of all three nodes together. */
  readonly nodesCpuUsPerWrite: number;
  readonly generatorCores: number;
  readonly problems: readonly string[];
}

/** Two windows of one turn. */
export interface Turn {
  readonly without: Window;
  readonly with: Window;
}

/** `missed`: the last of `count` snapshots of some node came after the window. */
export function problemsOf(report: LoadReport, missed: boolean, count: number): string[] {
  const problems: string[] = [];
  const errors = totalErrors(report.errors);
  if (errors > 0) {
    const samples = report.errorSamples.length > 0 ? `, ${report.errorSamples.join('; ')}` : '';
    problems.push(`${errors} errors: ${JSON.stringify(report.errors)}${samples}`);
  }
  const { rate } = report.config;
  if (rate > 0 && report.behind > rate / 2) {
    problems.push(`${report.behind} commands of ${rate}/s were due and not sent at the end`);
  }
  if (missed) {
    problems.push(`no ${count} snapshots within the window: raise --seconds`);
  }
  return problems;
}

async function measureWindow(
  nodes: Nodes,
  plan: LoadPlan,
  rate: number | null,
  takes: boolean,
): Promise<Window> {
  const { keys, valueBytes, seconds, warmupSeconds, signal } = plan;
  const inFlight = rate === null ? IN_FLIGHT : IN_FLIGHT_PACED;
  const generator = new Generator({
    targets: nodes.targets,
    shape: { valueBytes, inFlight, connections: CONNECTIONS },
    keys,
    seconds,
    warmupSeconds,
    ...(rate === null ? {} : { rate }),
    signal,
  });
  await generator.warmedUp();
  const memory = new PeakMemory(nodes.pids);
  const before = cpuOfAll(nodes);
  const everyMs = (seconds * 1000) / SNAPSHOTS_PER_WINDOW;
  const count = takes ? SNAPSHOTS_PER_WINDOW : 0;
  const taking = takeEvery(nodes.all, count, everyMs, signal);
  // Whatever happens to the snapshots, the generator is waited for first.
  taking.catch(() => undefined);
  let isOver = false;
  const missed = taking.then(() => isOver);
  missed.catch(() => undefined);
  const report = await generator.report();
  isOver = true;
  const nodesCpuUs = cpuOfAll(nodes) - before;
  const peakMiB = memory.end();
  const problems = problemsOf(report, await missed, SNAPSHOTS_PER_WINDOW);
  const writes = report.latencyMs.writes;
  return {
    rate: report.opsPerSecond,
    p50Ms: writes?.p50 ?? Number.NaN,
    p99Ms: writes?.p99 ?? Number.NaN,
    gapMs: report.gapMsMax,
    peakMiB,
    taken: await taking,
    nodesCpuUsPerWrite: nodesCpuUs / report.writes,
    generatorCores: report.cpu.coreShare,
    problems,
  };
}

function cpuOfAll(nodes: Nodes): number {
  return nodes.pids.reduce((sum, pid) => sum + (cpuUs(pid) ?? Number.NaN), 0);
}

async function measureTurn(nodes: Nodes, plan: LoadPlan, rate: number | null): Promise<Turn> {
  const rest = async (): Promise<void> => {
    plan.rested();
    await nodes.caughtUp();
    await Promise.all(nodes.all.map((node) => takeSnapshot(node, plan.signal)));
  };
  await rest();
  const without = await measureWindow(nodes, plan, rate, false);
  plan.say(`  without: ${line(without)}`);
  await rest();
  const withThem = await measureWindow(nodes, plan, rate, true);
  plan.say(`  with:    ${line(withThem)}`);
  return { without, with: withThem };
}

function line({ rate, p50Ms, p99Ms, gapMs, taken, peakMiB }: Window): string {
  const seconds = taken.map((one) => one.seconds.toFixed(1)).join(' ');
  const peak = peakMiB.map((mib) => mib.toFixed(0)).join(' ');
  return (
    `${Math.round(rate)} writes/s, p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(1)} ms, ` +
    `gap ${gapMs.toFixed(0)} ms, peak ${peak} MiB${seconds === '' ? '' : `, took ${seconds} s`}`
  );
}

export interface LoadResult {
  readonly rows: readonly (readonly [RowId, Measured])[];
}

export async function measureLoadPart(nodes: Nodes, plan: LoadPlan): Promise<LoadResult> {
  plan.say('saturated, before any snapshot');
  // Processes grow with age, most of all at first: the second window is what later ones compare to.
  const young = await measureWindow(nodes, plan, null, false);
  plan.say(`  young:   ${line(young)}`);
  const fresh = await measureWindow(nodes, plan, null, false);
  plan.say(`  without: ${line(fresh)}`);
  const saturated: Turn[] = [];
  for (let run = 1; plan.loads.includes('saturated') && run <= plan.runs; run += 1) {
    plan.say(`saturated, ${IN_FLIGHT} in flight, turn ${run}`);
    saturated.push(await measureTurn(nodes, plan, null));
  }
  const half: Turn[] = [];
  const rate = plan.loads.includes('half') ? halfRate(fresh, saturated) : 0;
  for (let run = 1; rate > 0 && run <= plan.runs; run += 1) {
    plan.say(`half, ${rate} writes/s, turn ${run}`);
    half.push(await measureTurn(nodes, plan, rate));
  }
  const digests = await stateDigests(nodes);
  const problems = [...digestProblems(digests), ...young.problems, ...fresh.problems];
  return { rows: rowsOf(fresh, saturated, half, problems) };
}

/** Half of what goes without snapshots. */
function halfRate(fresh: Window, saturated: readonly Turn[]): number {
  const rates = saturated.length === 0 ? [fresh] : saturated.map(({ without }) => without);
  return Math.round(median(rates.map(({ rate }) => rate)) / 2);
}

const ratios = (turns: readonly Turn[], pick: (window: Window) => number): number[] =>
  turns.map(({ without, with: withThem }) => pick(withThem) / pick(without));

/**
 * Per turn: how much larger the largest difference of one node's peaks is. The first turn is
 * compared with what the processes needed before they had ever taken a snapshot, so that what one
 * leaves behind counts; the later ones with their own window without, as processes grow with age.
 */
export function peakAbove(fresh: Window, turns: readonly Turn[]): number[] {
  return turns.map(({ without, with: withThem }, turn) => {
    const before = turn === 0 ? fresh : without;
    const above = (peak: number, at: number): number => peak - (before.peakMiB[at] ?? Number.NaN);
    return Math.max(...withThem.peakMiB.map(above));
  });
}

/** The rows of the loads that have turns; what is wrong with a window is wrong with its rows. */
export function rowsOf(
  fresh: Window,
  saturated: readonly Turn[],
  half: readonly Turn[],
  problems: readonly string[],
): (readonly [RowId, Measured])[] {
  const wrong = (turns: readonly Turn[]): string[] => [
    ...problems,
    ...turns.flatMap((turn) => [...turn.without.problems, ...turn.with.problems]),
  ];
  const both = [...saturated, ...half];
  const row = (id: RowId, turns: readonly Turn[], runs: readonly number[], detail = {}) =>
    [id, { runs, problems: wrong(turns), detail }] as const;
  const gaps = (turns: readonly Turn[]): number[] => turns.map((turn) => turn.with.gapMs);
  const withoutGaps = (turns: readonly Turn[]) => turns.map((turn) => turn.without.gapMs);
  const rows = [
    row(
      'throughput',
      saturated,
      ratios(saturated, ({ rate }) => rate),
      { turns: saturated },
    ),
    row(
      'p99-saturated',
      saturated,
      ratios(saturated, ({ p99Ms }) => p99Ms),
    ),
    row(
      'p99-half',
      half,
      ratios(half, ({ p99Ms }) => p99Ms),
      { turns: half },
    ),
    row('gap-saturated', saturated, gaps(saturated), { without: withoutGaps(saturated) }),
    row('gap-half', half, gaps(half), { without: withoutGaps(half) }),
    row(
      'taken',
      both,
      both.flatMap((turn) => turn.with.taken.map(({ seconds }) => seconds)),
    ),
    row('memory', both, peakAbove(fresh, both), { before: fresh.peakMiB }),
  ];
  return rows.filter(([, { runs }]) => runs.length > 0);
}
