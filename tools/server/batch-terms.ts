/**
 * The terms on which operations enter the group's channel (deadline, forwarding, consistency), as
 * few shared objects that are remade every few milliseconds instead of one per operation.
 *
 * Operations with the same terms travel in one record, so sharing them is what makes batches. This
 * file must never look at a command.
 */

import type { BatchOptions } from '../../engine/channel.js';
import { Consistency } from '../../engine/config-reads.js';

/** Deadlines are exact to this. */
const GRAIN_MS = 4;

export class BatchTerms {
  readonly #timeoutMs: number;
  readonly #consistency: Consistency;
  #grain = -1;
  #readsAreBehind = false;

  forwardedWrite: BatchOptions;
  ownWrite: BatchOptions;
  /** A read that has to see no write of its own connection. */
  #read: BatchOptions;
  #readBehind: BatchOptions;
  #localRead: BatchOptions;
  #localReadBehind: BatchOptions;

  constructor(timeoutMs: number, consistency: Consistency) {
    this.#timeoutMs = timeoutMs;
    this.#consistency = consistency;
    const none = this.#terms(0, false, consistency, false);
    this.forwardedWrite = none;
    this.ownWrite = none;
    this.#read = none;
    this.#readBehind = none;
    this.#localRead = none;
    this.#localReadBehind = none;
  }

  /** To be called once a turn with the monotonic time. */
  tick(now: number): void {
    const grain = Math.ceil(now / GRAIN_MS);
    if (grain === this.#grain) return;
    this.#grain = grain;
    const deadline = grain * GRAIN_MS + this.#timeoutMs;
    const { linearizable, local } = Consistency;
    this.forwardedWrite = this.#terms(deadline, true, linearizable, false);
    this.ownWrite = this.#terms(deadline, false, linearizable, false);
    this.#read = this.#terms(deadline, false, this.#consistency, false);
    this.#readBehind = this.#terms(deadline, false, this.#consistency, true);
    this.#localRead = this.#terms(deadline, false, local, false);
    this.#localReadBehind = this.#terms(deadline, false, local, true);
  }

  /**
   * Once a linearizable read of this turn waits for writes, those after it do too: seeing more is
   * never wrong, and alternating terms would make a record of each read. A local read must never
   * wait for another connection's writes, which may find no leader.
   */
  read(behindWrites: boolean): BatchOptions {
    if (this.#consistency === Consistency.local) return this.localRead(behindWrites);
    if (behindWrites) this.#readsAreBehind = true;
    return this.#readsAreBehind ? this.#readBehind : this.#read;
  }

  /** What this node itself has applied. */
  localRead(behindWrites: boolean): BatchOptions {
    return behindWrites ? this.#localReadBehind : this.#localRead;
  }

  /** The records of this turn are on their way. */
  turnOver(): void {
    this.#readsAreBehind = false;
  }

  #terms(
    deadline: number,
    mayForward: boolean,
    consistency: Consistency,
    behindWrites: boolean,
  ): BatchOptions {
    return { deadline, mayForward, consistency, behindWrites };
  }
}
