/**
 * Who gets the result of an operation: the answering half of the pipelined interface (channel.ts).
 */

import type { ErrorNumber } from './errors.js';

/**
 * `token` is what the sink gave when it asked; each token is answered once, by one of the two. They
 * run while a ring is being drained: they must not throw, and may claim anew.
 */
export interface CompletionSink {
  /**
   * Bytes at `buffer[start, end)` are lent for the call. Of a read: entries up to `index` are in
   * the state that answered; of a command it is its own.
   */
  result(
    token: number,
    buffer: Buffer,
    start: number,
    end: number,
    rejected: boolean,
    index: number,
  ): void;
  /** `detail` is a text where the code alone does not tell what failed; mostly there is none. */
  refused(token: number, code: ErrorNumber, leader: number, detail?: string): void;
  /**
   * In place of both, of a command that waits for all: it is committed and executed at `index`, and
   * these voters have not applied it in time. None: who is missing is not known here.
   */
  notOnAll?(token: number, index: number, missing: readonly number[]): void;
}

/** Stands where a sink was that has its answer: nothing is ever answered twice. */
export const ANSWERED: CompletionSink = {
  result() {},
  refused() {},
};
