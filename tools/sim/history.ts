/**
 * What clients saw: each operation with its invocation and its outcome, in the order of events.
 *
 * The order of the events, not their times, is what the checker trusts: in the simulator one thread
 * records them, so it is the real order. Histories of several processes are merged by time with
 * `mergeHistories`, where a tie counts as overlapping. The text form is history-lines.ts.
 */

import { assert } from '../../engine/raft/types.js';
import type { Operation, Outcome, Result } from './operation.js';

/** One operation from its invocation to its outcome. */
export interface Invocation {
  readonly id: number;
  readonly client: number;
  readonly node: number;
  readonly operation: Operation;
  readonly outcome: Outcome;
  /** Virtual (or wall-clock) microseconds, for people. */
  readonly invokedUs: number;
  readonly completedUs: number;
  /** Places in the order of events, for the checker. An unknown outcome has no second place. */
  readonly invokedAt: number;
  readonly completedAt: number;
}

export type HistoryEvent =
  | ({
      readonly event: 'invoke';
      readonly timeUs: number;
      readonly id: number;
      readonly client: number;
      readonly node: number;
    } & Operation)
  | {
      readonly event: 'ok';
      readonly timeUs: number;
      readonly id: number;
      readonly result: Result;
    }
  | {
      readonly event: 'fail' | 'unknown';
      readonly timeUs: number;
      readonly id: number;
      readonly why: string;
    };

/** A history grows with the run; a larger one means a run without an end. */
const EVENTS_MAX = 1 << 24;

export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #pending = new Set<number>();
  #ids = 0;

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  /** Operations without an outcome so far. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Returns the id under which the outcome is to be recorded. */
  invoke(client: number, node: number, operation: Operation, timeUs: number): number {
    const id = this.#ids;
    this.add({ event: 'invoke', timeUs, id, client, node, ...operation });
    return id;
  }

  ok(id: number, result: Result, timeUs: number): void {
    this.add({ event: 'ok', timeUs, id, result });
  }

  fail(id: number, why: string, timeUs: number): void {
    this.add({ event: 'fail', timeUs, id, why });
  }

  unknown(id: number, why: string, timeUs: number): void {
    this.add({ event: 'unknown', timeUs, id, why });
  }

  add(event: HistoryEvent): void {
    assert(this.#events.length < EVENTS_MAX, 'a history is bounded');
    if (event.event === 'invoke') {
      assert(event.id >= this.#ids, 'ids of operations grow');
      this.#ids = event.id + 1;
      this.#pending.add(event.id);
    } else {
      assert(this.#pending.delete(event.id), 'an operation has one outcome, after its invocation');
    }
    this.#events.push(event);
  }

  /** Pairs the events; an operation without an outcome is unknown. */
  invocations(): Invocation[] {
    const invocations: Invocation[] = [];
    const places = new Map<number, number>();
    this.#events.forEach((event, place) => {
      if (event.event === 'invoke') {
        places.set(event.id, invocations.length);
        invocations.push(pendingInvocation(event, place));
        return;
      }
      const index = places.get(event.id) ?? -1;
      const invocation = invocations[index];
      assert(invocation !== undefined, 'an outcome follows its invocation');
      invocations[index] = complete(invocation, event, place);
    });
    return invocations;
  }
}

/**
 * One history of several recorded apart with comparable clocks. At equal times invocations come
 * before outcomes, so that a tie never orders two operations. Ids and clients are renumbered.
 */
export function mergeHistories(parts: readonly History[]): History {
  const stride = 1 + Math.max(0, ...parts.flatMap((part) => part.events.map(clientOf)));
  const tagged = parts.flatMap((history, part) => history.events.map((event) => ({ event, part })));
  const rank = (event: HistoryEvent) => (event.event === 'invoke' ? 0 : 1);
  tagged.sort((a, b) => a.event.timeUs - b.event.timeUs || rank(a.event) - rank(b.event));
  const merged = new History();
  const ids = new Map<string, number>();
  for (const { event, part } of tagged) {
    const name = `${part}:${event.id}`;
    if (event.event === 'invoke') {
      ids.set(name, ids.size);
      merged.add({ ...event, id: ids.size - 1, client: part * stride + event.client });
    } else {
      merged.add({ ...event, id: ids.get(name) ?? -1 });
    }
  }
  return merged;
}

function pendingInvocation(
  event: Extract<HistoryEvent, { event: 'invoke' }>,
  place: number,
): Invocation {
  const { event: _kind, timeUs, id, client, node, ...operation } = event;
  return {
    id,
    client,
    node,
    operation,
    outcome: { kind: 'unknown', why: 'no outcome recorded' },
    invokedUs: timeUs,
    completedUs: Number.POSITIVE_INFINITY,
    invokedAt: place,
    completedAt: Number.POSITIVE_INFINITY,
  };
}

function complete(
  invocation: Invocation,
  event: Exclude<HistoryEvent, { event: 'invoke' }>,
  place: number,
): Invocation {
  const completedUs = event.timeUs;
  if (event.event === 'ok') {
    const outcome = { kind: 'ok', result: event.result } as const;
    return { ...invocation, outcome, completedUs, completedAt: place };
  }
  const outcome = { kind: event.event, why: event.why } as const;
  if (event.event === 'unknown') return { ...invocation, outcome, completedUs };
  return { ...invocation, outcome, completedUs, completedAt: place };
}

function clientOf(event: HistoryEvent): number {
  return event.event === 'invoke' ? event.client : 0;
}
