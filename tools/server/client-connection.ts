/**
 * One client's socket: reads requests while there is room for their replies, sends what is due, and
 * ends the connection when it is over or misused.
 *
 *   open ─QUIT, end of input, garbage, shutdown─▶ finishing ─(last reply sent)─▶ lingering ─▶ ended
 *
 * A connection that cannot go on is *stalled*: its socket is not read, so the client feels it by
 * TCP. What to do with a request is client-requests.ts, the order of replies owed-replies.ts.
 */

import type { Socket } from 'node:net';
import { Parsed, RequestParser } from '../../codec/resp/request-parser.js';
import { ErrorNumber } from '../../engine/errors.js';
import type { ByteBudget } from './byte-budget.js';
import { ClientRequests, Outcome, type RequestHost } from './client-requests.js';
import type { Session } from './commands/session.js';
import { OwedReplies } from './owed-replies.js';
import { overBudget, writeRefusal } from './refusals.js';

/** What the port lends to all its connections. */
export interface ConnectionHost extends RequestHost {
  /** The monotonic time as of the last turn. */
  readonly now: number;
  /** A new turn begins: reads the clock and refreshes the terms. */
  turn(): number;
  counted(commands: number): void;
  /** The connection has replies to send at the end of this round of results. */
  touched(connection: ClientConnection): void;
  /** The engine had no room: try again soon. */
  refusedByEngine(connection: ClientConnection): void;
  ended(connection: ClientConnection): void;
  /** What all connections hold together; each books its own changes. */
  readonly budget: ByteBudget;
  /** The budget is overdrawn: somebody has to give up what it holds. */
  overdrawn(): void;
}

/** After its last reply a connection may still receive for this long, so that none is lost. */
const LINGER_MS = 2000;

const State = { open: 0, finishing: 1, lingering: 2, ended: 3 } as const;
type State = (typeof State)[keyof typeof State];

export class ClientConnection {
  readonly session: Session;
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #parser: RequestParser;
  readonly #replies: OwedReplies;
  readonly #requests: ClientRequests;
  #state: State = State.open;
  #stalled = false;
  /** The parser's current request waits for being carried out. */
  #held = false;
  #touched = false;
  /** Times on the monotonic clock; 0: not so now. */
  #lastDataAt: number;
  #heldSince = 0;
  #partialSince = 0;
  #unreadSince: number;
  #finishedAt = 0;
  #writtenBytes = 0;
  /** Of those, what had left for the client at the last sweep. */
  #takenBytes = 0;
  /** What the budget was told that this connection holds. */
  #bookedBytes = 0;

  constructor(host: ConnectionHost, socket: Socket, session: Session) {
    this.#host = host;
    this.#socket = socket;
    this.session = session;
    this.#parser = new RequestParser(host.limits);
    this.#replies = new OwedReplies(session, host.fence, host.statusReplies, () => this.#touch());
    this.#requests = new ClientRequests(host, this.#parser, this.#replies, session);
    this.#lastDataAt = host.turn();
    this.#unreadSince = this.#lastDataAt;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.finish());
    socket.on('drain', () => this.goOn());
    // The reason is not needed: whatever it was, `close` follows.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  /** Whether it still owes a reply, or has one to send. */
  get isBusy(): boolean {
    if (this.#state === State.ended) return false;
    return this.#replies.length > 0 || this.#socket.writableLength > 0;
  }

  /** Takes no more requests; ends once all that is owed is sent. */
  finish(): void {
    if (this.#state !== State.open) return;
    this.#state = State.finishing;
    this.#parser.discard();
    this.#held = false;
    this.#stalled = false;
    this.#finishedAt = this.#host.turn();
    this.#touch();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The end of a round of results. */
  onRoundEnd(): void {
    this.#touched = false;
    this.goOn();
  }

  /** Something that a stall may have waited for has happened. */
  goOn(): void {
    if (!this.#stalled) {
      this.#send();
      return;
    }
    this.#host.turn();
    this.#pump();
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== State.open) return;
    this.#lastDataAt = this.#host.turn();
    this.#parser.push(chunk);
    this.#pump();
  }

  /** Carries out what has arrived, as far as it goes, and sends what that answered. */
  #pump(): void {
    do {
      this.#stalled = !this.#run();
      this.#flush();
    } while (this.#stalled && !this.#held && this.#hasRoom());
    this.#setReading(!this.#stalled);
    const partial = !this.#stalled && this.#parser.pendingBytes > 0;
    if (!partial) this.#partialSince = 0;
    else if (this.#partialSince === 0) this.#partialSince = this.#host.now;
    this.#book();
  }

  /** False when it stalled: with or without a request in its hands. */
  #run(): boolean {
    let count = 0;
    let goesOn = true;
    while (goesOn && this.#state === State.open) {
      if (!this.#held) {
        goesOn = this.#hasRoom();
        if (!goesOn) break;
        const parsed = this.#parser.next();
        if (parsed === Parsed.needMore) break;
        if (parsed === Parsed.error) {
          this.#refuseStream(`ERR ${this.#parser.error}`);
          break;
        }
        count += 1;
      }
      goesOn = this.#execute();
    }
    this.#host.counted(count);
    return goesOn;
  }

  /** False when the request has to wait: it is held. */
  #execute(): boolean {
    const outcome = this.#requests.execute();
    const waits = outcome === Outcome.mustWait || outcome === Outcome.noRoom;
    if (waits && !this.#held) this.#heldSince = this.#host.now;
    this.#held = waits;
    if (outcome === Outcome.noRoom) this.#host.refusedByEngine(this);
    else if (outcome === Outcome.closes) this.finish();
    else if (outcome === Outcome.garbage) {
      this.#refuseStream('ERR Protocol error: this is not a command');
    }
    return !waits;
  }

  #hasRoom(): boolean {
    if (this.#replies.length >= this.#host.limits.backlogMax) return false;
    return this.#untakenBytes <= this.#host.outputBytesMax;
  }

  #setReading(reading: boolean): void {
    if (this.#state === State.ended || this.#socket.isPaused() !== reading) return;
    if (reading) this.#socket.resume();
    else this.#socket.pause();
  }

  /** The stream makes no sense from here on: one error, and the end. */
  #refuseStream(line: string): void {
    this.#replies.answerError(line);
    this.finish();
  }

  #touch(): void {
    if (this.#touched) return;
    this.#touched = true;
    this.#host.touched(this);
  }

  #send(): void {
    this.#flush();
    this.#book();
  }

  /** One write for all that is due. */
  #flush(): void {
    const { out } = this.#replies;
    if (this.#state === State.ended || this.#state === State.lingering) {
      out.take();
      return;
    }
    if (out.length > 0) {
      this.#writtenBytes += out.length;
      this.#socket.write(out.take());
    }
    if (this.#state === State.finishing && this.#replies.length === 0) {
      this.#state = State.lingering;
      this.#socket.end();
      this.#setReading(true);
    }
  }

