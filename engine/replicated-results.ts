/**
 * Results of commands that wait until every voter has applied them (replication mode `all`): kept
 * here, on the caller's thread, until the group's thread says so.
 *
 * What arrives in one round of results is one question, for the highest index. The command is
 * committed and executed whatever comes of the wait: it ends with the result, or with `notOnAll`,
 * and must never end with an error that says less. Nothing here is on the way of other commands.
 */

import { type BatchOptions, CHANNEL_BUSY, type Channel } from './channel.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { EventCalls } from './event-calls.js';
import type { AdminRequest } from './runtime/administration.js';
import type { RuntimeEvent } from './runtime/ports.js';
import type { Lagging } from './runtime/replication-waits.js';
import type { CompletionSink } from './sink.js';

export type OnAllAnswer = Extract<RuntimeEvent, { kind: 'onAll' }>;

/** Whatever waits here is in memory: a voter that is away for the whole wait must not fill it. */
const RESULTS_MAX = 1 << 16;
const BYTES_MAX = 64 * 1024 * 1024;
/** Deadlines are exact to this: calls of one moment are one question. */
const GRAIN_MS = 16;
/** The group's thread answers by the deadline; should it not, the wait ends this much later. */
const GRACE_MS = 250;

interface Held {
  readonly sink: CompletionSink;
  readonly token: number;
  readonly bytes: Buffer;
  readonly rejected: boolean;
  readonly index: number;
}

/** What of a group's channel operations need. */
export type OperationChannel = Pick<
  Channel,
  'claimWrite' | 'claimEntry' | 'writeBuffer' | 'writeView' | 'claimRead' | 'readBuffer'
>;

export class ReplicatedResults {
  readonly #ask: (request: AdminRequest) => void;
  readonly #clock: () => number;
  readonly #calls = new EventCalls<readonly Lagging[] | null>();
  /** Results of this round, by the deadline of their commands. */
  #gathered = new Map<number, Held[]>();
  #count = 0;
  #bytes = 0;
  #isClosed = false;

  /** `ask` sends a request to the group's thread; `clock` is the one of deadlines. */
  constructor(ask: (request: AdminRequest) => void, clock: () => number) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Results that wait. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= RESULTS_MAX || this.#bytes >= BYTES_MAX;
  }

  /** Stands before `sink`, for one command with this deadline. */
  before(sink: CompletionSink, deadline: number): CompletionSink {
    return {
      result: (token, buffer, start, end, rejected, index) => {
        const bytes = Buffer.from(buffer.subarray(start, end));
        this.#hold({ sink, token, bytes, rejected, index }, deadline);
      },
      refused: (token, code, leader, detail) => sink.refused(token, code, leader, detail),
    };
  }

  /** The same channel, whose writes wait for all. */
  channel(channel: OperationChannel): OperationChannel {
    const isFull = (): boolean => this.isFull;
    const before = (sink: CompletionSink, { deadline }: BatchOptions): CompletionSink =>
      this.before(sink, deadline);
    return {
      claimWrite: (bytes, options, sink, token) =>
        isFull() ? CHANNEL_BUSY : channel.claimWrite(bytes, options, before(sink, options), token),
      claimEntry: (mark, bytes, options, sink, token) =>
        isFull()
          ? CHANNEL_BUSY
          : channel.claimEntry(mark, bytes, options, before(sink, options), token),
      claimRead: (bytes, options, sink, token) => channel.claimRead(bytes, options, sink, token),
      get writeBuffer() {
        return channel.writeBuffer;
      },
      get writeView() {
        return channel.writeView;
      },
      get readBuffer() {
        return channel.readBuffer;
      },
    };
  }

  #hold(held: Held, exact: number): void {
    const deadline = Math.ceil(exact / GRAIN_MS) * GRAIN_MS;
    this.#count += 1;
    this.#bytes += held.bytes.length;
    if (this.#gathered.size === 0) queueMicrotask(() => this.#askForRound());
    const others = this.#gathered.get(deadline);
    if (others === undefined) this.#gathered.set(deadline, [held]);
    else others.push(held);
  }

  #askForRound(): void {
    const gathered = this.#gathered;
    this.#gathered = new Map();
    for (const [deadline, held] of gathered) void this.#wait(held, deadline);
  }

  async #wait(held: readonly Held[], deadline: number): Promise<void> {
    const index = held.reduce((highest, each) => Math.max(highest, each.index), 0);
    const bounds = {
      timeoutMs: Math.max(1, deadline - this.#clock() + GRACE_MS),
      signal: undefined,
      late: () => new RingraftError(ErrorNumber.notOnAll),
      goesOn: '',
    };
    if (this.#isClosed) {
      for (const each of held) this.#give(each, null);
      return;
    }
    const missing = await this.#calls
      .call((id) => this.#ask({ id, deadline, kind: 'onAll', index }), bounds)
      .catch(() => null);
    for (const each of held) this.#give(each, missing);
  }

  #give({ sink, token, bytes, rejected, index }: Held, missing: readonly Lagging[] | null): void {
    this.#count -= 1;
    this.#bytes -= bytes.length;
    const lagging = missing?.filter(({ applied }) => applied < index).map(({ id }) => id);
    if (lagging?.length === 0) sink.result(token, bytes, 0, bytes.length, rejected, index);
    else if (sink.notOnAll !== undefined) sink.notOnAll(token, index, lagging ?? []);
    else sink.refused(token, ErrorNumber.notOnAll, 0, notOnAllInWords(index, lagging ?? []));
  }

  onAnswer({ id, missing }: OnAllAnswer): void {
    this.#calls.resolve(id, missing);
  }

  /** Nothing will be answered any more: what waits is committed, and who is missing is unknown. */
  close(error: Error): void {
    this.#isClosed = true;
    this.#calls.close(error);
  }
}

/** Where the command is and who is missing, as an error says it. */
export function notOnAllInWords(index: number, missing: readonly number[]): string {
  const where = `committed at ${index}`;
  if (missing.length === 0) return `${where}, who is missing is unknown: leadership moved`;
  return `${where}, missing ${missing.length === 1 ? 'node' : 'nodes'} ${missing.join(', ')}`;
}
