/**
 * Gives and takes the images of a state machine that is hosted on the main thread, as its worker
 * asks: a pull is answered by one piece of at most 64 KiB, and by no more than a millisecond of the
 * machine's `next`.
 *
 * What the machine throws is caught here. This file must never go ahead of what was asked.
 */

import { SnapshotSection } from '../codec/snapshot-section.js';
import { monotonicMs } from '../io/clock.js';
import { failureText } from '../workers/records/hosted.js';
import {
  IMAGE_PIECE_BYTES_MAX,
  ImageAnswer,
  ImageAsk,
  RESTORE_HEADER_BYTES,
  RestoreAnswer,
  RestoreAsk,
  type RestoreHeader,
} from '../workers/records/hosted-image.js';
import type { HostedAnswer } from './hosted-answers.js';
import { assert } from './raft/types.js';
import { type ImagedMachine, MachineImages } from './runtime/machine-images.js';
import type { Sessions } from './runtime/sessions.js';

const PULL_MS_MAX = 1;
const NO_BYTES = Buffer.alloc(0);

const textOf = (cause: unknown): Buffer =>
  failureText(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));

export class ImageRunner {
  readonly #images: MachineImages;
  readonly #sessions: Sessions;
  /** What of the machine's last chunk is still to go. */
  #rest: Uint8Array = NO_BYTES;
  #isComplete = false;
  /** The piece that leaves; made with the first image. */
  #piece = NO_BYTES;
  /** Whose bytes it holds: those of one section alone. */
  #pieceSection: SnapshotSection = SnapshotSection.machine;

  constructor(machine: ImagedMachine, sessions: Sessions) {
    this.#images = new MachineImages(machine, sessions);
    this.#sessions = sessions;
  }

  get isRestoring(): boolean {
    return this.#images.isRestoring;
  }

  /** What an IMAGE record asks for; null when that has no answer. */
  image(step: number, image: number): HostedAnswer | null {
    if (step === ImageAsk.pull) return this.#pull(image);
    this.end();
    if (step === ImageAsk.begin) this.#images.begin();
    return null;
  }

  /** Gives up the image that runs, if one does. */
  end(): void {
    this.#images.end();
    this.#rest = NO_BYTES;
    this.#isComplete = false;
  }

  #pull(image: number): HostedAnswer {
    let length = 0;
    try {
      length = this.#fillPiece();
    } catch (cause) {
      return { kind: 'image', image, step: ImageAnswer.failed, bytes: textOf(cause) };
    }
    if (length === 0 && this.#isComplete) {
      return { kind: 'image', image, step: ImageAnswer.complete, bytes: NO_BYTES };
    }
    const bytes = this.#piece.subarray(0, length);
    const isTable = this.#pieceSection === SnapshotSection.sessions;
    const step = isTable ? ImageAnswer.sessions : ImageAnswer.chunk;
    return { kind: 'image', image, step, bytes };
  }

  /** Small chunks are gathered: a round trip for each would take longer than the image. */
  #fillPiece(): number {
    if (this.#piece.length === 0) this.#piece = Buffer.allocUnsafeSlow(IMAGE_PIECE_BYTES_MAX);
    const until = monotonicMs() + PULL_MS_MAX;
    let length = 0;
    while (length < IMAGE_PIECE_BYTES_MAX && !this.#isComplete) {
      if (this.#rest.length === 0) this.#nextChunk();
      if (length === 0) this.#pieceSection = this.#images.section;
      else if (this.#pieceSection !== this.#images.section) break;
      const taken = this.#rest.subarray(0, IMAGE_PIECE_BYTES_MAX - length);
      this.#piece.set(taken, length);
      this.#rest = this.#rest.subarray(taken.length);
      length += taken.length;
      if (monotonicMs() >= until) break;
    }
    return length;
  }

  #nextChunk(): void {
    const chunk = this.#images.pull();
    if (chunk === null) this.#isComplete = true;
    else this.#rest = chunk;
  }

  /** What a RESTORE record asks for, its record at `[at, at + length)`; null: nothing to answer. */
  restore(header: RestoreHeader, bytes: Buffer, at: number, length: number): HostedAnswer | null {
    const { step, last } = header;
    const answer = (done: RestoreAnswer, index: number) => {
      const { size: sessions } = this.#sessions;
      return { kind: 'restore', last: index, sessions, step: done, bytes: NO_BYTES } as const;
    };
    try {
      if (step === RestoreAsk.begin) {
        this.end();
        this.#images.beginRestore();
        return null;
      }
      if (step === RestoreAsk.chunk || step === RestoreAsk.sessions) {
        const { machine, sessions } = SnapshotSection;
        const section = step === RestoreAsk.chunk ? machine : sessions;
        this.#images.restoreChunk(bytes.subarray(at + RESTORE_HEADER_BYTES, at + length), section);
        return answer(RestoreAnswer.taken, 0);
      }
      assert(step === RestoreAsk.finish, 'a restoration has three steps');
      this.#images.finishRestore();
      return answer(RestoreAnswer.restored, last);
    } catch (cause) {
      return { ...answer(RestoreAnswer.failed, last), bytes: textOf(cause) };
    }
  }
}