  #onClose(): void {
    this.#end();
    this.#host.ended(this);
  }

  #end(): void {
    this.#state = State.ended;
    this.#held = false;
    this.#stalled = false;
    this.#parser.discard();
    this.#replies.close();
    this.#book();
  }

  /** Tells the budget what is held here now. */
  #book(): void {
    const isOpen = this.#state !== State.ended;
    const held = isOpen ? this.#parser.heldBytes + this.#untakenBytes : 0;
    if (held === this.#bookedBytes) return;
    const { budget } = this.#host;
    budget.change(held - this.#bookedBytes);
    this.#bookedBytes = held;
    if (budget.isOver) this.#host.overdrawn();
  }

  get #untakenBytes(): number {
    return this.#socket.writableLength + this.#replies.heldBytes;
  }

  /** Held by a request that has begun to arrive and was not carried out. */
  get #unfinishedBytes(): number {
    const unfinished = this.#state === State.open && this.#parser.pendingBytes > 0;
    return unfinished ? this.#parser.heldBytes : 0;
  }

  /** Frees what it only keeps for its next request. */
  trim(): void {
    if (!this.#held) this.#parser.trim();
    this.#replies.trim();
    this.#book();
  }

  /** What `giveUp` would free. */
  get forfeitBytes(): number {
    if (this.#state === State.ended) return 0;
    return Math.max(this.#unfinishedBytes, this.#untakenBytes);
  }

  /**
   * Frees what this connection holds most of: its unfinished request, which gets an error, or
   * replies that the client does not take, which takes the connection with them.
   */
  giveUp(): void {
    const { budget } = this.#host;
    if (this.#unfinishedBytes >= this.#untakenBytes) {
      this.#refuseStream(overBudget(this.#parser.pendingBytes, budget.held, budget.bytesMax));
      this.#book();
    } else {
      this.#socket.resetAndDestroy();
      this.#end();
    }
  }

  /** Looks at what has waited too long; called a few times a second. */
  sweep(now: number): void {
    this.trim();
    if (this.#state === State.open) this.#sweepOpen(now);
    else if (this.#state === State.lingering && now - this.#finishedAt > LINGER_MS) this.destroy();
    if (this.#state !== State.ended) this.#sweepOutput(now);
  }

  #sweepOpen(now: number): void {
    const { idleMs, partialMs, timeoutMs } = this.#host.limits;
    if (this.#held) {
      if (now - this.#heldSince > timeoutMs) this.#giveUpHeld();
      else this.goOn();
    } else if (this.#partialSince > 0 && partialMs > 0 && now - this.#partialSince > partialMs) {
      this.#refuseStream(`ERR a request was begun and not ended within ${partialMs / 1000} s`);
    } else if (idleMs > 0 && this.#replies.length === 0 && now - this.#lastDataAt > idleMs) {
      this.finish();
    } else if (this.#stalled) {
      // The limit it waits for moves with what others hold: no event of its own tells.
      this.goOn();
    }
  }

  /** The request waited for room, or for a read, until its own time was over. */
  #giveUpHeld(): void {
    this.#held = false;
    this.#replies.answerError(writeRefusal(ErrorNumber.busy, 0, false));
    this.#pump();
  }

  /**
   * A client that takes nothing of a full output is gone or hostile. Its connection is reset: the
   * system, too, must not go on keeping what nobody reads.
   */
  #sweepOutput(now: number): void {
    const { outputBytesMax, unreadMs } = this.#host.limits;
    const unread = this.#socket.writableLength;
    const taken = this.#writtenBytes - unread;
    const progressed = unread <= outputBytesMax / 2 || taken > this.#takenBytes;
    this.#takenBytes = taken;
    if (progressed) this.#unreadSince = now;
    else if (now - this.#unreadSince > unreadMs) this.#socket.resetAndDestroy();
  }
}
