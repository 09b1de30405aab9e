/**
 * One group as its user sees it: proposals, reads, status, events, waiters.
 *
 * Promises are made here and nowhere below; the pipelined way without them is `channel`. This file
 * must never know Raft: it sees status numbers and results.
 */

import { EventEmitter } from 'node:events';
import { monotonicMs } from '../io/clock.js';
import type { StatusNumbers, StatusPage } from '../workers/status-page.js';
import {
  type BatchOptions,
  CHANNEL_BUSY,
  CHANNEL_TOO_LARGE,
  type Channel,
  type CompletionSink,
} from './channel.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { nodeId } from './raft/types.js';
import { Consistency } from './runtime/reads.js';

export interface CallOptions {
  /** Milliseconds until the call ends with an error. Default: the engine's `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the wait with `ERR_ABORTED`; a command already sent may still be executed. */
  readonly signal?: AbortSignal;
}

export interface ProposeOptions extends CallOptions {
  /** False: a follower refuses with `ERR_NOT_LEADER` instead of forwarding. Default true. */
  readonly forward?: boolean;
}

export interface ReadOptions extends CallOptions {
  /** `linearizable` (default): sees every write acknowledged before. `local`: may be stale. */
  readonly consistency?: keyof typeof Consistency;
}

/** What became of one command of `proposeMany`. */
export type ProposeResult =
  | { readonly ok: true; readonly value: Uint8Array }
  | { readonly ok: false; readonly error: RingraftError };

export interface GroupEvents {
  role: [{ role: string; term: number; leader: number }];
  leader: [{ leader: number; previous: number; term: number }];
  commit: [{ index: number; term: number }];
  error: [RingraftError];
}

/** Why the group on this node stopped; null while it runs. */
interface Failure {
  readonly error: RingraftError;
}

const POLL_MS = 5;

export class Group extends EventEmitter<GroupEvents> {
  readonly name: string;
  readonly id: number;
  /** The pipelined interface: no promise per operation. See channel.ts. */
  readonly channel: Channel;
  readonly #page: StatusPage;
  readonly #timeoutMs: number;
  readonly #readIndex: boolean;
  #leader = 0;
  #committed = 0;
  #failure: Failure | null = null;

  constructor(parts: {
    name: string;
    id: number;
    channel: Channel;
    page: StatusPage;
    timeoutMs: number;
    readIndex: boolean;
  }) {
    super();
    this.name = parts.name;
    this.id = parts.id;
    this.channel = parts.channel;
    this.#page = parts.page;
    this.#timeoutMs = parts.timeoutMs;
    this.#readIndex = parts.readIndex;
  }

