/**
 * Whether a process that was recorded once still runs, is stopped by a signal, or is gone.
 *
 * A pid alone proves nothing: numbers are used again, and a command that signals by number kills a
 * stranger one day. So a record holds the start time and the boot of the machine too, and this file
 * must never call a process alive whose record does not match. Reads /proc, elsewhere asks `ps`.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type ProcessIdentity, parseStartTime, thisProcess } from '../../io/process-identity.js';

/** Of /proc/PID/stat, counted from the state, which is 0. */
const THREADS_FIELD = 17;

export type ProcessState = 'running' | 'paused' | 'gone';

interface Observation {
  readonly startTime: number;
  readonly state: ProcessState;
}

/** `pid (name) S …`: the name may hold anything, so fields count from the last bracket. */
export function parseStat(stat: string): Observation | undefined {
  const startTime = parseStartTime(stat);
  if (startTime === 0) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // The first thread of a killed process may be a zombie while others still hold its ports.
  const threads = Number(fields[THREADS_FIELD]);
  return { startTime, state: threads > 1 ? runningOrPaused(fields[0]) : stateOf(fields[0]) };
}

/** `S    Thu Nov 20 21:14:02 2026` as `ps -o stat=,lstart=` prints it. */
export function parsePs(line: string): Observation | undefined {
  const match = /^\s*(\S+)\s+(.+?)\s*$/.exec(line);
  const startTime = Date.parse(match?.[2] ?? '') / 1000;
  if (match === null || !Number.isSafeInteger(startTime)) return undefined;
  return { startTime, state: stateOf(match[1]?.[0]) };
}

/** A zombie has ended; only its parent has not asked yet. */
function stateOf(letter: string | undefined): ProcessState {
  return letter === 'Z' || letter === 'X' || letter === 'x' ? 'gone' : runningOrPaused(letter);
}

function runningOrPaused(letter: string | undefined): ProcessState {
  return letter === 'T' || letter === 't' ? 'paused' : 'running';
}

function observe(pid: number): Observation | undefined {
  if (process.platform === 'linux') {
    try {
      return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return undefined;
    }
  }
  const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } } as const;
  return parsePs(spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], options).stdout ?? '');
}

/** The record of a process that was just started; undefined when it is gone already. */
export function identify(pid: number): ProcessIdentity | undefined {
  const seen = observe(pid);
  if (seen === undefined) return undefined;
  return { pid, startTime: seen.startTime, bootId: thisProcess().bootId };
}

export function processState(identity: ProcessIdentity): ProcessState {
  if (identity.bootId !== thisProcess().bootId) return 'gone';
  const seen = observe(identity.pid);
  return seen === undefined || seen.startTime !== identity.startTime ? 'gone' : seen.state;
}
