/**
 * The loop of a thread that sleeps on a doorbell: work, look at the words that end it, park.
 *
 * It returns when the shutdown has reached the thread's stage or when another thread died. A thread
 * in this loop has no timers, promises or streams.
 */

import { monotonicMs } from '../io/clock.js';
import { FatalWord, NOT_FATAL } from './fatal.js';
import { DoorbellSleeper } from './ring/doorbell.js';
import type { NodeMemory } from './topology.js';

export interface ParkedDuty {
  doWork(now: number): void;
  /** Looks at everything the duty acts upon: what it forgets can be slept through. */
  hasWork(): boolean;
  /** On the monotonic clock; Infinity when nothing is due. */
  readonly deadline: number;
}

/** Why the loop ended. */
export type LoopEnd = 'stopped' | 'fatal';

export function runParked(
  memory: NodeMemory,
  bell: number,
  stage: number,
  duty: ParkedDuty,
): LoopEnd {
  const stop = new Int32Array(memory.stop);
  const fatal = new FatalWord(memory.fatal);
  const isEnding = (): boolean => Atomics.load(stop, 0) >= stage || fatal.code() !== NOT_FATAL;
  const sleeper = new DoorbellSleeper(memory.doorbells, bell, () => duty.hasWork() || isEnding());
  while (!isEnding()) {
    const now = monotonicMs();
    duty.doWork(now);
    if (duty.hasWork()) continue;
    sleeper.park(duty.deadline - monotonicMs());
  }
  return fatal.code() === NOT_FATAL ? 'stopped' : 'fatal';
}