  /** Role, term, leader and indexes of this replica, as of its last turn. */
  status(): StatusNumbers & { readonly name: string; readonly inflight: number } {
    return { name: this.name, inflight: this.channel.inflight, ...this.#page.read() };
  }

  /** Proposes one command and resolves with the state machine's answer. */
  async propose(command: Uint8Array, options: ProposeOptions = {}): Promise<Uint8Array> {
    const [result] = await this.proposeMany([command], options);
    if (result === undefined) throw new RingraftError(ErrorNumber.closed);
    if (!result.ok) throw result.error;
    return result.value;
  }

  /** Proposes commands in order and resolves once all are answered: one promise for the batch. */
  proposeMany(
    commands: readonly Uint8Array[],
    options: ProposeOptions = {},
  ): Promise<ProposeResult[]> {
    const batch = this.#batchOptions(options, options.forward ?? true, Consistency.linearizable);
    return this.#collect(commands.length, options.signal, (sink, i) => {
      const command = commands[i] as Uint8Array;
      const at = this.channel.claimWrite(command.length, batch, sink, i);
      if (at >= 0) this.channel.writeBuffer.set(command, at);
      return at;
    });
  }

  /** Asks the state machine; linearizable unless `consistency` says otherwise. */
  async read(query: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array> {
    const consistency = Consistency[options.consistency ?? 'linearizable'];
    if (!this.#readIndex && consistency === Consistency.linearizable) {
      const detail = 'enableReadIndex is false: only reads with consistency "local" are served';
      throw new RingraftError(ErrorNumber.invalidOptions, { detail });
    }
    const batch = this.#batchOptions(options, false, consistency);
    const [result] = await this.#collect(1, options.signal, (sink, i) => {
      const at = this.channel.claimRead(query.length, batch, sink, i);
      if (at >= 0) this.channel.readBuffer.set(query, at);
      return at;
    });
    if (result === undefined) throw new RingraftError(ErrorNumber.closed);
    if (!result.ok) throw result.error;
    return result.value;
  }

  #batchOptions(options: CallOptions, mayForward: boolean, consistency: Consistency): BatchOptions {
    const deadline = monotonicMs() + (options.timeoutMs ?? this.#timeoutMs);
    return { deadline, mayForward, consistency, behindWrites: false };
  }

  #collect(
    count: number,
    signal: AbortSignal | undefined,
    claim: (sink: CompletionSink, i: number) => number,
  ): Promise<ProposeResult[]> {
    if (signal?.aborted) return Promise.reject(aborted(signal));
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      const results: ProposeResult[] = new Array(count);
      let missing = count;
      const settle = (i: number, result: ProposeResult): void => {
        results[i] = result;
        missing -= 1;
        if (missing > 0) return;
        signal?.removeEventListener('abort', onAbort);
        resolve(results);
      };
      const onAbort = (): void => reject(aborted(signal as AbortSignal));
      signal?.addEventListener('abort', onAbort, { once: true });
      const sink = promiseSink(settle);
      for (let i = 0; i < count; i += 1) {
        const at = claim(sink, i);
        if (at === CHANNEL_BUSY) sink.refused(i, ErrorNumber.busy, 0);
        if (at === CHANNEL_TOO_LARGE) sink.refused(i, ErrorNumber.tooLarge, 0);
      }
      if (count === 0) resolve(results);
    });
  }

  /** Resolves with the leader's node id once one is known here. */
  async waitForLeader(options: CallOptions = {}): Promise<number> {
    await this.#poll(options, ErrorNumber.noLeader, () => this.#page.read().leader !== 0);
    return this.#page.read().leader;
  }

  /** Resolves once entries up to `index` are applied here. */
  async waitForApplied(index: number, options: CallOptions = {}): Promise<void> {
    await this.#poll(options, ErrorNumber.timeout, () => this.#page.read().appliedIndex >= index);
  }

  async #poll(options: CallOptions, late: ErrorNumber, done: () => boolean): Promise<void> {
    const deadline = monotonicMs() + (options.timeoutMs ?? this.#timeoutMs);
    while (!done()) {
      if (options.signal?.aborted) throw aborted(options.signal);
      if (this.#failure !== null) throw this.#failure.error;
      if (monotonicMs() >= deadline) throw new RingraftError(late);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** An event of the consensus worker. */
  onEvent(json: string): void {
    const event = JSON.parse(json) as
      | { kind: 'role'; role: string; term: number; leader: number }
      | { kind: 'configuration' }
      | { kind: 'failed'; code: ErrorNumber; text: string };
    if (event.kind === 'role') {
      const { role, term, leader } = event;
      this.emit('role', { role, term, leader });
      const previous = this.#leader;
      this.#leader = leader;
      if (previous !== leader) this.emit('leader', { leader, previous, term });
    } else if (event.kind === 'failed') {
      this.fail(new RingraftError(event.code, { detail: event.text }));
    }
  }

  /** Commit notifications, when anybody listens; called now and then. */
  pollCommit(): void {
    if (this.listenerCount('commit') === 0) return;
    const { commitIndex, term } = this.#page.read();
    if (commitIndex === this.#committed) return;
    this.#committed = commitIndex;
    this.emit('commit', { index: commitIndex, term });
  }

  /** The group stopped on this node. */
  fail(error: RingraftError): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  get failure(): RingraftError | null {
    return this.#failure?.error ?? null;
  }
}

function aborted(signal: AbortSignal): RingraftError {
  return new RingraftError(ErrorNumber.aborted, { cause: signal.reason });
}

function promiseSink(settle: (i: number, result: ProposeResult) => void): CompletionSink {
  return {
    result(i, buffer, start, end, rejected) {
      const value = Uint8Array.prototype.slice.call(buffer, start, end);
      if (!rejected) settle(i, { ok: true, value });
      else {
        const detail = Buffer.from(value).toString();
        const error = new RingraftError(ErrorNumber.rejected, { detail, data: value });
        settle(i, { ok: false, error });
      }
    },
    refused(i, code, leader) {
      settle(i, { ok: false, error: new RingraftError(code, { leader: nodeId(leader) }) });
    },
  };
}
