/**
 * Makes V8 compile hot functions after a tenth of its usual patience.
 *
 * Each thread of a node compiles by itself, and code that runs once per batch is hot for a thread
 * only after many seconds: a cold node answers a single write in twice the time of a warm one
 * (docs/decisions/0007). It concerns the whole process, so an embedded engine must never do this:
 * that is the application's to decide (`node --interrupt-budget=10000`).
 */

import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode that a function runs before it is looked at; V8's own default is 132 KiB. */
const INTERRUPT_BUDGET = 10_000;

/** To be called before the threads start: what was compiled before keeps its patience. */
export function compileEarly(): void {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
}
