/**
 * All writers of a run together: started for a trial, stopped before its check, with the question
 * that a trial asks of them: when was a write acknowledged that was sent after the kill?
 */

import type { Address } from '../cli/value-rules.js';
import type { Ledger } from './ledger.js';
import { Writer } from './writer.js';

interface Waiting {
  readonly since: number;
  readonly resolve: (at: number) => void;
}

export class Load {
  readonly #writers: readonly Writer[];
  #waiting: Waiting[] = [];

  constructor(ledger: Ledger, addresses: readonly Address[], inFlight: number) {
    const count = ledger.writers.length;
    const events = { acked: (sentAt: number) => this.#onAcked(sentAt) };
    this.#writers = ledger.writers.map(({ writer }) => {
      const window = Math.max(1, Math.floor((inFlight + writer) / count));
      return new Writer(writer, ledger, addresses, window, events);
    });
  }

  /** Resolves to when the first write was acknowledged that was sent after `since`. */
  ackedAfter(since: number): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.push({ since, resolve });
    });
  }

  /** Resolves when every command that was sent is settled. */
  async stop(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
  }

  #onAcked(sentAt: number): void {
    if (this.#waiting.length === 0) return;
    const now = performance.now();
    this.#waiting = this.#waiting.filter(({ since, resolve }) => {
      if (sentAt < since) return true;
      resolve(now);
      return false;
    });
  }
}
