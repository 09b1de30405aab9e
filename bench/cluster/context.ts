/**
 * Where and on what the figures were taken: without it they mean nothing to somebody else.
 *
 * It must never fail a bench: what cannot be found out is null.
 */

import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { version } from '../../tools/cli/version.js';
import type { SyncTimes } from './rows.js';

export interface Machine {
  readonly ringraft: string;
  /** Of the working tree, with `+` when files differ from it; null outside a git repository. */
  readonly commit: string | null;
  readonly node: string;
  readonly system: string;
  readonly cpuModel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface Context extends Machine {
  readonly startedAt: string;
  readonly sync: 'always';
  readonly directory: string;
  readonly fileSystem: string;
  readonly runs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Write + fdatasync of 4 KiB, before and after the rows, and both together. */
  readonly fdatasync: {
    readonly before: SyncTimes;
    readonly after: SyncTimes;
    readonly all: SyncTimes;
  };
  /** Load average over one minute. */
  readonly load: { readonly before: number; readonly after: number };
}

function git(parameters: readonly string[]): string | null {
  try {
    return execFileSync('git', parameters, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
}

function commit(): string | null {
  const hash = git(['rev-parse', '--short=12', 'HEAD']);
  if (hash === null) return null;
  return git(['status', '--porcelain']) === '' ? hash : `${hash}+`;
}

export function describeMachine(): Machine {
  return {
    ringraft: version(),
    commit: commit(),
    node: process.version,
    system: `${platform()} ${release()}`,
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

export function loadAverage(): number {
  return loadavg()[0] ?? 0;
}
