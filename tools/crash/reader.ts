/**
 * Reads many keys back through one node by pipelined GETs, and does not give up while the node
 * makes any progress: reads change nothing, so each is repeated until it is answered.
 *
 * It must never decide whether a value is right; verify.ts does.
 */

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type Address, printAddress } from '../cli/value-rules.js';
import { encode } from './commands.js';
import { ReplyStream } from './reply-stream.js';

const WINDOW = 256;
const PATIENCE_MS = 60_000;
const RETRY_MS = 50;

export interface ReadRequest {
  readonly key: string;
  /** Called once, with the value or null. */
  readonly take: (value: Buffer | null) => void;
}

/** Resolves when every request was answered. Rejects when the node answers none for a minute. */
export async function readAll(address: Address, requests: readonly ReadRequest[]): Promise<void> {
  let left = requests;
  let answeredAt = performance.now();
  let lastError = 'it could not be reached';
  while (left.length > 0) {
    const round = await readOnce(address, left);
    if (round.left.length < left.length) answeredAt = performance.now();
    left = round.left;
    lastError = round.error ?? lastError;
    if (left.length === 0) return;
    if (performance.now() - answeredAt > PATIENCE_MS) {
      throw new CommandError(
        ExitCode.timeout,
        `${printAddress(address)} answers no read since ${PATIENCE_MS / 1000} s: ${lastError}`,
      );
    }
    await sleep(RETRY_MS);
  }
}

interface Round {
  readonly left: readonly ReadRequest[];
  readonly error: string | undefined;
}

/** One connection: answers what it can and returns what it could not, in the same order. */
function readOnce(address: Address, requests: readonly ReadRequest[]): Promise<Round> {
  return new Promise((resolve) => {
    const again: ReadRequest[] = [];
    const replies = new ReplyStream();
    let error: string | undefined;
    let sent = 0;
    let answered = 0;
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    const send = (): void => {
      const until = Math.min(requests.length, answered + WINDOW);
      const words = requests.slice(sent, until).map(({ key }) => encode(['GET', key]));
      sent = until;
      if (words.length > 0) socket.write(words.join(''), 'latin1');
      else if (answered === requests.length) socket.destroy();
    };
    socket.setTimeout(PATIENCE_MS / 2, () => socket.destroy());
    socket.on('connect', send);
    socket.on('error', (cause) => {
      error = cause.message;
    });
    socket.on('data', (chunk) => {
      replies.push(chunk);
      for (let reply = replies.next(); reply !== undefined; reply = replies.next()) {
        const request = requests[answered];
        answered += 1;
        if (request === undefined) throw new Error('a reply that is not owed');
        if (reply.kind === 'bulk') request.take(reply.bytes);
        else if (reply.kind === 'null') request.take(null);
        else {
          error = reply.kind === 'error' ? reply.text : `a reply of kind ${reply.kind}`;
          again.push(request);
        }
      }
      // A node that refuses is asked again a little later, not at once.
      if (again.length > 0) socket.destroy();
      else send();
    });
    socket.on('close', () => resolve({ left: [...again, ...requests.slice(answered)], error }));
  });
}
