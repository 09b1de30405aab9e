/**
 * Counts what a test run reports and turns failures into short text.
 *
 * A file in which no test ran is a failure, never a success: a green run of nothing proves nothing.
 * It must never print; run-tests.ts does, so that this can be tested without a run.
 */

import { inspect } from 'node:util';

/** The part of node:test's pass and fail events that counts. */
export interface TestEvent {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: 'suite' | undefined;
    readonly error?: Error | undefined;
  };
}

interface FileTally {
  durationMs: number;
  output: string[];
}

export const OUTPUT_LINES_MAX = 40;

export class TestTally {
  passed = 0;
  failed = 0;
  readonly skipped: string[] = [];
  readonly #files = new Map<string, FileTally>();
  readonly #root: string;
  #failures: string[] = [];

  /**
   * `files` are the paths given to `run`, relative to `root`, as the file-level events name them.
   */
  constructor(files: readonly string[], root = '') {
    this.#root = root;
    for (const file of files) this.#files.set(file, { durationMs: 0, output: [] });
  }

  pass(event: TestEvent): void {
    if (this.#files.has(event.name)) {
      // A file reports for itself only when nothing in it did.
      this.failed += 1;
      this.#failures.push(`✖ ${event.name}\n    no test ran in this file`);
      return;
    }
    if (event.details.type === 'suite') return;
    const excuse = event.skip ?? event.todo;
    if (excuse === undefined || excuse === false) this.passed += 1;
    else this.skipped.push(`${event.name} (${excuse === true ? 'no reason given' : excuse})`);
  }

  fail(event: TestEvent): void {
    const error = event.details.error;
    // The parent of a failed test fails too; the test itself has told everything.
    if (failureType(error) === 'subtestsFailed') return;
    this.failed += 1;
    const path = this.#files.has(event.name) ? event.name : this.#relative(event.file);
    const name = path === event.name ? path : `${path} › ${event.name}`;
    const lines = [`✖ ${name}`, indent(describeError(error))];
    const output = this.#files.get(path)?.output ?? [];
    if (output.length > 0) lines.push('    output of the file:', indent(output.join('')));
    this.#failures.push(lines.join('\n'));
  }

  complete(event: Omit<TestEvent, 'details'> & { details: { duration_ms: number } }): void {
    const file = this.#files.get(event.name);
    if (file !== undefined) file.durationMs = event.details.duration_ms;
  }

  /** The failures since the last call, as text. */
  takeFailures(): string[] {
    const taken = this.#failures;
    this.#failures = [];
    return taken;
  }

  /** What a file wrote; shown only when one of its tests fails, the last lines of it. */
  output(path: string, text: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    file.output.push(text);
    if (file.output.length > OUTPUT_LINES_MAX) file.output.shift();
  }

  /** The files that took longest. */
  slowest(count: number): string[] {
    return [...this.#files]
      .sort(([, a], [, b]) => b.durationMs - a.durationMs)
      .slice(0, count)
      .map(([path, { durationMs }]) => `${(durationMs / 1000).toFixed(1)} s  ${path}`);
  }

  summary(): string {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped.length} skipped`;
  }

  exitCode(): number {
    return this.failed > 0 || this.passed === 0 ? 1 : 0;
  }

  #relative(path = ''): string {
    return path.startsWith(this.#root) ? path.slice(this.#root.length) : path;
  }
}

function failureType(error: Error | undefined): unknown {
  return (error as { failureType?: unknown } | undefined)?.failureType;
}

/** node:test wraps what a test threw; the cause is what people want to read. */
function describeError(error: Error | undefined): string {
  const cause = error?.cause;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  if (cause !== undefined) return typeof cause === 'string' ? cause : inspect(cause);
  return error?.message ?? 'failed without an error';
}

function indent(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}
