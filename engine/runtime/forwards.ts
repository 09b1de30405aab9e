/**
 * Proposals that this node cannot append itself: held while no leader is known, forwarded when one
 * is, bound when the leader says where it appended them.
 *
 * What was never sent ends with a definite error; what was sent and not answered ends as outcome
 * unknown. Each sending has a number of its own, the one before plus 1 modulo 2^32: a repeated or
 * late answer is taken for no other one, not even one to an earlier life of this process. Nothing
 * that may have been appended is ever sent again, and what is held keeps the order of its first
 * proposal.
 */

import type { NodeId } from '../raft/types.js';

export interface HeldBatch {
  readonly id: number;
  /** Among all batches proposed here: a batch that comes back is older than those behind it. */
  readonly age: number;
  readonly count: number;
  /** Entry bytes, a copy owned by the batch. */
  readonly slab: Buffer;
  readonly deadline: number;
  readonly mayForward: boolean;
}

/** Held bytes beyond this are refused as busy. */
const HELD_BYTES_MAX = 1024 * 1024;

export class Forwards {
  /** The oldest first. */
  #held: HeldBatch[] = [];
  #heldBytes = 0;
  /** By number of the sending. */
  readonly #sent = new Map<number, { readonly batch: HeldBatch; readonly to: NodeId }>();
  #sendings: number;

  /** `firstSending` is random per life of the process: an answer may outlive the life it is for. */
  constructor(firstSending: number) {
    this.#sendings = firstSending;
  }

  get heldCount(): number {
    return this.#held.length;
  }

  get sentCount(): number {
    return this.#sent.size;
  }

  /** Ids of batches, held or sent, whose index is not known yet. */
  get unanswered(): Set<number> {
    const ids = new Set<number>();
    for (const { batch } of this.#sent.values()) ids.add(batch.id);
    for (const batch of this.#held) ids.add(batch.id);
    return ids;
  }

  /**
   * A batch came back while younger ones are on their way: their fate decides about it, see
   * `takeHeldBefore`.
   */
  get isHeldBehindSent(): boolean {
    const oldest = this.#held[0];
    if (oldest === undefined) return false;
    for (const { batch } of this.#sent.values()) if (batch.age > oldest.age) return true;
    return false;
  }

  /** False when too much is held already. */
  hold(batch: HeldBatch): boolean {
    if (this.#heldBytes + batch.slab.length > HELD_BYTES_MAX) return false;
    let at = this.#held.length;
    while (at > 0 && (this.#held[at - 1] as HeldBatch).age > batch.age) at -= 1;
    this.#held.splice(at, 0, batch);
    this.#heldBytes += batch.slab.length;
    return true;
  }

  /** The oldest one that is held, if it has at most so many bytes. */
  takeOldestHeld(bytesMax: number): HeldBatch | null {
    const oldest = this.#held[0];
    if (oldest === undefined || oldest.slab.length > bytesMax) return null;
    this.#held.shift();
    this.#heldBytes -= oldest.slab.length;
    return oldest;
  }

  takeHeld(): HeldBatch[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  takeExpiredHeld(now: number): HeldBatch[] {
    return this.#takeHeldIf((batch) => batch.deadline <= now);
  }

  /** What is held and older than `age`. */
  takeHeldBefore(age: number): HeldBatch[] {
    return this.#takeHeldIf((batch) => batch.age < age);
  }

  #takeHeldIf(isWanted: (batch: HeldBatch) => boolean): HeldBatch[] {
    const wanted = this.#held.filter(isWanted);
    if (wanted.length === 0) return wanted;
    this.#held = this.#held.filter((batch) => !isWanted(batch));
    for (const batch of wanted) this.#heldBytes -= batch.slab.length;
    return wanted;
  }

  /** Books a sending and returns its number. */
  sending(batch: HeldBatch, to: NodeId): number {
    this.#sendings = (this.#sendings + 1) >>> 0;
    this.#sent.set(this.#sendings, { batch, to });
    return this.#sendings;
  }

  /**
   * The leader's answer arrived: the batch, once; null for one that is not awaited. `appended` is
   * how many entries it appended, null for a refusal: another number is an answer to another batch.
   */
  answered(sending: number, from: NodeId, appended: number | null): HeldBatch | null {
    const sent = this.#sent.get(sending);
    if (sent === undefined || sent.to !== from) return null;
    if (appended !== null && appended !== sent.batch.count) return null;
    this.#sent.delete(sending);
    return sent.batch;
  }

  /** The connection to `peer` ended: what it was sent may or may not be appended. */
  lostPeer(peer: NodeId): HeldBatch[] {
    const lost: HeldBatch[] = [];
    for (const [id, sent] of this.#sent) {
      if (sent.to !== peer) continue;
      lost.push(sent.batch);
      this.#sent.delete(id);
    }
    return lost;
  }

  /** Sent and unanswered past its deadline: nobody waits for it any more. */
  takeExpiredSent(now: number): HeldBatch[] {
    const expired: HeldBatch[] = [];
    for (const [id, sent] of this.#sent) {
      if (sent.batch.deadline > now) continue;
      expired.push(sent.batch);
      this.#sent.delete(id);
    }
    return expired;
  }

  drainSent(): HeldBatch[] {
    return this.takeExpiredSent(Number.POSITIVE_INFINITY);
  }
}
