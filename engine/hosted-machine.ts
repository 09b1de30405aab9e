/**
 * The state machine as plain callbacks on the main thread: the contract of the variant that needs
 * no module of its own.
 *
 * The callbacks run on the application's thread, in its turn: they may close over anything there.
 * The price: a busy application delays its own replies, and entries pile up until proposals are
 * refused as busy; leadership is never lost by it. The rules of state-machine.ts hold here too: the
 * same entries must give the same state everywhere, and the only clock is `timeMs`.
 */

import type { MachineContext, Restoration } from './state-machine.js';

/** One committed command. */
export interface HostedEntry {
  /** Position in the group's log. Grows, with gaps where the engine keeps entries of its own. */
  readonly index: number;
  readonly term: number;
  /** The leader's clock, milliseconds since the Unix epoch, never decreasing along the log. */
  readonly timeMs: number;
  /** The command; a copy, so it may be kept. */
  readonly data: Uint8Array;
  /** What this machine is: group, node and the group's `machineOptions`. */
  readonly context: MachineContext;
}

export interface HostedMachine {
  /**
   * Applies one command and returns the reply; nothing means a reply without bytes. Entries come in
   * order, each exactly once, from the first of the log on or from behind the state that `restore`
   * took: an object serves one engine only.
   *
   * Return or throw a `Reject` to refuse a command that is merely wrong: the proposer gets
   * `ERR_REJECTED`, the log goes on. Any other exception, and anything else that is returned, such
   * as a promise, stops this group on this node with `ERR_STATE_MACHINE` and the index named.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a callback without return is welcome here
  apply(entry: HostedEntry): Uint8Array | Reject | void;
  /**
   * Answers a read and leaves the state untouched. A `Reject`, returned or thrown, or another
   * exception fails that read alone with `ERR_REJECTED`; anything else that is returned fails it
   * alone with `ERR_STATE_MACHINE`.
   */
  query(query: Uint8Array): Uint8Array | Reject;
  /**
   * As in state-machine.ts, on the main thread: a pull there takes about a millisecond. A machine
   * without `snapshot` can give no image, which fails that snapshot alone; one without `restore`
   * can take none, which stops its group when it is given one.
   *
   * There is no `imageBacklogBytes` here: entries come as fast while an image runs, and what
   * `apply` saves for the image waits in memory, unbounded, until it has been pulled. A machine
   * with a large state that changes much meanwhile is better off in a module.
   */
  snapshot?(): Iterable<Uint8Array>;
  restore?(): Restoration;
}

/**
 * A deterministic refusal of one command, `return new Reject('overdrawn')`: every replica must come
 * to the same one.
 */
export class Reject extends Error {
  /** What the proposer gets as `error.data`. */
  readonly data: Uint8Array;

  constructor(reason: string | Uint8Array) {
    super(Buffer.from(reason).toString());
    this.name = 'Reject';
    this.data = Buffer.from(reason);
  }
}

/** Whether a group's `machine` is an object of callbacks and not the URL of a module. */
export function isHostedMachine(machine: unknown): machine is HostedMachine {
  if (typeof machine !== 'object' || machine === null || machine instanceof URL) return false;
  const { apply, query } = machine as Partial<HostedMachine>;
  return typeof apply === 'function' && typeof query === 'function';
}
