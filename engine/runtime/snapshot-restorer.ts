/**
 * Gives a machine the image of a snapshot, chunk by chunk as the file is read: after a start, and
 * after a snapshot came from the leader.
 *
 * The next chunk is read while the machine takes the one before, in slices of bounded size. Until
 * the end the machine holds no state that anybody may see: nothing is applied and nothing read.
 */

import type { SnapshotSection } from '../../codec/snapshot-section.js';
import { type Message, MessageKind } from '../raft/message.js';
import { type LogIndex, NO_INDEX, type SnapshotPoint } from '../raft/types.js';
import type { MachineHost } from './machine-host.js';
import type { SnapshotChunk, SnapshotPort } from './snapshot-port.js';

/** What a machine is given at once: a large chunk would take it several milliseconds. */
const SLICE_BYTES = 64 * 1024;

/** A message as it leaves meanwhile: the log is as far as it says, the machine has no state. */
export function withoutState(message: Message): Message {
  return message.kind === MessageKind.heartbeatReply ? { ...message, applied: NO_INDEX } : message;
}

/** A chunk of an image on its way to the machine. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly section: SnapshotSection;
}

export class SnapshotRestorer {
  readonly #host: MachineHost;
  readonly #port: SnapshotPort;
  readonly #restored: (index: LogIndex) => void;
  #point: SnapshotPoint | null = null;
  #timeMs = 0;
  /** The chunk that is being read; the one after the last: everything was read. */
  #next = 0;
  /** The chunk that the machine is being given, as far as `#at`. */
  #chunk: Piece | null = null;
  #at = 0;
  /** The one after it, when it was read already. */
  #ahead: Piece | null = null;
  #isAtMachine = false;
  /** The last chunk was read. */
  #isRead = false;
  /** Machines that were given an image since the start. */
  count = 0;

  constructor(host: MachineHost, port: SnapshotPort, restored: (index: LogIndex) => void) {
    this.#host = host;
    this.#port = port;
    this.#restored = restored;
  }

  get isRestoring(): boolean {
    return this.#point !== null;
  }

  get point(): SnapshotPoint | null {
    return this.#point;
  }

  /** A slice could be given right now. */
  get hasWork(): boolean {
    return this.#chunk !== null && !this.#isAtMachine;
  }

  /** Replaces the machine's state by the image at `point`, when no other one is under way. */
  begin(point: SnapshotPoint, timeMs: number): void {
    this.#point = point;
    this.#timeMs = timeMs;
    this.#next = 0;
    this.#chunk = null;
    this.#ahead = null;
    this.#isRead = false;
    this.#isAtMachine = false;
    this.#host.beginRestore();
    this.#port.read(point, 0);
  }

  onRead(read: SnapshotChunk): void {
    const point = this.#point;
    if (point === null || read.point.index !== point.index || read.chunk !== this.#next) return;
    this.#next += 1;
    this.#isRead = read.isLast;
    // What is lent for this call is given in slices, and to a machine elsewhere for longer.
    const piece = { bytes: Uint8Array.from(read.bytes), section: read.section };
    if (this.#chunk === null) this.#open(piece, point);
    else this.#ahead = piece;
  }

  #open(piece: Piece, point: SnapshotPoint): void {
    this.#chunk = piece;
    this.#at = 0;
    if (!this.#isRead) this.#port.read(point, this.#next);
  }

  /** Gives the machine one slice. */
  step(): void {
    const chunk = this.#chunk;
    if (chunk === null || this.#isAtMachine) return;
    const { bytes, section } = chunk;
    const from = this.#at;
    this.#at = Math.min(bytes.length, from + SLICE_BYTES);
    this.#isAtMachine = true;
    this.#host.restoreChunk(bytes.subarray(from, this.#at), section);
  }

  /** The machine has taken a slice. */
  onTaken(): void {
    const point = this.#point;
    if (point === null || this.#chunk === null || !this.#isAtMachine) return;
    this.#isAtMachine = false;
    if (this.#at < this.#chunk.bytes.length) return;
    const ahead = this.#ahead;
    this.#chunk = null;
    this.#ahead = null;
    if (ahead !== null) this.#open(ahead, point);
    else if (this.#isRead) this.#host.finishRestore(point.index, this.#timeMs);
  }

  /** The machine has the whole image. */
  onRestored(): void {
    const point = this.#point;
    if (point === null) return;
    this.#point = null;
    this.count += 1;
    this.#restored(point.index);
  }
}
