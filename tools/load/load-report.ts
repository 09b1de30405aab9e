/**
 * What a run of the load generator says in the end: as data (also the JSON file), and as text.
 *
 * Figures are never rounded in the data. Nothing is left out because it looks bad: every error kind
 * is present even when zero, and so is the longest gap without a success.
 */

import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';
import { printAddress } from '../cli/value-rules.js';
import { version } from '../cli/version.js';
import { ERROR_KINDS, type ErrorCounts, type ErrorKind, totalErrors } from './error-kinds.js';
import type { LoadOptions } from './load-options.js';
import type { Interval, Percentiles } from './tally.js';

export interface LoadEnvironment {
  readonly ringraft: string;
  readonly node: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface LoadReport {
  readonly config: Omit<LoadOptions, 'targets'> & { readonly targets: readonly string[] };
  readonly environment: LoadEnvironment;
  /** When measuring began, ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Commands answered with success within the measured time. */
  readonly operations: number;
  readonly opsPerSecond: number;
  readonly writes: number;
  readonly reads: number;
  /** Reads of keys that had no value; `--fill` avoids them. */
  readonly misses: number;
  readonly latencyMs: Record<'all' | 'writes' | 'reads', Percentiles | null>;
  readonly errors: ErrorCounts;
  readonly errorSamples: readonly string[];
  /** Keys that `--fill` could not write. */
  readonly fillErrors: number;
  /** Commands of `--rate` whose time had come and that were not sent when measuring ended. */
  readonly behind: number;
  /** The longest time in which no command succeeded. */
  readonly gapMsMax: number;
  /** Commands that `--sessions` sent again; those it got no answer for are errors as well. */
  readonly retries: number;
  readonly reconnects: number;
  readonly leaders: readonly LeaderNote[];
  readonly cpu: GeneratorCpu;
  readonly interrupted: boolean;
  readonly series: readonly Interval[];
}

export interface LeaderNote {
  /** Since measuring began; the first is from before and negative. */
  readonly atSeconds: number;
  readonly nodeId: number;
  readonly address: string;
}

/** What the generator itself cost; a share near 1 means that it is the bottleneck. */
export interface GeneratorCpu {
  readonly userMs: number;
  readonly systemMs: number;
  readonly coreShare: number;
  readonly microsecondsPerOperation: number;
}

export function readEnvironment(): LoadEnvironment {
  return {
    ringraft: version(),
    node: process.version,
    platform: `${platform()} ${release()} ${arch()}`,
    cpuModel: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

export function cpuOf(usage: NodeJS.CpuUsage, seconds: number, operations: number): GeneratorCpu {
  const microseconds = usage.user + usage.system;
  return {
    userMs: usage.user / 1000,
    systemMs: usage.system / 1000,
    coreShare: seconds > 0 ? microseconds / 1e6 / seconds : 0,
    microsecondsPerOperation: operations > 0 ? microseconds / operations : 0,
  };
}

export function configOf(options: LoadOptions): LoadReport['config'] {
  return { ...options, targets: options.targets.map(printAddress) };
}

const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const SATURATED_SHARE = 0.9;

function ms(value: number): string {
  return value < 10 ? value.toFixed(3) : value.toFixed(1);
}

function latencyRow(name: string, row: Percentiles | null): string[] {
  if (row === null) return [];
  const cells = [row.p50, row.p90, row.p99, row.p999, row.max].map((one) => ms(one).padStart(9));
  return [`${name.padEnd(12)}${cells.join('')}`];
}

function errorRows(errors: ErrorCounts, samples: readonly string[]): string[] {
  const total = totalErrors(errors);
  if (total === 0) return ['errors      none'];
  const kinds = (Object.keys(ERROR_KINDS) as ErrorKind[]).filter((kind) => errors[kind] > 0);
  return [
    `errors      ${COUNT.format(total)}`,
    ...kinds.map(
      (kind) => `  ${kind.padEnd(10)}${COUNT.format(errors[kind])}  ${ERROR_KINDS[kind]}`,
    ),
    ...samples.map((sample) => `  for example: ${sample}`),
  ];
}

function leaderRow(report: LoadReport): string {
  const names = report.leaders.map(
    ({ nodeId, address }) => `${nodeId > 0 ? `node ${nodeId} ` : ''}${address}`,
  );
  return `leader      ${names.length === 0 ? 'all targets in turn' : names.join(' → ')}`;
}

/** The closing summary, in lines that also read well in a log. */
export function describeReport(report: LoadReport): string {
  const { config, cpu, latencyMs } = report;
  const share = `${Math.round(config.readShare * 100)} % reads`;
  const lines = [
    `${COUNT.format(report.opsPerSecond)} commands/s` +
      ` (${COUNT.format(report.operations)} in ${report.seconds.toFixed(1)} s` +
      `${report.interrupted ? ', interrupted' : ''})`,
    `load        ${COUNT.format(config.inFlight)} in flight on ${config.connections} connections,` +
      ` ${config.valueSize} B values, ${COUNT.format(config.keys)} keys, ${share}`,
    leaderRow(report),
    `latency, ms ${['p50', 'p90', 'p99', 'p99.9', 'max'].map((one) => one.padStart(9)).join('')}`,
    ...latencyRow('  writes', latencyMs.writes),
    ...latencyRow('  reads', latencyMs.reads),
    ...errorRows(report.errors, report.errorSamples),
    `gap         ${ms(report.gapMsMax)} ms without a success at most`,
    `generator   ${cpu.microsecondsPerOperation.toFixed(2)} µs of CPU per command,` +
      ` ${Math.round(cpu.coreShare * 100)} % of a core`,
  ];
  if (config.rate > 0) {
    const kept = report.behind > config.rate / 10 ? 'not kept' : 'kept';
    lines.push(
      `rate        ${COUNT.format(config.rate)} commands/s, ${kept}:` +
        ` ${COUNT.format(report.behind)} were due and not sent at the end`,
    );
  }
  if (config.sessions)
    lines.push(`sessions    ${COUNT.format(report.retries)} commands sent again`);
  if (report.misses > 0)
    lines.push(`misses      ${COUNT.format(report.misses)} reads found nothing`);
  if (report.fillErrors > 0) {
    lines.push(`fill        ${COUNT.format(report.fillErrors)} keys could not be written`);
  }
  if (cpu.coreShare > SATURATED_SHARE) {
    lines.push('warning     the generator used a whole core: the cluster may be able to do more');
  }
  return `${lines.join('\n')}\n`;
}

/** One line about one interval. */
export function describeInterval(interval: Interval): string {
  const rate = interval.seconds > 0 ? interval.operations / interval.seconds : 0;
  return (
    `${interval.atSeconds.toFixed(0).padStart(4)} s` +
    `${COUNT.format(rate).padStart(11)} commands/s` +
    `   p50 ${ms(interval.p50Ms)} ms   p99 ${ms(interval.p99Ms)} ms` +
    `   errors ${COUNT.format(interval.errors)}`
  );
}
