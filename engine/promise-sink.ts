/**
 * The completions of a batch as results of promises: what the channel answers, in a caller's terms.
 *
 * It must never settle anything twice: the channel answers each operation once.
 */

import { aborted } from './aborted.js';
import { CHANNEL_BUSY, CHANNEL_CLOSED, CHANNEL_TOO_LARGE, type CompletionSink } from './channel.js';
import { ErrorNumber, RingraftError } from './errors.js';
import type { ProposeResult } from './group-calls.js';
import { notOnAllInWords } from './replicated-results.js';

/** What the channel's refusals mean to a caller. */
const REFUSALS: Readonly<Record<number, ErrorNumber | undefined>> = {
  [CHANNEL_BUSY]: ErrorNumber.busy,
  [CHANNEL_TOO_LARGE]: ErrorNumber.tooLarge,
  [CHANNEL_CLOSED]: ErrorNumber.closed,
};

interface Abortable {
  readonly signal: AbortSignal | undefined;
  /** What is said of what was sent when the signal ends the wait. */
  readonly sent: string | undefined;
}

/** Claims `count` operations, and resolves with the results of all of them. */
export function gather(
  count: number,
  { signal, sent }: Abortable,
  claim: (sink: CompletionSink, i: number) => number,
  errorOf: (i: number, code: ErrorNumber, leader: number, detail: string) => RingraftError,
): Promise<ProposeResult[]> {
  return new Promise((resolve, reject) => {
    const results: ProposeResult[] = new Array(count);
    let missing = count;
    const settle = (i: number, result: ProposeResult): void => {
      results[i] = result;
      missing -= 1;
      if (missing > 0) return;
      signal?.removeEventListener('abort', onAbort);
      resolve(results);
    };
    const onAbort = (): void => reject(aborted(signal as AbortSignal, sent));
    signal?.addEventListener('abort', onAbort, { once: true });
    const sink = promiseSink(settle, errorOf);
    for (let i = 0; i < count; i += 1) {
      const refusal = REFUSALS[claim(sink, i)];
      if (refusal !== undefined) sink.refused(i, refusal, 0);
    }
    if (count === 0) resolve(results);
  });
}

function promiseSink(
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
    notOnAll(i, index, missing) {
      settle(i, { ok: false, error: notOnAll(index, missing) });
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

function notOnAll(committedIndex: number, missingNodes: readonly number[]): RingraftError {
  const detail = notOnAllInWords(committedIndex, missingNodes);
  return new RingraftError(ErrorNumber.notOnAll, { detail, committedIndex, missingNodes });
}
