/**
 * Whose chunks lie in the slots that files are served from, of all groups of a node.
 *
 * No peer has more than its share of them, and the last ones are for peers that have none, so that
 * slow connections never keep another peer waiting. A chunk counts as queued until the transport
 * gives its slot back. This file must never give a slot back itself.
 */

import { isSamePoint, type NodeId, type SnapshotPoint } from '../engine/raft/types.js';
import { NO_SLOT, type SnapshotSlab } from './snapshot-slab.js';

/** One is on its way while the next is read. */
const PEER_SLOTS_MAX = 2;
/** Slots that a peer which has one already leaves to others. */
const SLOTS_LEFT = 4;

/** A chunk that is to go to a peer. */
export interface ServedChunk {
  readonly peer: NodeId;
  readonly group: number;
  readonly point: SnapshotPoint;
  readonly chunk: number;
}

export class ServedSlots {
  readonly #slab: SnapshotSlab;
  /** What was last put into each slot; it lies there while the slot is taken. */
  readonly #last = new Map<number, ServedChunk>();

  constructor(slab: SnapshotSlab) {
    this.#slab = slab;
  }

  /** A slot for the chunk; `NO_SLOT`: none is free, or the peer has its share. */
  take(served: ServedChunk): number {
    const queued = this.#queuedFor(served.peer).length;
    const hasShare = queued > 0 && this.#slab.free('serving') <= SLOTS_LEFT;
    if (hasShare || queued >= PEER_SLOTS_MAX) return NO_SLOT;
    const slot = this.#slab.take('serving');
    if (slot !== NO_SLOT) this.#last.set(slot, served);
    return slot;
  }

  /** Whether just this chunk waits to be sent to just this peer. */
  isQueued({ peer, group, point, chunk }: ServedChunk): boolean {
    return this.#queuedFor(peer).some(
      (one) => one.group === group && one.chunk === chunk && isSamePoint(one.point, point),
    );
  }

  #queuedFor(peer: NodeId): ServedChunk[] {
    const queued: ServedChunk[] = [];
    for (const [slot, served] of this.#last) {
      if (!this.#slab.isTaken(slot)) this.#last.delete(slot);
      else if (served.peer === peer) queued.push(served);
    }
    return queued;
  }
}
