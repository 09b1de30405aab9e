/**
 * What a machine on the main thread has answered and its worker has not been told yet: it waits
 * here while the inbox ring is full, in order.
 *
 * A worker asks for one slab and for one step of an image at a time, so hardly anything waits. This
 * file must never drop an answer but that to an image which was abandoned.
 */

import {
  APPLIED_BYTES,
  type Applied,
  failedBytes,
  failureText,
  writeApplied,
  writeFailed,
} from '../workers/records/hosted.js';
import {
  IMAGE_HEADER_BYTES,
  type ImageAnswer,
  RESTORE_HEADER_BYTES,
  type RestoreAnswer,
  writeImageHeader,
  writeRestoreHeader,
} from '../workers/records/hosted-image.js';
import { InboxKind } from '../workers/records/inbox.js';
import { RING_FULL, type RingProducer } from '../workers/ring/spsc-ring.js';
import { assert } from './raft/types.js';

/** Of a slab, and of an image or a restoration. */
const ANSWERS_MAX = 2;

export type HostedAnswer =
  | ({ readonly kind: 'applied' } & Applied)
  | { readonly kind: 'failed'; readonly index: number; readonly text: string }
  | {
      readonly kind: 'image';
      readonly image: number;
      readonly step: ImageAnswer;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'restore';
      readonly last: number;
      readonly sessions: number;
      readonly step: RestoreAnswer;
      readonly bytes: Uint8Array;
    };

export class HostedAnswers {
  #waiting: HostedAnswer[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** What it refers to must stay untouched until it is put, or dropped. */
  add(answer: HostedAnswer): void {
    assert(this.#waiting.length < ANSWERS_MAX, 'a worker asks for one thing of a kind at a time');
    this.#waiting.push(answer);
  }

  /** The image was abandoned: nobody waits for what it answered. */
  dropImage(): void {
    this.#waiting = this.#waiting.filter(({ kind }) => kind !== 'image');
  }

  /** Puts what waits into the inbox; false when that has no room for all of it. */
  putInto(inbox: RingProducer): boolean {
    for (let answer = this.#waiting[0]; answer !== undefined; answer = this.#waiting[0]) {
      if (!put(inbox, answer)) return false;
      this.#waiting.shift();
    }
    return true;
  }
}

function put(inbox: RingProducer, answer: HostedAnswer): boolean {
  switch (answer.kind) {
    case 'applied': {
      const at = inbox.tryClaim(InboxKind.applied, APPLIED_BYTES);
      if (at !== RING_FULL) writeApplied(inbox.view, at, answer);
      return at !== RING_FULL;
    }
    case 'failed': {
      const text = failureText(answer.text);
      const at = inbox.tryClaim(InboxKind.failed, failedBytes(text));
      if (at !== RING_FULL) writeFailed(inbox.bytes, inbox.view, at, answer.index, text);
      return at !== RING_FULL;
    }
    case 'image': {
      const at = inbox.tryClaim(InboxKind.image, IMAGE_HEADER_BYTES + answer.bytes.length);
      if (at === RING_FULL) return false;
      writeImageHeader(inbox.view, at, answer.step, answer.image);
      inbox.bytes.set(answer.bytes, at + IMAGE_HEADER_BYTES);
      return true;
    }
    case 'restore': {
      const { step, last, sessions, bytes } = answer;
      const at = inbox.tryClaim(InboxKind.restore, RESTORE_HEADER_BYTES + bytes.length);
      if (at === RING_FULL) return false;
      writeRestoreHeader(inbox.view, at, { step, sessions, last, timeMs: 0 });
      inbox.bytes.set(bytes, at + RESTORE_HEADER_BYTES);
      return true;
    }
  }
}
