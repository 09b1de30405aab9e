/**
 * Where a group's state machine runs, as the applier sees it, and the host for one that lives in
 * the consensus worker: apply and query are plain calls there.
 *
 * A host answers `apply` by `applied(last)`, at once or later, and never runs two slabs at a time.
 * What a machine throws is caught here and nowhere else.
 */

import { ResultWriter } from '../../codec/results.js';
import type { StateMachine } from '../state-machine.js';
import { ApplyCursor, type EntrySlab, type PartDone } from './apply-cursor.js';
import type { ReadBatch } from './pending-reads.js';
import type { BatchPart } from './pending-writes.js';

/** Answers are handed on before they grow past this by more than one answer. */
const ANSWER_BYTES_MAX = 256 * 1024;

export interface HostEvents {
  /** Entries up to `last` are applied and their results handed on. */
  applied(last: number): void;
  readonly partDone: PartDone;
  /** Answers to queries `[offset, offset + count)` of a batch. */
  queried(batch: ReadBatch, offset: number, count: number, results: Uint8Array): void;
  /** `apply` threw: the group cannot go on here. */
  failed(index: number, cause: unknown): void;
}

export interface MachineHost {
  attach(events: HostEvents): void;
  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void;
  query(batch: ReadBatch): void;
}

export class InWorkerHost implements MachineHost {
  readonly #machine: StateMachine;
  readonly #answers = new ResultWriter();
  #events: HostEvents | null = null;
  #cursor: ApplyCursor | null = null;

  constructor(machine: StateMachine) {
    this.#machine = machine;
  }

  attach(events: HostEvents): void {
    this.#events = events;
    this.#cursor = new ApplyCursor(events.partDone);
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    const cursor = this.#cursor as ApplyCursor;
    const events = this.#events as HostEvents;
    cursor.begin(slab, parts);
    try {
      this.#machine.apply(cursor);
      cursor.finish();
    } catch (cause) {
      events.failed(cursor.index, cause);
      return;
    }
    events.applied(last);
  }

  query(batch: ReadBatch): void {
    const { queries, count } = batch;
    let at = 0;
    for (let i = 0; i < count; i += 1) {
      const length = queries.readUInt32LE(at);
      this.#answer(queries.subarray(at + 4, at + 4 + length));
      at += 4 + length;
      if (this.#answers.length >= ANSWER_BYTES_MAX || i === count - 1) this.#handOn(batch, i + 1);
    }
  }

  #answer(query: Uint8Array): void {
    try {
      this.#answers.add(this.#machine.query(query), false);
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      this.#answers.add(Buffer.from(text), true);
    }
  }

  /** Answers up to query `end` are complete. */
  #handOn(batch: ReadBatch, end: number): void {
    const { count, bytes } = this.#answers;
    (this.#events as HostEvents).queried(batch, end - count, count, bytes);
    this.#answers.clear();
  }
}
