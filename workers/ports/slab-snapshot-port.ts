/**
 * The snapshot port of a group: orders for whoever owns the files, chunks of the image in slots of
 * the shared slab.
 *
 * It takes a slot when it has a whole chunk, of those that are there for it, and never holds one:
 * the machine of another group may be on a thread that goes on, when this one's is held up. It
 * knows neither rings nor threads: the simulator uses it as it is.
 */

import { SnapshotSection } from '../../codec/snapshot-section.js';
import { assert, type NodeId, type SnapshotPoint } from '../../engine/raft/types.js';
import type { SnapshotHead, SnapshotPort } from '../../engine/runtime/snapshot-port.js';
import type { SnapshotOrder } from '../records/snapshot.js';
import { NO_SLOT, type SnapshotSlab } from '../snapshot-slab.js';

export class SlabSnapshotPort implements SnapshotPort {
  readonly #order: (order: SnapshotOrder) => void;
  readonly #slab: SnapshotSlab;
  readonly #chunkBytes: number;
  /** What does not fill a chunk yet; the memory is there while it is needed. */
  #rest: Buffer | null = null;
  #restBytes = 0;
  /** Whose bytes the rest is: no chunk holds two sections. */
  #section: SnapshotSection = SnapshotSection.machine;

  /** `chunkBytes`: what of a slot is filled, what the files say of their chunks. */
  constructor(order: (order: SnapshotOrder) => void, slab: SnapshotSlab, chunkBytes: number) {
    assert(chunkBytes <= slab.chunkBytes, 'a chunk fits into its slot');
    this.#order = order;
    this.#slab = slab;
    this.#chunkBytes = chunkBytes;
  }

  begin(head: SnapshotHead): void {
    this.#dropRest();
    this.#order({ kind: 'begin', head });
  }

  write(
    bytes: Uint8Array,
    from: number,
    section: SnapshotSection = SnapshotSection.machine,
  ): number {
    if (section !== this.#section && !this.#sendRest()) return 0;
    this.#section = section;
    let at = from;
    while (at < bytes.length && this.#makeRoom()) {
      const end = at + this.#chunkBytes;
      if (this.#restBytes > 0 || end > bytes.length) at += this.#keep(bytes, at);
      else if (this.#send(bytes.subarray(at, end))) at = end;
      else break;
    }
    return at - from;
  }

  /** False while the rest is a whole chunk that finds no slot. */
  #makeRoom(): boolean {
    return this.#restBytes < this.#chunkBytes || this.#sendRest();
  }

  /** Adds to the rest as much as the chunk has room for; returns how much. */
  #keep(bytes: Uint8Array, at: number): number {
    this.#rest ??= Buffer.allocUnsafeSlow(this.#chunkBytes);
    const count = Math.min(this.#chunkBytes - this.#restBytes, bytes.length - at);
    this.#rest.set(bytes.subarray(at, at + count), this.#restBytes);
    this.#restBytes += count;
    return count;
  }

  /** False when there is no slot: nothing is sent. */
  #send(chunk: Uint8Array): boolean {
    const slot = this.#slab.take('taking');
    if (slot === NO_SLOT) return false;
    this.#slab.raw(slot).set(chunk);
    this.#order({ kind: 'raw', slot, bytes: chunk.length, section: this.#section });
    return true;
  }

  /** An image that ends with a whole chunk has no rest: a chunk without a byte is none. */
  #sendRest(): boolean {
    if (this.#rest === null || this.#restBytes === 0) return true;
    if (!this.#send(this.#rest.subarray(0, this.#restBytes))) return false;
    this.#restBytes = 0;
    return true;
  }

  imageEnded(): boolean {
    if (!this.#sendRest()) return false;
    this.#rest = null;
    return true;
  }

  finish(): void {
    assert(this.#rest === null, 'a file is finished after its image has ended');
    this.#order({ kind: 'finish' });
  }

  abandon(): void {
    this.#dropRest();
    this.#order({ kind: 'abandon' });
  }

  #dropRest(): void {
    this.#rest = null;
    this.#restBytes = 0;
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
