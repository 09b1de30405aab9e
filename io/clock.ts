/**
 * The two clocks: a monotonic one for every timeout, which all threads of a process share, and the
 * wall clock for what people and state machines see.
 *
 * `performance.now()` starts anew in each thread, so it is never used for what crosses threads.
 */

/** Milliseconds of a monotonic clock, equal in all threads; its origin means nothing. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Milliseconds since the Unix epoch: may jump, never measures a duration. */
export function wallMs(): number {
  return Date.now();
}
