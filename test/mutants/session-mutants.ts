/**
 * Bugs of client sessions that the simulator must find: of the table, its window and its image, and
 * of what is done with a command that comes again.
 *
 * Nothing here is ever compiled into the project itself.
 */

import type { Mutant } from './mutant.js';

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    name: 'session-command-applied-again',
    what: 'a command of a session that was applied before is applied once more',
    file: 'engine/runtime/sessions.ts',
    find: 'if (slot < 0) {',
    replace: 'if (slot < 0 || sequence > 1) {',
    inTests: true,
  },
  {
    name: 'session-answers-another-result',
    what: 'a command of a session is answered by the result that another one has left in its slot',
    file: 'engine/runtime/session-window.ts',
    find: 'return this.#sequences[slot] === sequence ? slot : -1;',
    replace: 'return (this.#sequences[slot] ?? 0) > 0 ? slot : -1;',
    inTests: true,
  },
  {
    name: 'session-lost-in-snapshot',
    what: 'a machine that is given an image forgets which commands are in it',
    file: 'engine/runtime/machine-images.ts',
    find: 'this.#sessions.restoreChunk(bytes);',
    replace: '',
    inTests: true,
  },
  {
    name: 'session-image-shows-later',
    what: 'the image of the table shows commands that came after the entry that it covers',
    file: 'engine/runtime/sessions.ts',
    find: 'this.#image?.save(session);\n    session.activeMs = timeMs;',
    replace: 'session.activeMs = timeMs;',
  },
  {
    name: 'session-expires-by-own-clock',
    what: 'a replica ends sessions by its own clock, not by that of the log',
    file: 'engine/runtime/sessions.ts',
    find: 'return timeMs - session.activeMs > session.ttlMs;',
    replace: 'return Date.now() - session.activeMs > session.ttlMs;',
  },
  {
    name: 'session-result-kept-where-awaited',
    what: 'a replica keeps only results that somebody there waits for',
    file: 'engine/runtime/apply-cursor.ts',
    find: 'this.#sessions.record(bytes, rejected);',
    replace: `if (this.index >= this.#partFirst) this.#sessions.record(bytes, rejected);
      else this.#sessions.abandon();`,
  },
  {
    name: 'session-goes-on-after-its-end',
    what: 'a session that was closed executes commands',
    file: 'engine/runtime/sessions.ts',
    find: 'this.#remove(session);\n    return true;',
    replace: 'return true;',
  },
];
