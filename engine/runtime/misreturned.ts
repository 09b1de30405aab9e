/**
 * What a state machine returned or handed over where the contract wants something else, as an
 * error that names the value, the rule and the remedy.
 *
 * It must never wait for a promise that it is given: nothing here is asynchronous.
 */

import { shown } from '../errors-shown.js';

/** `what` is a clause such as "query returned"; `rule` says what is wanted. */
export function misreturned(what: string, value: unknown, rule: string): TypeError {
  // Nobody will wait for it: its rejection must not end the thread as unhandled.
  if (value instanceof Promise) value.catch(() => {});
  return new TypeError(`${what} ${shown(value)}: ${rule}`);
}

export const MUST_FINISH =
  'apply must be done when it returns, and return nothing; batch.reply gives the result';
export const MUST_BE_BYTES = 'it must return bytes, a Uint8Array such as a Buffer, at once';
