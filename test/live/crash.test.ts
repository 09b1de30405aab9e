/**
 * The crash proof on real nodes: a few trials that lose nothing, and a node that forgets, which it
 * must not let pass.
 *
 * Runs the compiled command; it ends its own nodes, and a test that fails ends them by their
 * record.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster } from '../../tools/cluster/cluster.js';
import type { CrashReport } from '../../tools/crash/crash-report.js';
import { type Ended, Run, temporaryDirectory } from './processes.js';

interface Proof {
  readonly ended: Ended;
  readonly report: CrashReport;
  readonly output: string;
}

async function crash(
  t: TestContext,
  words: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Proof> {
  const end = async (path: string) => new Cluster(join(path, 'cluster')).abandon('SIGKILL');
  const directory = temporaryDirectory(t, end);
  const data = join(directory, 'cluster');
  const json = join(directory, 'report.json');
  // A calm election: the neighbours of a test must not decide whether it passes.
  const calm = ['--timing', 'wide-area', '--in-flight', '48'];
  const args = ['crash', ...words.split(' '), '--data', data, '--json', json, ...calm];
  const run = new Run(args, { env: { ...process.env, ...environment } });
  t.after(async () => void (await run.stop('SIGKILL')));
  const ended = await run.ended;
  const { output } = run;
  assert.ok(existsSync(json), output);
  const report = JSON.parse(readFileSync(json, 'utf8')) as CrashReport;
  assert.deepEqual(new Cluster(data).exists() ? new Cluster(data).running() : [], []);
  assert.equal(existsSync(data), report.kept);
  if (report.kept) rmSync(data, { recursive: true });
  return { ended, report, output };
}

test('three nodes killed one or all under load lose and double nothing', async (t) => {
  const { ended, report, output } = await crash(t, '--trials 4 --seed 3');
  assert.equal(ended.code, 0, output);
  assert.equal(report.trials.length, 4);
  assert.ok(report.trials.every(({ acked, checked }) => acked > 0 && checked > 0));
  assert.ok(report.finalCheck !== null && report.finalCheck.checked > 0);
  assert.deepEqual([report.passed, report.kept], [true, false]);
  assert.match(output, /No acknowledged write was lost/);
});

test('a damaged node comes back whole, and who installed a snapshot is counted', async (t) => {
  const { ended, report, output } = await crash(t, '--trials 2 --damage --seed 11');
  assert.equal(ended.code, 0, output);
  const { damaged, installed } = report.damage;
  assert.equal(damaged, 1, 'by the seed');
  assert.ok(report.trials.every((trial) => trial.installed >= 0));
  assert.equal(
    installed,
    report.trials.reduce((sum, trial) => sum + trial.installed, 0),
  );
  assert.match(output, new RegExp(`1 nodes damaged, .* ${installed} snapshots installed\n`));
});

test('a single node comes back with all it acknowledged', async (t) => {
  const { ended, output } = await crash(t, '--trials 2 --nodes 1 --seed 5');
  assert.equal(ended.code, 0, output);
});

test('a node that forgets is found out, and its directory is kept', async (t) => {
  const forgetful = fileURLToPath(new URL('forgetful-node.mjs', import.meta.url));
  const { ended, report, output } = await crash(t, '--trials 2 --nodes 1 --seed 5', {
    RINGRAFT_BINARY: forgetful,
  });
  assert.equal(ended.code, 1, output);
  assert.ok(report.trials[0]?.problems.some((text) => /LOST/.test(text)));
  assert.ok(report.trials[0]?.problems.some((text) => /increments were lost/.test(text)));
  assert.deepEqual([report.passed, report.kept, report.trials.length], [false, true, 1]);
  assert.match(output, /FAILED: \d+ problems\n[\s\S]*The data is kept in/);
});
