/**
 * The simulator as a whole: seeds run clean, equal seeds run equally, what a run must contain, and
 * what is printed when something is wrong.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';
import { parseCommandLine } from '../../tools/cli/parse.js';
import { addCounts, missingKinds, noCounts } from '../../tools/sim/counts.js';
import { FAULT_FAMILIES } from '../../tools/sim/fault-families.js';
import { drawPlan } from '../../tools/sim/plan.js';
import { type RunResult, runSeed } from '../../tools/sim/run.js';
import { nodesOf, nodesRange } from '../../tools/sim/sim-options.js';
import { describeFailure, describeTally, replayCommand } from '../../tools/sim/sim-report.js';
import { exitCodeOfTally, type Tally, thinRun } from '../../tools/sim/verdict.js';

const CLEAN_SEEDS = 40;

/** Events that every few dozen runs meet; the rarest ones need hundreds. */
const COMMON = [
  'writesOk',
  'refused',
  'unknown',
  'readsAtLeader',
  'readsAtFollower',
  'orderedReads',
  'forwarded',
  'elections',
  'truncations',
  'kills',
  'powerLosses',
  'crashAlls',
  'restarts',
  'recoveryCrashes',
  'lostSectors',
  'cuts',
  'inDoubt',
  'failStops',
  'partitions',
  'lost',
  'duplicated',
  'reordered',
  'pauses',
  'suspensions',
  'stalls',
  'leaseTurns',
  'readsByLease',
  'boundedReads',
  'oldLogLoads',
  'evictions',
  'rollOvers',
] as const;

test(`${CLEAN_SEEDS} seeds with three to seven nodes find nothing, and meet what they should`, () => {
  const sum = noCounts();
  for (let seed = 1; seed <= CLEAN_SEEDS; seed += 1) {
    const result = runSeed(seed, nodesOf(seed, { low: 3, high: 7 }));
    assert.equal(result.failure, null, `${replayCommand(result)}\n${result.failure}`);
    assert.ok(result.counts.operations >= 200, `seed ${seed}: ${result.counts.operations}`);
    assert.ok(result.faultKinds >= 5, `seed ${seed}: ${result.faultKinds} kinds of faults`);
    addCounts(sum, result.counts);
  }
  assert.deepEqual(
    COMMON.filter((name) => sum[name] === 0),
    [],
    'every common kind of event happened',
  );
});

function tracedLines(seed: number, nodes: number): { lines: string[]; result: RunResult } {
  const lines: string[] = [];
  const trace = { sink: (line: string) => lines.push(line), keptLinesMax: 0 };
  return { result: runSeed(seed, nodes, { isDetailed: true, trace }), lines };
}

test('the same seed gives the same trace twice, byte for byte, whatever ran in between', () => {
  for (const nodes of [3, 5]) {
    const first = tracedLines(77, nodes);
    runSeed(78, 3);
    const second = tracedLines(77, nodes);
    assert.ok(first.lines.length > 1000, 'a detailed trace has every message');
    assert.equal(second.lines.join('\n'), first.lines.join('\n'));
    assert.deepEqual(second.result, first.result);
  }
});

test('what is traced does not change what happens', () => {
  const detailed = runSeed(5, 3, { isDetailed: true });
  const brief = runSeed(5, 3);
  assert.deepEqual(brief.counts, detailed.counts);
  assert.equal(brief.virtualMs, detailed.virtualMs);
});

test('different seeds draw different clusters, timings and faults', () => {
  const plans = Array.from({ length: 50 }, (_, seed) => drawPlan(seed, 3));
  for (const field of ['groups', 'sync', 'arenaBytes', 'writeUs', 'wipes'] as const) {
    assert.ok(new Set(plans.map((plan) => plan[field])).size > 1, `${field} varies`);
  }
  const schedules = plans.map(({ faults }) => JSON.stringify(faults));
  assert.equal(new Set(schedules).size, plans.length);
});

test('a failure is printed with its last events and the command that replays it', () => {
  const result: RunResult = {
    seed: 4711,
    nodes: 5,
    failure: 'two leaders\nin one term',
    counts: noCounts(),
    families: FAULT_FAMILIES,
    faultKinds: 6,
    virtualMs: 2222,
    digest: '',
    lines: [],
  };
  const text = describeFailure(result, ['   1.000  n2  leader in term 3']);
  assert.match(text, /^seed 4711 with 5 nodes failed after 2222 ms:\n {2}two leaders\n/);
  assert.match(text, /n2 {2}leader in term 3\nreplay: ringraft sim --seed 4711/);
  const [, ...argv] = replayCommand(result).split(' ');
  const parsed = parseCommandLine(ROOT_COMMAND, argv);
  assert.ok(parsed.kind === 'run', 'the command line is understood');
  const { seed, runs, nodes, trace } = parsed.options;
  assert.deepEqual(
    { seed, runs, nodes, trace },
    { seed: 4711, runs: 1, nodes: { low: 5, high: 5 }, trace: true },
  );
});

