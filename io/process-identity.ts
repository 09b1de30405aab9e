/**
 * Tells one process from a later one with the same number: pid, start time, boot of the machine.
 *
 * Where the system does not say (no /proc), the fields are 0 and empty and prove nothing. This file
 * must never conclude that a process is gone; at most that it is certainly there.
 */

import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's boot to the start of the process; 0 when unknown. */
  readonly startTime: number;
  /** Random id of the machine's boot; empty when unknown. */
  readonly bootId: string;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid), bootId: readBootId() };
}

/** True when the very process still runs; false when it does not, or when nobody can tell. */
export function isSurelyRunning(identity: ProcessIdentity): boolean {
  if (identity.startTime === 0 || identity.bootId === '') return false;
  return identity.bootId === readBootId() && identity.startTime === startTimeOf(identity.pid);
}

/** Field 22 of /proc/PID/stat. The second field, the name, may hold spaces and parentheses. */
export function parseStartTime(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(fields[19]);
  return Number.isSafeInteger(startTime) && startTime > 0 ? startTime : 0;
}

function startTimeOf(pid: number): number {
  return parseStartTime(readOrEmpty(`/proc/${pid}/stat`));
}

function readBootId(): string {
  return readOrEmpty('/proc/sys/kernel/random/boot_id').trim();
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
