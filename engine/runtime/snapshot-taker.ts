/**
 * Takes one snapshot: pulls the image from the machine, a chunk at a time between other work and
 * with pauses in which the thread is the group's, and hands it to the port as that has room.
 *
 *   idle ──begin──▶ pulling ──(image ends)──▶ ending ──(room for its rest)──▶
 *   syncing ──(log durable)──▶ finishing ──▶ idle
 *
 * The file is finished only when every entry it covers is durable in this node's log: a snapshot
 * must not promise what the log has not. It never decides when one is due.
 */

import { SnapshotSection } from '../../codec/snapshot-section.js';
import type { LogIndex, SnapshotPoint } from '../raft/types.js';
import type { MachineHost } from './machine-host.js';
import type { SnapshotHead, SnapshotPort } from './snapshot-port.js';

/**
 * After a pull the thread is left to everything else for this many times as long as the pull took.
 * Without it a snapshot takes every moment that the group leaves, and with it the processors.
 */
const REST_SHARE = 3;
const NEVER = Number.POSITIVE_INFINITY;

type Stage = 'idle' | 'pulling' | 'ending' | 'syncing' | 'finishing';

export class SnapshotTaker {
  readonly #host: MachineHost;
  readonly #port: SnapshotPort;
  /** Milliseconds; only to tell how long a pull took. */
  readonly #stopwatch: () => number;
  #stage: Stage = 'idle';
  #head: SnapshotHead | null = null;
  /** The machine was asked for a chunk and has not answered yet. */
  #isAsked = false;
  /** What the port had no room for, from `#from` on. */
  #left: Uint8Array | null = null;
  #from = 0;
  #section: SnapshotSection = SnapshotSection.machine;
  #restUntil = 0;
  #isResting = false;
  imageBytes = 0;

  constructor(host: MachineHost, port: SnapshotPort, stopwatch: () => number) {
    this.#host = host;
    this.#stopwatch = stopwatch;
    this.#port = port;
  }

  get isIdle(): boolean {
    return this.#stage === 'idle';
  }

  /** The point of the snapshot that is being taken; null when none is. */
  get point(): SnapshotPoint | null {
    return this.#head?.point ?? null;
  }

  /** Something could be done right now. */
  get hasWork(): boolean {
    return this.#wantsPull && !this.#isResting;
  }

  /** When it goes on after a pause. */
  get deadline(): number {
    return this.#wantsPull && this.#isResting ? this.#restUntil : NEVER;
  }

  get #wantsPull(): boolean {
    return this.#stage === 'pulling' && !this.#isAsked && this.#left === null;
  }

  /** Bytes wait for room in the port: it is looked at again soon. */
  get isWaitingForRoom(): boolean {
    return this.#left !== null || this.#stage === 'ending';
  }

  /** The machine's state is that of `head.point`: its image begins here. */
  begin(head: SnapshotHead): void {
    this.#stage = 'pulling';
    this.#head = head;
    this.#isAsked = false;
    this.#left = null;
    this.#restUntil = 0;
    this.#isResting = false;
    this.imageBytes = 0;
    this.#port.begin(head);
    this.#host.beginImage();
  }

  /** The image is written; entries that it covers are not on this node's disk yet. */
  get isWaitingForLog(): boolean {
    return this.#stage === 'syncing';
  }

  /** One slice. `durable`: the last entry on this node's disk. */
  step(durable: LogIndex, now: number): void {
    if (this.#stage === 'pulling') this.#pull(now);
    if (this.#stage === 'ending') this.#end();
    const { point } = this;
    if (this.#stage !== 'syncing' || point === null || durable < point.index) return;
    this.#stage = 'finishing';
    this.#port.finish();
  }

  #pull(now: number): void {
    if (this.#left !== null) {
      this.#from += this.#port.write(this.#left, this.#from, this.#section);
      if (this.#from < this.#left.length) return;
      this.#left = null;
    }
    // What waits for the image to be pulled has no time for pauses.
    this.#isResting = now < this.#restUntil && this.#host.waitsForImage !== true;
    if (this.#isAsked || this.#isResting) return;
    this.#isAsked = true;
    const begun = this.#stopwatch();
    this.#host.pullImage();
    // Whole milliseconds, as all deadlines: fractions do not survive every clock.
    const rest = Math.ceil(REST_SHARE * (this.#stopwatch() - begun));
    this.#restUntil = now + rest;
    this.#isResting = rest > 0;
  }

  /** The machine's answer: the next chunk, lent for the call, or null at the end of the image. */
  onImage(chunk: Uint8Array | null, section: SnapshotSection = SnapshotSection.machine): void {
    if (this.#stage !== 'pulling') return;
    this.#isAsked = false;
    if (chunk === null) {
      this.#end();
      return;
    }
    this.imageBytes += chunk.length;
    const taken = this.#port.write(chunk, 0, section);
    if (taken === chunk.length) return;
    this.#left = Uint8Array.from(chunk.subarray(taken));
    this.#from = 0;
    this.#section = section;
  }

  /** At once, not with the file: the log may be long in coming. */
  #end(): void {
    this.#stage = this.#port.imageEnded() ? 'syncing' : 'ending';
  }

  /** The port has finished or given up the file. */
  ended(): void {
    if (this.#stage === 'pulling') this.#host.endImage();
    this.#stage = 'idle';
    this.#head = null;
    this.#left = null;
    this.#isAsked = false;
  }

  /** Gives the snapshot up. */
  abandon(): void {
    if (this.isIdle) return;
    this.#port.abandon();
    this.ended();
  }
}
