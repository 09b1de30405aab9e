/**
 * `ringraft crash`, which is `npm run crash`: the crash proof on the command line. A line for each
 * trial, then a table; they go to stderr when the JSON report itself goes to stdout.
 *
 * Exits with 1 when anything was lost, doubled or did not come back.
 */

import { writeFileSync } from 'node:fs';
import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import type { crashOptions } from './crash-options.js';
import { describeCrashRun, problemLines, trialHeader, trialLine } from './crash-report.js';
import { runCrash } from './run-crash.js';

export async function run(invocation: Invocation<typeof crashOptions>): Promise<ExitCode> {
  const { options, signal } = invocation;
  const out = options.json === '-' ? invocation.stderr : invocation.stdout;
  const report = await runCrash(options, {
    signal,
    onStart: (seed, dataDir) => {
      out.write(`${options.nodes} nodes in ${dataDir}, kill -9 under load, seed ${seed}\n\n`);
      out.write(`${trialHeader()}\n`);
    },
    onTrial: (trial) => {
      out.write(`${[trialLine(trial), ...problemLines(trial.problems)].join('\n')}\n`);
    },
  });
  out.write(describeCrashRun(report));
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (options.json === '-') invocation.stdout.write(json);
  else if (options.json !== undefined) writeFileSync(options.json, json);
  return report.passed ? ExitCode.ok : ExitCode.failed;
}
