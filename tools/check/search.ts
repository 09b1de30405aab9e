/**
 * Is there an order of one key's operations that respects real time and that the model explains?
 *
 * Wing and Gong's search with Lowe's memory of what was tried, iterative. An operation that may
 * come next and changes nothing is taken at once: it can only get harder later. A configuration is
 * not tried again with more open operations used up. Exact: no hash stands for a state.
 */

import { type Completed, Frontier, type Open } from './frontier.js';
import { advance, isObservation, MISMATCH, type State } from './kv-model.js';
import { isShapedByOpen, OpenOperations } from './open-operations.js';

export interface Problem {
  readonly initial: State;
  /** In order of calls. */
  readonly completed: readonly Completed[];
  /** In order of calls; without reads, which have no effect. */
  readonly open: readonly Open[];
}

export type Finding = 'explained' | 'contradiction' | 'undecided';

export interface SearchResult {
  readonly finding: Finding;
  readonly configurations: number;
  /**
   * The operation whose return the search got up to but never past; null when it got to the end.
   */
  readonly stuck: Completed | null;
}

/** One step of the current order, with what is still to try after it. */
interface Frame {
  readonly state: State;
  /**
   * How the frame was entered: a completed operation n, an open one as -1 - n; null at the root.
   */
  readonly entry: number | null;
  /** Open operations used up. */
  readonly used: bigint;
  readonly moves: number[];
  readonly states: State[];
  tried: number;
  /** Whether the open operations are among the moves already. */
  isWide: boolean;
  /** Its one move needs no memory: it is as good as having been made already. */
  isForced: boolean;
}

export function search(problem: Problem, configurationsMax: number): SearchResult {
  return new Search(problem, configurationsMax).run();
}

class Search {
  readonly #completed: readonly Completed[];
  readonly #frontier: Frontier;
  readonly #open: OpenOperations;
  readonly #initial: State;
  readonly #goal: string | null;
  readonly #configurationsMax: number;
  readonly #stack: Frame[] = [];
  readonly #visited = new Map<string, bigint[]>();
  readonly #stateNumbers = new Map<State, number>();
  readonly #candidates: number[] = [];
  #configurations = 0;
  #stuck: Completed | null = null;

  constructor(problem: Problem, configurationsMax: number) {
    this.#completed = problem.completed;
    this.#frontier = new Frontier(problem.completed);
    this.#open = new OpenOperations(problem.open, problem.completed);
    this.#initial = problem.initial;
    this.#goal = longestOfAppends(problem);
    this.#configurationsMax = configurationsMax;
  }

  run(): SearchResult {
    if (this.#frontier.isDone) return this.#result('explained');
    this.#enter(this.#initial, null, 0n);
    for (let top = this.#stack.at(-1); top !== undefined; top = this.#stack.at(-1)) {
      if (top.tried < top.moves.length) {
        if (this.#try(top)) return this.#result('explained');
        if (this.#configurations > this.#configurationsMax) return this.#result('undecided');
      } else if (!top.isWide) {
        this.#widen(top);
      } else {
        this.#leave();
      }
    }
    return this.#result('contradiction');
  }

  #result(finding: Finding): SearchResult {
    const stuck = finding === 'explained' ? null : this.#stuck;
    return { finding, configurations: this.#configurations, stuck };
  }

  /** Makes the next move of `top`; true when every completed operation has its place. */
  #try(top: Frame): boolean {
    const move = top.moves[top.tried] ?? 0;
    const next = top.states[top.tried] ?? null;
    top.tried += 1;
    this.#make(move);
    if (this.#frontier.isDone) return true;
    const used = move < 0 ? top.used | (1n << BigInt(-1 - move)) : top.used;
    if (top.isForced || this.#isNew(next, used)) this.#enter(next, move, used);
    else this.#unmake(move);
    return false;
  }

  #enter(state: State, entry: number | null, used: bigint): void {
    this.#configurations += 1;
    const frame: Frame = {
      state,
      entry,
      used,
      moves: [],
      states: [],
      tried: 0,
      isWide: this.#open.isEmpty,
      isForced: false,
    };
    this.#addCompletedMoves(frame);
    this.#stack.push(frame);
  }

  #leave(): void {
    const entry = this.#stack.pop()?.entry ?? null;
    if (entry !== null) this.#unmake(entry);
  }

  #make(move: number): void {
    if (move < 0) this.#open.take(-1 - move);
    else this.#frontier.take(move);
  }

  #unmake(move: number): void {
    if (move < 0) this.#open.untake(-1 - move);
    else this.#frontier.untake(move);
  }

