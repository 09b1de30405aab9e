/**
 * The exit codes of the `ringraft` command, the same for every subcommand, and the error that
 * carries one. `ringraft --help` prints this table; scripts rely on it, so a code must never change
 * meaning.
 */

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  noLeader: 3,
  timeout: 4,
  cannotConnect: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODES: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.ok, 'done'],
  [ExitCode.failed, 'the operation failed'],
  [ExitCode.usage, 'wrong usage: an unknown command or option, or a value out of its range'],
  [ExitCode.noLeader, 'no node is the leader, or none became it in time'],
  [ExitCode.timeout, 'timed out, or the outcome is unknown'],
  [ExitCode.cannotConnect, 'cannot connect'],
  [ExitCode.interrupted, 'ended by Ctrl-C'],
];

/** Ends a command with `exitCode`; the message is all that people see, so it says what to do. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

const CANNOT_CONNECT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH']);

/** The exit code of whatever a command threw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === 'string' && CANNOT_CONNECT.has(code)) return ExitCode.cannotConnect;
  return ExitCode.failed;
}
