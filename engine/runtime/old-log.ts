/**
 * Entries that left memory, read back from disk for slow peers and for a restart's replay.
 *
 * Loads are asynchronous and answered in any order; each asks for entries of one term. This file
 * never decides who needs what, and an unreadable entry is reported as such, never skipped.
 */

import { assert, type LogIndex, type Term } from '../raft/types.js';
import type { BlockIndex, BlockLocation } from './block-index.js';
import type { LoadedEntries, LogReaderPort } from './ports.js';

export type LoadDone = (loaded: LoadedEntries) => void;

interface Load {
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly term: Term;
  readonly bytesMax: number;
  readonly done: LoadDone;
}

interface AskedLoad extends Load {
  readonly block: BlockLocation;
  /** It was asked for at the same place before, and not found. */
  readonly isRepeated: boolean;
}

export class OldLog {
  readonly blocks: BlockIndex;
  readonly #port: LogReaderPort;
  readonly #waiting = new Map<number, AskedLoad>();
  #nextId = 1;

  constructor(blocks: BlockIndex, port: LogReaderPort) {
    this.blocks = blocks;
    this.#port = port;
  }

  /** Loads `[first, last]`, all of `term`, or as many from `first` as `bytesMax` allows. */
  load(first: LogIndex, last: LogIndex, term: Term, bytesMax: number, done: LoadDone): void {
    const block = this.blocks.find(first);
    assert(block !== undefined, 'an entry that left memory is on disk');
    this.#ask({ first, last, term, bytesMax, done }, block, false);
  }

  #ask(load: Load, block: BlockLocation, isRepeated: boolean): void {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#waiting.set(id, { ...load, block, isRepeated });
    const { first, term, bytesMax } = load;
    const last = this.blocks.reach(first, load.last);
    const { segment, offset } = block;
    this.#port.load({ id, segment, offset, first, last, bytesMax, term });
  }

  /** The reader's answer; one for a load that nobody awaits any more is ignored. */
  loaded(entries: LoadedEntries): void {
    const load = this.#waiting.get(entries.id);
    if (load === undefined) return;
    this.#waiting.delete(entries.id);
    if (entries.count === 0 && this.#askAgain(load)) return;
    load.done(entries);
  }

  /**
   * Entries may have moved while they were read, and their segment gone. The news of it may be on
   * its way even now, ahead of the answer to a second question.
   */
  #askAgain(load: AskedLoad): boolean {
    const block = this.blocks.find(load.first);
    if (block === undefined) return false;
    const { segment, offset } = load.block;
    const isThere = block.segment === segment && block.offset === offset;
    if (isThere && load.isRepeated) return false;
    this.#ask(load, block, isThere);
    return true;
  }

  /** A snapshot replaced the log: nothing of it is to be read any more. */
  reset(): void {
    this.blocks.reset();
    this.#waiting.clear();
  }

  /** Forgets every load that is under way: what they were for no longer matters. */
  forget(): void {
    this.#waiting.clear();
  }
}
