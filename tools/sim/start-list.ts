/**
 * The list of members that a simulated node is started with, as an operator would give it: all of
 * them at first; at a restart, once the node knows better, perhaps none but itself, or a wrong one.
 *
 * What is on record must win: see engine/start-membership.ts, which the node goes through. This
 * file must never look at what is recorded but to know whether something is.
 */

import type { Prng } from '../../engine/raft/prng.js';
import type { MemberAddress } from '../../io/data-meta.js';
import type { Counts } from './counts.js';

/** An id that no node of a run has. */
const STRANGER = 99;

const addressOf = (id: number): MemberAddress => ({ id, address: `node-${id}` });

/** What a node knows when it is started. */
export interface StartKnowledge {
  /** Its data directory remembers whom it began with. */
  readonly isRecorded: boolean;
  /** Its log holds something of every group. */
  readonly hasPast: boolean;
}

export class StartLists {
  readonly #prng: Prng;
  readonly #counts: Counts;
  readonly #node: number;
  readonly #nodes: number;

  constructor(prng: Prng, counts: Counts, node: number, nodes: number) {
    this.#prng = prng;
    this.#counts = counts;
    this.#node = node;
    this.#nodes = nodes;
  }

  next({ isRecorded, hasPast }: StartKnowledge): MemberAddress[] {
    // It was no first member: it joins, and knows nobody but by its record.
    if (this.#node > this.#nodes) return [];
    const all = Array.from({ length: this.#nodes }, (_, at) => addressOf(at + 1));
    // One draw whatever is known: what a node knows must not shift what comes after.
    const draw = this.#prng.below(4);
    if (draw === 0 && isRecorded) {
      this.#counts.lonelyStarts += 1;
      return [addressOf(this.#node)];
    }
    if (draw !== 1 || !isRecorded || !hasPast) return all;
    this.#counts.wrongStarts += 1;
    return [addressOf(this.#node), addressOf(STRANGER)];
  }
}
