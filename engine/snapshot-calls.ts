/**
 * Snapshots that are asked for by hand: what the answer of the group's thread means to the caller.
 *
 * A snapshot goes on when nobody waits for it any more.
 */

import { ErrorNumber, RingraftError } from './errors.js';
import { EventCalls } from './event-calls.js';
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

const STILL_TAKEN = 'the snapshot may still be taken';

export class SnapshotCalls {
  readonly #ask: (id: number) => void;
  readonly #calls = new EventCalls<SnapshotTaken>();

  /** `ask` sends a request to the group's thread. */
  constructor(ask: (id: number) => void) {
    this.#ask = ask;
  }

  /** Resolves once a snapshot of everything applied by now is complete. */
  take(timeoutMs: number, signal: AbortSignal | undefined): Promise<SnapshotTaken> {
    const late = (): RingraftError => lateError(timeoutMs);
    return this.#calls.call(this.#ask, { timeoutMs, signal, late, goesOn: STILL_TAKEN });
  }

  onAnswer(answer: SnapshotAnswer): void {
    if (answer.kind === 'snapshotRefused') {
      const { id, code, text } = answer;
      this.#calls.reject(id, new RingraftError(code, text === '' ? {} : { detail: text }));
      return;
    }
    const { id, index, term, imageBytes, fileBytes } = answer;
    this.#calls.resolve(id, { index, term, imageBytes, fileBytes });
  }

  /** Nothing will be answered any more. */
  close(error: Error): void {
    this.#calls.close(error);
  }
}

function lateError(timeoutMs: number): RingraftError {
  const text = `the snapshot was not complete within ${timeoutMs} ms. It goes on; wait longer`;
  return new RingraftError(ErrorNumber.timeout, { text });
}
