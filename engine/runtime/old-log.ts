/**
 * Entries that left memory, read back from disk for slow peers and for a restart's replay.
 *
 * Loads are asynchronous and answered in any order; each asks for entries of one term. This file
 * never decides who needs what, and an unreadable entry is reported as such, never skipped.
 */

import { assert, type LogIndex, type Term } from '../raft/types.js';
import type { BlockIndex } from './block-index.js';
import type { LoadedEntries, LogReaderPort } from './ports.js';

export type LoadDone = (loaded: LoadedEntries) => void;

export class OldLog {
  readonly blocks: BlockIndex;
  readonly #port: LogReaderPort;
  readonly #waiting = new Map<number, LoadDone>();
  #nextId = 1;

  constructor(blocks: BlockIndex, port: LogReaderPort) {
    this.blocks = blocks;
    this.#port = port;
  }

  /** Loads `[first, last]`, all of `term`, or as many from `first` as `bytesMax` allows. */
  load(first: LogIndex, last: LogIndex, term: Term, bytesMax: number, done: LoadDone): void {
    const block = this.blocks.find(first);
    assert(block !== undefined, 'an entry that left memory is on disk');
    const id = this.#nextId;
    this.#nextId += 1;
    this.#waiting.set(id, done);
    const { segment, offset } = block;
    this.#port.load({ id, segment, offset, first, last, bytesMax, term });
  }

  /** The reader's answer; one for a load that nobody awaits any more is ignored. */
  loaded(entries: LoadedEntries): void {
    const done = this.#waiting.get(entries.id);
    if (done === undefined) return;
    this.#waiting.delete(entries.id);
    done(entries);
  }

  /** Forgets every load that is under way: what they were for no longer matters. */
  forget(): void {
    this.#waiting.clear();
  }
}
