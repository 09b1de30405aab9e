/**
 * What a thread does when it cannot go on: it sets the fatal word, wakes everybody, and ends.
 *
 * The main thread may be blocked for seconds; the other threads stop by the word alone.
 */

import { FATAL_UNEXPLAINED, FatalWord, NOT_FATAL } from './fatal.js';
import { Doorbell } from './ring/doorbell.js';
import { Bell, type NodeMemory } from './topology.js';

/** Which thread died: the code in the fatal word. */
export const Death = { io: 1, bulk: 2, transport: 3, consensus: 4 } as const;

/** Which thread died first and what it said; null while all live. */
export function deathText(memory: NodeMemory): string | null {
  const word = new FatalWord(memory.fatal);
  const code = word.code();
  if (code === NOT_FATAL) return null;
  const name = Object.entries(Death).find(([, number]) => number === code)?.[0];
  return code === FATAL_UNEXPLAINED
    ? 'a thread died'
    : `the ${name} thread died: ${word.message()}`;
}

/** Rings every doorbell of the node. */
export function wakeAll(memory: NodeMemory, threads: number): void {
  for (let bell = 0; bell < Bell.consensus + threads; bell += 1) {
    new Doorbell(memory.doorbells, bell).ring();
  }
}

export function die(memory: NodeMemory, threads: number, code: number, cause: unknown): void {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  new FatalWord(memory.fatal).raise(code, text);
  wakeAll(memory, threads);
}
