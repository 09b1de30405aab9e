/**
 * One RESP connection of the bench to one node: sends a command, resolves to its reply, in order.
 *
 * For a question now and then and for failover probes; load comes from the generator. A connection
 * that ends rejects whatever it owes, and is never opened again.
 */

import { connect, type Socket } from 'node:net';
import { ReplyKind, ReplyParser } from '../../codec/resp/reply-parser.js';
import { decodeReply, ReplyError, type ReplyValue } from '../../codec/resp/reply-value.js';
import { type Address, printAddress } from '../../tools/cli/value-rules.js';

interface Waiting {
  readonly resolve: (reply: ReplyValue) => void;
  readonly reject: (error: Error) => void;
}

export class NodeClient {
  readonly #socket: Socket;
  readonly #parser = new ReplyParser();
  readonly #waiting: Waiting[] = [];
  readonly #address: Address;
  #ended: Error | null = null;

  constructor(address: Address) {
    this.#address = address;
    this.#socket = connect({ host: address.host, port: address.port, noDelay: true });
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('the connection ended'));
  }

  get open(): boolean {
    return this.#ended === null;
  }

  /** Nothing is owed. */
  get idle(): boolean {
    return this.open && this.#waiting.length === 0;
  }

  /** Resolves to the reply, an error reply included; rejects when the connection ends. */
  ask(...words: readonly string[]): Promise<ReplyValue> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    const parser = this.#parser;
    parser.push(chunk);
    for (;;) {
      const kind = parser.next();
      if (kind === ReplyKind.needMore) return;
      const waiting = this.#waiting.shift();
      if (kind === ReplyKind.malformed || waiting === undefined) {
        this.#end(parser.failure ?? 'a reply that nothing asked for');
        this.#socket.destroy();
        return;
      }
      waiting.resolve(decodeReply(parser.buffer, parser.start, parser.end));
    }
  }

  #end(reason: string): void {
    this.#ended ??= new Error(`node at ${printAddress(this.#address)}: ${reason}`);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

/** Asks one question over a connection of its own; rejects after `timeoutMs`. */
export async function askOnce(
  address: Address,
  timeoutMs: number,
  ...words: readonly string[]
): Promise<string> {
  const client = new NodeClient(address);
  const timer = setTimeout(() => client.close(), timeoutMs);
  try {
    const reply = await client.ask(...words);
    if (reply instanceof ReplyError) throw new Error(`${words.join(' ')}: ${reply.message}`);
    return String(reply);
  } finally {
    clearTimeout(timer);
    client.close();
  }
}

/** The `name:value` lines of an INFO reply. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}
