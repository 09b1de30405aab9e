/**
 * Why a group stopped, as told by its thread in one text, made into an error: the message stays
 * short, the stack of what was thrown goes into the cause.
 *
 * Stacks are for whoever wrote the state machine; a message is for whoever reads the log. This file
 * must never lose a line of either.
 */

import { type ErrorNumber, RingraftError } from './errors.js';

const FIRST_FRAME = /\n\s+at /;

export function failureOf(code: ErrorNumber, text: string): RingraftError {
  const end = text.search(FIRST_FRAME);
  if (end < 0) return new RingraftError(code, { detail: text });
  const detail = text.slice(0, end);
  const cause = new Error(detail);
  cause.stack = text;
  return new RingraftError(code, { detail, cause });
}
