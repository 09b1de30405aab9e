#!/usr/bin/env node
/**
 * `npm run bench`: wires the process (arguments, streams, Ctrl-C) to the command table of
 * commands.ts. Run it from `dist`: what is measured is the compiled build.
 *
 * The first Ctrl-C ends the run and its nodes in good order, the second ends everything at once.
 */

import { ExitCode } from '../tools/cli/exit-codes.js';
import { main } from '../tools/cli/main.js';
import { BENCH_COMMANDS } from './commands.js';

const ending = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (ending.signal.aborted) process.exit(ExitCode.interrupted);
    ending.abort(signal);
  });
}

process.exitCode = await main(BENCH_COMMANDS, process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: ending.signal,
});
