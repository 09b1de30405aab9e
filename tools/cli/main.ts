/**
 * From a command line to an exit code: parses by the table, prints help and errors, runs the
 * command and turns what it throws into a message and a code.
 *
 * It must never call `process.exit`: output still on its way would be lost.
 */

import type { Command, Surroundings } from './command.js';
import { ExitCode, exitCodeOf } from './exit-codes.js';
import { helpPage } from './help.js';
import { parseCommandLine } from './parse.js';
import { version } from './version.js';

/** Runs one command line; resolves to the exit code and never rejects. */
export async function main(
  root: Command,
  argv: readonly string[],
  surroundings: Surroundings,
): Promise<ExitCode> {
  const { stdout, stderr, env, signal } = surroundings;
  try {
    const parsed = parseCommandLine(root, argv);
    if (parsed.kind === 'version') {
      stdout.write(`${version()}\n`);
      return ExitCode.ok;
    }
    if (parsed.kind === 'help') {
      stdout.write(helpPage(parsed.path, stdout.columns));
      return ExitCode.ok;
    }
    const run = parsed.path.at(-1)?.run;
    if (run === undefined) throw new Error('the parser chose a command that cannot run');
    const { options, positionals } = parsed;
    return await run({ ...surroundings, options, positionals });
  } catch (error) {
    if (signal.aborted && (error === signal.reason || isAbort(error))) return ExitCode.interrupted;
    stderr.write(`${root.name}: ${messageOf(error)}\n`);
    if (env.RINGRAFT_DEBUG !== undefined && error instanceof Error) {
      stderr.write(`${error.stack}\n`);
    }
    return exitCodeOf(error);
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : error.message;
}
