/**
 * `ringraft load`: the load generator on the command line. Progress and the summary go to stderr
 * when the report itself goes to stdout, so that a pipe gets nothing but JSON.
 *
 * It must never decide what is measured; run-load.ts does.
 */

import { writeFileSync } from 'node:fs';
import type { Invocation } from '../cli/command.js';
import { ExitCode } from '../cli/exit-codes.js';
import { fromCommandLine, type loadOptions } from './load-options.js';
import { describeInterval, describeReport } from './load-report.js';
import { type LoadPhase, runLoad } from './run-load.js';
import type { Interval } from './tally.js';

const ERASE_LINE = '\r\u001b[K';

export async function run(invocation: Invocation<typeof loadOptions>): Promise<ExitCode> {
  const { options, stdout, stderr, signal } = invocation;
  const tty = stderr.isTTY === true;
  const onProgress = (phase: LoadPhase, interval: Interval): void => {
    if (options.quiet) return;
    const line = `${phase.padEnd(8)}${describeInterval(interval)}`;
    stderr.write(tty ? `${ERASE_LINE}${line}` : `${line}\n`);
  };
  const report = await runLoad(fromCommandLine(options), { signal, onProgress });
  if (tty && !options.quiet) stderr.write(ERASE_LINE);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (options.json === '-') {
    stdout.write(json);
    if (!options.quiet) stderr.write(describeReport(report));
  } else {
    stdout.write(describeReport(report));
    if (options.json !== undefined) writeFileSync(options.json, json);
  }
  if (report.interrupted) return ExitCode.interrupted;
  return report.operations > 0 ? ExitCode.ok : ExitCode.failed;
}
