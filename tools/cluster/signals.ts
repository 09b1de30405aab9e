/**
 * The only place that sends signals to nodes. It takes the record of a process, never a bare pid,
 * and must never signal one whose record does not match what runs under that number now.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../io/process-identity.js';
import { type ProcessState, processState } from './process-state.js';

const POLL_MS = 20;

export type NodeSignal = 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';

/** False when the process is gone, so that nothing was sent. */
export function signalProcess(identity: ProcessIdentity, signal: NodeSignal): boolean {
  if (processState(identity) === 'gone') return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Resolves to true once the process is gone, to false when it still runs after `timeoutMs`. */
export async function waitGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (processState(identity) !== 'gone') {
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Stops the process in its tracks; true once it stands still, false when it is gone. */
export function pauseProcess(identity: ProcessIdentity): Promise<boolean> {
  return signalUntil(identity, 'SIGSTOP', 'paused');
}

/** Lets a paused process go on; true once it does, false when it is gone. */
export function resumeProcess(identity: ProcessIdentity): Promise<boolean> {
  return signalUntil(identity, 'SIGCONT', 'running');
}

async function signalUntil(
  identity: ProcessIdentity,
  signal: NodeSignal,
  wanted: ProcessState,
): Promise<boolean> {
  if (!signalProcess(identity, signal)) return false;
  for (;;) {
    const state = processState(identity);
    if (state === wanted || state === 'gone') return state === wanted;
    await sleep(POLL_MS);
  }
}

/** Kills with -9 and waits until the process has left; its ports are free then. */
export async function killProcess(identity: ProcessIdentity): Promise<boolean> {
  if (!signalProcess(identity, 'SIGKILL')) return false;
  while (!(await waitGone(identity, 1000))) signalProcess(identity, 'SIGKILL');
  return true;
}

/**
 * Asks the process to end and waits; after `patienceMs` it is killed. Resolves to how it ended, or
 * undefined when it was gone already. A paused process is resumed, or it could not even listen.
 */
export async function stopProcess(
  identity: ProcessIdentity,
  patienceMs: number,
): Promise<'ended' | 'forced' | undefined> {
  if (!signalProcess(identity, 'SIGTERM')) return undefined;
  signalProcess(identity, 'SIGCONT');
  if (await waitGone(identity, patienceMs)) return 'ended';
  return (await killProcess(identity)) ? 'forced' : 'ended';
}
