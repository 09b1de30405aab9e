/**
 * When patience ends: one abort signal that any number of time limits and signals of callers feed,
 * the first of which counts.
 *
 * It only says that time is over: what ends then is engine.ts. It never keeps a process alive.
 */

import { aborted } from './aborted.js';
import type { RingraftError } from './errors.js';

export interface Bounds {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class Deadline {
  readonly #controller = new AbortController();
  readonly #undo: (() => void)[] = [];

  /** Aborted once time is over; the reason is an error for whoever waited. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Holds from now on, besides what held before. `late` makes the reason of a time limit. */
  bound({ timeoutMs, signal }: Bounds, late?: (timeoutMs: number) => RingraftError): void {
    if (timeoutMs !== undefined) {
      const timer = setTimeout(() => this.#controller.abort(late?.(timeoutMs)), timeoutMs);
      timer.unref();
      this.#undo.push(() => clearTimeout(timer));
    }
    if (signal === undefined) return;
    const onAbort = (): void => this.#controller.abort(aborted(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    this.#undo.push(() => signal.removeEventListener('abort', onAbort));
  }

  /** Nothing holds any more: timers and listeners are gone. */
  clear(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }
}
