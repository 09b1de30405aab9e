/**
 * Turns what `node:fs` throws into a `DiskError` with the stable system code.
 *
 * A programmer's mistake (a wrong argument) is not a failure of the disk and passes through
 * unchanged: this file must never dress one up as the other.
 */

import { DiskError } from './disk.js';

const SYSTEM_CODE = /^E[A-Z0-9]+$/;

/** The `DiskError` for `cause`; rethrows `cause` when it is no system error. */
export function diskError(operation: string, path: string, cause: unknown): DiskError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (typeof code !== 'string' || !SYSTEM_CODE.test(code)) throw cause;
  return new DiskError(code, operation, path, cause);
}
