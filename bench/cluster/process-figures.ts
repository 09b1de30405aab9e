/**
 * CPU time and memory of other processes, from /proc. Linux only, and said so.
 *
 * A process that is gone has no figures: undefined, never zero.
 */

import { existsSync, readFileSync } from 'node:fs';
import { CommandError, ExitCode } from '../../tools/cli/exit-codes.js';

/** USER_HZ: the kernel shows times to programs in hundredths of a second, whatever it counts in. */
const TICK_US = 10_000;
/** Of /proc/PID/stat, counted after the program's name in parentheses. */
const FIELD_UTIME = 11;
const FIELD_STIME = 12;

export function requireProc(): void {
  if (existsSync('/proc/self/stat')) return;
  throw new CommandError(
    ExitCode.failed,
    'CPU time and memory of the nodes are read from /proc, which this system lacks: use Linux',
  );
}

/** User and system time, all threads together, in microseconds. */
export function parseCpuUs(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[FIELD_UTIME]) + Number(fields[FIELD_STIME]);
  return Number.isFinite(ticks) ? ticks * TICK_US : undefined;
}

/** Resident memory in bytes. */
export function parseRssBytes(status: string): number | undefined {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  return match === null ? undefined : Number(match[1]) * 1024;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function cpuUs(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseCpuUs(stat);
}

export function rssBytes(pid: number): number | undefined {
  const status = read(`/proc/${pid}/status`);
  return status === undefined ? undefined : parseRssBytes(status);
}
