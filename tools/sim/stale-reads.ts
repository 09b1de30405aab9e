/**
 * A bounded read as the linearizability checker sees it: an ordinary read that was called earlier.
 *
 * A read that may miss what was acknowledged within some time before its call is explained by any
 * state that was current since that time before. It must never widen a read of another kind.
 */

import type { History, Invocation } from './history.js';

const US_PER_MS = 1_000;

/** `rateMin`: how slowly a clock may run that measures the staleness. */
export function withStaleness(history: History, rateMin: number): readonly Invocation[] {
  const times = history.events.map(({ timeUs }) => timeUs);
  return history.invocations().map((invocation) => {
    const { operation, invokedUs } = invocation;
    const terms = operation.op === 'get' ? operation.terms : undefined;
    if (terms?.consistency !== 'bounded') return invocation;
    const sinceUs = invokedUs - (terms.maxStalenessMs * US_PER_MS) / rateMin;
    // Just before the first event from then on.
    const invokedAt = Math.min(invocation.invokedAt, firstFrom(times, sinceUs) - 0.5);
    return { ...invocation, invokedAt };
  });
}

/** The place of the first of these ascending times that is not before `timeUs`. */
function firstFrom(times: readonly number[], timeUs: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
