/**
 * The main thread of one simulated process: gathers what clients send for a short while and hands
 * each group one batch of writes, then one of reads.
 *
 * It knows nothing of Raft. The keys of an operation decide its group.
 */

import type { Prng } from '../../engine/raft/prng.js';
import { assert } from '../../engine/raft/types.js';
import type { Waiter } from './answers.js';
import type { SimGroup } from './group.js';
import type { SimProcess } from './process.js';
import { termsOf } from './read-watch.js';
import type { World } from './world.js';

const US_PER_MS = 1_000;
/** How many batches may be forwarded; the others are refused on a follower. */
const FORWARDING = 0.85;
const QUERIES_MAX = 4;
/** What a process gathers while it is stopped makes several batches: a channel's are bounded. */
const BATCH_BYTES_MAX = 8 * 1024;
/** Of a write, beside its padding, about. */
const WRITE_BYTES = 100;

interface Gathered {
  readonly writes: Waiter[];
  readonly reads: Waiter[];
  /** Writes that were handed on or wait here: reads that come meanwhile are behind them. */
  unanswered: number;
}

/** Which group a key belongs to. */
export function groupOf(key: string, groups: number): number {
  let hash = 0;
  for (let at = 0; at < key.length; at += 1) hash = (hash * 31 + key.charCodeAt(at)) >>> 0;
  return hash % groups;
}

/** The first of these reads and those directly behind it that ask for the same. */
function takeAlike(reads: Waiter[]): Waiter[] {
  const first = termsOf(reads[0] as Waiter);
  const isAlike = (waiter: Waiter): boolean => {
    const terms = termsOf(waiter);
    const isSame = terms?.consistency === first?.consistency;
    return isSame && terms?.maxStalenessMs === first?.maxStalenessMs;
  };
  const other = reads.findIndex((waiter) => !isAlike(waiter));
  return reads.splice(0, Math.min(QUERIES_MAX, other < 0 ? reads.length : other));
}

export class Router {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #prng: Prng;
  readonly #groups: readonly SimGroup[];
  readonly #gathered: readonly Gathered[];
  #isWoken = false;

  constructor(world: World, process: SimProcess, prng: Prng, groups: readonly SimGroup[]) {
    this.#world = world;
    this.#process = process;
    this.#prng = prng;
    this.#groups = groups;
    this.#gathered = groups.map(() => ({ writes: [], reads: [], unanswered: 0 }));
  }

  submit(waiter: Waiter): void {
    const { key, op } = waiter.operation;
    const gathered = this.#gathered[groupOf(key, this.#groups.length)];
    assert(gathered !== undefined, 'every key has a group');
    if (op === 'get') gathered.reads.push(waiter);
    else gathered.writes.push(this.#counted(waiter, gathered));
    if (this.#isWoken) return;
    this.#isWoken = true;
    const waitUs = this.#prng.between(1, this.#world.plan.gatherUs);
    this.#process.after(waitUs, () => this.#flush());
  }

  #counted(waiter: Waiter, gathered: Gathered): Waiter {
    gathered.unanswered += 1;
    const reply: Waiter['reply'] = (answer) => {
      gathered.unanswered -= 1;
      waiter.reply(answer);
    };
    return { ...waiter, reply };
  }

  #flush(): void {
    this.#isWoken = false;
    const deadlineMs = (this.#process.localUs + this.#world.plan.timeoutUs * 0.9) / US_PER_MS;
    const { paddingBytes } = this.#world.plan;
    const writesMax = Math.max(1, Math.floor(BATCH_BYTES_MAX / (paddingBytes + WRITE_BYTES)));
    this.#gathered.forEach(({ writes, reads, unanswered }, group) => {
      const to = this.#groups[group]!;
      const mayForward = this.#prng.chance(FORWARDING);
      while (writes.length > 0) to.propose(writes.splice(0, writesMax), deadlineMs, mayForward);
      const isBehind = unanswered > 0;
      while (reads.length > 0) to.read(takeAlike(reads), deadlineMs, isBehind);
    });
  }

  /** The process died: what was not handed on yet was not executed, but nobody will say so. */
  abandon(): void {
    for (const { writes, reads } of this.#gathered) {
      for (const { reply } of [...writes, ...reads]) {
        reply({ kind: 'unknown', why: 'the node died' });
      }
    }
  }
}
