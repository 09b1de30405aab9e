/**
 * `ringraft sim`: runs whole clusters of production code in one thread, from seeds, and reports
 * what they met. A failing run is run again with every event traced, and ends the command.
 *
 * It must never decide what is right: run.ts and what it calls do.
 */

import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import type { Invocation, Output } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { addCounts, noCounts } from './counts.js';
import type { FaultFamily } from './fault-families.js';
import { type RunResult, runSeed } from './run.js';
import { nodesOf, type simOptions } from './sim-options.js';
import { describeFailure, describeProgress, describeTally } from './sim-report.js';
import { exitCodeOfTally, type Tally, type ThinRun, thinRun } from './verdict.js';

type Families = readonly FaultFamily[];

const ERASE_LINE = '\r\u001b[K';
const PROGRESS_EVERY_MS = 1_000;
/** Without a terminal every line stays. */
const PROGRESS_LINE_EVERY_MS = 10_000;
const FAILURE_LINES = 60;

export async function run(invocation: Invocation<typeof simOptions>): Promise<ExitCode> {
  const { options, stdout, stderr, signal } = invocation;
  const progress = new Progress(stderr, options.quiet, options.runs);
  const book = new Book(options.faults);
  for (let at = 0; at < options.runs && book.failures < options.failures; at += 1) {
    const seed = options.seed + at;
    const nodes = nodesOf(seed, options.nodes);
    const { faults: families } = options;
    const result = options.trace
      ? runTraced(seed, nodes, families, stdout)
      : runSeed(seed, nodes, { families });
    book.add(result);
    if (result.failure !== null) {
      progress.clear();
      const lines = options.trace ? [] : lastLines(seed, nodes, families);
      stdout.write(describeFailure(result, lines));
    }
    progress.show(book.tally());
    await turn();
    if (signal.aborted) break;
  }
  progress.clear();
  const tally = book.tally();
  stdout.write(describeTally(tally));
  return signal.aborted ? ExitCode.interrupted : exitCodeOfTally(tally);
}

function runTraced(seed: number, nodes: number, families: Families, stdout: Output): RunResult {
  const sink = (line: string): void => {
    stdout.write(`${line}\n`);
  };
  return runSeed(seed, nodes, { isDetailed: true, families, trace: { sink, keptLinesMax: 0 } });
}

/** The same run once more, for its events. */
function lastLines(seed: number, nodes: number, families: Families): readonly string[] {
  const trace = { keptLinesMax: FAILURE_LINES };
  return runSeed(seed, nodes, { isDetailed: true, families, trace }).lines;
}

/** Adds up what the runs met. */
class Book {
  readonly #counts = noCounts();
  readonly #thin: ThinRun[] = [];
  readonly #begunMs = performance.now();
  #runs = 0;
  #virtualMs = 0;
  #operationsMin = Number.POSITIVE_INFINITY;
  #faultKindsMin = Number.POSITIVE_INFINITY;
  readonly #families: Families;
  failures = 0;

  constructor(families: Families) {
    this.#families = families;
  }

  add(result: RunResult): void {
    addCounts(this.#counts, result.counts);
    this.#runs += 1;
    this.#virtualMs += result.virtualMs;
    this.#operationsMin = Math.min(this.#operationsMin, result.counts.operations);
    this.#faultKindsMin = Math.min(this.#faultKindsMin, result.faultKinds);
    if (result.failure !== null) this.failures += 1;
    const thin = thinRun(result);
    if (thin !== null) this.#thin.push(thin);
  }

  tally(): Tally {
    return {
      families: this.#families,
      runs: this.#runs,
      failures: this.failures,
      elapsedMs: performance.now() - this.#begunMs,
      virtualMs: this.#virtualMs,
      counts: this.#counts,
      operationsMin: this.#operationsMin,
      faultKindsMin: this.#faultKindsMin,
      thin: this.#thin,
    };
  }
}

/** A line on stderr now and then; at a terminal it overwrites itself. */
class Progress {
  readonly #stderr: Output;
  readonly #isQuiet: boolean;
  readonly #runs: number;
  #shownMs = performance.now();

  constructor(stderr: Output, isQuiet: boolean, runs: number) {
    this.#stderr = stderr;
    this.#isQuiet = isQuiet;
    this.#runs = runs;
  }

  show(tally: Tally): void {
    const nowMs = performance.now();
    const everyMs = this.#stderr.isTTY === true ? PROGRESS_EVERY_MS : PROGRESS_LINE_EVERY_MS;
    if (this.#isQuiet || nowMs - this.#shownMs < everyMs) return;
    this.#shownMs = nowMs;
    const line = describeProgress(tally, this.#runs);
    this.#stderr.write(this.#stderr.isTTY === true ? `${ERASE_LINE}${line}` : `${line}\n`);
  }

  clear(): void {
    if (!this.#isQuiet && this.#stderr.isTTY === true) this.#stderr.write(ERASE_LINE);
  }
}
