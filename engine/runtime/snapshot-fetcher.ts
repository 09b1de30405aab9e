/**
 * Fetches a snapshot that the leader offers: asks for a window of chunks at a time, goes on where
 * it stopped after a broken connection, and asks again when nothing comes.
 *
 * The follower pulls, so nobody keeps state for it. What arrives is checked and written by the
 * port; this file knows numbers of chunks only.
 */

import { isSamePoint, type NodeId, type SnapshotPoint } from '../raft/types.js';
import type { SnapshotPort } from './snapshot-port.js';

/** Chunks asked for at a time: the next window is asked for when half of it has come. */
const WINDOW_CHUNKS = 8;
/**
 * Without a chunk for this long the window is asked for again, and then for twice as long, up to
 * the bound: chunks may simply be slow to come.
 */
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 30_000;
/** The bound that one chunk more is waited for: so many times as long as the last one took. */
const PATIENCE = 4;
/** After a connection broke, the window is asked for anew by another. */
const RECONNECT_MS = 100;
/** A snapshot that was refused is left alone for this long, twice as long after each refusal. */
const PAUSE_MS_MIN = 500;
const PAUSE_MS_MAX = 30_000;

export class SnapshotFetcher {
  readonly #port: SnapshotPort;
  #peer: NodeId | null = null;
  #point: SnapshotPoint | null = null;
  /** Chunks that are written here, and the end of what was asked for. */
  #held = 0;
  #asked = 0;
  #retryAt = Number.POSITIVE_INFINITY;
  #retryMs = RETRY_MS_MIN;
  /** When the last chunk came, and whether the next was asked for again since. */
  #heardAt = 0;
  #isAskedAgain = false;
  #bytes = 0;
  /** What was refused last, and until when it is not asked for again. */
  #refused: SnapshotPoint | null = null;
  #pauseMs = 0;
  #pausedUntil = 0;

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
    if (isSame(point, this.#refused) && now < this.#pausedUntil) return;
    if (this.#point !== null) this.#port.abandonFetch();
    this.#point = point;
    this.#held = 0;
    this.#bytes = 0;
    this.#retryMs = RETRY_MS_MIN;
    this.#heardAt = now;
    this.#isAskedAgain = false;
    this.#ask(peer, now);
  }

  #ask(peer: NodeId, now: number): void {
    this.#peer = peer;
    this.#asked = this.#held + WINDOW_CHUNKS;
    this.#retryAt = now + this.#retryMs;
    this.#port.fetch(peer, this.#point as SnapshotPoint, this.#held, WINDOW_CHUNKS);
  }

  /** Chunks before `next` are written here, `bytes` of the file in all. */
  onFetching(point: SnapshotPoint, next: number, bytes: number, now: number): void {
    if (!isSame(point, this.#point) || this.#peer === null) return;
    this.#held = next;
    this.#bytes = bytes;
    this.#heard(now);
    const half = WINDOW_CHUNKS / 2;
    if (next + half < this.#asked) return;
    const from = Math.max(this.#asked, next);
    this.#asked = from + half;
    this.#port.fetch(this.#peer, this.#point as SnapshotPoint, from, half);
  }

  #heard(now: number): void {
    const patience = PATIENCE * (now - this.#heardAt);
    // One that was asked for again may have been lost, and says nothing of the pace.
    if (!this.#isAskedAgain) {
      this.#retryMs = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, patience));
    }
    this.#heardAt = now;
    this.#isAskedAgain = false;
    this.#retryAt = now + this.#retryMs;
  }

  /** The connection broke, and what was asked is void. */
  onCutOff(point: SnapshotPoint, now: number): void {
    if (!isSame(point, this.#point)) return;
    this.#retryMs = RETRY_MS_MIN;
    this.#retryAt = Math.min(this.#retryAt, now + RECONNECT_MS);
  }

  tick(now: number): void {
    if (now < this.#retryAt || this.#peer === null) return;
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
    this.#isAskedAgain = true;
    this.#ask(this.#peer, now);
  }

  /** It is complete here, or the peer has it no longer, or nobody needs it any more. */
  ended(): void {
    this.#point = null;
    this.#peer = null;
    this.#retryAt = Number.POSITIVE_INFINITY;
  }

  /** The peer does not have it, or it cannot be written here: it is offered again and again. */
  refused(now: number): void {
    const isAgain = isSame(this.#point as SnapshotPoint, this.#refused);
    this.#pauseMs = isAgain ? Math.min(2 * this.#pauseMs, PAUSE_MS_MAX) : PAUSE_MS_MIN;
    this.#pausedUntil = now + this.#pauseMs;
    this.#refused = this.#point;
    this.abandon();
  }

  abandon(): void {
    if (this.#point === null) return;
    this.#port.abandonFetch();
    this.ended();
  }
}

function isSame(a: SnapshotPoint, b: SnapshotPoint | null): boolean {
  return b !== null && isSamePoint(a, b);
}
