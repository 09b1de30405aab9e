/**
 * A client without a library, as netcat is one: bytes out, replies back as text, exactly as they
 * came.
 */

import { connect, type Socket } from 'node:net';
import { ReplyKind, ReplyParser } from '../../codec/resp/reply-parser.js';

const REPLY_MS = 30_000;

export class RawClient {
  readonly socket: Socket;
  readonly #parser = new ReplyParser();
  readonly #replies: string[] = [];
  #changed: () => void = () => undefined;
  closed = false;

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('end', () => this.#end());
    this.socket.on('close', () => this.#end());
  }

  #onData(chunk: Buffer): void {
    this.#parser.push(chunk);
    for (let kind = this.#parser.next(); kind !== ReplyKind.needMore; kind = this.#parser.next()) {
      const { buffer, start, end, failure } = this.#parser;
      if (kind === ReplyKind.malformed) throw new Error(failure ?? 'malformed');
      this.#replies.push(buffer.toString('latin1', start, end));
    }
    this.#changed();
  }

  #end(): void {
    this.closed = true;
    this.#changed();
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next `count` replies; fewer when the server closes before. */
  async replies(count: number): Promise<string[]> {
    await this.#until(() => this.#replies.length >= count || this.closed, `${count} replies`);
    return this.#replies.splice(0, count);
  }

  async reply(): Promise<string> {
    const [reply] = await this.replies(1);
    if (reply === undefined) throw new Error('the server closed without a reply');
    return reply;
  }

  /** What came until the server ended the connection. */
  async untilClosed(): Promise<string[]> {
    await this.#until(() => this.closed, 'the end of the connection');
    return this.#replies.splice(0);
  }

  /** Asks and awaits one reply. */
  async ask(bytes: string | Buffer): Promise<string> {
    this.send(bytes);
    return this.reply();
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), REPLY_MS);
      this.#changed = () => {
        if (!done()) return;
        clearTimeout(late);
        this.#changed = () => undefined;
        resolve();
      };
    });
  }
}

/** One connection: sends the bytes, awaits the replies, closes. */
export async function exchange(
  port: number,
  bytes: string | Buffer,
  replies: number,
): Promise<string[]> {
  const client = new RawClient(port);
  try {
    client.send(bytes);
    return await client.replies(replies);
  } finally {
    client.close();
  }
}

/** As `printf … | nc`: sends, ends its side, reads to the end. */
export async function oneShot(port: number, bytes: string | Buffer): Promise<string> {
  const client = new RawClient(port);
  client.socket.end(bytes);
  const replies = await client.untilClosed();
  client.close();
  return replies.join('');
}

/** A RESP array of bulk strings. */
export function array(...words: readonly (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(word);
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  return Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
}

export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}
