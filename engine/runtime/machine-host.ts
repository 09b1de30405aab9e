/**
 * Where a group's state machine runs, as the applier sees it, and the host for one that lives in
 * the consensus worker: apply and query are plain calls there.
 *
 * A host answers `apply` by `applied(last)`, at once or later, and never runs two slabs at a time.
 * What a machine throws is caught here and nowhere else.
 */

import { ResultWriter } from '../../codec/results.js';
import type { MachineContext, StateMachine } from '../state-machine.js';
import { ApplyCursor, type EntrySlab, type PartDone } from './apply-cursor.js';
import { MUST_BE_BYTES, MUST_FINISH, misreturned } from './misreturned.js';
import type { ReadBatch } from './pending-reads.js';
import type { BatchPart } from './pending-writes.js';

/** Answers are handed on before they grow past this; a single one may be larger. */
const ANSWER_BYTES_MAX = 64 * 1024;

const QUERY_LENGTH_BYTES = 4;

export interface HostEvents {
  /** Entries up to `last` are applied and their results handed on. */
  applied(last: number): void;
  readonly partDone: PartDone;
  /** Answers to queries `[offset, offset + count)` of a batch. */
  queried(batch: ReadBatch, offset: number, count: number, results: Uint8Array): void;
  /** The machine did not answer query `offset` of a batch as it must: what it did instead. */
  queryFailed(batch: ReadBatch, offset: number, text: string): void;
  /** `apply` failed at `index`; results of entries before it are handed on. The group ends here. */
  failed(index: number, cause: unknown): void;
}

export interface MachineHost {
  attach(events: HostEvents): void;
  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void;
  query(batch: ReadBatch): void;
  /** Something waits for room, or for its next turn: `goOn` is called each turn meanwhile. */
  readonly isWaiting?: boolean;
  /** `goOn` would do something now. */
  readonly canGoOn?: boolean;
  goOn?(): void;
  /** The group ends: batches that the machine will not answer here any more. */
  abandonQueries?(): readonly ReadBatch[];
}

type QueryAnswer =
  | { readonly rejected: boolean; readonly bytes: Uint8Array }
  | { readonly failure: string };

export class InWorkerHost implements MachineHost {
  readonly #machine: StateMachine;
  readonly #answers = new ResultWriter();
  readonly #hasRoom: () => boolean;
  readonly #context: MachineContext | undefined;
  /** Batches to be answered; the first from its query `#next` on, which lies at byte `#at`. */
  readonly #asked: ReadBatch[] = [];
  #next = 0;
  #at = 0;
  #events: HostEvents | null = null;
  #cursor: ApplyCursor | null = null;
  /** Last entry of the slab whose rest waits for its turn; null when none does. */
  #pausedBefore: number | null = null;

  /**
   * `hasRoom` says whether whoever takes the answers has room for more. Commands and queries are
   * small and answers may be large: without it a few kilobytes of them could fill the memory.
   */
  constructor(
    machine: StateMachine,
    hasRoom: () => boolean = () => true,
    context?: MachineContext,
  ) {
    this.#machine = machine;
    this.#hasRoom = hasRoom;
    this.#context = context;
  }

  attach(events: HostEvents): void {
    this.#events = events;
    this.#cursor = new ApplyCursor(events.partDone, this.#context, this.#hasRoom);
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    (this.#cursor as ApplyCursor).begin(slab, parts);
    this.#applyUpTo(last);
  }

  /** Gives the machine what is left of the slab, or as much of it as there is room for. */
  #applyUpTo(last: number): void {
    const cursor = this.#cursor as ApplyCursor;
    const events = this.#events as HostEvents;
    const first = cursor.index + 1;
    try {
      const returned: unknown = this.#machine.apply(cursor);
      if (returned !== undefined) {
        // A promise may have been about to do anything with any of them.
        cursor.discard();
        events.failed(first, misreturned('apply returned', returned, MUST_FINISH));
        return;
      }
      if (cursor.isPaused) {
        this.#pausedBefore = last;
        return;
      }
      cursor.finish();
    } catch (cause) {
      cursor.abandon();
      events.failed(Math.max(cursor.index, first), cause);
      return;
    }
    events.applied(last);
  }

  query(batch: ReadBatch): void {
    this.#asked.push(batch);
    this.goOn();
  }

  abandonQueries(): readonly ReadBatch[] {
    this.#cursor?.discard();
    this.#pausedBefore = null;
    return this.#asked.splice(0);
  }

  get isWaiting(): boolean {
    return this.#asked.length > 0 || this.#pausedBefore !== null;
  }

  get canGoOn(): boolean {
    return this.isWaiting && this.#hasRoom();
  }

  /** Goes on with the slab, then answers what was asked, while there is room. */
  goOn(): void {
    const last = this.#pausedBefore;
    if (last !== null && this.#hasRoom()) {
      this.#pausedBefore = null;
      this.#cursor?.resume();
      this.#applyUpTo(last);
    }
    for (let batch = this.#asked[0]; batch !== undefined; batch = this.#asked[0]) {
      if (!this.#answerBatch(batch)) return;
      this.#asked.shift();
      this.#next = 0;
      this.#at = 0;
    }
  }

  /** False when it had to stop for want of room. */
  #answerBatch(batch: ReadBatch): boolean {
    const { queries, count } = batch;
    while (this.#next < count && this.#hasRoom()) {
      const start = this.#at + QUERY_LENGTH_BYTES;
      const end = start + queries.readUInt32LE(this.#at);
      this.#answer(batch, this.#next, queries.subarray(start, end));
      this.#at = end;
      this.#next += 1;
    }
    this.#handOn(batch, this.#next);
    return this.#next === count;
  }

  #answer(batch: ReadBatch, which: number, query: Uint8Array): void {
    const answer = this.#ask(query);
    if ('failure' in answer) {
      this.#handOn(batch, which);
      (this.#events as HostEvents).queryFailed(batch, which, answer.failure);
      return;
    }
    const { rejected, bytes } = answer;
    // One that is too large to travel must not take others down with it.
    if (this.#answers.lengthWith(bytes) > ANSWER_BYTES_MAX) this.#handOn(batch, which);
    this.#answers.add(bytes, rejected);
  }

  #ask(query: Uint8Array): QueryAnswer {
    try {
      const bytes: unknown = this.#machine.query(query);
      if (bytes instanceof Uint8Array) return { rejected: false, bytes };
      return { failure: misreturned('query returned', bytes, MUST_BE_BYTES).message };
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      return { rejected: true, bytes: Buffer.from(text) };
    }
  }

  /** Answers up to query `end` are complete. */
  #handOn(batch: ReadBatch, end: number): void {
    const { count, bytes } = this.#answers;
    if (count === 0) return;
    (this.#events as HostEvents).queried(batch, end - count, count, bytes);
    this.#answers.clear();
  }
}
