/**
 * The test runner: what it counts, what it calls a failure, and that a run of nothing fails.
 *
 * The last tests run it as `npm test` does.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { OUTPUT_LINES_MAX, type TestEvent, TestTally } from '../../tools/house/test-tally.js';

const FILE = 'test/a.test.ts';

function event(name: string, extra: Partial<TestEvent> = {}): TestEvent {
  return { name, nesting: 0, file: `/root/${FILE}`, details: { duration_ms: 5 }, ...extra };
}

function thrown(cause: unknown, failureType = 'testCodeFailure'): Partial<TestEvent> {
  const error = Object.assign(new Error('wrapped', { cause }), { failureType });
  return { details: { duration_ms: 5, error } };
}

test('passes, failures and skips are counted, suites are not', () => {
  const tally = new TestTally([FILE], '/root/');
  tally.pass(event('one'));
  tally.pass(event('two', { nesting: 1 }));
  tally.pass(event('suite', { details: { duration_ms: 5, type: 'suite' } }));
  tally.pass(event('three', { skip: 'redis-cli is missing' }));
  tally.fail(event('four', thrown(new Error('it broke'))));
  assert.equal(tally.summary(), '2 passed, 1 failed, 1 skipped');
  assert.deepEqual(tally.skipped, ['three (redis-cli is missing)']);
  assert.equal(tally.exitCode(), 1);
});

test('a failure names file and test and shows what was thrown', () => {
  const tally = new TestTally([FILE], '/root/');
  tally.output(FILE, 'printed before\n');
  tally.fail(event('four', thrown(new Error('it broke'))));
  tally.fail(event('parent', thrown('1 subtest failed', 'subtestsFailed')));
  const failures = tally.takeFailures();
  assert.equal(failures.length, 1, 'the parent of a failed test says nothing new');
  assert.match(failures[0] ?? '', /^✖ test\/a\.test\.ts › four\n {4}Error: it broke/);
  assert.match(failures[0] ?? '', /output of the file:\n {4}printed before/);
  assert.deepEqual(tally.takeFailures(), []);
});

test('the output kept of a file is bounded', () => {
  const tally = new TestTally([FILE], '/root/');
  for (let line = 0; line < 3 * OUTPUT_LINES_MAX; line++) tally.output(FILE, `line ${line}\n`);
  tally.fail(event('one', thrown(new Error('it broke'))));
  const [failure = ''] = tally.takeFailures();
  assert.equal(failure.match(/line \d+/g)?.length, OUTPUT_LINES_MAX);
});

test('a file in which nothing ran is a failure', () => {
  const tally = new TestTally([FILE], '/root/');
  tally.pass(event(FILE));
  assert.match(tally.takeFailures()[0] ?? '', /no test ran in this file/);
  assert.equal(tally.exitCode(), 1);
});

test('a run without a single passing test fails', () => {
  const tally = new TestTally([], '');
  assert.equal(tally.exitCode(), 1);
  tally.pass(event('skipped', { skip: 'reason' }));
  assert.equal(tally.exitCode(), 1);
  tally.pass(event('one'));
  assert.equal(tally.exitCode(), 0);
});

function runTests(...argv: string[]): { code: number | null; out: string; err: string } {
  // Node marks the processes of a test run; the runner under test must not take itself for one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const ran = spawnSync(process.execPath, ['--import', 'tsx', 'tools/run-tests.ts', ...argv], {
    encoding: 'utf8',
    env,
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

test('the runner runs the files whose path matches and ends with a plain line', () => {
  const { code, out } = runTests('tools/layers');
  assert.equal(code, 0, out);
  assert.match(out, /\n\d+ passed, 0 failed, 0 skipped\n$/);
});

test('the runner fails when no file matches', () => {
  const { code, err } = runTests('no-such-test');
  assert.equal(code, 1);
  assert.match(err, /no test file matches no-such-test/);
});
