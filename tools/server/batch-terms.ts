/**
 * The terms on which operations enter the group's channel (deadline, forwarding, consistency), as
 * few shared objects that are remade every few milliseconds instead of one per operation.
 *
 * Operations with the same terms travel in one record, so sharing them is what makes batches. This
 * file must never look at a command.
 */

import type { BatchOptions } from '../../engine/channel.js';
import { Consistency, type ReadTerms } from '../../engine/config-reads.js';

/** Deadlines are exact to this. */
const GRAIN_MS = 4;
const LOCAL: ReadTerms = { consistency: Consistency.local, maxStalenessMs: 0 };
const WRITE: ReadTerms = { consistency: Consistency.linearizable, maxStalenessMs: 0 };

/** Reads of one kind: those that wait for no write of their own connection, and those that do. */
class ReadLane {
  readonly #free: BatchOptions;
  readonly #behind: BatchOptions;
  readonly #asksLeader: boolean;
  #isBehind = false;

  constructor(deadline: number, terms: ReadTerms) {
    const { linearizable, lease } = Consistency;
    this.#asksLeader = terms.consistency === linearizable || terms.consistency === lease;
    this.#free = batch(deadline, false, terms, false);
    this.#behind = batch(deadline, false, terms, true);
  }

  /**
   * Once a read of this turn that asks the leader waits for writes, those after it do too: seeing
   * more is never wrong, and alternating terms would make a record of each read. One that may need
   * no leader must never wait for another connection's writes, which may find none.
   */
  read(behindWrites: boolean): BatchOptions {
    if (!this.#asksLeader) return behindWrites ? this.#behind : this.#free;
    if (behindWrites) this.#isBehind = true;
    return this.#isBehind ? this.#behind : this.#free;
  }

  turnOver(): void {
    this.#isBehind = false;
  }
}

export class BatchTerms {
  readonly #timeoutMs: number;
  readonly #reads: ReadTerms;
  readonly #isWitness: () => boolean;
  #grain = -1;
  #deadline = 0;

  forwardedWrite: BatchOptions;
  ownWrite: BatchOptions;
  #byDefault: ReadLane;
  #local: ReadLane;
  /** Kinds that single reads asked for since the last tick, by what distinguishes them. */
  readonly #others = new Map<number, ReadLane>();

  /** `isWitness`: this node answers local reads only, so that they are the default. */
  constructor(timeoutMs: number, reads: ReadTerms, isWitness: () => boolean = () => false) {
    this.#timeoutMs = timeoutMs;
    this.#isWitness = isWitness;
    this.#reads = reads;
    this.forwardedWrite = batch(0, true, WRITE, false);
    this.ownWrite = batch(0, false, WRITE, false);
    this.#byDefault = new ReadLane(0, reads);
    this.#local = new ReadLane(0, LOCAL);
  }

  /** To be called once a turn with the monotonic time. */
  tick(now: number): void {
    const grain = Math.ceil(now / GRAIN_MS);
    if (grain === this.#grain) return;
    this.#grain = grain;
    const deadline = grain * GRAIN_MS + this.#timeoutMs;
    this.#deadline = deadline;
    this.forwardedWrite = batch(deadline, true, WRITE, false);
    this.ownWrite = batch(deadline, false, WRITE, false);
    this.#byDefault = new ReadLane(deadline, this.#reads);
    this.#local = new ReadLane(deadline, LOCAL);
    this.#others.clear();
  }

  /** `terms`: what this read asks for; null: what reads see by default. */
  read(behindWrites: boolean, terms: ReadTerms | null = null): BatchOptions {
    if (terms !== null) return this.#laneOf(terms).read(behindWrites);
    const lane = this.#isWitness() ? this.#local : this.#byDefault;
    return lane.read(behindWrites);
  }

  /** What this node itself has applied. */
  localRead(behindWrites: boolean): BatchOptions {
    return this.#local.read(behindWrites);
  }

  #laneOf(terms: ReadTerms): ReadLane {
    const { consistency, maxStalenessMs } = terms;
    const isDefault = consistency === this.#reads.consistency;
    if (isDefault && maxStalenessMs === this.#reads.maxStalenessMs) return this.#byDefault;
    if (consistency === Consistency.local) return this.#local;
    // Only a bounded read has a staleness, and never one of 0.
    const key = consistency === Consistency.bounded ? maxStalenessMs : -consistency;
    let lane = this.#others.get(key);
    if (lane === undefined) {
      lane = new ReadLane(this.#deadline, terms);
      this.#others.set(key, lane);
    }
    return lane;
  }

  /** The records of this turn are on their way. */
  turnOver(): void {
    this.#byDefault.turnOver();
    for (const lane of this.#others.values()) lane.turnOver();
  }
}

function batch(
  deadline: number,
  mayForward: boolean,
  { consistency, maxStalenessMs }: ReadTerms,
  behindWrites: boolean,
): BatchOptions {
  return { deadline, mayForward, consistency, maxStalenessMs, behindWrites };
}
