/**
 * Histories for the checker's tests: made by a key-value machine that is atomic by construction, so
 * they are linearizable; and a slow, obviously right judge for tiny histories.
 *
 * Must never use the checker it helps to test.
 */

import { Prng } from '../../engine/raft/prng.js';
import { execute, type Value } from '../../tools/check/kv-model.js';
import { History, type Invocation } from '../../tools/sim/history.js';
import type { Operation, Outcome, Result } from '../../tools/sim/operation.js';

export interface AtomicOptions {
  readonly seed: number;
  readonly clients: number;
  readonly keys: number;
  readonly operations: number;
  readonly unknown: number;
  readonly refused: number;
  /** Makes one operation on a key; `serial` is unique. */
  readonly operation: (prng: Prng, key: string, serial: number) => Operation;
}

interface Running {
  readonly id: number;
  readonly operation: Operation;
  readonly fate: 'ok' | 'fail' | 'unknown';
  result: Result | undefined;
}

/** Clients take turns at random: invoke, take effect at one instant, hear the outcome. */
export function atomicHistory(options: AtomicOptions): History {
  const prng = new Prng(options.seed);
  const history = new History();
  const values = new Map<string, Value>();
  const running = new Map<number, Running>();
  /** Unknown operations that have not taken effect yet: some will, late. */
  const late: Operation[] = [];
  const perform = (operation: Operation): Result => {
    const { next, result } = execute(values.get(operation.key) ?? null, operation);
    values.set(operation.key, next);
    return result;
  };
  let serial = 0;
  for (let timeUs = 0; serial < options.operations || running.size > 0; timeUs += 1) {
    const lateOne = late.length > 0 && prng.chance(0.05) ? late.pop() : undefined;
    if (lateOne !== undefined && prng.chance(0.7)) perform(lateOne);
    const client = prng.below(options.clients);
    const current = running.get(client);
    if (current === undefined) {
      if (serial >= options.operations) continue;
      const key = `k${prng.below(options.keys)}`;
      const operation = options.operation(prng, key, serial);
      const isUnknown = prng.chance(options.unknown);
      const fate = isUnknown ? 'unknown' : prng.chance(options.refused) ? 'fail' : 'ok';
      const id = history.invoke(client, 1 + (client % 3), operation, timeUs);
      running.set(client, { id, operation, fate, result: undefined });
      serial += 1;
    } else if (current.fate === 'ok' && current.result === undefined) {
      current.result = perform(current.operation);
    } else {
      running.delete(client);
      if (current.fate === 'ok') history.ok(current.id, current.result ?? null, timeUs);
      else if (current.fate === 'fail') history.fail(current.id, 'not leader', timeUs);
      else {
        history.unknown(current.id, 'timeout', timeUs);
        late.push(current.operation);
      }
    }
  }
  return history;
}

/** Tries every order and every subset of unknown operations: for at most eight operations. */
export function isLinearizableByForce(invocations: readonly Invocation[]): boolean {
  const relevant = invocations.filter(({ outcome }) => outcome.kind !== 'fail');
  const place = (left: readonly Invocation[], value: Value): boolean => {
    if (left.every(({ outcome }) => outcome.kind === 'unknown')) return true;
    const firstEnd = Math.min(...left.map(({ completedAt }) => completedAt));
    return left.some((candidate) => {
      if (candidate.invokedAt > firstEnd) return false;
      const { next, result } = execute(value, candidate.operation);
      if (!agrees(candidate.outcome, result)) return false;
      const rest = left.filter((other) => other !== candidate);
      return place(rest, next);
    });
  };
  return place(relevant, null);
}

function agrees(outcome: Outcome, result: Result): boolean {
  return outcome.kind !== 'ok' || JSON.stringify(outcome.result) === JSON.stringify(result);
}
