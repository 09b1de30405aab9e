/**
 * Read batches of this node on their way: confirmed by the core, then applied far enough, then
 * answered by the state machine.
 *
 * A batch waits for its read index and for the writes that were queued before it on its connections
 * (program order). It ends by its deadline whatever happens. Queries are opaque bytes.
 */

import type { Clocks } from '../raft/lease.js';
import type { LogIndex } from '../raft/types.js';

export interface ReadBatch {
  readonly id: number;
  readonly count: number;
  /** Queries back to back, each u32 length + bytes; a copy owned by the batch. */
  readonly queries: Buffer;
  /** On the monotonic clock that `tick` is given. */
  readonly deadline: number;
}

interface Waiting {
  readonly batch: ReadBatch;
  /**
   * The write index it must also see. A truncation here says nothing of that write: it may lie at a
   * leader that has not sent it yet, or come back with the next one. Its fate is known once the
   * index or an entry of a later term is applied.
   */
  behind: number;
  /** Null until the core granted it. */
  granted: number | null;
  /** The clocks before it was asked for; null when only a lease may grant it, or nobody must. */
  readonly asked: Clocks | null;
  /** Forwarded batches whose index is not known yet, all of which it must see. */
  readonly forwards: Set<number> | null;
}

export class PendingReads {
  readonly #waiting = new Map<number, Waiting>();

  get count(): number {
    return this.#waiting.size;
  }

  /** `granted`: the index to wait for, null until the core grants one that was `asked` for. */
  add(
    batch: ReadBatch,
    behind: number,
    forwards: Set<number> | null,
    granted: number | null,
    asked: Clocks | null,
  ): void {
    this.#waiting.set(batch.id, { batch, behind, forwards, granted, asked });
  }

  /** Since when the read that was granted had asked for an index; null when that says nothing. */
  grant(id: number, index: LogIndex): Clocks | null {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return null;
    waiting.granted = index;
    return waiting.asked;
  }

  /** A forwarded batch got its last index (0: it was refused). */
  forwardSettled(forwardId: number, lastIndex: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.forwards?.delete(forwardId)) {
        waiting.behind = Math.max(waiting.behind, lastIndex);
      }
    }
  }

  /** Of the writes made here none comes behind `index` any more. */
  writesEnd(index: number): void {
    for (const waiting of this.#waiting.values()) {
      waiting.behind = Math.min(waiting.behind, index);
    }
  }

  /** Batches that may be answered with the state at `applied`, each once. */
  takeServable(applied: LogIndex): ReadBatch[] {
    const ready: ReadBatch[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (waiting.granted === null || waiting.granted > applied) continue;
      if (waiting.behind > applied || (waiting.forwards?.size ?? 0) > 0) continue;
      ready.push(waiting.batch);
      this.#waiting.delete(id);
    }
    return ready;
  }

  takeExpired(now: number): ReadBatch[] {
    const expired: ReadBatch[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (waiting.batch.deadline > now) continue;
      expired.push(waiting.batch);
      this.#waiting.delete(id);
    }
    return expired;
  }

  drain(): ReadBatch[] {
    return this.takeExpired(Number.POSITIVE_INFINITY);
  }
}
