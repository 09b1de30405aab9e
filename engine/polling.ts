/**
 * Waiting for what a status page will show: it is looked at every few milliseconds.
 *
 * For waits that are rare; nothing on the data path may wait like this.
 */

import { monotonicMs } from '../io/clock.js';
import { aborted } from './aborted.js';
import { ErrorNumber, RingraftError } from './errors.js';

const POLL_MS = 5;

export interface Wait {
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  /** Why it will never be; null while it may. */
  readonly ended: () => RingraftError | null;
  /** What is thrown at the deadline. */
  readonly late: () => RingraftError;
}

export async function pollUntil(wait: Wait, done: () => boolean): Promise<void> {
  for (;;) {
    if (wait.signal?.aborted) throw aborted(wait.signal);
    if (done()) return;
    const ended = wait.ended();
    if (ended !== null) throw ended;
    if (monotonicMs() >= wait.deadline) throw wait.late();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export function lateLeader(): RingraftError {
  return new RingraftError(ErrorNumber.noLeader, {
    text: 'no leader became known here in time. Check that a majority of nodes runs',
  });
}

export function lateApplied(index: number, applied: number): RingraftError {
  const text = `entry ${index} was not applied here in time, entries up to ${applied} are`;
  return new RingraftError(ErrorNumber.timeout, { text: `${text}. Wait again or longer` });
}
