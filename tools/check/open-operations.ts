/**
 * Operations of unknown outcome during a search: each may take effect once, any time after its
 * call.
 *
 * Nobody saw their results, so they are worth taking only right before a completed operation that
 * needs them. This file offers those that may serve, and no useless ones: with a hundred unknown
 * writes pending, trying them all would never end. It may offer too many, never too few.
 */

import type { Operation } from '../sim/operation.js';
import type { Completed, Open } from './frontier.js';
import {
  advance,
  advanceUnseen,
  FREE,
  isInteger,
  MISMATCH,
  requiredState,
  type State,
  type Value,
} from './kv-model.js';

/**
 * Open operations that do the same, as far as anybody saw: only the first one left is ever offered.
 */
interface Kind {
  readonly members: readonly number[];
  readonly open: Open;
  taken: number;
}

export class OpenOperations {
  readonly #open: readonly Open[];
  readonly #kinds: Kind[] = [];
  readonly #kindOf: Kind[] = [];
  readonly #canAppend: boolean;
  readonly #canCountUp: boolean;
  readonly #canCountDown: boolean;
  readonly #casExpected = new Set<string>();

  /** `open` is in order of calls; `completed` is everything that might observe their effects. */
  constructor(open: readonly Open[], completed: readonly Completed[]) {
    this.#open = open;
    const seen = open.length === 0 ? null : new SeenValues(open, completed);
    const byText = new Map<string, number[]>();
    open.forEach(({ operation }, number) => {
      const text = kindText(operation, seen);
      const members = byText.get(text);
      if (members === undefined) byText.set(text, [number]);
      else members.push(number);
      if (operation.op === 'cas') this.#casExpected.add(operation.expected);
    });
    for (const members of byText.values()) this.#addKind(members);
    // Growing in steps: an append or a setnx adds bytes, an incr moves along the integers.
    this.#canAppend = open.some(({ operation }) => /append|setnx/.test(operation.op));
    this.#canCountUp = open.some(({ operation }) => operation.op === 'incr' && operation.by > 0);
    this.#canCountDown = open.some(({ operation }) => operation.op === 'incr' && operation.by <= 0);
  }

  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  get #canIncrement(): boolean {
    return this.#canCountUp || this.#canCountDown;
  }

  take(number: number): void {
    this.#kind(number).taken += 1;
  }

  untake(number: number): void {
    this.#kind(number).taken -= 1;
  }

  /**
   * Offers each open operation, called before `limit`, that changes `state` and may help one of
   * `needs` to happen. After another open operation (`isChained`) a write that forgets the old
   * value is not offered: the other one would have been taken for nothing.
   */
  offer(
    state: State,
    needs: readonly Completed[],
    limit: number,
    isChained: boolean,
    accept: (number: number, next: State) => void,
  ): void {
    for (const { members, open, taken } of this.#kinds) {
      const number = members[taken];
      if (number === undefined || (this.#open[number]?.call ?? limit) >= limit) continue;
      const { op } = open.operation;
      if (isChained && (op === 'set' || op === 'del')) continue;
      const next = advanceUnseen(state, open.operation);
      const isUseful = next !== state && needs.some((need) => this.#mayLead(next, need));
      if (isUseful) accept(number, next);
    }
  }

  /** False only if no further open operations, save a forgetting write, make `need` possible. */
  #mayLead(state: State, need: Completed): boolean {
    if (state === FREE || advance(state, need.operation, need.result) !== MISMATCH) return true;
    const isGrowing = this.#canAppend || this.#canIncrement;
    if (this.#casExpected.size > 0) {
      if (isGrowing || (state !== null && this.#casExpected.has(state))) return true;
    }
    if (!isGrowing || this.#isTooLong(state, need)) return false;
    const required = requiredState(need.operation, need.result);
    if (required === undefined) return true;
    if (required === null) return false;
    if (state === null) return true;
    if (this.#canIncrement && isInteger(state)) {
      return this.#canAppend || this.#mayCount(state, required);
    }
    return this.#canAppend && required.startsWith(state);
  }

  /** False when counting leads away from `required`: nearly always all amounts have one sign. */
  #mayCount(from: string, required: string): boolean {
    if (!isInteger(required)) return false;
    const distance = BigInt(required) - BigInt(from);
    return distance > 0n ? this.#canCountUp : this.#canCountDown;
  }

  /** True when an append showed a shorter value than `state`, and nothing can shorten it. */
  #isTooLong(state: Value, { operation, result }: Completed): boolean {
    if (operation.op !== 'append' || typeof result !== 'number' || state === null) return false;
    return !this.#canIncrement && state.length > result - operation.value.length;
  }

  #addKind(members: readonly number[]): void {
    const open = this.#open[members[0] ?? 0];
    if (open === undefined) return;
    const kind = { members, open, taken: 0 };
    this.#kinds.push(kind);
    for (const number of members) this.#kindOf[number] = kind;
  }

  #kind(number: number): Kind {
    const kind = this.#kindOf[number];
    if (kind === undefined) throw new Error('no such open operation');
    return kind;
  }
}

/** The values that a state can be told apart by. */
class SeenValues {
  readonly #whole = new Set<string>();
  /**
   * Sorted; used when something is appended, so that a value may be seen as the start of another.
   */
  readonly #longer: string[] = [];

  constructor(open: readonly Open[], completed: readonly Completed[]) {
    let isAppended = false;
    for (const { operation } of [...open, ...completed]) {
      if (operation.op === 'cas') this.#whole.add(operation.expected);
      if (operation.op === 'append') isAppended = true;
    }
    for (const { operation, result } of completed) {
      if (operation.op === 'get' && typeof result === 'string') this.#whole.add(result);
    }
    if (isAppended) this.#longer = [...this.#whole].sort();
  }

  has(value: string): boolean {
    if (this.#whole.has(value)) return true;
    // The values that start with `value` follow it directly in the sorted list.
    let low = 0;
    let high = this.#longer.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#longer[middle] ?? '') < value) low = middle + 1;
      else high = middle;
    }
    return this.#longer[low]?.startsWith(value) ?? false;
  }
}

/** Equal for operations that no observation can tell apart: one of them may stand for another. */
function kindText(operation: Operation, seen: SeenValues | null): string {
  if (!('value' in operation) || operation.op === 'append') return JSON.stringify(operation);
  const { value } = operation;
  if (isInteger(value) || seen === null || seen.has(value)) return JSON.stringify(operation);
  return JSON.stringify({ ...operation, value: null, length: value.length });
}

/** True when taking an open operation first may matter although the operation is possible now. */
export function isShapedByOpen(completed: Completed): boolean {
  // An append shows the length only: other bytes of that length may have been there before it.
  return completed.operation.op === 'append';
}
