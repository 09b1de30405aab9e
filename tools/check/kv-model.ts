/**
 * What a key-value machine does, as the checker sees it: one key, one value, one operation.
 *
 * Independent of the machine under test on purpose: it must never import it. The state may be
 * `FREE` (nothing is known about it yet): then the model allows at least what any real state
 * allows.
 */

import type { Operation, Result } from '../sim/operation.js';

/** The value of the key; null when absent. */
export type Value = string | null;

/** Whatever came before: pinned by the first operation that observes it. */
export const FREE = Symbol('free');
/** The operation cannot have had that result in that state. */
export const MISMATCH = Symbol('mismatch');

export type State = Value | typeof FREE;

const INT64_MAX = (1n << 63n) - 1n;
const INT64_MIN = -(1n << 63n);
const CANONICAL_INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
/** Decimal strings this short are exact in a double, with room for a sum. */
const EXACT_DIGITS = 15;

/** True for the one spelling of a 64-bit integer that INCR accepts and makes. */
export function isInteger(value: string): boolean {
  if (!CANONICAL_INTEGER.test(value)) return false;
  if (value.length <= EXACT_DIGITS) return true;
  const exact = BigInt(value);
  return exact >= INT64_MIN && exact <= INT64_MAX;
}

/** `value + by`, exact in 64 bits; null on overflow. */
export function addExact(value: string, by: number): string | null {
  if (value.length <= EXACT_DIGITS && Math.abs(by) < 1e15) return String(Number(value) + by);
  const sum = BigInt(value) + BigInt(by);
  return sum < INT64_MIN || sum > INT64_MAX ? null : sum.toString();
}

/** What the operation does to a known value. */
export function execute(value: Value, operation: Operation): { next: Value; result: Result } {
  switch (operation.op) {
    case 'get':
      return { next: value, result: value };
    case 'set':
      return { next: operation.value, result: null };
    case 'del':
      return { next: null, result: value === null ? 0 : 1 };
    case 'setnx':
      return value === null ? { next: operation.value, result: 1 } : { next: value, result: 0 };
    case 'cas':
      return value === operation.expected
        ? { next: operation.value, result: 1 }
        : { next: value, result: 0 };
    case 'append': {
      const next = (value ?? '') + operation.value;
      return { next, result: next.length };
    }
    case 'incr':
      return increment(value, operation.by);
  }
}

function increment(value: Value, by: number): { next: Value; result: Result } {
  const from = value ?? '0';
  if (!isInteger(from)) return { next: value, result: { error: 'notInteger' } };
  const sum = addExact(from, by);
  if (sum === null) return { next: value, result: { error: 'overflow' } };
  return { next: sum, result: sum };
}

/** The state after the operation if it can have had `result` in `state`. */
export function advance(
  state: State,
  operation: Operation,
  result: Result,
): State | typeof MISMATCH {
  if (state === FREE) return advanceFree(operation, result);
  const executed = execute(state, operation);
  return isSameResult(executed.result, result) ? executed.next : MISMATCH;
}

/** The state after an operation whose result nobody saw. */
export function advanceUnseen(state: State, operation: Operation): State {
  if (state !== FREE) return execute(state, operation).next;
  if (operation.op === 'set') return operation.value;
  return operation.op === 'del' ? null : FREE;
}

function advanceFree(operation: Operation, result: Result): State {
  switch (operation.op) {
    case 'get':
      return typeof result === 'string' || result === null ? result : FREE;
    case 'set':
      return operation.value;
    case 'del':
      return null;
    case 'setnx':
    case 'cas':
      return result === 1 ? operation.value : FREE;
    case 'append':
      return FREE;
    case 'incr':
      return typeof result === 'string' ? result : FREE;
  }
}

function isSameResult(a: Result, b: Result): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  return a.error === b.error;
}

/** True when the operation, having had that result, cannot have changed anything in any state. */
export function isObservation(operation: Operation, result: Result): boolean {
  if (operation.op === 'get') return true;
  if (operation.op === 'append') return operation.value === '';
  return result === 0 || (typeof result === 'object' && result !== null);
}

/**
 * The only state in which the operation can have had `result`; undefined when there are several.
 */
export function requiredState(operation: Operation, result: Result): Value | undefined {
  switch (operation.op) {
    case 'get':
      return typeof result === 'string' || result === null ? result : undefined;
    case 'del':
      return result === 0 ? null : undefined;
    case 'setnx':
      return result === 1 ? null : undefined;
    case 'cas':
      return result === 1 ? operation.expected : undefined;
    case 'incr':
      return typeof result === 'string' && isInteger(result)
        ? (addExact(result, -operation.by) ?? undefined)
        : undefined;
    default:
      return undefined;
  }
}
