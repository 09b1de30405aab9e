/**
 * Looking at the arguments of a request: compare them with words, read them as text or integers.
 *
 * Argument 0 is the command's name. Comparing allocates nothing; text is made only for rare
 * commands and for error messages.
 */

import { type Int64, parseInt64 } from '../../../codec/int64.js';
import type { Request } from '../../../codec/resp/request-parser.js';
import { KEY_BYTES_MAX } from '../../../engine/machines/kv/records.js';
import type { Plan } from './plan.js';

export const SYNTAX_ERROR = 'ERR syntax error';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';

/** Redis shows no more of an argument in its errors. */
export const SHOWN_BYTES = 128;

export function startOf(request: Request, index: number): number {
  return request.ranges[2 * index]!;
}

export function endOf(request: Request, index: number): number {
  return request.ranges[2 * index + 1]!;
}

export function lengthOf(request: Request, index: number): number {
  return request.ranges[2 * index + 1]! - request.ranges[2 * index]!;
}

/** The argument as text; invalid UTF-8 becomes replacement characters. */
export function textOf(request: Request, index: number): string {
  return request.buffer.toString('utf8', startOf(request, index), endOf(request, index));
}

/** The front of the argument as text, short enough for an error message. */
export function shownTextOf(request: Request, index: number, bytesMax = SHOWN_BYTES): string {
  const start = startOf(request, index);
  return request.buffer.toString('utf8', start, Math.min(endOf(request, index), start + bytesMax));
}

/** Whether the argument is this word, in any case. `word` is upper case ASCII. */
export function isWord(request: Request, index: number, word: string): boolean {
  const start = startOf(request, index);
  if (endOf(request, index) - start !== word.length) return false;
  for (let i = 0; i < word.length; i += 1) {
    if (upperCase(request.buffer[start + i]!) !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** The argument as a signed 64-bit integer in canonical form, or null. */
export function integerOf(request: Request, index: number): Int64 | null {
  return parseInt64(request.buffer, startOf(request, index), endOf(request, index));
}

export function upperCase(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
}

/** Checks that arguments `first`, `first + step`, … up to `last` can be keys; refuses otherwise. */
export function acceptsKeys(plan: Plan, first: number, last: number, step = 1): boolean {
  for (let index = first; index <= last; index += step) {
    const bytes = lengthOf(plan.request, index);
    if (bytes <= KEY_BYTES_MAX) continue;
    plan.refuse(`ERR key of ${bytes} bytes, at most ${KEY_BYTES_MAX} are allowed`);
    return false;
  }
  return true;
}
