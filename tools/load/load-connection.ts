/**
 * One connection of the load generator: keeps its share of commands in flight, counts replies as
 * they come and sends as many new requests in one write.
 *
 * With a pace it sends a command when its time has come, and later only while too many are in
 * flight. Nothing here is allocated per command: requests come from a ring, replies are counted by
 * a scanner, and a batch has one time stamp. It must never send a command again: what was lost is
 * counted.
 */

import { connect, type Socket } from 'node:net';
import type { Address } from '../cli/value-rules.js';
import type { ConnectionEvents, DrivenConnection } from './driven-connection.js';
import { type ErrorKind, errorKindOf } from './error-kinds.js';
import type { Pace } from './pace.js';
import { ReplyScanner } from './reply-scanner.js';
import type { RequestRing } from './request-ring.js';
import type { Tally } from './tally.js';

/** What was refused as busy is sent anew only after this, or a full node would be drowned. */
const BUSY_PAUSE_MS = 5;
const RECEIVE_BYTES = 64 * 1024;

export class LoadConnection implements DrivenConnection {
  readonly #window: number;
  readonly #ring: RequestRing;
  readonly #tally: Tally;
  readonly #events: ConnectionEvents;
  readonly #scanner: ReplyScanner;
  readonly #receive = Buffer.allocUnsafe(RECEIVE_BYTES);
  readonly #write = (bytes: Uint8Array): void => {
    this.#socket?.write(bytes);
  };
  /** Per batch in flight: how many replies it still owes, when it was sent and was to be sent. */
  readonly #owed: Uint32Array;
  readonly #sentAt: Float64Array;
  readonly #dueAt: Float64Array;
  readonly #batchMask: number;
  #batchHead = 0;
  #batchTail = 0;
  #socket: Socket | undefined;
  #state: 'closed' | 'opening' | 'open' | 'leaving' = 'closed';
  #outstanding = 0;
  #isDraining = false;
  #held = 0;
  #refused = 0;
  #now = 0;
  #openedAt = 0;
  /** Null: as much as may be in flight is. */
  #pace: Pace | null = null;
  /** Why the connection was given up by this side; decides how what it owed is counted. */
  #endedBy: ErrorKind | undefined;

  constructor(window: number, ring: RequestRing, tally: Tally, events: ConnectionEvents) {
    if (ring.slots < window) throw new Error('a request ring must hold all that is in flight');
    this.#window = window;
    this.#ring = ring;
    this.#tally = tally;
    this.#events = events;
    this.#scanner = new ReplyScanner((line) => this.#onErrorReply(line));
    // Every batch holds at least one command, so there are never more batches than commands.
    const batches = 2 ** Math.ceil(Math.log2(window + 1));
    this.#owed = new Uint32Array(batches);
    this.#sentAt = new Float64Array(batches);
    this.#dueAt = new Float64Array(batches);
    this.#batchMask = batches - 1;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get finished(): boolean {
    return this.#outstanding === 0 && this.#ring.left === 0;
  }

  get waitingSince(): number {
    if (this.#outstanding > 0) return this.#sentAt[this.#batchTail & this.#batchMask]!;
    return this.#state === 'opening' ? this.#openedAt : Number.POSITIVE_INFINITY;
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

  connect({ host, port }: Address): void {
    if (this.#state !== 'closed') throw new Error('the connection is not closed');
    this.#state = 'opening';
    this.#scanner.reset();
    this.#endedBy = undefined;
    this.#openedAt = performance.now();
    const callback = (length: number): boolean => this.#onBytes(socket, length);
    const onread = { buffer: this.#receive, callback };
    const socket: Socket = connect({ host, port, noDelay: true, onread });
    this.#socket = socket;
    socket.on('connect', () => {
      if (this.#state === 'opening') this.#state = 'open';
      this.#send();
    });
    // The reason is not needed: whatever it was, `close` follows and says what was lost.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  drain(): void {
    this.#isDraining = true;
  }

  leave(): void {
    if (this.#state === 'closed') return;
    this.#state = 'leaving';
    if (this.#outstanding === 0) this.#socket?.destroy();
  }

  abandon(kind: ErrorKind): void {
    this.#endedBy = kind;
    this.#socket?.destroy();
  }

  #send(): void {
    if (this.#state !== 'open' || this.#isDraining) return;
    const room = this.#window - this.#outstanding - this.#held;
    const count = Math.min(room, this.#ring.left);
    if (count <= 0) return;
    const now = performance.now();
    if (this.#pace === null) this.#sendBatch(count, now, now);
    else this.#sendDue(this.#pace, Math.min(count, this.#pace.due(now)), now);
  }

  #sendDue(pace: Pace, count: number, now: number): void {
    for (let left = count; left > 0; ) {
      const batch = Math.min(left, pace.batchMax);
      this.#sendBatch(batch, now, pace.take(batch));
      left -= batch;
    }
  }

  #sendBatch(count: number, now: number, dueAt: number): void {
    const slot = this.#batchHead & this.#batchMask;
    this.#owed[slot] = count;
    this.#sentAt[slot] = now;
    this.#dueAt[slot] = dueAt;
    this.#batchHead += 1;
    this.#outstanding += count;
    this.#ring.emit(count, this.#write);
  }

  #onBytes(socket: Socket, length: number): boolean {
    // Bytes of a connection that was given up may still arrive; they belong to nobody.
    if (socket !== this.#socket || this.#endedBy !== undefined) return true;
    try {
      this.#count(length);
    } catch (error) {
      this.#tally.fail('other', 1, error instanceof Error ? error.message : String(error));
      this.abandon('lost');
      return true;
    }
    this.#holdRefused();
    this.#send();
    if (this.#state === 'leaving' && this.#outstanding === 0) socket.destroy();
    return true;
  }

  /** Counts the replies in the first `length` received bytes, batch by batch. */
  #count(length: number): void {
    const scanner = this.#scanner;
    this.#now = performance.now();
    let at = 0;
    while (at < length) {
      if (this.#outstanding === 0) throw new Error('a reply that nothing asked for');
      const slot = this.#batchTail & this.#batchMask;
      const owed = this.#owed[slot]!;
      at = scanner.scan(this.#receive, at, length, owed);
      const taken = scanner.taken;
      this.#outstanding -= taken;
      this.#owed[slot] = owed - taken;
      const reads = scanner.values + scanner.nulls;
      if (scanner.statuses + reads > 0) {
        const latency = this.#now - this.#dueAt[slot]!;
        this.#tally.succeed(this.#now, latency, scanner.statuses, reads, scanner.nulls);
        scanner.clearCounts();
      }
      if (taken === owed) this.#batchTail += 1;
    }
  }

  #onErrorReply(line: string): void {
    const kind = errorKindOf(line);
    this.#tally.fail(kind, 1, line);
    if (kind === 'busy' || kind === 'noLeader') this.#refused += 1;
    // This node does not lead: nothing more is sent here, what is in flight is waited for.
    if (kind === 'redirect' && this.#state === 'open') this.#state = 'leaving';
  }

  /** Keeps the room of refused commands back for a while. */
  #holdRefused(): void {
    const count = this.#refused;
    if (count === 0) return;
    this.#refused = 0;
    this.#held += count;
    setTimeout(() => {
      this.#held -= count;
      this.#send();
    }, BUSY_PAUSE_MS);
  }

  #onClose(): void {
    if (this.#outstanding > 0) this.#tally.fail(this.#endedBy ?? 'lost', this.#outstanding);
    this.#outstanding = 0;
    this.#batchTail = this.#batchHead;
    this.#state = 'closed';
    this.#socket = undefined;
    this.#events.closed();
  }
}
