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
  /** `apply` threw at `index`; results of entries before it are handed on. The group ends here. */
  failed(index: number, cause: unknown): void;
}

export interface MachineHost {
  attach(events: HostEvents): void;
  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void;
  query(batch: ReadBatch): void;
  /** The group ends: batches that the machine will not answer here any more. */
  abandonQueries?(): readonly ReadBatch[];
}

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

  /**
   * `hasRoom` says whether whoever takes the answers has room for more. Queries are small and
   * answers may be large: without it a few kilobytes of queries could fill the memory.
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
    this.#cursor = new ApplyCursor(events.partDone, this.#context);
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    const cursor = this.#cursor as ApplyCursor;
    const events = this.#events as HostEvents;
    cursor.begin(slab, parts);
    try {
      this.#machine.apply(cursor);
      cursor.finish();
    } catch (cause) {
      cursor.abandon();
      events.failed(Math.max(cursor.index, slab.first), cause);
      return;
    }
    events.applied(last);
  }

  query(batch: ReadBatch): void {
    this.#asked.push(batch);
    this.goOn();
  }

  abandonQueries(): readonly ReadBatch[] {
    return this.#asked.splice(0);
  }

  /** Queries wait until there is room for their answers: call `goOn` again. */
  get isWaiting(): boolean {
    return this.#asked.length > 0;
  }

  /** Answers what was asked, while there is room. */
  goOn(): void {
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
    const { rejected, bytes } = this.#ask(query);
    // One that is too large to travel must not take others down with it.
    if (this.#answers.length + bytes.length > ANSWER_BYTES_MAX) this.#handOn(batch, which);
    this.#answers.add(bytes, rejected);
  }

  #ask(query: Uint8Array): { rejected: boolean; bytes: Uint8Array } {
    try {
      return { rejected: false, bytes: this.#machine.query(query) };
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
