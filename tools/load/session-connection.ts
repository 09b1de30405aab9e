/**
 * One connection of the load generator that writes in a client session of its own, and sends what
 * has no answer again until it has one, on whatever connection comes next.
 *
 * What was sent again is counted as that, and is an error only when its answer is one that says
 * nothing of trying again. A latency counts from a command's first time. Nothing new is sent while
 * anything repeated has no answer, or a sequence might fall out of what a session remembers. It is
 * not made for the highest rates: load-connection.ts is.
 */

import { connect, type Socket } from 'node:net';
import { ReplyKind, ReplyParser } from '../../codec/resp/reply-parser.js';
import type { Address } from '../cli/value-rules.js';
import type { ConnectionEvents, DrivenConnection } from './driven-connection.js';
import { errorKindOf } from './error-kinds.js';
import type { Pace } from './pace.js';
import type { RequestRing } from './request-ring.js';
import type { Tally } from './tally.js';

interface Command {
  readonly bytes: Buffer;
  readonly isRead: boolean;
  readonly dueAt: number;
  sentAt: number;
  isRepeated: boolean;
}

const AGAIN_MS = 10;
const OPEN = Buffer.from('*2\r\n$7\r\nSESSION\r\n$4\r\nOPEN\r\n');
const ARRAY_HEAD_BYTES = '*3\r\n'.length;
const GET_MARK = '2'.charCodeAt(0);
/** A node that shuts down executes nothing more. */
const CLOSING = /^ERR closing\b/;
/** Executed, and not by every voter yet: the answer to another try says when it is. */
const NOT_ON_ALL = /^ERR not on all\b/;

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

export class SessionConnection implements DrivenConnection {
  readonly #window: number;
  readonly #ring: RequestRing;
  readonly #tally: Tally;
  readonly #events: ConnectionEvents;
  #parser = new ReplyParser();
  #socket: Socket | undefined;
  #state: 'closed' | 'opening' | 'open' | 'leaving' = 'closed';
  #openedAt = 0;
  /** 0: none is open yet; its opening is not in flight. */
  #session = 0;
  #isAsked = false;
  #sequence = 0;
  /** In the order of their replies. */
  #inFlight: Command[] = [];
  /** To be sent before anything new. */
  #again: Command[] = [];
  /** In flight, and not for the first time. */
  #repeated = 0;
  #isPausing = false;
  #isDraining = false;
  #pace: Pace | null = null;

  constructor(window: number, ring: RequestRing, tally: Tally, events: ConnectionEvents) {
    this.#window = window;
    this.#ring = ring;
    this.#tally = tally;
    this.#events = events;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  get outstanding(): number {
    return this.#inFlight.length + this.#again.length;
  }

  get finished(): boolean {
    return this.outstanding === 0 && this.#ring.left === 0;
  }

  get waitingSince(): number {
    const [oldest] = this.#inFlight;
    if (oldest !== undefined) return oldest.sentAt;
    const isAwaited = this.#state === 'opening' || (this.#state === 'open' && this.#isAsked);
    return isAwaited ? this.#openedAt : Number.POSITIVE_INFINITY;
  }

  keepPace(pace: Pace): void {
    this.#pace = pace;
  }

  behind(now: number): number {
    return this.#pace?.due(now) ?? 0;
  }

  goOn(): void {
    this.#send();
  }

  /** From now on only what has no answer is sent. */
  drain(): void {
    this.#isDraining = true;
  }

