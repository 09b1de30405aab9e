/**
 * What a simulation prints: progress, one failing run with its last events and the command that
 * replays it, and the table of everything that was met.
 */

import { COUNT_NAMES, COUNT_SPECS, missingKinds } from './counts.js';
import { isEveryFamily } from './fault-families.js';
import type { RunResult } from './run.js';
import { alignColumns } from './trace.js';
import { describeLacks, type Tally } from './verdict.js';

export function replayCommand(
  result: Pick<RunResult, 'seed' | 'nodes'> & Partial<Pick<RunResult, 'families'>>,
): string {
  const { seed, nodes, families } = result;
  const isAll = families === undefined || isEveryFamily(families);
  const faults = isAll ? '' : ` --faults ${families.join(',')}`;
  return `ringraft sim --seed ${seed} --runs 1 --nodes ${nodes}${faults} --trace`;
}

export function describeProgress(tally: Tally, runs: number): string {
  const { failures } = tally;
  return `${tally.runs}/${runs} runs, ${rate(tally)} runs/s, ${failures} failed`;
}

function rate({ runs, elapsedMs }: Tally): string {
  return (runs / Math.max(elapsedMs / 1000, 0.001)).toFixed(1);
}

export function describeFailure(result: RunResult, lines: readonly string[]): string {
  return [
    `seed ${result.seed} with ${result.nodes} nodes failed after ${result.virtualMs} ms:`,
    indented(result.failure ?? ''),
    'the last events:',
    ...lines,
    `replay: ${replayCommand(result)}`,
    '',
  ].join('\n');
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

export function describeTally(tally: Tally): string {
  const { runs, failures, operationsMin, faultKindsMin, virtualMs, counts } = tally;
  const rows = COUNT_NAMES.map((name) => [`  ${counts[name]}`, COUNT_SPECS[name].help]);
  const missing = missingKinds(counts);
  const seconds = Math.round(virtualMs / 1000);
  const lines = [
    ...alignRight(rows),
    '',
    `${runs} runs, ${failures} failed, ${rate(tally)} runs/s, ${seconds} s of virtual time; ` +
      `each run ≥ ${operationsMin} operations and ≥ ${faultKindsMin} kinds of faults`,
  ];
  if (missing.length > 0) {
    lines.push(`never happened: ${missing.map((name) => COUNT_SPECS[name].help).join('; ')}`);
  }
  lines.push(...describeLacks(tally));
  return `${lines.join('\n')}\n`;
}

function alignRight(rows: readonly (readonly string[])[]): string[] {
  const width = Math.max(...rows.map(([count = '']) => count.length));
  return alignColumns(rows.map(([count = '', help = '']) => [count.padStart(width), help]));
}
