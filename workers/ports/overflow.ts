/**
 * A producer that never loses a record and never waits: what does not fit into the ring now is kept
 * here, in order, and goes out in a later turn.
 *
 * What may pile up is bounded by the producer's own limits (windows, admission, `keptBytes`), not
 * by this file.
 */

import type { RingProducer } from '../ring/spsc-ring.js';
import { RING_FULL } from '../ring/spsc-ring.js';

/** Writes a record's payload at an offset of the producer's memory. */
export type Fill = (bytes: Buffer, view: DataView, at: number) => void;

interface Kept {
  readonly kind: number;
  readonly length: number;
  readonly fill: Fill;
}

export class OverflowProducer {
  readonly #ring: RingProducer;
  readonly #kept: Kept[] = [];
  /** Records that had to wait, for the counters. */
  delayed = 0;
  /** Payload bytes of the records that wait now. */
  keptBytes = 0;

  constructor(ring: RingProducer) {
    this.#ring = ring;
  }

  /** Puts the record into the ring, or keeps `later(…)`, which must own everything it writes. */
  put(kind: number, length: number, fill: Fill, later: () => Fill): void {
    if (this.#kept.length === 0 && this.#tryPut(kind, length, fill)) return;
    this.delayed += 1;
    this.keptBytes += length;
    this.#kept.push({ kind, length, fill: later() });
  }

  #tryPut(kind: number, length: number, fill: Fill): boolean {
    const at = this.#ring.tryClaim(kind, length);
    if (at === RING_FULL) return false;
    fill(this.#ring.bytes, this.#ring.view, at);
    return true;
  }

  /** Publishes this turn's records, after those kept earlier; true when there was anything. */
  publish(): boolean {
    let sent = 0;
    for (const { kind, length, fill } of this.#kept) {
      if (!this.#tryPut(kind, length, fill)) break;
      this.keptBytes -= length;
      sent += 1;
    }
    this.#kept.splice(0, sent);
    return this.#ring.commit();
  }

  /** Records wait for room: the owner must not sleep without a deadline. */
  get isWaiting(): boolean {
    return this.#kept.length > 0;
  }
}
