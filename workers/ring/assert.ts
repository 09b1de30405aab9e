/**
 * The assertion of the rings: always on, because a torn ring is a torn log.
 *
 * `text` must be a constant: a template would allocate on every call of the hot path. A failed one
 * is a mistake of a programmer or a damaged memory, never a matter of load; it ends the thread.
 */

export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${text}`);
}
