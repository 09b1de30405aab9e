/**
 * Who waits for a snapshot that was asked for by hand, until the group's thread answers by event.
 *
 * A snapshot goes on when nobody waits for it any more: a bound ends the wait alone.
 */

import { aborted } from './aborted.js';
import { ErrorNumber, RingraftError } from './errors.js';
import type { RuntimeEvent } from './runtime/ports.js';

/** A snapshot that is complete and synced on this node. */
export interface SnapshotTaken {
  /** The last entry that it covers, and its term. */
  readonly index: number;
  readonly term: number;
  /** Bytes of the machine's image, and of the file that holds it. */
  readonly imageBytes: number;
  readonly fileBytes: number;
}

export type SnapshotAnswer = Extract<RuntimeEvent, { kind: 'snapshot' | 'snapshotRefused' }>;

interface Waiting {
  readonly resolve: (taken: SnapshotTaken) => void;
  readonly reject: (error: Error) => void;
}

const STILL_TAKEN = 'the snapshot may still be taken';

export class SnapshotCalls {
  readonly #ask: (id: number) => void;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  /** `ask` sends a request to the group's thread. */
  constructor(ask: (id: number) => void) {
    this.#ask = ask;
  }

  /** Resolves once a snapshot of everything applied by now is complete. */
  take(timeoutMs: number, signal: AbortSignal | undefined): Promise<SnapshotTaken> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const late = (): void => this.#end(id, lateError(timeoutMs));
      const timer = setTimeout(late, timeoutMs);
      const onAbort = (): void => this.#end(id, aborted(signal as AbortSignal, STILL_TAKEN));
      const settled = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(id, {
        resolve: (taken) => {
          settled();
          resolve(taken);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#ask(id);
    });
  }

  onAnswer(answer: SnapshotAnswer): void {
    if (answer.kind === 'snapshotRefused') {
      const { code, text } = answer;
      this.#end(answer.id, new RingraftError(code, text === '' ? {} : { detail: text }));
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    const { index, term, imageBytes, fileBytes } = answer;
    waiting?.resolve({ index, term, imageBytes, fileBytes });
  }

  #end(id: number, error: Error): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(error);
  }

  /** Nothing will be answered any more. */
  close(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.#end(id, error);
  }
}

function lateError(timeoutMs: number): RingraftError {
  const text = `the snapshot was not complete within ${timeoutMs} ms. It goes on; wait longer`;
  return new RingraftError(ErrorNumber.timeout, { text });
}
