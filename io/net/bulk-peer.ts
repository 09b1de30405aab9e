/**
 * What is known of one peer's bulk connections: the one by which we fetch, which we dial, the one
 * by which it fetches, and what was asked by ours and has not been answered.
 *
 * It decides nothing: see bulk-links.ts.
 */

import type { SnapshotChunkHead, SnapshotFetch } from '../../codec/frames/snapshot-frames.js';
import type { NodeId } from '../../engine/raft/types.js';
import type { PeerChannel } from './peer-channel.js';

export interface BulkTimes {
  readonly bulkUnusedMs: number;
  readonly bulkSilentMs: number;
}

export class BulkPeer {
  readonly id: NodeId;
  /** We dial it and fetch by it. */
  outbound: PeerChannel | null = null;
  /** The peer dialled it and fetches by it. */
  inbound: PeerChannel | null = null;
  /** By group, asked before the connection was open. */
  readonly waiting = new Map<number, SnapshotFetch>();
  /** Chunks that are still to come, by group. */
  readonly #asked = new Map<number, number>();
  /** Somebody's room is lent to a chunk that is on its way. */
  isLanding = false;
  /** Dials since one that succeeded. */
  attempts = 0;
  /** Not to be dialled before; Infinity: not wanted. */
  dialAtMs = Number.POSITIVE_INFINITY;
  /** When something was last asked or got. */
  usedAtMs = 0;
  /** The last failure that was logged: the same one again is only counted. */
  lastFailure = '';

  constructor(id: NodeId) {
    this.id = id;
  }

  get isAsked(): boolean {
    return this.#asked.size > 0 || this.waiting.size > 0;
  }

  asked(fetch: SnapshotFetch, nowMs: number): void {
    this.#asked.set(fetch.group, fetch.count);
    this.usedAtMs = nowMs;
  }

  got(head: SnapshotChunkHead, nowMs: number): void {
    this.usedAtMs = nowMs;
    const left = (this.#asked.get(head.group) ?? 1) - 1;
    const isLast = head.packed.chunk + 1 >= head.totals.chunks;
    if (left <= 0 || isLast) this.#asked.delete(head.group);
    else this.#asked.set(head.group, left);
  }

  refused(group: number, nowMs: number): void {
    this.#asked.delete(group);
    this.usedAtMs = nowMs;
  }

  /** The connection by which we fetch is gone, and with it what was asked. */
  forget(): void {
    this.outbound = null;
    this.isLanding = false;
    this.waiting.clear();
    this.#asked.clear();
  }

  /** When it was last of use: what comes while a chunk is on its way is bytes of that chunk. */
  get lastUseMs(): number {
    const { outbound, isLanding, usedAtMs } = this;
    return outbound !== null && isLanding
      ? Math.max(usedAtMs, outbound.session.heardAtMs)
      : usedAtMs;
  }

  /** When the connection by which we fetch has been of no use for long enough. */
  uselessAtMs({ bulkUnusedMs, bulkSilentMs }: BulkTimes): number {
    if (this.outbound?.isOpen !== true) return Number.POSITIVE_INFINITY;
    return this.lastUseMs + (this.isAsked ? bulkSilentMs : bulkUnusedMs);
  }
}