function tallyOf(parts: Partial<Tally>): Tally {
  return {
    ...{ runs: 300, failures: 0, elapsedMs: 1, virtualMs: 1, counts: noCounts() },
    families: FAULT_FAMILIES,
    ...{ operationsMin: 200, faultKindsMin: 5, thin: [] },
    ...parts,
  };
}

test('a kind of event that never happened is named in the report', () => {
  const counts = noCounts();
  for (const name of missingKinds(counts)) counts[name] = 1;
  assert.deepEqual(missingKinds(counts), []);
  const lacking = { ...counts, tornTails: 0 };
  assert.deepEqual(missingKinds(lacking), ['tornTails']);
  const tally = tallyOf({ counts: lacking });
  const text = describeTally(tally);
  assert.match(text, /never happened: recoveries that found a recognisable torn block/);
  assert.match(text, /300 runs must meet every required kind: 1 never happened/);
  assert.equal(exitCodeOfTally(tally), ExitCode.failed);
  assert.equal(exitCodeOfTally({ ...tally, runs: 299 }), ExitCode.ok, 'fewer runs may miss one');
  assert.equal(exitCodeOfTally(tallyOf({ counts })), ExitCode.ok);
  assert.equal(exitCodeOfTally(tallyOf({ counts, failures: 1 })), ExitCode.failed);
});

test('a run with too few operations or kinds of faults fails the command, by its seed', () => {
  const counts = { ...noCounts(), operations: 200 };
  const result: RunResult = {
    ...{ seed: 9, nodes: 3, families: FAULT_FAMILIES, failure: null, counts, faultKinds: 5 },
    ...{ virtualMs: 1, digest: '', lines: [] },
  };
  assert.equal(thinRun(result), null);
  assert.equal(thinRun({ ...result, nodes: 1, faultKinds: 0 }), null, 'it has no network to break');
  assert.equal(thinRun({ ...result, faultKinds: 0, failure: 'found' }), null, 'it ended early');
  const fewOperations = thinRun({ ...result, counts: { ...counts, operations: 199 } });
  const fewFaults = thinRun({ ...result, seed: 11, faultKinds: 4 });
  assert.ok(fewOperations !== null && fewFaults !== null);
  const tally = tallyOf({ runs: 2, thin: [fewOperations, fewFaults] });
  assert.equal(exitCodeOfTally(tally), ExitCode.failed);
  const text = describeTally(tally);
  assert.match(text, /seed 9 with 3 nodes tested too little: 199 operations and 5 kinds of faults/);
  assert.match(text, /seed 11 .*: 200 operations and 4 kinds of faults, a run must have 200 and 5/);
});

async function runCommand(...argv: string[]): Promise<{ code: ExitCode; text: string }> {
  let text = '';
  const output = {
    write: (chunk: string) => {
      text += chunk;
    },
  };
  const { signal } = new AbortController();
  const surroundings = { stdin: process.stdin, stdout: output, stderr: output, env: {}, signal };
  const code = await main(ROOT_COMMAND, argv, surroundings);
  return { code, text };
}

test('the command prints a table and ends with 0 when nothing failed', async () => {
  const { code, text } = await runCommand('sim', '--seed', '3', '--runs', '2', '--nodes', '3');
  assert.equal(code, ExitCode.ok);
  assert.match(text, /\d+ {2}operations that clients began\n/);
  assert.match(text, /2 runs, 0 failed/);
});

test('--trace prints every event of the run', async () => {
  const { text } = await runCommand('sim', '--seed', '3', '--runs', '1', '--nodes', '3', '--trace');
  assert.match(text, /n1 {2}up, life 1/);
  assert.match(text, /heartbeat term=/);
});

test('a range of sizes gives every size its seeds, and half of them to the smallest', () => {
  assert.deepEqual(nodesRange.parse('3..7'), { low: 3, high: 7 });
  assert.deepEqual(nodesRange.parse('5'), { low: 5, high: 5 });
  for (const refused of ['7..3', '0', '3..', '10', 'x']) {
    assert.equal(nodesRange.parse(refused), undefined);
  }
  const sizes = Array.from({ length: 200 }, (_, seed) => nodesOf(seed, { low: 3, high: 7 }));
  assert.deepEqual([...new Set(sizes)].sort(), [3, 4, 5, 6, 7]);
  assert.ok(sizes.filter((size) => size === 3).length >= 100);
});
