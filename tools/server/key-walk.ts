/**
 * One KEYS of one connection on its way: takes the answer to each page, asks the next, and hands
 * the whole to the connection's replies under the token that was booked for it.
 *
 * The first page is read on the terms of any read; the others on this node as it is, which has then
 * applied what the first one had to see. All have the deadline of the first: a page that waits
 * after it is refused. It must never answer twice, nor ask for a connection that has ended.
 */

import type { BatchOptions, CompletionSink } from '../../engine/channel.js';
import { ErrorNumber } from '../../engine/errors.js';
import type { OperationChannel } from '../../engine/replicated-results.js';
import type { BatchTerms } from './batch-terms.js';
import { KeyPages, PageOutcome } from './key-pages.js';
import type { OwedReplies } from './owed-replies.js';

export interface WalkParts {
  readonly channel: OperationChannel;
  readonly terms: BatchTerms;
  readonly replies: OwedReplies;
  readonly pattern: Buffer;
  readonly answerBytesMax: number;
}

export class KeyWalk implements CompletionSink {
  readonly #parts: WalkParts;
  readonly #pages: KeyPages;
  readonly #token: number;
  readonly #furtherTerms: BatchOptions;
  #heldBytes = 0;

  constructor(parts: WalkParts) {
    this.#parts = parts;
    this.#pages = new KeyPages(parts.pattern, parts.answerBytesMax);
    this.#token = parts.replies.nextToken;
    this.#furtherTerms = parts.terms.localRead(false);
  }

  /** Asks the first page; what `claimRead` answered when that is negative: then nothing began. */
  begin(): number {
    const { terms, replies } = this.#parts;
    return this.#ask(terms.read(replies.hasWrites));
  }

  #ask(options: BatchOptions): number {
    const { channel } = this.#parts;
    const { query } = this.#pages;
    const at = channel.claimRead(query.length, options, this, 0);
    if (at >= 0) query.copy(channel.readBuffer, at);
    return at;
  }

  result(_: number, buffer: Buffer, start: number, end: number, rejected: boolean): void {
    const { replies } = this.#parts;
    if (rejected) {
      this.#finish(Buffer.from(buffer.subarray(start, end)), true);
      return;
    }
    const outcome = this.#pages.take(buffer, start, end);
    if (outcome === PageOutcome.whole) this.#finish(this.#pages.result(), false);
    else if (outcome === PageOutcome.tooLarge) this.#finish(this.#pages.refusal(), false);
    else if (replies.isClosed) this.refused(0, ErrorNumber.closed, 0);
    else {
      replies.hold(this.#pages.bytes - this.#heldBytes);
      this.#heldBytes = this.#pages.bytes;
      // A read may be sent again: without room for the next page it is not waited for.
      if (this.#ask(this.#furtherTerms) < 0) this.refused(0, ErrorNumber.busy, 0);
    }
  }

  refused(_: number, code: ErrorNumber, leader: number): void {
    this.#parts.replies.hold(-this.#heldBytes);
    this.#parts.replies.refused(this.#token, code, leader);
  }

  #finish(answer: Buffer, rejected: boolean): void {
    this.#parts.replies.hold(-this.#heldBytes);
    this.#parts.replies.result(this.#token, answer, 0, answer.length, rejected);
  }
}
