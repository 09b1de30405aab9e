/**
 * The worker's half of the images of a machine that is hosted on the main thread: one pull, or one
 * piece of a restoration, is under way at a time.
 *
 * An image that was abandoned may still be answered: such an answer bears its number and is
 * dropped. Nothing here waits, and no more than one piece is ever kept for a full ring.
 */

import { SnapshotSection } from '../codec/snapshot-section.js';
import type { HostEvents } from '../engine/runtime/machine-host.js';
import type { OverflowProducer } from './ports/overflow.js';
import { CompletionKind } from './records/completion.js';
import {
  IMAGE_HEADER_BYTES,
  IMAGE_PIECE_BYTES_MAX,
  ImageAnswer,
  ImageAsk,
  RESTORE_HEADER_BYTES,
  RestoreAnswer,
  RestoreAsk,
  readImageHeader,
  readRestoreHeader,
  writeImageHeader,
  writeRestoreHeader,
} from './records/hosted-image.js';
import { assert } from './ring/assert.js';

const NO_BYTES = new Uint8Array(0);

interface ChunkGoingOver {
  readonly step: 'chunk';
  readonly ask: RestoreAsk;
  readonly bytes: Uint8Array;
  sentUpTo: number;
}

/** Where a restoration is. A chunk goes over in pieces, each sent when the one before is taken. */
type Restoring = { readonly step: 'idle' } | ChunkGoingOver | { readonly step: 'finish' };

export class HostedImages {
  readonly #producer: OverflowProducer;
  #events: HostEvents | null = null;
  /** Client sessions as of what the machine has done last. */
  sessions = 0;
  /** Number of the image begun last. */
  #image = 0;
  #isTaking = false;
  #isPulled = false;
  #restoring: Restoring | null = null;

  constructor(completions: OverflowProducer) {
    this.#producer = completions;
  }

  attach(events: HostEvents): void {
    this.#events = events;
  }

  get isRestoring(): boolean {
    return this.#restoring !== null;
  }

  begin(): void {
    assert(!this.#isTaking, 'one image at a time runs');
    assert(!this.isRestoring, 'a machine that is being restored has no state to show');
    this.#image = (this.#image + 1) >>> 0;
    this.#isTaking = true;
    this.#isPulled = false;
    this.#ask(ImageAsk.begin);
  }

  pull(): void {
    assert(this.#isTaking, 'an image is pulled while it runs');
    assert(!this.#isPulled, 'one pull at a time is under way');
    this.#isPulled = true;
    this.#ask(ImageAsk.pull);
  }

  end(): void {
    if (!this.#isTaking) return;
    this.#isTaking = false;
    this.#ask(ImageAsk.end);
  }

  #ask(step: ImageAsk): void {
    const image = this.#image;
    const fill = (_: Buffer, view: DataView, at: number): void =>
      writeImageHeader(view, at, step, image);
    this.#producer.put(CompletionKind.image, IMAGE_HEADER_BYTES, fill, () => fill);
  }

  /** An IMAGE record from the main thread. */
  onImage(bytes: Buffer, view: DataView, at: number, length: number): void {
    const { step, image } = readImageHeader(view, at);
    if (image !== this.#image || !this.#isTaking) return;
    assert(this.#isPulled, 'a pull is answered once');
    this.#isPulled = false;
    const { machine, sessions } = SnapshotSection;
    this.#isTaking = step === ImageAnswer.chunk || step === ImageAnswer.sessions;
    const rest = bytes.subarray(at + IMAGE_HEADER_BYTES, at + length);
    if (step === ImageAnswer.chunk) this.#events?.image(rest, machine);
    else if (step === ImageAnswer.sessions) this.#events?.image(rest, sessions);
    else if (step === ImageAnswer.complete) this.#events?.image(null, machine);
    else this.#events?.imageFailed(rest.toString());
  }

  beginRestore(): void {
    this.end();
    this.#restoring = { step: 'idle' };
    this.#restore(RestoreAsk.begin);
  }

  restoreChunk(bytes: Uint8Array, section?: SnapshotSection): void {
    this.#assertIdle();
    const ask = section === SnapshotSection.sessions ? RestoreAsk.sessions : RestoreAsk.chunk;
    this.#restoring = { step: 'chunk', ask, bytes, sentUpTo: 0 };
    this.#sendPiece(this.#restoring);
  }

  finishRestore(last: number, timeMs: number): void {
    this.#assertIdle();
    this.#restoring = { step: 'finish' };
    this.#restore(RestoreAsk.finish, NO_BYTES, last, timeMs);
  }

  #assertIdle(): void {
    assert(this.#restoring?.step === 'idle', 'a restoration takes one step at a time');
  }

  #sendPiece(chunk: ChunkGoingOver): void {
    const from = chunk.sentUpTo;
    chunk.sentUpTo = Math.min(from + IMAGE_PIECE_BYTES_MAX, chunk.bytes.length);
    this.#restore(chunk.ask, chunk.bytes.subarray(from, chunk.sentUpTo));
  }

  /** `bytes` are lent until the answer, so a full ring may keep the record. */
  #restore(step: RestoreAsk, bytes: Uint8Array = NO_BYTES, last = 0, timeMs = 0): void {
    const fill = (buffer: Buffer, view: DataView, at: number): void => {
      writeRestoreHeader(view, at, { step, sessions: 0, last, timeMs });
      buffer.set(bytes, at + RESTORE_HEADER_BYTES);
    };
    const length = RESTORE_HEADER_BYTES + bytes.length;
    this.#producer.put(CompletionKind.restore, length, fill, () => fill);
  }

  /** A RESTORE record from the main thread. */
  onRestore(bytes: Buffer, view: DataView, at: number, length: number): void {
    const restoring = this.#restoring;
    const { step, last, sessions } = readRestoreHeader(view, at);
    assert(restoring !== null, 'a machine answers the restoration that it was given');
    if (step === RestoreAnswer.failed) {
      const text = bytes.toString('utf8', at + RESTORE_HEADER_BYTES, at + length);
      this.#events?.failed(last, text, 'restore');
    } else if (step === RestoreAnswer.restored) {
      assert(restoring.step === 'finish', 'a restoration is over when it was finished');
      this.#restoring = null;
      this.sessions = sessions;
      this.#events?.restored(last);
    } else {
      assert(restoring.step === 'chunk', 'a piece is taken once');
      this.#onTaken(restoring);
    }
  }

  #onTaken(chunk: ChunkGoingOver): void {
    if (chunk.sentUpTo < chunk.bytes.length) {
      this.#sendPiece(chunk);
      return;
    }
    this.#restoring = { step: 'idle' };
    this.#events?.restoredChunk();
  }
}
