/**
 * What one micro task is: a piece of the data path that is set up, called again and again, and torn
 * down. A call does `perCall` operations, so that the clock's own cost stays small beside it.
 *
 * Tasks must not share state, and must leave nothing behind.
 */

export interface RunningTask {
  /** The measured call. */
  readonly call: () => void;
  /** Before every call, not measured. */
  readonly before?: () => void;
  readonly close?: () => void;
}

export interface MicroTask {
  readonly name: string;
  /** What one operation is. */
  readonly unit: string;
  readonly perCall: number;
  /** `directory`: for files, on a disk. */
  readonly start: (directory: string) => RunningTask;
}
