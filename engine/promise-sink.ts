/**
 * The completions of a batch as results of promises: what the channel answers, in a caller's terms.
 *
 * It must never settle anything twice: the channel answers each operation once.
 */

import { CHANNEL_BUSY, CHANNEL_CLOSED, CHANNEL_TOO_LARGE, type CompletionSink } from './channel.js';
import { ErrorNumber, RingraftError } from './errors.js';
import type { ProposeResult } from './group-calls.js';

/** What the channel's refusals mean to a caller. */
export const REFUSALS: Readonly<Record<number, ErrorNumber | undefined>> = {
  [CHANNEL_BUSY]: ErrorNumber.busy,
  [CHANNEL_TOO_LARGE]: ErrorNumber.tooLarge,
  [CHANNEL_CLOSED]: ErrorNumber.closed,
};

export function promiseSink(
  settle: (i: number, result: ProposeResult) => void,
  errorOf: (i: number, code: ErrorNumber, leader: number, detail: string) => RingraftError,
): CompletionSink {
  return {
    result(i, buffer, start, end, rejected) {
      const value = Buffer.from(buffer.subarray(start, end));
      if (!rejected) settle(i, { ok: true, value });
      else {
        const detail = value.toString();
        const error = new RingraftError(ErrorNumber.rejected, { detail, data: value });
        settle(i, { ok: false, error });
      }
    },
    refused(i, code, leader, detail = '') {
      settle(i, { ok: false, error: errorOf(i, code, leader, detail) });
    },
  };
}

/** The same sink, whose results' indexes are noted. */
export function noting(note: (index: number) => void, sink: CompletionSink): CompletionSink {
  return {
    result(token, buffer, start, end, rejected, index) {
      note(index);
      sink.result(token, buffer, start, end, rejected, index);
    },
    refused: (token, code, leader, detail) => sink.refused(token, code, leader, detail),
  };
}
