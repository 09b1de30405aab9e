/**
 * Where a group's state machine runs, as the runtime sees it, and the host for one that lives in
 * the consensus worker: everything is a plain call there.
 *
 * A host answers `apply` by `applied(last)`, at once or later, and never runs two slabs at a time;
 * images go out and come in slice by slice, each asked for and answered. What a machine throws is
 * caught here and nowhere else.
 */

import { ResultWriter } from '../../codec/results.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { assert } from '../raft/types.js';
import type { MachineContext, StateMachine } from '../state-machine.js';
import { ApplyCursor, type EntrySlab, type PartDone, type PartRefused } from './apply-cursor.js';
import { MachineImages } from './machine-images.js';
import { MUST_BE_BYTES, MUST_FINISH, misreturned } from './misreturned.js';
import type { ReadBatch } from './pending-reads.js';
import type { BatchPart } from './pending-writes.js';
import { Sessions } from './sessions.js';

/** Answers are handed on before they grow past this; a single one may be larger. */
const ANSWER_BYTES_MAX = 64 * 1024;

const QUERY_LENGTH_BYTES = 4;
/** After so long no further query of a turn is answered: heartbeats and entries come in between. */
const QUERY_MS_MAX = 1;
/** While a running image keeps more than this until it is pulled, no further command is applied. */
const IMAGE_BACKLOG_BYTES_MAX = 8 * 1024 * 1024;

export type MachineCall = 'apply' | 'restore';

export interface HostEvents {
  /** Entries up to `last` are applied and their results handed on. */
  applied(last: number): void;
  readonly partDone: PartDone;
  readonly partRefused: PartRefused;
  /** Answers to queries `[offset, offset + count)` of a batch. */
  queried(batch: ReadBatch, offset: number, count: number, results: Uint8Array): void;
  /** The machine did not answer query `offset` of a batch as it must: what it did instead. */
  queryFailed(batch: ReadBatch, offset: number, text: string): void;
  /**
   * The group ends here. `apply` failed at `index`, and results of entries before it are handed on;
   * or `restore` failed, whose `index` is 0 before `finishRestore` has named it.
   */
  failed(index: number, cause: unknown, during: MachineCall): void;
  /**
   * Answers `pullImage`: bytes of that section lent for the call, perhaps none; null: the image is
   * complete and over. The sessions, where there are any, come before the machine.
   */
  image(chunk: Uint8Array | null, section: SnapshotSection): void;
  /** Answers `pullImage`: the machine threw. The image is over; the group goes on. */
  imageFailed(cause: unknown): void;
  /** Answers `restoreChunk`: the machine has taken it. */
  restoredChunk(): void;
  /** Answers `finishRestore`: the machine has the state that entries up to `last` made. */
  restored(last: number): void;
}

export interface MachineHost {
  attach(events: HostEvents): void;
  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void;
  query(batch: ReadBatch): void;
  /**
   * The log's clock as of the last entry applied, milliseconds: machines see it never decrease, so
   * it belongs to what a snapshot keeps, and to `finishRestore`.
   */
  readonly timeMs: number;
  /** Client sessions as of the last entry applied; an image begins with their table. */
  readonly sessions: number;
  /**
   * An image of the state as of the entries applied so far: to be called while no `apply` waits for
   * its answer, and while no other image runs. What fails here is told at the first `pullImage`.
   */
  beginImage(): void;
  /**
   * Asks for the next chunk of the running image. Answered by `image` or `imageFailed`, in the
   * worker within this call, and to be asked again only then.
   */
  pullImage(): void;
  /** Abandons the image that runs, if one does; a pull that was not answered never will be. */
  endImage(): void;
  /**
   * Begins to replace the state: to be called while no `apply` waits for its answer. An image that
   * runs is abandoned. Until `restored`, `apply`, `query` and `beginImage` must not be called.
   */
  beginRestore(): void;
  /**
   * The image's next bytes, all of one section, lent until `restoredChunk`. In the worker a call is
   * one slice.
   */
  restoreChunk(bytes: Uint8Array, section?: SnapshotSection): void;
  /** The image is whole: it is the state as of entry `last`, when the log's clock was `timeMs`. */
  finishRestore(last: number, timeMs: number): void;
  /** The group's thread begins another turn: what took its time in the last one may go on. */
  beginTurn?(): void;
  /** Something waits for room, or for its next turn: `goOn` is called each turn meanwhile. */
  readonly isWaiting?: boolean;
  /** A slab waits until more of the running image was pulled. */
  readonly waitsForImage?: boolean;
  /** `goOn` would do something now. */
  readonly canGoOn?: boolean;
  goOn?(): void;
  /** The group ends: batches that the machine will not answer here any more. */
  abandonQueries?(): readonly ReadBatch[];
}

