/**
 * One simulated operating-system process: whatever a node schedules or receives passes here, so
 * that pausing, killing and a wrong clock act on everything at once and nothing leaks out of a dead
 * node.
 *
 * Work that becomes due while the process is paused waits and runs, in order, when it resumes; work
 * of a dead process never runs. A restarted node is a new process.
 */

import { assert } from '../../engine/raft/types.js';
import type { Scheduler, Timer } from './scheduler.js';

/** A timer on the process's own clock. */
export interface ProcessTimer {
  /** When it is due, in microseconds of the process's own clock. */
  readonly dueLocalUs: number;
}

interface ArmedTimer extends ProcessTimer {
  readonly action: () => void;
  timer: Timer | null;
}

/** Work held back for a paused process; more than this means that the simulator leaks. */
const HELD_MAX = 1 << 18;

export class SimProcess {
  readonly #scheduler: Scheduler;
  readonly #timers = new Set<ArmedTimer>();
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];
  #rate = 1;
  #anchorUs: number;
  #anchorLocalUs: number;
  /** Since when the machine is suspended; null while it runs. */
  #suspendedUs: number | null = null;
  /** By how much the wall clock ran ahead of the monotonic one since the process began. */
  #wallGainedUs = 0;

  /** `originUs` is what the own clock shows now: origins of monotonic clocks mean nothing. */
  constructor(scheduler: Scheduler, originUs = 0) {
    this.#scheduler = scheduler;
    this.#anchorUs = scheduler.nowUs;
    this.#anchorLocalUs = originUs;
  }

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  /** The own monotonic clock: it may run fast or slow and goes on while the process is paused. */
  get localUs(): number {
    if (this.#suspendedUs !== null) return this.#anchorLocalUs;
    const elapsedUs = this.#scheduler.nowUs - this.#anchorUs;
    return this.#anchorLocalUs + Math.floor(elapsedUs * this.#rate);
  }

  /** The wall clock, but for its origin: it goes on while the machine is suspended. */
  get wallUs(): number {
    const since = this.#suspendedUs ?? this.#scheduler.nowUs;
    return this.localUs + this.#wallGainedUs + this.#scheduler.nowUs - since;
  }

  /** Somebody sets the wall clock. */
  setWallClock(byUs: number): void {
    this.#wallGainedUs += byUs;
  }

  /** Runs `action` now, or at `resume`, or never: whatever reaches a process comes through here. */
  run(action: () => void): void {
    if (this.#state === 'running') action();
    else if (this.#state === 'paused') this.#hold(action);
  }

  /** Runs `action` once the own clock has reached `dueLocalUs`. */
  at(dueLocalUs: number, action: () => void): ProcessTimer {
    const armed: ArmedTimer = { dueLocalUs, action, timer: null };
    if (this.#state === 'dead') return armed;
    this.#timers.add(armed);
    this.#arm(armed);
    return armed;
  }

  after(delayLocalUs: number, action: () => void): ProcessTimer {
    return this.at(this.localUs + delayLocalUs, action);
  }

  cancel(timer: ProcessTimer): void {
    const armed = timer as ArmedTimer;
    this.#timers.delete(armed);
    if (armed.timer !== null) this.#scheduler.cancel(armed.timer);
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** The whole machine stops: its monotonic clock as well, but not its wall clock. */
  suspend(): void {
    if (this.#state !== 'running') return;
    this.#anchorLocalUs = this.localUs;
    this.#suspendedUs = this.#scheduler.nowUs;
    this.#state = 'paused';
    this.#disarm();
  }

  #wakeUp(): void {
    if (this.#suspendedUs === null) return;
    this.#wallGainedUs += this.#scheduler.nowUs - this.#suspendedUs;
    this.#suspendedUs = null;
    this.#anchorUs = this.#scheduler.nowUs;
    for (const armed of this.#timers) this.#arm(armed);
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#wakeUp();
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const action of held) this.run(action);
  }

  /** Ends the process: its timers and its held work are gone. */
  kill(): void {
    this.#state = 'dead';
    this.#held = [];
    this.#disarm();
    this.#timers.clear();
  }

  #disarm(): void {
    for (const { timer } of this.#timers) if (timer !== null) this.#scheduler.cancel(timer);
  }

  /** From now on the own clock moves `rate` times as fast as virtual time. */
  setClockRate(rate: number): void {
    assert(rate > 0 && rate <= 10, 'a clock runs forward, at most ten times too fast');
    this.#anchorLocalUs = this.localUs;
    this.#anchorUs = this.#scheduler.nowUs;
    this.#rate = rate;
    this.#disarm();
    for (const armed of this.#timers) this.#arm(armed);
  }

  #hold(action: () => void): void {
    assert(this.#held.length < HELD_MAX, 'a paused process holds a bounded backlog');
    this.#held.push(action);
  }

  #arm(armed: ArmedTimer): void {
    if (this.#suspendedUs !== null) return;
    const waitUs = Math.ceil((armed.dueLocalUs - this.localUs) / this.#rate);
    armed.timer = this.#scheduler.after(Math.max(0, waitUs), () => this.#fire(armed));
  }

  #fire(armed: ArmedTimer): void {
    armed.timer = null;
    // Rounding of a skewed clock may wake the process a microsecond early.
    if (this.localUs < armed.dueLocalUs) {
      armed.timer = this.#scheduler.after(1, () => this.#fire(armed));
      return;
    }
    this.run(() => {
      // A timer cancelled while the process was paused does not ring.
      if (this.#timers.delete(armed)) armed.action();
    });
  }
}
