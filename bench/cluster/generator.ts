/**
 * One run of the load generator as a process of its own: `ringraft load`, which reports as JSON.
 * Its progress lines, one a second, tell this process when the measured time begins.
 *
 * It must never take part in the load itself.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';
import type { LoadReport } from '../../tools/load/load-report.js';
import { RINGRAFT } from './nodes.js';
import type { LoadShape } from './rows.js';

export const KEYS = 100_000;

export interface LoadPlan {
  readonly targets: string;
  readonly shape: LoadShape;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly signal: AbortSignal;
}

const LINES_KEPT = 20;

export class Generator {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #lines: string[] = [];
  readonly #output: Promise<string>;
  readonly #ended: Promise<unknown>;
  #measuredLines = 0;
  #waiting: { readonly lines: number; readonly resolve: () => void } | null = null;

  constructor({ targets, shape, seconds, warmupSeconds, signal }: LoadPlan) {
    const parameters = [
      ...[RINGRAFT, 'load', '--json', '-'],
      ...['--targets', targets],
      ...['--connections', String(shape.connections)],
      ...['--in-flight', String(shape.inFlight)],
      ...['--value-size', String(shape.valueBytes)],
      ...['--keys', String(KEYS)],
      ...['--warmup', `${warmupSeconds}s`],
      ...['--duration', `${seconds}s`],
    ];
    const child = spawn(process.execPath, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    this.#child = child;
    this.#signal = signal;
    child.on('error', () => undefined);
    this.#ended = once(child, 'close').catch(() => undefined);
    this.#output = text(child.stdout as NodeJS.ReadableStream);
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) =>
      this.#onLine(line),
    );
    void this.#ended.then(() => this.#waiting?.resolve());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #onLine(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    if (!line.startsWith('measure')) return;
    this.#measuredLines += 1;
    if (this.#waiting !== null && this.#measuredLines >= this.#waiting.lines) {
      this.#waiting.resolve();
      this.#waiting = null;
    }
  }

  /** Resolves after so many seconds of the measured time, or when the run has ended before. */
  measured(seconds: number): Promise<void> {
    if (this.#measuredLines >= seconds || this.#child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = { lines: seconds, resolve };
    });
  }

  /** The report. Rejects with what the generator printed when it failed. */
  async report(): Promise<LoadReport> {
    await this.#ended;
    this.#signal.throwIfAborted();
    const { exitCode } = this.#child;
    if (exitCode !== ExitCode.ok) {
      const lines = this.#lines.map((line) => `  ${line}`).join('\n');
      throw new CommandError(ExitCode.failed, `the load generator failed (${exitCode}):\n${lines}`);
    }
    return JSON.parse(await this.#output) as LoadReport;
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let whole = '';
  for await (const chunk of stream) whole += String(chunk);
  return whole;
}