type QueryAnswer =
  | { readonly rejected: boolean; readonly bytes: Uint8Array }
  | { readonly failure: string };

export class InWorkerHost implements MachineHost {
  readonly #machine: StateMachine;
  readonly #sessions = new Sessions();
  readonly #images: MachineImages;
  readonly #answers = new ResultWriter();
  readonly #hasRoom: () => boolean;
  readonly #context: MachineContext | undefined;
  readonly #stopwatch: () => number;
  /** Batches to be answered; the first from its query `#next` on, which lies at byte `#at`. */
  readonly #asked: ReadBatch[] = [];
  #next = 0;
  #at = 0;
  /** What queries of this turn have taken, in milliseconds. */
  #queryMs = 0;
  #events: HostEvents | null = null;
  #cursor: ApplyCursor | null = null;
  /** Last entry of the slab whose rest waits for its turn; null when none does. */
  #pausedBefore: number | null = null;

  /**
   * `hasRoom` says whether whoever takes the answers has room for more. Commands and queries are
   * small and answers may be large: without it a few kilobytes of them could fill the memory.
   * `stopwatch`, in milliseconds, tells how long queries take: without it they all fit one turn.
   */
  constructor(
    machine: StateMachine,
    hasRoom: () => boolean = () => true,
    context?: MachineContext,
    stopwatch: () => number = () => 0,
  ) {
    this.#machine = machine;
    this.#stopwatch = stopwatch;
    this.#images = new MachineImages(machine, this.#sessions);
    this.#hasRoom = hasRoom;
    this.#context = context;
  }

  attach(events: HostEvents): void {
    this.#events = events;
    const { partDone, partRefused } = events;
    this.#cursor = new ApplyCursor(
      partDone,
      this.#context,
      this.#hasRoom,
      this.#sessions,
      partRefused,
    );
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    assert(!this.#images.isRestoring, 'nothing is applied to half a state');
    (this.#cursor as ApplyCursor).begin(slab, parts);
    this.#applyUpTo(last);
  }

  /** Gives the machine what is left of the slab, or as much of it as there is room for. */
  #applyUpTo(last: number): void {
    const cursor = this.#cursor as ApplyCursor;
    const events = this.#events as HostEvents;
    const first = cursor.index + 1;
    try {
      const returned: unknown = this.#machine.apply(cursor);
      if (returned !== undefined) {
        // A promise may have been about to do anything with any of them.
        cursor.discard();
        events.failed(first, misreturned('apply returned', returned, MUST_FINISH), 'apply');
        return;
      }
      if (cursor.isPaused) {
        this.#pausedBefore = last;
        return;
      }
      cursor.finish();
    } catch (cause) {
      cursor.abandon();
      events.failed(Math.max(cursor.index, first), cause, 'apply');
      return;
    }
    events.applied(last);
  }

