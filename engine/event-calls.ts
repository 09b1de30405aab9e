/**
 * Calls that a group's thread answers by an event: a snapshot by hand, a change of the membership,
 * a transfer. Who waits for which answer, and how long.
 *
 * What was asked for goes on when nobody waits for it any more: a bound ends the wait alone. For
 * what is rare only: each call costs a promise and a timer.
 */

import { aborted } from './aborted.js';

interface Waiting<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

export interface CallBounds {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** What ends the wait when the time is up. */
  readonly late: () => Error;
  /** What is said of the thing itself when the signal ends the wait. */
  readonly goesOn: string;
}

export class EventCalls<Result> {
  readonly #waiting = new Map<number, Waiting<Result>>();
  #nextId = 1;

  /** `ask` sends the request with its id to the group's thread. */
  call(ask: (id: number) => void, bounds: CallBounds): Promise<Result> {
    const id = this.#nextId;
    this.#nextId += 1;
    const { timeoutMs, signal, late, goesOn } = bounds;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.reject(id, late()), timeoutMs);
      const onAbort = (): void => this.reject(id, aborted(signal as AbortSignal, goesOn));
      const settled = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(id, {
        resolve: (result) => {
          settled();
          resolve(result);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      ask(id);
    });
  }

  /** An answer for which nobody waits any more is dropped. */
  resolve(id: number, result: Result): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve(result);
  }

  reject(id: number, error: Error): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(error);
  }

  /** Nothing will be answered any more. */
  close(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.reject(id, error);
  }
}
