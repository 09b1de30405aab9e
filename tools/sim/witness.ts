/**
 * What must hold over one group as long as a run lasts, whatever crashes: the invariants of the
 * core after every step, what was durable stays durable, what is committed is held by a majority,
 * and every replica applies the same commands in the same order, once.
 *
 * It only looks, and remembers more than a replica may. The first thing that is wrong ends the run.
 */

import { crc32c } from '../../codec/checksum.js';
import {
  ClusterInvariants,
  checkState,
  checkTransition,
  type Snapshot,
} from '../../engine/raft/invariants.js';
import { RaftLog } from '../../engine/raft/log.js';
import { majority } from '../../engine/raft/quorum.js';
import type { CoreState, Recovered } from '../../engine/raft/state.js';
import { type LogIndex, NOBODY, type NodeId, type Term } from '../../engine/raft/types.js';
import { SimFailure } from './sim-failure.js';

/** What a replica is known to have made durable; it outlives the replica's process. */
interface Durable {
  log: RaftLog;
  last: LogIndex;
  term: Term;
  vote: NodeId;
}

export class GroupWitness {
  readonly group: number;
  readonly invariants = new ClusterInvariants();
  readonly #nodes: number;
  readonly #live = new Map<number, CoreState>();
  readonly #durable = new Map<number, Durable>();
  /** Wiped replicas, and the last index that each may have vouched for before. */
  readonly #wiped = new Map<number, LogIndex>();
  /** By index: the checksum over every command up to there. */
  readonly #chain: number[] = [];
  readonly #appliedUpTo = new Map<number, { index: number; chain: number }>();
  #lastCommitted: LogIndex = 0 as LogIndex;

  constructor(group: number, nodes: number) {
    this.group = group;
    this.#nodes = nodes;
  }

  /** A replica begins a life with what recovery found. */
  begin(node: number, state: CoreState, recovered: Recovered): void {
    const before = this.#durable.get(node);
    if (before !== undefined) this.#checkRecovered(node, before, recovered);
    this.#live.set(node, state);
    this.#appliedUpTo.set(node, { index: 0, chain: 0 });
    this.#remember(node, state);
    this.#checkHeld();
  }

  #checkRecovered(node: number, before: Durable, { log, hardState }: Recovered): void {
    const found = new RaftLog(log);
    const { last, term, vote } = before;
    if (found.last < last || found.termAt(last) !== before.log.termAt(last)) {
      const was = `${before.log.termAt(last)}/${last}`;
      this.#fail(
        `node ${node} forgot: ${was} was durable, it recovered ${found.lastTerm}/${found.last}`,
      );
    }
    if (hardState.term < term || (hardState.term === term && lostVote(vote, hardState.vote))) {
      const is = `term ${hardState.term} vote ${hardState.vote}`;
      this.#fail(`node ${node} forgot term ${term} vote ${vote}: it recovered ${is}`);
    }
  }

  /** The process of a replica is gone; what was durable stays. */
  end(node: number): void {
    const state = this.#live.get(node);
    if (state === undefined) return;
    this.#remember(node, state);
    const durable = this.#durable.get(node)!;
    durable.log = new RaftLog({
      last: state.log.last,
      generation: 0,
      termRuns: state.log.termRuns.map((run) => ({ ...run })),
      extents: [],
    });
    this.#live.delete(node);
    this.invariants.forget(node as NodeId);
    this.#checkHeld();
  }

  /** The replica lost its data: it never counts again. */
  wipe(node: number): void {
    this.#wiped.set(node, this.#durable.get(node)?.last ?? (0 as LogIndex));
    this.#durable.delete(node);
  }

  isWiped(node: number): boolean {
    return this.#wiped.has(node);
  }

  /** After every input of a replica. */
  step(node: number, before: Snapshot, state: CoreState): void {
    const broken = [
      ...checkState(state),
      ...checkTransition(before, state),
      ...this.invariants.observe(state),
    ];
    if (broken.length > 0) this.#fail(`node ${node}: ${broken.join(' ')}`);
    this.#remember(node, state);
    if (this.invariants.committed !== this.#lastCommitted) this.#checkHeld();
    else if (state.log.durable < before.durable) this.#checkHeld();
    if (this.#wiped.has(node) && state.role !== 'follower') {
      const { standing } = state;
      if (standing !== 'fresh') this.#fail(`wiped node ${node} is ${state.role} (${standing})`);
    }
  }

  #remember(node: number, state: CoreState): void {
    let durable = this.#durable.get(node);
    if (durable === undefined) {
      const { log, term, vote } = state;
      durable = { log, last: log.durable, term, vote };
      this.#durable.set(node, durable);
    }
    durable.log = state.log;
    durable.last = state.log.durable;
    if (!state.hardStateDurable) return;
    durable.term = state.term;
    durable.vote = state.vote;
  }

  /** The newest committed entry is durable on a majority; by log matching so is all before it. */
  #checkHeld(): void {
    const index = this.invariants.committed;
    this.#lastCommitted = index;
    if (index === 0) return;
    const term = this.invariants.committedTermAt(index);
    let holders = 0;
    for (const [node, { log, last }] of this.#durable) {
      if (!this.#wiped.has(node) && last >= index && log.termAt(index) === term) holders += 1;
    }
    let lost = 0;
    for (const last of this.#wiped.values()) if (last >= index) lost += 1;
    const needed = majority(this.#nodes) - lost;
    if (holders >= needed) return;
    this.#fail(`${term}/${index} is committed, ${holders} intact logs hold it, not ${needed}`);
  }

  /** A replica is about to apply this command. */
  applies(node: number, index: number, timeMs: number, command: Buffer): void {
    const before = this.#appliedUpTo.get(node)!;
    if (index <= before.index) this.#fail(`node ${node} applies ${index} after ${before.index}`);
    if (index > this.invariants.committed) this.#fail(`node ${node} applies uncommitted ${index}`);
    const seed = (before.chain + index * 31 + timeMs) >>> 0;
    const chain = crc32c(command, seed);
    const known = this.#chain[index];
    if (known === undefined) this.#chain[index] = chain;
    else if (known !== chain) {
      this.#fail(`node ${node} applies another command, or after others, at ${index}`);
    }
    before.index = index;
    before.chain = chain;
  }

  #fail(text: string): never {
    throw new SimFailure(`group ${this.group}: ${text}`);
  }
}

function lostVote(durable: NodeId, recovered: NodeId): boolean {
  return durable !== NOBODY && durable !== recovered;
}