  query(batch: ReadBatch): void {
    assert(!this.#images.isRestoring, 'half a state answers no reads');
    this.#asked.push(batch);
    this.goOn();
  }

  abandonQueries(): readonly ReadBatch[] {
    this.#cursor?.discard();
    this.#pausedBefore = null;
    return this.#asked.splice(0);
  }

  beginTurn(): void {
    this.#queryMs = 0;
  }

  get isWaiting(): boolean {
    return this.#asked.length > 0 || this.#pausedBefore !== null;
  }

  get waitsForImage(): boolean {
    return this.#pausedBefore !== null;
  }

  get canGoOn(): boolean {
    if (!this.isWaiting || this.#images.isRestoring || !this.#hasRoom()) return false;
    if (this.#pausedBefore !== null && !this.#isHeldBack()) return true;
    return this.#asked.length > 0;
  }

  /** Goes on with the slab, then answers what was asked, while there is room and time. */
  goOn(): void {
    // Reads that waited for room since before it are answered from the restored state.
    if (this.#images.isRestoring) return;
    const last = this.#pausedBefore;
    if (last !== null && this.#hasRoom() && !this.#isHeldBack()) {
      this.#pausedBefore = null;
      this.#cursor?.resume();
      this.#applyUpTo(last);
    }
    for (let batch = this.#asked[0]; batch !== undefined; batch = this.#asked[0]) {
      if (!this.#answerBatch(batch)) return;
      this.#asked.shift();
      this.#next = 0;
      this.#at = 0;
    }
  }

  /** False when it had to stop for want of room or time. */
  #answerBatch(batch: ReadBatch): boolean {
    const { queries, count } = batch;
    const before = this.#queryMs - this.#stopwatch();
    while (this.#next < count && this.#queryMs < QUERY_MS_MAX && this.#hasRoom()) {
      const start = this.#at + QUERY_LENGTH_BYTES;
      const end = start + queries.readUInt32LE(this.#at);
      this.#answer(batch, this.#next, queries.subarray(start, end));
      this.#at = end;
      this.#next += 1;
      this.#queryMs = before + this.#stopwatch();
    }
    this.#handOn(batch, this.#next);
    return this.#next === count;
  }

  #answer(batch: ReadBatch, which: number, query: Uint8Array): void {
    const answer = this.#ask(query);
    if ('failure' in answer) {
      this.#handOn(batch, which);
      (this.#events as HostEvents).queryFailed(batch, which, answer.failure);
      return;
    }
    const { rejected, bytes } = answer;
    // One that is too large to travel must not take others down with it.
    if (this.#answers.lengthWith(bytes) > ANSWER_BYTES_MAX) this.#handOn(batch, which);
    this.#answers.add(bytes, rejected);
  }

  #ask(query: Uint8Array): QueryAnswer {
    try {
      const bytes: unknown = this.#machine.query(query);
      if (bytes instanceof Uint8Array) return { rejected: false, bytes };
      return { failure: misreturned('query returned', bytes, MUST_BE_BYTES).message };
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      return { rejected: true, bytes: Buffer.from(text) };
    }
  }

  /** Answers up to query `end` are complete. */
  #handOn(batch: ReadBatch, end: number): void {
    const { count, bytes } = this.#answers;
    if (count === 0) return;
    (this.#events as HostEvents).queried(batch, end - count, count, bytes);
    this.#answers.clear();
  }

  get timeMs(): number {
    return (this.#cursor as ApplyCursor).timeMs;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** Equal on replicas that applied the same entries. */
  sessionsDigest(): string {
    return this.#sessions.digest();
  }

  beginImage(): void {
    assert(this.#pausedBefore === null, 'an image begins between two slabs');
    this.#images.begin();
    this.#watchBacklog();
  }

  pullImage(): void {
    const events = this.#events as HostEvents;
    let chunk: Uint8Array | null;
    try {
      chunk = this.#images.pull();
    } catch (cause) {
      this.#watchBacklog();
      events.imageFailed(cause);
      return;
    }
    this.#watchBacklog();
    events.image(chunk, this.#images.section);
  }

  endImage(): void {
    this.#images.end();
    this.#watchBacklog();
  }

  /** Only while an image runs, so that no other entry pays for it. */
  #watchBacklog(): void {
    const isWatched = this.#images.isTaking && this.#machine.imageBacklogBytes !== undefined;
    (this.#cursor as ApplyCursor).heldBack = isWatched ? () => this.#isHeldBack() : null;
  }

  #isHeldBack(): boolean {
    if (!this.#images.isTaking) return false;
    return (this.#machine.imageBacklogBytes?.() ?? 0) > IMAGE_BACKLOG_BYTES_MAX;
  }

  beginRestore(): void {
    assert(this.#pausedBefore === null, 'a state is replaced between two slabs');
    this.endImage();
    this.#restore(0, () => this.#images.beginRestore());
  }

  restoreChunk(bytes: Uint8Array, section: SnapshotSection = SnapshotSection.machine): void {
    assert(this.#images.isRestoring, 'a restoration began');
    const taken = this.#restore(0, () => this.#images.restoreChunk(bytes, section));
    if (taken) (this.#events as HostEvents).restoredChunk();
  }

  finishRestore(last: number, timeMs: number): void {
    assert(this.#images.isRestoring, 'a restoration began');
    if (!this.#restore(last, () => this.#images.finishRestore())) return;
    (this.#cursor as ApplyCursor).timeMs = timeMs;
    (this.#events as HostEvents).restored(last);
  }

  /** False when the machine threw, which is told. */
  #restore(index: number, step: () => void): boolean {
    try {
      step();
      return true;
    } catch (cause) {
      (this.#events as HostEvents).failed(index, cause, 'restore');
      return false;
    }
  }
}