  /** The completed operations that may come next, those that returned first before the others. */
  #addCompletedMoves(frame: Frame): void {
    const first = this.#at(this.#frontier.candidates(this.#candidates));
    if (this.#stuck === null || first.end > this.#stuck.end) this.#stuck = first;
    this.#candidates.sort((a, b) => this.#end(a) - this.#end(b));
    for (const number of this.#candidates) {
      const completed = this.#at(number);
      const next = this.#admit(advance(frame.state, completed.operation, completed.result));
      if (next === MISMATCH) continue;
      if (next === frame.state && isObservation(completed.operation, completed.result)) {
        frame.moves.splice(0, frame.moves.length, number);
        frame.states.splice(0, frame.states.length, next);
        frame.isForced = true;
        frame.isWide = true;
        return;
      }
      frame.moves.push(number);
      frame.states.push(next);
    }
  }

  /**
   * Adds the open operations that may help a completed one that is not possible as things stand.
   */
  #widen(frame: Frame): void {
    frame.isWide = true;
    const first = this.#frontier.candidates(this.#candidates);
    const needs = this.#candidates
      .map((number) => this.#at(number))
      .filter(
        (completed) =>
          isShapedByOpen(completed) ||
          advance(frame.state, completed.operation, completed.result) === MISMATCH,
      );
    const isChained = frame.entry !== null && frame.entry < 0;
    this.#open.offer(frame.state, needs, this.#end(first), isChained, (number, reached) => {
      const next = this.#admit(reached);
      if (next === MISMATCH) return;
      frame.moves.push(-1 - number);
      frame.states.push(next);
    });
  }

  /** False when this place was reached before with no more open operations used up. */
  #isNew(state: State, used: bigint): boolean {
    const place = `${this.#frontier.signature()}|${this.#stateNumber(state)}`;
    const before = this.#visited.get(place);
    if (before === undefined) {
      this.#visited.set(place, [used]);
      return true;
    }
    if (before.some((fewer) => (fewer & used) === fewer)) return false;
    before.push(used);
    return true;
  }

  #stateNumber(state: State): number {
    if (typeof state === 'string' && this.#isOnGoal(state)) return -1 - state.length;
    const known = this.#stateNumbers.get(state);
    if (known !== undefined) return known;
    this.#stateNumbers.set(state, this.#stateNumbers.size);
    return this.#stateNumbers.size - 1;
  }

  /**
   * On a key that is only appended to, every value ever held is a prefix of the longest one seen,
   * or an extension of it. A prefix is kept as a slice, so that long values are not copied.
   */
  #admit(state: State | typeof MISMATCH): State | typeof MISMATCH {
    const goal = this.#goal;
    if (goal === null || typeof state !== 'string') return state;
    if (this.#isOnGoal(state)) {
      return goal.startsWith(state) ? goal.slice(0, state.length) : MISMATCH;
    }
    return state.startsWith(goal) ? state : MISMATCH;
  }

  #isOnGoal(state: string): boolean {
    return this.#goal !== null && state.length <= this.#goal.length;
  }

  #at(number: number): Completed {
    const completed = this.#completed[number];
    if (completed === undefined) throw new Error('no such completed operation');
    return completed;
  }

  #end(number: number): number {
    return this.#completed[number]?.end ?? Number.POSITIVE_INFINITY;
  }
}

/** The longest value read from a key that is only read and appended to; else null. */
function longestOfAppends({ completed, open }: Problem): string | null {
  let longest = '';
  for (const { operation } of [...completed, ...open]) {
    if (operation.op !== 'get' && operation.op !== 'append') return null;
  }
  for (const { operation, result } of completed) {
    const isLonger = typeof result === 'string' && result.length > longest.length;
    if (operation.op === 'get' && isLonger) longest = result;
  }
  return longest;
}
