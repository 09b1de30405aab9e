/**
 * Asks the addresses that a node is to join by which cluster lives there: all at once, again after
 * a pause while none answers, until one does or the time is over.
 *
 * It is done before the node has an identity, by connections that carry the question alone. It must
 * never take the word of two clusters: the first answer counts, and the handshake proves it later.
 */

import { DecodeStatus, FrameDecoder } from '../../codec/frames/frame-decoder.js';
import { FrameKind, GREETING_BYTES_MAX } from '../../codec/frames/frame-format.js';
import { decodeTold, encodeAsk, type ToldCluster } from '../../codec/frames/join-frames.js';
import type { Adapter } from './adapter.js';

export interface AskTimes {
  /** Of one question, the connection included. */
  readonly answerMs: number;
  /** Between two rounds. */
  readonly pauseMs: number;
  /** Of all rounds together. */
  readonly patienceMs: number;
}

export const ASK_TIMES: AskTimes = { answerMs: 2000, pauseMs: 500, patienceMs: 15_000 };

/** One question to one address: what is there, or why nothing was learned. */
export function askOne(
  adapter: Adapter,
  address: string,
  answerMs: number,
): Promise<ToldCluster | string> {
  return new Promise((resolve) => {
    let isOver = false;
    const timer = adapter.timerCreate(() => end(`no answer within ${answerMs} ms`));
    const end = (answer: ToldCluster | string): void => {
      if (isOver) return;
      isOver = true;
      adapter.timerDestroy(timer);
      adapter.close(connection, 'abort');
      resolve(answer);
    };
    const decoder = new FrameDecoder(GREETING_BYTES_MAX, (kind, _, view, offset, length) => {
      const isTold = kind === FrameKind.told;
      end(isTold ? decodeTold(view, offset, length) : 'it knows no joining: upgrade it');
    });
    const connection = adapter.connect(address, (failure) => {
      if (failure !== null) end(failure);
      else adapter.write(connection, [encodeAsk()], () => {});
    });
    adapter.setReadCallback(connection, (bytes) => {
      if (decoder.push(bytes) === DecodeStatus.error) end('what answers is no ringraft node');
    });
    adapter.setCloseCallback(connection, (code) => end(`it ended the connection (${code})`));
    adapter.timerStart(timer, answerMs, false);
  });
}

/** The first answer, or why none came, for each address. */
export async function askCluster(
  adapter: Adapter,
  addresses: readonly string[],
  signal: AbortSignal | undefined,
  times: AskTimes = ASK_TIMES,
): Promise<ToldCluster | string> {
  const end = adapter.now() + times.patienceMs;
  for (;;) {
    signal?.throwIfAborted();
    const answers = await Promise.all(
      addresses.map((address) => askOne(adapter, address, times.answerMs)),
    );
    const told = answers.find((answer) => typeof answer !== 'string');
    if (told !== undefined) return told;
    const problems = addresses.map((address, at) => `${address}: ${String(answers[at])}`);
    if (adapter.now() + times.pauseMs >= end) return problems.join('; ');
    await pause(adapter, times.pauseMs);
  }
}

function pause(adapter: Adapter, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = adapter.timerCreate(() => {
      adapter.timerDestroy(timer);
      resolve();
    });
    adapter.timerStart(timer, ms, false);
  });
}
