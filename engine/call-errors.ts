/**
 * What the group's thread refuses, as the error that a caller gets: with the place in a session,
 * the reason of a failed group, or a moment to try again, where there is one.
 *
 * It must never say more than its code does.
 */

import { type ErrorDetails, ErrorNumber, RingraftError } from './errors.js';
import { nodeId } from './raft/types.js';
import { type SessionPlace, sessionDetail } from './session-calls.js';

/** What is added to a refusal as busy: when to try again, and the reason when it is known. */
export type BusyHint = Pick<ErrorDetails, 'retryAfterMs' | 'detail'>;

const NOT_ANSWERED = 'the state machine did not answer this read as it must';

export interface Refusal {
  readonly code: ErrorNumber;
  readonly leader: number;
  readonly detail: string;
  /** Where the command is in a session, if it has a place. */
  readonly place: SessionPlace | undefined;
}

/** `failure`: why the group stopped here, if it did. */
export function callError(
  { code, leader, detail, place }: Refusal,
  failure: RingraftError | null,
  busyHint: () => BusyHint,
): RingraftError {
  const inSession = place === undefined ? '' : sessionDetail(place, code);
  if (inSession !== '')
    return new RingraftError(code, { leader: nodeId(leader), detail: inSession });
  if (detail !== '') return new RingraftError(code, { text: NOT_ANSWERED, detail });
  // The reason of a failed group was told before its refusals: it names index and cause.
  const isFailure = code === ErrorNumber.stateMachine || code === ErrorNumber.storage;
  if (isFailure && failure !== null) return failure;
  const hint = code === ErrorNumber.busy ? busyHint() : {};
  return new RingraftError(code, { leader: nodeId(leader), ...hint });
}
