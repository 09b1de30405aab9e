#!/usr/bin/env node
/**
 * The `ringraft` command. It wires the process (arguments, streams, Ctrl-C) to cli/main.ts; what
 * the commands are is in cli/commands.ts.
 *
 * The first Ctrl-C or SIGTERM asks the command to end, the second ends the process at once.
 */

import { ROOT_COMMAND } from './cli/commands.js';
import { ExitCode } from './cli/exit-codes.js';
import { main } from './cli/main.js';

const ending = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (ending.signal.aborted) process.exit(ExitCode.interrupted);
    ending.abort(signal);
  });
}

// A reader that went away (`ringraft … | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.ok);
  throw error;
});

process.exitCode = await main(ROOT_COMMAND, process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: ending.signal,
});
