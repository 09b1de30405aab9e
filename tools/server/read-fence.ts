/**
 * Program order between a read and a later write of the same key on one connection: which keys have
 * a read in flight, so that the write can wait for it.
 *
 * The engine orders reads behind writes, but a write may overtake a read that waits for its quorum,
 * and the read would see it. Keys are counted by hash in one table for all connections: two keys
 * that share a count make a write wait needlessly, never wrongly go. This file must never hold a
 * key.
 */

import type { Request } from '../../codec/resp/request-parser.js';
import { COMMANDS } from './commands/table.js';

/** Stands for "touches more than one key". */
export const FENCE_WIDE = -1;
/** For what no write needs to wait for. */
export const FENCE_NONE = -2;

/** At the most reads an engine has in flight (2^18) a quarter of the counts is in use. */
const COUNTS = 1 << 20;
const FNV_PRIME = 0x0100_0193;

/** Commands whose keys are not simply argument 1. */
const WIDE_COMMANDS = new Set(
  COMMANDS.filter(({ keys }) => keys[0] !== 1 || keys[1] !== 1).map(({ name }) => name),
);
/** Those of them that touch argument 1 alone when it is their only argument. */
const NARROW_WITH_ONE_KEY = new Set(
  COMMANDS.filter(({ keys }) => keys[0] === 1 && keys[1] === -1 && keys[2] === 1).map(
    ({ name }) => name,
  ),
);

export class ReadFence {
  /** Made when the first read comes: nodes without readers do without. */
  #counts: Uint32Array | null = null;

  /** The place of the one key that this request touches, or `FENCE_WIDE`. */
  placeOf(request: Request, command: string, connectionId: number): number {
    if (WIDE_COMMANDS.has(command)) {
      if (request.count !== 2 || !NARROW_WITH_ONE_KEY.has(command)) return FENCE_WIDE;
    }
    const { buffer, ranges } = request;
    let hash = Math.imul(connectionId, 0x9e37_79b1);
    const end = ranges[3] as number;
    for (let at = ranges[2] as number; at < end; at += 1) {
      hash = Math.imul(hash ^ (buffer[at] as number), FNV_PRIME);
    }
    return (hash ^ (hash >>> 15)) & (COUNTS - 1);
  }

  enter(place: number): void {
    this.#counts ??= new Uint32Array(COUNTS);
    this.#counts[place] = (this.#counts[place] as number) + 1;
  }

  leave(place: number): void {
    const counts = this.#counts as Uint32Array;
    if (counts[place] === 0) throw new Error('assertion failed: a read left that never entered');
    counts[place] = (counts[place] as number) - 1;
  }

  isBusy(place: number): boolean {
    return this.#counts !== null && this.#counts[place] !== 0;
  }
}
