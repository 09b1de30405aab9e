/**
 * Fetches a snapshot that the leader offers: asks for a window of chunks at a time, goes on where
 * it stopped after a broken connection, and asks again when nothing comes.
 *
 * The follower pulls, so nobody keeps state for it. What arrives is checked and written by the
 * port; this file knows numbers of chunks only.
 */

import type { NodeId, SnapshotPoint } from '../raft/types.js';
import type { SnapshotPort } from './snapshot-port.js';

/** Chunks asked for at a time: the next window is asked for when half of it has come. */
const WINDOW_CHUNKS = 8;
/** Without a chunk for this long the window is asked for again. */
const RETRY_MS = 1_000;

export class SnapshotFetcher {
  readonly #port: SnapshotPort;
  #peer: NodeId | null = null;
  #point: SnapshotPoint | null = null;
  /** Chunks that are written here, and the end of what was asked for. */
  #held = 0;
  #asked = 0;
  #retryAt = Number.POSITIVE_INFINITY;
  #bytes = 0;

  constructor(port: SnapshotPort) {
    this.#port = port;
  }

  get point(): SnapshotPoint | null {
    return this.#point;
  }

  get deadline(): number {
    return this.#retryAt;
  }

  /** Bytes of the file that have arrived; for status. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The leader offers its snapshot; one that is on its way already is left alone. */
  wanted(peer: NodeId, point: SnapshotPoint, now: number): void {
    if (isSame(point, this.#point)) {
      // Another peer that has the same file goes on where the one before stopped.
      if (peer !== this.#peer) this.#ask(peer, now);
      return;
    }
    if (this.#point !== null) this.#port.abandonFetch();
    this.#point = point;
    this.#held = 0;
    this.#bytes = 0;
    this.#ask(peer, now);
  }

  #ask(peer: NodeId, now: number): void {
    this.#peer = peer;
    this.#asked = this.#held + WINDOW_CHUNKS;
    this.#retryAt = now + RETRY_MS;
    this.#port.fetch(peer, this.#point as SnapshotPoint, this.#held, WINDOW_CHUNKS);
  }

  /** Chunks before `next` are written here, `bytes` of the file in all. */
  onFetching(point: SnapshotPoint, next: number, bytes: number, now: number): void {
    if (!isSame(point, this.#point) || this.#peer === null) return;
    this.#held = next;
    this.#bytes = bytes;
    this.#retryAt = now + RETRY_MS;
    const half = WINDOW_CHUNKS / 2;
    if (next + half < this.#asked) return;
    const from = Math.max(this.#asked, next);
    this.#asked = from + half;
    this.#port.fetch(this.#peer, this.#point as SnapshotPoint, from, half);
  }

  tick(now: number): void {
    if (now >= this.#retryAt && this.#peer !== null) this.#ask(this.#peer, now);
  }

  /** It is complete here, or the peer has it no longer, or nobody needs it any more. */
  ended(): void {
    this.#point = null;
    this.#peer = null;
    this.#retryAt = Number.POSITIVE_INFINITY;
  }

  abandon(): void {
    if (this.#point === null) return;
    this.#port.abandonFetch();
    this.ended();
  }
}

function isSame(a: SnapshotPoint, b: SnapshotPoint | null): boolean {
  return b !== null && a.index === b.index && a.term === b.term;
}
