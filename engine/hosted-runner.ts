/**
 * Runs a hosted state machine on the main thread: walks the entries of a slab, calls the callbacks,
 * hands results to whoever waits on this same thread.
 *
 * What a callback throws is caught here and nowhere else. This file must never decide what is
 * applied when: slabs come from the consensus worker, in order, and each is answered once.
 */

import { readApply } from '../workers/records/hosted.js';
import {
  ImageAsk,
  RestoreAnswer,
  readImageHeader,
  readRestoreHeader,
} from '../workers/records/hosted-image.js';
import type { HostedAnswer } from './hosted-answers.js';
import { type HostedMachine, Reject } from './hosted-machine.js';
import { ImageRunner } from './image-runner.js';
import { assert } from './raft/types.js';
import { ApplyCursor, type PartDone, type PartRefused } from './runtime/apply-cursor.js';
import { MUST_BE_BYTES, misreturned } from './runtime/misreturned.js';
import { Sessions } from './runtime/sessions.js';
import type { MachineContext } from './state-machine.js';

/** The answer to a query, or what the machine did instead of giving one. */
export type Answer =
  | { readonly rejected: boolean; readonly bytes: Uint8Array }
  | { readonly failure: string };

const MUST_BE_REPLY = 'it must return bytes, a Reject or nothing, and be done when it returns';

const textOf = (cause: unknown): string =>
  cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);

export class HostedRunner {
  readonly #machine: HostedMachine;
  readonly #context: MachineContext;
  readonly #arena: Buffer;
  readonly #cursor: ApplyCursor;
  readonly #images: ImageRunner;
  readonly #sessions = new Sessions();
  #nextIndex = 1;
  #failed = false;

  constructor(
    machine: HostedMachine,
    context: MachineContext,
    arena: SharedArrayBuffer,
    partDone: PartDone,
    partRefused?: PartRefused,
  ) {
    this.#machine = machine;
    this.#images = new ImageRunner(machine, this.#sessions);
    this.#context = context;
    this.#arena = Buffer.from(arena);
    this.#cursor = new ApplyCursor(partDone, context, null, this.#sessions, partRefused);
  }

  /** `apply` or `restore` threw: the group has stopped, nothing is applied or answered here. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The last entry that the machine has applied. */
  get applied(): number {
    return this.#nextIndex - 1;
  }

  /** Applies the slab of an APPLY record: all of it, or up to the entry that failed. */
  apply(bytes: Buffer, view: DataView, at: number): HostedAnswer {
    const { slab, last, parts } = readApply(bytes, view, at, this.#arena);
    assert(!this.#failed, 'a machine that failed is given nothing more');
    assert(!this.#images.isRestoring, 'nothing is applied to half a state');
    assert(slab.first === this.#nextIndex, 'slabs come in order, each exactly once');
    const cursor = this.#cursor;
    cursor.begin(slab, parts);
    try {
      while (cursor.next()) this.#applyEntry();
      cursor.finish();
    } catch (cause) {
      this.#failed = true;
      this.#images.end();
      cursor.abandon();
      return { kind: 'failed', index: Math.max(cursor.index, slab.first), text: textOf(cause) };
    }
    this.#nextIndex = last + 1;
    const sessions = this.#sessions.size;
    return { kind: 'applied', last, timeMs: cursor.timeMs, sessions };
  }

  #applyEntry(): void {
    const cursor = this.#cursor;
    const { index, term, timeMs } = cursor;
    const data = Buffer.from(cursor.data);
    let reply: unknown;
    try {
      reply = this.#machine.apply({ index, term, timeMs, data, context: this.#context });
    } catch (cause) {
      if (!(cause instanceof Reject)) throw cause;
      cursor.reject(cause.data);
      return;
    }
    // An entry without a reply is answered with no bytes when the cursor moves on.
    if (reply === undefined) return;
    if (reply instanceof Uint8Array) cursor.reply(reply);
    else if (reply instanceof Reject) cursor.reject(reply.data);
    else throw misreturned('apply returned', reply, MUST_BE_REPLY);
  }

  query(query: Uint8Array): Answer {
    try {
      const bytes: unknown = this.#machine.query(query);
      if (bytes instanceof Uint8Array) return { rejected: false, bytes };
      if (bytes instanceof Reject) return { rejected: true, bytes: bytes.data };
      return { failure: misreturned('query returned', bytes, MUST_BE_BYTES).message };
    } catch (cause) {
      if (cause instanceof Reject) return { rejected: true, bytes: cause.data };
      const text = cause instanceof Error ? cause.message : String(cause);
      return { rejected: true, bytes: Buffer.from(text) };
    }
  }

  /** Serves an IMAGE record; null when it has no answer. */
  image(view: DataView, at: number): HostedAnswer | null {
    const { step, image } = readImageHeader(view, at);
    // The worker learns of the failure from what failed; to end an image is never too late.
    if (this.#failed && step !== ImageAsk.end) return null;
    return this.#images.image(step, image);
  }

  /** Serves a RESTORE record of `length` bytes; null when it has no answer. */
  restore(bytes: Buffer, view: DataView, at: number, length: number): HostedAnswer | null {
    if (this.#failed) return null;
    const header = readRestoreHeader(view, at);
    const answer = this.#images.restore(header, bytes, at, length);
    if (answer?.kind !== 'restore') return answer;
    this.#failed = answer.step === RestoreAnswer.failed;
    if (answer.step === RestoreAnswer.restored) {
      this.#nextIndex = header.last + 1;
      this.#cursor.timeMs = header.timeMs;
    }
    return answer;
  }
}
