/**
 * One connection to a node's client port: a command out, its reply back, one at a time.
 *
 * A connection that ends, or an answer that does not come in time, rejects what is asked; nothing
 * is ever sent twice here, since only who asks knows whether that is safe.
 */

import { connect, type Socket } from 'node:net';
import type { Address } from '../cli/value-rules.js';
import { type Reply, ReplyStream } from '../crash/reply-stream.js';

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (cause: Error) => void;
}

/** A command as the client port takes it: an array of bulk strings. */
export function encodeWords(words: readonly string[]): string {
  const bulks = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${bulks.join('')}`;
}

export class NodeClient {
  readonly #socket: Socket;
  readonly #replies = new ReplyStream();
  #waiting: Waiting | null = null;
  #lost: Error | null = null;

  constructor({ host, port }: Address) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('error', (cause) => this.#end(cause));
    this.#socket.on('close', () => this.#end(new Error('the connection ended')));
    this.#socket.on('data', (chunk) => this.#onData(chunk));
  }

  #onData(chunk: Buffer): void {
    try {
      this.#replies.push(chunk);
      const reply = this.#replies.next();
      if (reply === undefined) return;
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting?.resolve(reply);
    } catch (cause) {
      this.#end(cause as Error);
    }
  }

  #end(cause: Error): void {
    this.#lost ??= cause;
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(this.#lost);
  }

  /** The reply; rejects when the connection ends, or when it has not come after `timeoutMs`. */
  ask(words: readonly string[], timeoutMs: number): Promise<Reply> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    if (this.#waiting !== null) throw new Error('the answer before is still awaited');
    return new Promise((resolve, reject) => {
      const late = new Error(`no answer within ${timeoutMs / 1000} s`);
      const timer = setTimeout(() => this.#end(late), timeoutMs);
      const settled = <T>(then: (value: T) => void) => {
        return (value: T): void => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.#waiting = { resolve: settled(resolve), reject: settled(reject) };
      this.#socket.write(encodeWords(words));
    });
  }

  close(): void {
    this.#end(new Error('it was closed'));
  }
}
