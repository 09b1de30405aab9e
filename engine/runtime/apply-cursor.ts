/**
 * The `ApplyBatch` that an in-worker state machine walks: a cursor over entry bytes where they lie.
 *
 * It shows commands only, and of those of client sessions only such as were not applied already; it
 * collects the results that somebody here waits for, or a session keeps, and hands them on in
 * bounded portions. Results may be far larger than commands, so it ends a batch early when it has
 * handed on a lot, or when there is no room for more results or for what a running image keeps; the
 * rest is another batch. It never copies an entry and never decides what is applied when.
 */

import {
  ENTRY_HEADER_BYTES,
  EntryMark,
  entryBytes,
  entryMark,
  entryPayloadBytes,
  entryTimeMs,
} from '../../codec/entry.js';
import { ResultWriter } from '../../codec/results.js';
import {
  entryProblem,
  readSessionAction,
  readSessionArgument,
  readSessionId,
  readSessionSequence,
  SESSION_HEAD_BYTES,
  SessionAction,
} from '../../codec/session-entry.js';
import { writeU64 } from '../../codec/u64.js';
import { ErrorNumber } from '../errors.js';
import type { ApplyBatch, MachineContext } from '../state-machine.js';
import { misreturned } from './misreturned.js';
import type { BatchPart } from './pending-writes.js';
import { Sessions, Verdict } from './sessions.js';

/** Results are handed on before they grow past this; a single one may be larger. */
const RESULT_BYTES_MAX = 64 * 1024;
/** A batch ends once this much was handed on: whoever takes it, and heartbeats, get their turn. */
const BATCH_RESULT_BYTES_MAX = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);
const NO_CONTEXT: MachineContext = { groupName: '', groupId: 0, nodeId: 0, options: null };
/** What opening a session answers: its id as u64; and closing: 1 or 0, whether it was open. */
const OPENED_BYTES = 8;
const CLOSED = Buffer.from([1]);
const NOT_OPEN = Buffer.from([0]);

/** Contiguous entry bytes of one term, wherever they lie. */
export interface EntrySlab {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly term: number;
}

export type PartDone = (
  batch: number,
  offset: number,
  count: number,
  results: Uint8Array,
  /** Of the first of these entries, in the log. */
  first: number,
) => void;
/** One entry of a batch ends with an error, in its order among the results. */
export type PartRefused = (batch: number, offset: number, code: ErrorNumber) => void;

export class ApplyCursor implements ApplyBatch {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  index = 0;
  term = 0;
  wanted = false;
  /** Never decreases along the log, whatever the clocks of successive leaders said. */
  timeMs = 0;

  /** Says, while an image runs, that the next command must wait; null: none must. */
  heldBack: (() => boolean) | null = null;

  readonly context: MachineContext;
  readonly #results = new ResultWriter();
  readonly #partDone: PartDone;
  readonly #partRefused: PartRefused;
  readonly #hasRoom: (() => boolean) | null;
  readonly #sessions: Sessions;
  readonly #opened = Buffer.alloc(OPENED_BYTES);
  /** The current command was proposed in a session, which keeps its result. */
  #inSession = false;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  #limit = 0;
  #parts: readonly BatchPart[] = [];
  #part = 0;
  #partFirst = Number.POSITIVE_INFINITY;
  #partLast = Number.POSITIVE_INFINITY;
  /** Entries of the current part whose results were handed on already. */
  #flushed = 0;
  #answered = true;
  /** Bytes of results that the current batch has handed on. */
  #handedOn = 0;
  #mustPause = false;
  #isPaused = false;

  /**
   * `hasRoom` says whether whoever takes the results has room for more. Null: they are taken as
   * they come, and no batch ends early. `sessions` is the table that goes with the machine's state.
   */
  constructor(
    partDone: PartDone,
    context: MachineContext = NO_CONTEXT,
    hasRoom: (() => boolean) | null = null,
    sessions = new Sessions(),
    partRefused: PartRefused = () => {},
  ) {
    this.#partDone = partDone;
    this.#partRefused = partRefused;
    this.context = context;
    this.#hasRoom = hasRoom;
    this.#sessions = sessions;
  }

  /** Points the cursor before the first entry of `slab`; `parts` are the wanted ranges in it. */
  begin(slab: EntrySlab, parts: readonly BatchPart[]): void {
    this.buffer = slab.buffer;
    this.#view = slab.view;
    this.#at = slab.start;
    this.#limit = slab.end;
    this.index = slab.first - 1;
    this.term = slab.term;
    this.wanted = false;
    this.#answered = true;
    this.#parts = parts;
    this.#part = -1;
    this.#nextPart();
    this.resume();
  }

  /** The batch ended early: the machine is given the rest after `resume`. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  resume(): void {
    this.#handedOn = 0;
    this.#mustPause = false;
    this.#isPaused = false;
  }

  next(): boolean {
    return this.#step(true);
  }

  #step(mayPause: boolean): boolean {
    if (!this.#answered) this.#answer(NO_BYTES, false);
    while (this.#at < this.#limit) {
      if (this.index >= this.#partLast) this.#finishPart();
      if (mayPause && (this.#mustPause || this.heldBack?.() === true)) {
        this.#flush();
        this.#isPaused = true;
        return false;
      }
      const at = this.#at;
      const payload = entryPayloadBytes(this.#view, at);
      this.#at = at + entryBytes(payload);
      this.index += 1;
      const mark = entryMark(this.#view, at);
      if (mark !== EntryMark.command) {
        if (this.#takeOther(mark, at)) return true;
        continue;
      }
      this.timeMs = Math.max(this.timeMs, entryTimeMs(this.#view, at));
      this.start = at + ENTRY_HEADER_BYTES;
      this.end = this.start + payload;
      this.wanted = this.index >= this.#partFirst;
      this.#answered = !this.wanted;
      return true;
    }
    return false;
  }

  /** An entry that is no plain command; true when the machine has to see it. */
  #takeOther(mark: number, at: number): boolean {
    const payload = at + ENTRY_HEADER_BYTES;
    const problem = entryProblem(this.#view, at, payload);
    if (problem !== null) {
      throw new Error(
        `entry ${this.index} cannot be applied: ${problem}. Start a version that can`,
      );
    }
    if (mark === EntryMark.sessionCommand) return this.#beginInSession(at, payload);
    if (mark === EntryMark.session) this.#changeSession(at, payload);
    return false;
  }

