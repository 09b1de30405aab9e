/**
 * What bounded reads are answered by: the newest read index that this node was granted, and when it
 * had asked for it. One quorum round serves all bounded reads of a window, on each node.
 *
 * An index that only a lease has granted must never come here: it would make the bound rest on the
 * clocks of other nodes.
 */

import type { Clocks } from '../raft/lease.js';

/*
 * Why it holds: a read index that was asked for at time T covers every write that was acknowledged
 * before T (thesis §6.4), as the leader begins the round that confirms it after it was asked. So a
 * state in which that index is applied lacks only writes that were acknowledged after T, whoever
 * leads by now, and whatever this node has heard since. A read that came at time N or before may be
 * answered from it while N − T is at most the staleness that it allows.
 *
 * Both times are of this node's own clocks and only their distance counts: a clock that runs too
 * slowly by some share makes the bound longer by that share. What the wall clock gained counts as
 * well, since the other one stands still while a machine is suspended.
 */

export class Staleness {
  #asked: Clocks | null = null;
  #index = 0;

  /** A read index was granted that this node had asked for at a time not before `asked`. */
  granted(asked: Clocks, index: number): void {
    if (this.#asked !== null && asked.now < this.#asked.now) return;
    this.#asked = asked;
    this.#index = index;
  }

  /** The index that a read which came before `clocks` may be answered at; null: none will do. */
  indexFor(maxStalenessMs: number, clocks: Clocks): number | null {
    if (this.#asked === null) return null;
    const gained = Math.max(0, clocks.wallAhead - this.#asked.wallAhead);
    const age = clocks.now - this.#asked.now + gained;
    return age <= maxStalenessMs ? this.#index : null;
  }
}
