/**
 * The error of a wait that its caller's signal ended.
 *
 * It must always carry the signal's own reason, as its cause.
 */

import { ErrorNumber, RingraftError } from './errors.js';

/** `detail`: what may have happened all the same. */
export function aborted(signal: AbortSignal, detail?: string): RingraftError {
  const cause: unknown = signal.reason;
  return new RingraftError(ErrorNumber.aborted, {
    cause,
    ...(detail === undefined ? {} : { detail }),
  });
}
