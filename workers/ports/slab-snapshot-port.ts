/**
 * The snapshot port of a group: orders for whoever owns the files, chunks of the image in slots of
 * the shared slab.
 *
 * It fills one slot at a time, of those that are there for it: what peers are sent meanwhile takes
 * none away. It knows neither rings nor threads: the simulator uses it as it is.
 */

import { assert, type NodeId, type SnapshotPoint } from '../../engine/raft/types.js';
import type { SnapshotHead, SnapshotPort } from '../../engine/runtime/snapshot-port.js';
import type { SnapshotOrder } from '../records/snapshot.js';
import { NO_SLOT, type SnapshotSlab } from '../snapshot-slab.js';

export class SlabSnapshotPort implements SnapshotPort {
  readonly #order: (order: SnapshotOrder) => void;
  readonly #slab: SnapshotSlab;
  readonly #chunkBytes: number;
  /** The slot that is being filled, and how far. */
  #slot = NO_SLOT;
  #filled = 0;

  /** `chunkBytes`: what of a slot is filled, what the files say of their chunks. */
  constructor(order: (order: SnapshotOrder) => void, slab: SnapshotSlab, chunkBytes: number) {
    assert(chunkBytes <= slab.chunkBytes, 'a chunk fits into its slot');
    this.#order = order;
    this.#slab = slab;
    this.#chunkBytes = chunkBytes;
  }

  begin(head: SnapshotHead): void {
    this.#dropSlot();
    this.#order({ kind: 'begin', head });
  }

  write(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length) {
      if (this.#slot === NO_SLOT) {
        this.#slot = this.#slab.take('taking');
        this.#filled = 0;
        if (this.#slot === NO_SLOT) break;
      }
      const count = Math.min(this.#chunkBytes - this.#filled, bytes.length - at);
      this.#slab.raw(this.#slot).set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#chunkBytes) this.#sendSlot();
    }
    return at - from;
  }

  #sendSlot(): void {
    this.#order({ kind: 'raw', slot: this.#slot, bytes: this.#filled });
    this.#slot = NO_SLOT;
  }

  imageEnded(): void {
    if (this.#slot !== NO_SLOT) this.#sendSlot();
  }

  finish(): void {
    assert(this.#slot === NO_SLOT, 'a file is finished after its image has ended');
    this.#order({ kind: 'finish' });
  }

  abandon(): void {
    this.#dropSlot();
    this.#order({ kind: 'abandon' });
  }

  /** What was filled of a slot and not sent is of no use. */
  #dropSlot(): void {
    if (this.#slot !== NO_SLOT) this.#slab.give(this.#slot);
    this.#slot = NO_SLOT;
  }

  read(point: SnapshotPoint, chunk: number): void {
    this.#order({ kind: 'read', point, chunk });
  }

  fetch(peer: NodeId, point: SnapshotPoint, from: number, count: number): void {
    this.#order({ kind: 'fetch', peer, point, from, count });
  }

  abandonFetch(): void {
    this.#order({ kind: 'abandonFetch' });
  }

  retain(keep: number, pinned: readonly SnapshotPoint[]): void {
    this.#order({ kind: 'retain', keep, pinned });
  }
}
