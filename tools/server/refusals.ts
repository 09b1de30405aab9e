/**
 * The error reply for every way in which the engine may refuse an operation.
 *
 * Clients and the load generator match on the first words: `no leader`, `busy`, `not leader` and
 * `REDIRECT` mean certainly not executed, `outcome unknown` means just that. A text must never
 * claim more than its code does.
 */

import { ERROR_KINDS, ErrorNumber, type RingraftError } from '../../engine/errors.js';
import { notOnAllInWords } from '../../engine/replicated-results.js';

/** How the reply to whatever a witness does not do begins, behind its code. */
export const WITNESS_MODE =
  'witness mode: this node answers stale reads only. Ask another node, or end it with WITNESS off';

const TEXTS: Partial<Record<ErrorNumber, string>> = {
  [ErrorNumber.notLeader]:
    'not leader: the leadership moved and the command was not executed. Send it again',
  [ErrorNumber.noLeader]: 'no leader',
  [ErrorNumber.busy]: `busy: ${ERROR_KINDS[ErrorNumber.busy].text}`,
  [ErrorNumber.timeout]: 'timeout: the read was not answered in time. Try again',
  [ErrorNumber.storage]:
    'this node stopped: its log or one of its threads failed. Its own output says why',
  [ErrorNumber.stateMachine]:
    'the state machine failed: its group does not run on this node, whose own output says why',
  [ErrorNumber.sessionUnknown]:
    'session unknown: it was closed or has expired, and this was not executed, though an earlier ' +
    'try may have been. Read back, and open another with SESSION OPEN',
  [ErrorNumber.sessionForgotten]:
    'session forgotten: the command may have been executed before, and what it answered is not ' +
    'kept any more. Read back; at most 1024 sequences may be without an answer',
  [ErrorNumber.witness]: `${WITNESS_MODE}; this was not executed`,
  [ErrorNumber.closed]: 'closing: this node shuts down and did not execute the command',
};

/** It is not as bad as elsewhere. */
const UNKNOWN_IN_SESSION =
  'ERR outcome unknown: send it again with its session and sequence, to any node. It is executed ' +
  'once at most';

/** Error line, without its minus, for a write that was refused. */
export function writeRefusal(
  code: ErrorNumber,
  leader: number,
  redirects: boolean,
  inSession = false,
): string {
  if (code === ErrorNumber.notLeader && redirects) {
    return leader === 0 ? 'ERR no leader' : `REDIRECT ${leader}`;
  }
  if (code === ErrorNumber.outcomeUnknown && inSession) return UNKNOWN_IN_SESSION;
  // The size was checked before it was sent: what is too large now is its result.
  if (code === ErrorNumber.tooLarge)
    return 'ERR outcome unknown: its reply is too large to be sent';
  return `ERR ${TEXTS[code] ?? ERROR_KINDS[code].text}`;
}

/** The number behind an error that the engine threw. */
function numberOf({ code }: RingraftError): ErrorNumber {
  const numbers = Object.values(ErrorNumber);
  const number = numbers.find((one) => ERROR_KINDS[one].code === code);
  if (number === undefined) throw new Error(`assertion failed: no error has the code ${code}`);
  return number;
}

/** The same lines for who asks by promise; `payloadBytes` is what was to be sent. */
export function writeRefusalOf(
  error: RingraftError,
  redirects: boolean,
  payloadBytes: number,
  entryBytesMax: number,
  inSession = false,
): string {
  // A promise is refused by size before anything is sent, but for a reply that is too large.
  const unsent = numberOf(error) === ErrorNumber.tooLarge && payloadBytes > entryBytesMax;
  if (unsent) return tooLargeToSend(payloadBytes, entryBytesMax);
  const { committedIndex, missingNodes } = error;
  if (committedIndex > 0) return notOnAllRefusal(committedIndex, missingNodes);
  return writeRefusal(numberOf(error), error.leaderHint, redirects, inSession);
}

export function readRefusalOf(error: RingraftError): string {
  return readRefusal(numberOf(error));
}

/** Error line for a read that was refused. */
export function readRefusal(code: ErrorNumber): string {
  if (code === ErrorNumber.tooLarge || code === ErrorNumber.replyTooLarge) {
    return 'ERR the reply is too large to be sent: ask for less';
  }
  return `ERR ${TEXTS[code] ?? ERROR_KINDS[code].text}`;
}

/** A write that is committed and executed, and not on every voter in time. */
export function notOnAllRefusal(index: number, missing: readonly number[]): string {
  return `ERR not on all: ${notOnAllInWords(index, missing)}`;
}

/** A request was given up, half arrived, because all clients together hold too much. */
export function overBudget(requestBytes: number, heldBytes: number, bytesMax: number): string {
  return (
    `ERR busy: clients hold ${heldBytes} bytes of unfinished requests and untaken replies, at ` +
    `most ${bytesMax} are allowed (--max-buffers); the unfinished request of this connection, ` +
    `${requestBytes} bytes so far, was the largest and was not executed. Send it again later`
  );
}

export function tooLargeToSend(bytes: number, bytesMax: number): string {
  return `ERR command of ${bytes} bytes, at most ${bytesMax} are allowed`;
}
