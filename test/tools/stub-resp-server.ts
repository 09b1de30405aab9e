/**
 * A RESP server in a few lines for tests of what talks to a node: it answers SET, GET and INFO from
 * a Map, and a test may change any answer, stay silent or cut connections.
 *
 * It must never be clever: no cluster, no clock, nothing that a test did not ask for.
 */

import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../../tools/cli/value-rules.js';

/** The whole reply for a command, `undefined` for the default, `null` for silence. */
export type Answer = (words: readonly string[], socket: Socket) => string | undefined | null;

export class StubRespServer {
  readonly values = new Map<string, string>();
  readonly sockets = new Set<Socket>();
  readonly counts = { set: 0, get: 0, info: 0 };
  answer: Answer = () => undefined;
  info = 'node_id:1\r\nrole:leader\r\nterm:1\r\nleader_id:1\r\n';
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  static async start(): Promise<StubRespServer> {
    const stub = new StubRespServer();
    await new Promise<void>((resolve) => stub.#server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  get address(): Address {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the stub is not listening');
    return { host: '127.0.0.1', port: bound.port };
  }

  /** Ends every connection as a killed process would. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(socket: Socket): void {
    let rest = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      const replies: string[] = [];
      for (;;) {
        const parsed = parseArray(rest);
        if (parsed === undefined) break;
        rest = rest.subarray(parsed.bytes);
        const reply = this.#reply(parsed.words, socket);
        if (reply !== null) replies.push(reply);
      }
      if (replies.length > 0) socket.write(replies.join(''));
    });
  }

  #reply(words: readonly string[], socket: Socket): string | null {
    const [name = '', key = '', value = ''] = words;
    if (name === 'INFO') this.counts.info += 1;
    if (name === 'SET') this.counts.set += 1;
    if (name === 'GET') this.counts.get += 1;
    const special = this.answer(words, socket);
    if (special !== undefined) return special;
    if (name === 'INFO') return bulk(this.info);
    if (name === 'GET') return bulk(this.values.get(key));
    if (name !== 'SET') return `-ERR unknown command '${name}'\r\n`;
    this.values.set(key, value);
    return '+OK\r\n';
  }
}

function bulk(text: string | undefined): string {
  return text === undefined ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** One RESP array of bulk strings at the start of `bytes`; throws when they are anything else. */
function parseArray(bytes: Buffer): { words: string[]; bytes: number } | undefined {
  let at = 0;
  const header = (mark: string): number | undefined => {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const text = bytes.toString('latin1', at, end);
    if (text[0] !== mark || !/^\d+$/.test(text.slice(1))) throw new Error(`bad header "${text}"`);
    at = end + 2;
    return Number(text.slice(1));
  };
  const count = header('*');
  if (count === undefined) return undefined;
  const words: string[] = [];
  for (let word = 0; word < count; word++) {
    const length = header('$');
    if (length === undefined || bytes.length < at + length + 2) return undefined;
    words.push(bytes.toString('latin1', at, at + length));
    if (bytes.toString('latin1', at + length, at + length + 2) !== '\r\n') {
      throw new Error('a bulk string without its line break');
    }
    at += length + 2;
  }
  return { words, bytes: at };
}
