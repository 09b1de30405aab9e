/**
 * How a thread sleeps until another one has work for it. One doorbell per sleeping thread, rung by
 * every producer of every ring that the thread drains.
 *
 * This file owns the only `Atomics.wait` of the project. Blocking there is safe because a thread
 * that parks owns no socket, timer, promise or stream, has loaded its modules and has answered its
 * READY handshake on the event loop before its first `park`; threads that own such things use
 * `parkAsync`. It must never wait for an exact value, only for "changed": a value may be overtaken.
 *
 * No wake-up is lost: the sleeper stores the flag, then looks at its rings; a producer stores its
 * tail, then looks at the flag. All four are sequentially consistent: one sees the other.
 */

import { assert } from './assert.js';
import {
  openDoorbell,
  stampDelivery,
  stampedMsBefore,
  stampedSequenceAhead,
  WORD_DELIVERED,
  WORD_SEQUENCE,
  WORD_SLEEPING,
} from './layout.js';

const AWAKE = 0;
const ASLEEP = 1;

/** A ring must be delivered this much before a deadline to prove that the deadline was wrong. */
const PROOF_MS = 1;
/** A sleeper that looks this much after its deadline (a stopped process) proves nothing. */
const LATE_MS = 1000;

/** Whole milliseconds of the monotonic clock that all threads share, modulo 2^32. */
function sharedClockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return (seconds * 1000 + Math.floor(nanoseconds / 1e6)) | 0;
}

/** Why a `park` ended: work was there before it slept, somebody rang, or the deadline came. */
export type ParkEnd = 'work' | 'rung' | 'deadline';

/** The producers' side. Any number of threads may hold one for the same doorbell. */
export class Doorbell {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer, number: number) {
    this.#words = openDoorbell(memory, number);
  }

  /**
   * Wakes the sleeper if it sleeps; call it after the commit (or other store) it should notice.
   * Costs one shared load while the sleeper is awake. Returns whether this call woke it.
   */
  ring(): boolean {
    const words = this.#words;
    if (Atomics.load(words, WORD_SLEEPING) === AWAKE) return false;
    if (Atomics.exchange(words, WORD_SLEEPING, AWAKE) === AWAKE) return false;
    const sequence = (Atomics.add(words, WORD_SEQUENCE, 1) + 1) | 0;
    Atomics.notify(words, WORD_SEQUENCE);
    Atomics.store(words, WORD_DELIVERED, stampDelivery(sequence, sharedClockMs()));
    return true;
  }
}

/** The sleeper's side: one thread only, which uses either `park` or `parkAsync`. */
export class DoorbellSleeper {
  readonly #words: Int32Array;
  readonly #hasWork: () => boolean;
  #waiting = false;

  /** Sleeps that were ended by a ring, and by the deadline. */
  rung = 0;
  timeouts = 0;
  /** Deadlines that found work nobody had rung for yet: between a commit and its ring, so rare. */
  lateWork = 0;
  /** Deadlines that found work although a ring had been delivered before: a bug, always 0. */
  missedRings = 0;

  /**
   * `hasWork` must look at everything the thread acts upon (each ring it drains, room it waits for,
   * the fatal word): what it forgets can be slept through.
   */
  constructor(memory: SharedArrayBuffer, number: number, hasWork: () => boolean) {
    this.#words = openDoorbell(memory, number);
    this.#hasWork = hasWork;
  }

  /**
   * Blocks the thread until somebody rings or `waitMs` pass (Infinity: no deadline). It may return
   * early for a ring that was meant for the turn before: callers loop and look again.
   */
  park(waitMs: number): ParkEnd {
    assert(!this.#waiting, 'a thread that waits on its event loop never parks');
    assert(!Number.isNaN(waitMs), 'a park has a deadline or waits for Infinity');
    if (waitMs <= 0) return 'deadline';
    const sequence = this.#fallAsleep();
    if (this.#hasWork()) return this.#wake('work');
    const startMs = sharedClockMs();
    if (Atomics.wait(this.#words, WORD_SEQUENCE, sequence, waitMs) !== 'timed-out') {
      this.rung += 1;
      return this.#wake('rung');
    }
    this.timeouts += 1;
    this.#judgeTimeout(sequence, startMs + Math.floor(waitMs));
    return this.#wake('deadline');
  }

  /**
   * For threads with an event loop: null when there is work now, else a promise of the next ring.
   * It has no deadline (a time-out would leave a task behind; such threads tick by their own timer)
   * and does not keep the process alive: a ref'd handle is the caller's duty. One at a time; rings
   * drained meanwhile by that timer leave it pending, which is harmless.
   */
  parkAsync(): Promise<void> | null {
    assert(!this.#waiting, 'one wait at a time');
    const sequence = this.#fallAsleep();
    if (this.#hasWork()) {
      this.#wake('work');
      return null;
    }
    const wait = Atomics.waitAsync(this.#words, WORD_SEQUENCE, sequence);
    if (!wait.async) {
      this.#wake('rung');
      return null;
    }
    this.#waiting = true;
    return wait.value.then(() => {
      this.#waiting = false;
      this.rung += 1;
      this.#wake('rung');
    });
  }

  /** The sequence is read first: a ring after that changes it and ends the wait at once. */
  #fallAsleep(): number {
    const sequence = Atomics.load(this.#words, WORD_SEQUENCE);
    Atomics.store(this.#words, WORD_SLEEPING, ASLEEP);
    return sequence;
  }

  #wake(end: ParkEnd): ParkEnd {
    Atomics.store(this.#words, WORD_SLEEPING, AWAKE);
    return end;
  }

  /**
   * Work at a deadline proves nothing by itself: its ring may be on the way, or have come between
   * the deadline and this line. It is a bug when a ring newer than this sleep was delivered clearly
   * before the deadline, for the wait should have ended by it.
   */
  #judgeTimeout(sequence: number, deadlineMs: number): void {
    const untouched = Atomics.load(this.#words, WORD_SLEEPING) === ASLEEP;
    const stamp = Atomics.load(this.#words, WORD_DELIVERED);
    if (!this.#hasWork()) return;
    if (untouched) {
      this.lateWork += 1;
      return;
    }
    if (((sharedClockMs() - deadlineMs) | 0) > LATE_MS) return;
    const newer = stampedSequenceAhead(stamp, sequence) > 0;
    if (newer && stampedMsBefore(stamp, deadlineMs) > PROOF_MS) this.missedRings += 1;
  }
}
