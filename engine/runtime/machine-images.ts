/**
 * The images of one state machine and of the client sessions beside it, given and taken slice by
 * slice, wherever the machine lives: both hosts use this. The sessions come first.
 *
 * It calls the machine and checks what comes back; it must never decide when. Everything that the
 * machine throws passes through.
 */

import { SnapshotSection } from '../../codec/snapshot-section.js';
import { assert } from '../raft/types.js';
import type { Restoration } from '../state-machine.js';
import { MUST_BE_BYTES, misreturned } from './misreturned.js';
import type { Sessions } from './sessions.js';

/** What of a machine this needs; one that is hosted by callbacks may lack both. */
export interface ImagedMachine {
  snapshot?(): Iterable<Uint8Array>;
  restore?(): Restoration;
}

const MUST_BE_ITERABLE = 'it must return the chunks as an iterable, such as a generator, at once';
const MUST_TAKE = 'it must return an object with chunk(bytes) and finish(), at once';
const MUST_RETURN_NOTHING = 'it must be done when it returns, and return nothing';
const NO_SNAPSHOT = 'this state machine has no snapshot(): give it one, or take no snapshots';
const NO_RESTORE =
  'this state machine has no restore(): give it one, so that it can take the state of a snapshot';

/** The first chunk, which is asked for before anybody wants it, or what came instead. */
type First = { readonly chunk: Uint8Array | null } | { readonly thrown: unknown };

export class MachineImages {
  readonly #machine: ImagedMachine;
  readonly #sessions: Sessions;
  /** Of the chunk that was pulled last. */
  section: SnapshotSection = SnapshotSection.machine;
  #isTaking = false;
  #iterator: Iterator<unknown> | null = null;
  #first: First | null = null;
  #restoration: Restoration | null = null;

  constructor(machine: ImagedMachine, sessions: Sessions) {
    this.#machine = machine;
    this.#sessions = sessions;
  }

  /** An image runs: it began, and is neither complete nor over. */
  get isTaking(): boolean {
    return this.#isTaking;
  }

  get isRestoring(): boolean {
    return this.#restoration !== null;
  }

  /** The state as it is now. What fails here is thrown by the first `pull`. */
  begin(): void {
    assert(!this.#isTaking, 'one image at a time runs');
    assert(!this.isRestoring, 'a machine that is being restored has no state to show');
    this.#isTaking = true;
    this.#sessions.beginImage();
    try {
      this.#iterator = this.#open();
      // The body of a generator begins at its first `next`, and the state must be that of now.
      this.#first = { chunk: this.#next() };
    } catch (thrown) {
      this.#first = { thrown };
    }
  }

  #open(): Iterator<unknown> {
    if (this.#machine.snapshot === undefined) throw new Error(NO_SNAPSHOT);
    const image: unknown = this.#machine.snapshot();
    const iterate = (image as Partial<Iterable<unknown>> | null | undefined)?.[Symbol.iterator];
    if (typeof iterate !== 'function') {
      throw misreturned('snapshot returned', image, MUST_BE_ITERABLE);
    }
    return iterate.call(image) as Iterator<unknown>;
  }

  /** The next chunk, lent until the one after; null: the image is complete and over. */
  pull(): Uint8Array | null {
    assert(this.#isTaking, 'an image is pulled while it runs');
    try {
      const chunk = this.#pull();
      if (chunk === null) this.#forget();
      return chunk;
    } catch (cause) {
      this.end();
      throw cause;
    }
  }

  #pull(): Uint8Array | null {
    const table = this.#sessions.isImaged ? this.#sessions.pullImage() : null;
    this.section = table === null ? SnapshotSection.machine : SnapshotSection.sessions;
    if (table !== null) return table;
    const first = this.#first;
    if (first === null) return this.#next();
    this.#first = null;
    if ('thrown' in first) throw first.thrown;
    return first.chunk;
  }

  #next(): Uint8Array | null {
    const { done, value } = (this.#iterator as Iterator<unknown>).next();
    if (done === true) return null;
    if (value instanceof Uint8Array) return value;
    throw misreturned('snapshot yielded', value, MUST_BE_BYTES);
  }

  /** Gives up the image that runs, if one does. */
  end(): void {
    const iterator = this.#iterator;
    this.#forget();
    try {
      iterator?.return?.();
    } catch {
      // Nobody asks for anything of it any more: what it throws at its end concerns nobody.
    }
  }

  #forget(): void {
    this.#sessions.endImage();
    this.#isTaking = false;
    this.#iterator = null;
    this.#first = null;
  }

  /** An image that still runs is given up, and so is a restoration that was not finished. */
  beginRestore(): void {
    this.end();
    if (this.#machine.restore === undefined) throw new Error(NO_RESTORE);
    const taker: unknown = this.#machine.restore();
    const { chunk, finish } = (taker ?? {}) as Partial<Restoration>;
    if (typeof chunk !== 'function' || typeof finish !== 'function') {
      throw misreturned('restore returned', taker, MUST_TAKE);
    }
    this.#restoration = taker as Restoration;
    this.#sessions.beginRestore();
  }

  restoreChunk(bytes: Uint8Array, section: SnapshotSection): void {
    const running = this.#running();
    if (section === SnapshotSection.sessions) {
      this.#sessions.restoreChunk(bytes);
      return;
    }
    const returned: unknown = running.chunk(bytes);
    // Arrow functions often return what a call within them does: only a promise is a mistake.
    if (returned instanceof Promise) {
      throw misreturned('chunk returned', returned, MUST_RETURN_NOTHING);
    }
  }

  finishRestore(): void {
    this.#sessions.finishRestore();
    const returned: unknown = this.#running().finish();
    if (returned instanceof Promise) {
      throw misreturned('finish returned', returned, MUST_RETURN_NOTHING);
    }
    this.#restoration = null;
  }

  #running(): Restoration {
    assert(this.#restoration !== null, 'a restoration began');
    return this.#restoration;
  }
}
