/**
 * `npm test` runs this: lists `test/**\/*.test.ts` itself (Node 20 finds no .ts in a directory) and
 * runs each file in a process of its own through node:test, those that start clusters one at a
 * time: elections are timed. Arguments select files by substring.
 *
 * On a terminal it prints every test, elsewhere only failures, skipped tests and the last line,
 * `N passed, N failed, N skipped`. It fails when a test fails and when nothing ran.
 */

import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';
import { TestTally } from './house/test-tally.js';
import { ROOT } from './house/tracked-files.js';

const FILE_TIMEOUT_MS = 300_000;
const SLOWEST_SHOWN = 5;
/** Files here start whole nodes: several at once would starve each other's heartbeats. */
const ALONE = /^test\/(?:live|engine)\//;

function print(text: string): void {
  process.stdout.write(text);
}

/** Test files by path from the project's root, those that contain one of `wanted`. */
function testFiles(wanted: readonly string[]): string[] {
  return readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .filter((path) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .sort();
}

function concurrencyOf(text: string | undefined): number {
  if (text === undefined) return availableParallelism();
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1) return count;
  throw new Error(`--concurrency is "${text}": it must be a whole number of at least 1`);
}

/** Runs the files and prints as it goes: everything on a terminal, only failures elsewhere. */
async function runFiles(
  tally: TestTally,
  files: string[],
  concurrency: number,
  tty: boolean,
): Promise<void> {
  if (files.length === 0) return;
  const stream = run({ files, concurrency, timeout: FILE_TIMEOUT_MS });
  stream.on('test:pass', (event) => tally.pass(event));
  stream.on('test:fail', (event) => tally.fail(event));
  stream.on('test:complete', (event) => tally.complete(event));
  stream.on('test:stdout', ({ file, message }) => tally.output(file ?? '', message));
  stream.on('test:stderr', ({ file, message }) => tally.output(file ?? '', message));
  if (tty) {
    for await (const text of stream.compose(new spec())) print(String(text));
  } else {
    for await (const _ of stream) for (const text of tally.takeFailures()) print(`${text}\n`);
  }
}

async function main(): Promise<number> {
  process.chdir(ROOT);
  const { values, positionals } = parseArgs({
    options: { concurrency: { type: 'string' } },
    allowPositionals: true,
  });
  const files = testFiles(positionals);
  if (files.length === 0) {
    process.stderr.write(`no test file matches ${positionals.join(' ') || 'test/**/*.test.ts'}\n`);
    return 1;
  }
  const tty = process.stdout.isTTY === true && process.env.CI === undefined;
  const tally = new TestTally(files, ROOT);
  const together = files.filter((file) => !ALONE.test(file));
  const alone = files.filter((file) => ALONE.test(file));
  await runFiles(tally, together, concurrencyOf(values.concurrency), tty);
  await runFiles(tally, alone, 1, tty);
  for (const text of tally.takeFailures()) print(`${text}\n`);
  for (const name of tally.skipped) print(`﹣ skipped: ${name}\n`);
  print(`slowest files:\n${tally.slowest(SLOWEST_SHOWN).join('\n')}\n${tally.summary()}\n`);
  return tally.exitCode();
}

process.exitCode = await main();
