/**
 * Virtual time: a queue of actions ordered by (time, order of scheduling), run by one thread.
 *
 * Time is an integer number of microseconds and moves only from one action to the next. It must
 * never read a real clock, and two runs that schedule the same actions run them in the same order.
 */

import { assert } from '../../engine/raft/types.js';

/** An action that waits for its time; hand it to `cancel` to forget it. */
export interface Timer {
  readonly timeUs: number;
}

interface QueuedAction extends Timer {
  readonly sequence: number;
  readonly action: () => void;
  /** Place in the heap; -1 once it has run or was cancelled. */
  slot: number;
}

/** A simulation that schedules without end is a bug of the simulator, not a bigger queue. */
const QUEUED_MAX = 1 << 20;

function isEarlier(a: QueuedAction, b: QueuedAction): boolean {
  return a.timeUs < b.timeUs || (a.timeUs === b.timeUs && a.sequence < b.sequence);
}

export class Scheduler {
  readonly #heap: QueuedAction[] = [];
  #nowUs = 0;
  #sequence = 0;
  #executed = 0;

  get nowUs(): number {
    return this.#nowUs;
  }

  get queued(): number {
    return this.#heap.length;
  }

  /** How many actions have run. */
  get executed(): number {
    return this.#executed;
  }

  at(timeUs: number, action: () => void): Timer {
    assert(Number.isSafeInteger(timeUs), 'virtual time is an integer of microseconds');
    assert(timeUs >= this.#nowUs, 'virtual time never goes back');
    assert(this.#heap.length < QUEUED_MAX, 'the event queue is bounded');
    const queued: QueuedAction = { timeUs, sequence: this.#sequence, action, slot: -1 };
    this.#sequence += 1;
    this.#rise(queued, this.#heap.length);
    return queued;
  }

  after(delayUs: number, action: () => void): Timer {
    return this.at(this.#nowUs + delayUs, action);
  }

  /** Forgets a timer; one that has run or was cancelled before is left alone. */
  cancel(timer: Timer): void {
    const queued = timer as QueuedAction;
    const slot = queued.slot;
    if (slot < 0) return;
    assert(this.#heap[slot] === queued, 'a timer belongs to one scheduler');
    queued.slot = -1;
    this.#fill(slot);
  }

  /** Runs the earliest action; false when nothing is queued. */
  step(): boolean {
    const first = this.#heap[0];
    if (first === undefined) return false;
    first.slot = -1;
    this.#fill(0);
    assert(first.timeUs >= this.#nowUs, 'actions run in order of time');
    this.#nowUs = first.timeUs;
    this.#executed += 1;
    first.action();
    return true;
  }

  /** Runs every action due up to and including `timeUs`, then stands at `timeUs`. */
  runUntil(timeUs: number): void {
    assert(timeUs >= this.#nowUs, 'virtual time never goes back');
    while (this.#isDue(timeUs)) this.step();
    this.#nowUs = timeUs;
  }

  /**
   * Runs while `condition` holds, but not past `limitUs`. True when the condition ended; false when
   * it still holds with time at the limit.
   */
  runWhile(condition: () => boolean, limitUs: number): boolean {
    while (condition()) {
      if (this.#isDue(limitUs)) {
        this.step();
      } else {
        this.runUntil(limitUs);
        return false;
      }
    }
    return true;
  }

  #isDue(timeUs: number): boolean {
    const first = this.#heap[0];
    return first !== undefined && first.timeUs <= timeUs;
  }

  /** Moves the last action into the hole at `slot`. */
  #fill(slot: number): void {
    const last = this.#heap.pop();
    assert(last !== undefined, 'a hole lies inside the heap');
    if (slot === this.#heap.length) return;
    const parent = this.#heap[(slot - 1) >> 1];
    if (slot > 0 && parent !== undefined && isEarlier(last, parent)) this.#rise(last, slot);
    else this.#sink(last, slot);
  }

  #rise(queued: QueuedAction, from: number): void {
    let slot = from;
    while (slot > 0) {
      const parent = this.#heap[(slot - 1) >> 1];
      if (parent === undefined || isEarlier(parent, queued)) break;
      this.#place(parent, slot);
      slot = (slot - 1) >> 1;
    }
    this.#place(queued, slot);
  }

  #sink(queued: QueuedAction, from: number): void {
    let slot = from;
    for (;;) {
      const left = this.#heap[2 * slot + 1];
      const right = this.#heap[2 * slot + 2];
      const child =
        right !== undefined && left !== undefined && isEarlier(right, left) ? right : left;
      if (child === undefined || isEarlier(queued, child)) break;
      const childSlot = child.slot;
      this.#place(child, slot);
      slot = childSlot;
    }
    this.#place(queued, slot);
  }

  #place(queued: QueuedAction, slot: number): void {
    this.#heap[slot] = queued;
    queued.slot = slot;
  }
}
