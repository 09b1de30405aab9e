/**
 * Time that moves only when told: callbacks at exact milliseconds, in a fixed order.
 *
 * Callbacks due at the same moment run in the order in which they were scheduled, so a run is
 * repeatable. It must never look at the real clock.
 */

import { type Millis, millis } from '../../engine/raft/types.js';

/** What in-memory networks and simulators ask of time. */
export interface VirtualTime {
  now(): Millis;
  /** Runs `callback` after `delayMs`; the returned function prevents it. */
  schedule(delayMs: number, callback: () => void): () => void;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

export class ManualClock implements VirtualTime {
  #now: number;
  #order = 0;
  /** A binary heap, earliest first. */
  readonly #heap: Event[] = [];

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): Millis {
    return millis(this.#now);
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const event = {
      at: this.#now + Math.max(0, delayMs),
      order: this.#order,
      callback,
      cancelled: false,
    };
    this.#order += 1;
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs everything due within the next `ms`, in order, and leaves the clock there. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#pop();
      if (next.cancelled) continue;
      this.#now = next.at;
      next.callback();
    }
    this.#now = end;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
