/**
 * Who waits for which batch of one group in one process: the router's side of the runtime's
 * completions.
 *
 * Every operation of a batch ends exactly once while the process lives; a second answer, or one to
 * nobody, ends the run. It must never decide what an answer means beyond the code's own promise.
 */

import { ResultReader } from '../../codec/results.js';
import { ERROR_KINDS, ErrorNumber } from '../../engine/errors.js';
import type { NodeId } from '../../engine/raft/types.js';
import type { Reply } from './clients.js';
import { decodeResult } from './kv-wire.js';
import type { Place, Request } from './operation.js';
import { SimFailure } from './sim-failure.js';

export interface Waiter {
  readonly operation: Request;
  /** The write's place in a session, when it has one. */
  readonly place?: Place | undefined;
  readonly reply: (reply: Reply) => void;
}

interface Batch {
  readonly waiters: readonly Waiter[];
  readonly isAnswered: boolean[];
  left: number;
}

export class Answers {
  readonly #what: string;
  readonly #later: (action: () => void) => void;
  readonly #batches = new Map<number, Batch>();
  #nextId = 1;

  /**
   * `what` names the kind of batches in a failure. Replies are given by `later`, outside of the
   * runtime's own calls, as another thread would read them from a ring.
   */
  constructor(what: string, later: (action: () => void) => void) {
    this.#what = what;
    this.#later = later;
  }

  get waiting(): number {
    return this.#batches.size;
  }

  isWaiting(id: number): boolean {
    return this.#batches.has(id);
  }

  open(waiters: readonly Waiter[]): number {
    const id = this.#nextId;
    this.#nextId += 1;
    const isAnswered = waiters.map(() => false);
    this.#batches.set(id, { waiters, isAnswered, left: waiters.length });
    return id;
  }

  results(id: number, offset: number, count: number, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const reader = new ResultReader(buffer, 0, buffer.length);
    this.#each(id, offset, count, ({ operation, reply }) => {
      if (!reader.next()) throw new SimFailure(`${this.#what} ${id} has too few results`);
      const answer = buffer.subarray(reader.start, reader.end);
      const result = decodeResult(operation, answer, reader.rejected);
      this.#later(() => reply({ kind: 'ok', result }));
    });
    if (reader.next()) throw new SimFailure(`${this.#what} ${id} has too many results`);
  }

  refused(id: number, offset: number, count: number, code: ErrorNumber, leader: NodeId): void {
    const why = ERROR_KINDS[code].code;
    // A command that makes this machine throw may have been applied by others.
    const { outcomeUnknown, stateMachine, sessionForgotten } = ErrorNumber;
    const isUnknown = code === outcomeUnknown || code === stateMachine || code === sessionForgotten;
    const refusal: Reply = isUnknown ? { kind: 'unknown', why } : { kind: 'fail', why, leader };
    this.#each(id, offset, count, ({ reply }) => this.#later(() => reply(refusal)));
  }

  #each(id: number, offset: number, count: number, act: (waiter: Waiter) => void): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) throw new SimFailure(`${this.#what} ${id} is answered, nobody waits`);
    for (let at = offset; at < offset + count; at += 1) {
      const waiter = batch.waiters[at];
      if (waiter === undefined || batch.isAnswered[at] === true) {
        throw new SimFailure(`${this.#what} ${id} is answered twice or beyond its end, at ${at}`);
      }
      batch.isAnswered[at] = true;
      batch.left -= 1;
      act(waiter);
    }
    if (batch.left === 0) this.#batches.delete(id);
  }

  /** The process died: nobody will ever answer. */
  abandon(): void {
    for (const { waiters, isAnswered } of this.#batches.values()) {
      waiters.forEach(({ reply }, at) => {
        if (isAnswered[at] !== true) reply({ kind: 'unknown', why: 'the node died' });
      });
    }
    this.#batches.clear();
  }
}
