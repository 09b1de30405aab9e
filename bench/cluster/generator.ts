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
  /** 100,000 by default. */
  readonly keys?: number;
  /** Commands per second; as many as go by default. */
  readonly rate?: number;
  /** Only reads; only writes by default. */
  readonly readsOnly?: boolean;
  /** Writes every key once before anything else. */
  readonly fill?: boolean;
  readonly signal: AbortSignal;
}

const LINES_KEPT = 20;
/** As the progress lines begin, one a second. */
const PHASES = ['warm-up', 'measure'] as const;
type Phase = (typeof PHASES)[number];

interface Waiting {
  readonly phase: Phase;
  readonly lines: number;
  readonly resolve: () => void;
}

export class Generator {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #lines: string[] = [];
  readonly #output: Promise<string>;
  readonly #ended: Promise<unknown>;
  readonly #linesOf = { 'warm-up': 0, measure: 0 };
  readonly #warmupSeconds: number;
  #waiting: Waiting | null = null;

  constructor(plan: LoadPlan) {
    const { targets, shape, seconds, warmupSeconds, keys = KEYS, signal } = plan;
    const { rate, fill, readsOnly } = plan;
    const parameters = [
      ...[RINGRAFT, 'load', '--json', '-'],
      ...['--targets', targets],
      ...['--connections', String(shape.connections)],
      ...['--in-flight', String(shape.inFlight)],
      ...['--value-size', String(shape.valueBytes)],
      ...['--keys', String(keys)],
      ...['--warmup', `${warmupSeconds}s`],
      ...['--duration', `${seconds}s`],
      ...(rate === undefined ? [] : ['--rate', String(rate)]),
      ...(fill === true ? ['--fill'] : []),
      ...(readsOnly === true ? ['--ratio', '1:0'] : []),
    ];
    const child = spawn(process.execPath, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    });
    this.#child = child;
    this.#warmupSeconds = warmupSeconds;
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
    const phase = PHASES.find((one) => line.startsWith(one));
    if (phase === undefined) return;
    this.#linesOf[phase] += 1;
    const waiting = this.#waiting;
    if (waiting?.phase !== phase || this.#linesOf[phase] < waiting.lines) return;
    waiting.resolve();
    this.#waiting = null;
  }

  /** Resolves after so many seconds of the measured time, or when the run has ended before. */
  measured(seconds: number): Promise<void> {
    return this.#reached('measure', seconds);
  }

  /** Resolves when the warm-up, of a second at least, is over, or the run has ended before. */
  warmedUp(): Promise<void> {
    return this.#reached('warm-up', this.#warmupSeconds);
  }

  #reached(phase: Phase, lines: number): Promise<void> {
    if (this.#linesOf[phase] >= lines || this.#child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = { phase, lines, resolve };
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