  /** A command of a session; false when it is answered without the machine. */
  #beginInSession(at: number, payload: number): boolean {
    const view = this.#view;
    this.timeMs = Math.max(this.timeMs, entryTimeMs(view, at));
    const id = readSessionId(view, payload);
    const verdict = this.#sessions.begin(id, readSessionSequence(view, payload), this.timeMs);
    if (verdict === Verdict.apply) {
      this.start = payload + SESSION_HEAD_BYTES;
      this.end = payload + entryPayloadBytes(view, at);
      // On every node, whoever waits: what is answered is part of the replicated state.
      this.wanted = true;
      this.#answered = false;
      this.#inSession = true;
      return true;
    }
    const { kept } = this.#sessions;
    if (verdict === Verdict.repeat) this.#answerHere(kept.bytes, kept.rejected);
    else if (verdict === Verdict.unknown) this.#refuse(ErrorNumber.sessionUnknown);
    else this.#refuse(ErrorNumber.sessionForgotten);
    return false;
  }

  #changeSession(at: number, payload: number): void {
    const view = this.#view;
    this.timeMs = Math.max(this.timeMs, entryTimeMs(view, at));
    const argument = readSessionArgument(view, payload);
    if (readSessionAction(view, payload) === SessionAction.close) {
      const wasOpen = this.#sessions.close(argument, this.timeMs);
      this.#answerHere(wasOpen ? CLOSED : NOT_OPEN, false);
      return;
    }
    this.#sessions.open(this.index, argument, this.timeMs);
    writeU64(new DataView(this.#opened.buffer, this.#opened.byteOffset), 0, this.index);
    this.#answerHere(this.#opened, false);
  }

  /** Answers an entry that the machine does not see. */
  #answerHere(bytes: Uint8Array, rejected: boolean): void {
    if (this.index >= this.#partFirst) this.#add(bytes, rejected);
  }

  #refuse(code: ErrorNumber): void {
    const part = this.#parts[this.#part];
    if (part === undefined || this.index < this.#partFirst) return;
    this.#flush();
    this.#partRefused(part.batch, part.offset + this.#flushed, code);
    this.#flushed += 1;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  // Types are checked whether somebody waits or not: every node must come to the same end.
  reply(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) {
      throw misreturned('batch.reply was given', bytes, 'give bytes, such as Buffer.from(text)');
    }
    this.#answer(bytes, false);
  }

  reject(reason: Uint8Array | string): void {
    const bytes = typeof reason === 'string' ? Buffer.from(reason) : reason;
    if (!(bytes instanceof Uint8Array)) {
      throw misreturned('batch.reject was given', bytes, 'give a text or bytes as the reason');
    }
    this.#answer(bytes, true);
  }

  #answer(bytes: Uint8Array, rejected: boolean): void {
    if (this.#answered) return;
    this.#answered = true;
    if (this.#inSession) {
      this.#inSession = false;
      this.#sessions.record(bytes, rejected);
      if (this.index < this.#partFirst) return;
    }
    this.#add(bytes, rejected);
  }

  #add(bytes: Uint8Array, rejected: boolean): void {
    // One that is too large to travel must not take others down with it.
    if (this.#results.lengthWith(bytes) > RESULT_BYTES_MAX) this.#flush();
    this.#results.add(bytes, rejected);
  }

  /** The machine is done with the slab. Throws at the first command that it left unread. */
  finish(): void {
    if (this.#step(false)) {
      throw new Error('apply left this command unread: call batch.next() until it says false');
    }
    if (this.index >= this.#partLast) this.#finishPart();
  }

  /** The machine threw at the current entry: what was answered before it is handed on. */
  abandon(): void {
    this.#flush();
    this.discard();
  }

  /** The batch is over, whoever still holds it; results that were not handed on are dropped. */
  discard(): void {
    this.#sessions.abandon();
    this.#inSession = false;
    this.#results.clear();
    this.#limit = this.#at;
    this.#answered = true;
    this.#parts = [];
    this.#part = 0;
    this.#nextPart();
  }

  #nextPart(): void {
    this.#part += 1;
    const part = this.#parts[this.#part];
    this.#partFirst = part?.first ?? Number.POSITIVE_INFINITY;
    this.#partLast = part?.last ?? Number.POSITIVE_INFINITY;
    this.#flushed = 0;
  }

  #flush(): void {
    const part = this.#parts[this.#part];
    const { count } = this.#results;
    if (part === undefined || count === 0) return;
    const offset = part.offset + this.#flushed;
    const first = part.first + this.#flushed;
    this.#partDone(part.batch, offset, count, this.#results.bytes, first);
    this.#flushed += count;
    this.#handedOn += this.#results.length;
    if (this.#hasRoom !== null) {
      this.#mustPause = this.#handedOn >= BATCH_RESULT_BYTES_MAX || !this.#hasRoom();
    }
    this.#results.clear();
  }

  #finishPart(): void {
    this.#flush();
    this.#nextPart();
  }
}