  connect({ host, port }: Address): void {
    if (this.#state !== 'closed') throw new Error('the connection is not closed');
    this.#state = 'opening';
    this.#openedAt = performance.now();
    this.#parser = new ReplyParser();
    this.#isAsked = false;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => {
      if (this.#state === 'opening') this.#state = 'open';
      this.#send();
    });
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    // The reason is not needed: whatever it was, `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  leave(): void {
    if (this.#state === 'closed') return;
    this.#state = 'leaving';
    if (this.#inFlight.length === 0) this.#socket?.destroy();
  }

  /** Ends at once; what has no answer is sent again on the next connection. */
  abandon(): void {
    this.#socket?.destroy();
  }

  #send(): void {
    if (this.#state !== 'open' || this.#isPausing) return;
    const now = performance.now();
    if (this.#session === 0) {
      if (this.#isAsked) return;
      this.#isAsked = true;
      this.#openedAt = now;
      this.#socket?.write(OPEN);
      return;
    }
    const parts: Buffer[] = [];
    for (const command of this.#again.splice(0)) this.#put(command, now, parts);
    for (let room = this.#room(now); room > 0; room -= 1) {
      const dueAt = this.#pace?.take(1) ?? now;
      this.#put({ ...this.#next(), dueAt, sentAt: now, isRepeated: false }, now, parts);
    }
    if (parts.length > 0) this.#socket?.write(Buffer.concat(parts));
  }

  /** How many new commands may be sent. */
  #room(now: number): number {
    if (this.#isDraining || this.#repeated > 0) return 0;
    const room = this.#window - this.#inFlight.length;
    return Math.min(room, this.#ring.left, this.#pace?.due(now) ?? room);
  }

  #put(command: Command, now: number, parts: Buffer[]): void {
    command.sentAt = now;
    if (command.isRepeated) this.#repeated += 1;
    this.#inFlight.push(command);
    parts.push(command.bytes);
  }

  /** The ring's next request; a write gets its place. */
  #next(): Pick<Command, 'bytes' | 'isRead'> {
    let request = Buffer.alloc(0);
    this.#ring.emit(1, (bytes) => {
      request = Buffer.from(bytes);
    });
    if (request[1] === GET_MARK) return { bytes: request, isRead: true };
    this.#sequence += 1;
    const place = bulk('SESSION') + bulk(String(this.#session)) + bulk(String(this.#sequence));
    const rest = request.subarray(ARRAY_HEAD_BYTES);
    return { bytes: Buffer.concat([Buffer.from(`*6\r\n${place}`), rest]), isRead: false };
  }

  #onData(chunk: Buffer): void {
    const parser = this.#parser;
    parser.push(chunk);
    for (let kind = parser.next(); kind !== ReplyKind.needMore; kind = parser.next()) {
      if (kind === ReplyKind.malformed) {
        this.#tally.fail('other', 1, parser.failure ?? 'a malformed reply');
        this.abandon();
        return;
      }
      const text = parser.buffer.toString('latin1', parser.payloadStart, parser.payloadEnd);
      if (this.#isAsked) this.#onOpened(kind, text);
      else this.#onReply(kind, text);
    }
    if (this.#state === 'leaving' && this.#inFlight.length === 0) this.#socket?.destroy();
    else this.#send();
  }

  #onOpened(kind: ReplyKind, text: string): void {
    this.#isAsked = false;
    if (kind === ReplyKind.integer) this.#session = Number(text);
    else if (this.#isToBeRepeated(text)) this.#pause();
    else {
      this.#tally.fail(errorKindOf(text), 1, text);
      this.leave();
    }
  }

  #onReply(kind: ReplyKind, text: string): void {
    const command = this.#inFlight.shift();
    if (command === undefined) throw new Error('a reply that nothing asked for');
    if (command.isRepeated) this.#repeated -= 1;
    const now = performance.now();
    if (kind !== ReplyKind.error) {
      const reads = command.isRead ? 1 : 0;
      const misses = command.isRead && kind === ReplyKind.nil ? 1 : 0;
      this.#tally.succeed(now, now - command.dueAt, 1 - reads, reads, misses);
    } else if (this.#isToBeRepeated(text)) {
      this.#repeat([command]);
      this.#pause();
    } else this.#tally.fail(errorKindOf(text), 1, text);
  }

  /** Whether the answer leaves it open, or certain, that nothing was executed. */
  #isToBeRepeated(text: string): boolean {
    const kind = errorKindOf(text);
    const isClosing = CLOSING.test(text);
    // This node does not lead, or ends: nothing more is sent here.
    if ((kind === 'redirect' || isClosing) && this.#state === 'open') this.#state = 'leaving';
    return kind !== 'other' || isClosing || NOT_ON_ALL.test(text);
  }

  #repeat(commands: readonly Command[]): void {
    this.#tally.retries += commands.length;
    for (const command of commands) command.isRepeated = true;
    this.#again.push(...commands);
  }

  #pause(): void {
    if (this.#isPausing) return;
    this.#isPausing = true;
    setTimeout(() => {
      this.#isPausing = false;
      this.#send();
    }, AGAIN_MS);
  }

  #onClose(): void {
    this.#repeat(this.#inFlight.splice(0));
    this.#repeated = 0;
    this.#state = 'closed';
    this.#socket = undefined;
    this.#events.closed();
  }
}
