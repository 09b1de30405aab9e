/**
 * One connection that writes as fast as its window allows and records what became of every command.
 *
 * When the connection ends it goes to the next node and continues with new commands. It must never
 * send a command twice: what was in flight is unknown, and stays so until a read tells.
 */

import { connect, type Socket } from 'node:net';
import type { Address } from '../cli/value-rules.js';
import { errorKindOf } from '../load/error-kinds.js';
import { commandBytes, counterOf } from './commands.js';
import type { Ledger, WriterLedger } from './ledger.js';
import { type Reply, ReplyStream } from './reply-stream.js';

const RECONNECT_MS = 20;
const REFUSED_PAUSE_MS = 10;
const STALL_MS = 15_000;
const STALL_CHECK_MS = 250;

export interface WriterEvents {
  /** A command was acknowledged that was sent at `sentAt`, on `performance.now`'s clock. */
  acked(sentAt: number): void;
}

interface InFlight {
  readonly number: number;
  readonly sentAt: number;
}

/** Certainly not executed, by what the reply says. */
function isRefusal(text: string): boolean {
  const kind = errorKindOf(text);
  return (
    kind === 'busy' || kind === 'redirect' || kind === 'noLeader' || /^ERR closing\b/.test(text)
  );
}

export class Writer {
  readonly #ledger: Ledger;
  readonly #mine: WriterLedger;
  readonly #addresses: readonly Address[];
  readonly #window: number;
  readonly #events: WriterEvents;
  readonly #stallTimer: NodeJS.Timeout;
  #inFlight: InFlight[] = [];
  #head = 0;
  #socket: Socket | undefined;
  #attempts = 0;
  #stopping = false;
  #pausedUntil = 0;
  #whenIdle: () => void = () => undefined;

  constructor(
    id: number,
    ledger: Ledger,
    addresses: readonly Address[],
    window: number,
    events: WriterEvents,
  ) {
    const mine = ledger.writers[id];
    if (mine === undefined) throw new Error(`no ledger for writer ${id}`);
    this.#ledger = ledger;
    this.#mine = mine;
    this.#addresses = addresses;
    this.#window = window;
    this.#events = events;
    this.#attempts = id;
    this.#stallTimer = setInterval(() => this.#checkStall(), STALL_CHECK_MS);
    this.#connect();
  }

  /** Sends no more; resolves once everything sent is settled. */
  stop(): Promise<void> {
    this.#stopping = true;
    return new Promise((resolve) => {
      this.#whenIdle = () => {
        clearInterval(this.#stallTimer);
        this.#socket?.destroy();
        resolve();
      };
      if (this.#owed === 0) this.#whenIdle();
    });
  }

  get #owed(): number {
    return this.#inFlight.length - this.#head;
  }

  #connect(): void {
    const address = this.#addresses[this.#attempts % this.#addresses.length];
    if (address === undefined) throw new Error('a writer needs an address');
    this.#attempts += 1;
    const replies = new ReplyStream();
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => this.#fill());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClose());
    socket.on('data', (chunk) => {
      replies.push(chunk);
      for (let reply = replies.next(); reply !== undefined; reply = replies.next()) {
        this.#onReply(reply);
      }
      this.#fill();
    });
  }

  #fill(): void {
    if (this.#owed === 0 && this.#stopping) this.#whenIdle();
    if (this.#stopping || this.#socket?.readyState !== 'open') return;
    const now = performance.now();
    if (now < this.#pausedUntil) return;
    const commands: string[] = [];
    for (let room = this.#window - this.#owed; room > 0; room--) {
      const number = this.#mine.next();
      this.#inFlight.push({ number, sentAt: now });
      commands.push(commandBytes(this.#mine.writer, number));
    }
    if (commands.length > 0) this.#socket.write(commands.join(''), 'latin1');
  }

  #take(): InFlight | undefined {
    const taken = this.#inFlight[this.#head];
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#inFlight.length) {
      this.#inFlight = this.#inFlight.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  #onReply(reply: Reply): void {
    const taken = this.#owed === 0 ? undefined : this.#take();
    if (taken === undefined) {
      this.#ledger.blame(`writer ${this.#mine.writer} got a reply it is not owed`);
      return;
    }
    const { number, sentAt } = taken;
    const counter = counterOf(this.#mine.writer, number);
    if (reply.kind === 'error') {
      this.#onError(number, counter, reply.text);
      return;
    }
    const problem = this.#acknowledge(counter, reply);
    if (problem !== undefined) {
      this.#ledger.blame(`writer ${this.#mine.writer}, command ${number}: ${problem}`);
    }
    this.#mine.settle(number, 'acked');
    this.#ledger.acked += 1;
    this.#events.acked(sentAt);
  }

  #acknowledge(counter: number | undefined, reply: Reply): string | undefined {
    if (counter === undefined) {
      return reply.kind === 'status' && reply.text === 'OK' ? undefined : `SET: a ${reply.kind}`;
    }
    if (reply.kind !== 'integer') return `INCR: a ${reply.kind}`;
    return this.#ledger.counters[counter]?.acknowledge(reply.value);
  }

  #onError(number: number, counter: number | undefined, text: string): void {
    if (isRefusal(text)) {
      this.#mine.settle(number, 'refused');
      this.#ledger.refused += 1;
      this.#pausedUntil = performance.now() + REFUSED_PAUSE_MS;
      setTimeout(() => this.#fill(), REFUSED_PAUSE_MS + 1);
      return;
    }
    if (errorKindOf(text) === 'other') {
      this.#ledger.blame(`writer ${this.#mine.writer}, command ${number}: -${text}`);
    }
    this.#giveUp(number, counter);
  }

  #giveUp(number: number, counter: number | undefined): void {
    this.#mine.settle(number, 'unknown');
    this.#ledger.unknown += 1;
    const counted = counter === undefined ? undefined : this.#ledger.counters[counter];
    if (counted !== undefined) counted.unknown += 1;
  }

  #onClose(): void {
    this.#socket = undefined;
    while (this.#owed > 0) {
      const lost = this.#take();
      if (lost !== undefined) this.#giveUp(lost.number, counterOf(this.#mine.writer, lost.number));
    }
    if (this.#stopping) this.#whenIdle();
    else setTimeout(() => this.#stopping || this.#connect(), RECONNECT_MS);
  }

  /** A node that takes commands and never answers must not hold up the proof for ever. */
  #checkStall(): void {
    const oldest = this.#inFlight[this.#head];
    if (oldest === undefined || performance.now() - oldest.sentAt < STALL_MS) return;
    this.#socket?.destroy();
  }
}
