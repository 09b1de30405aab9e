/**
 * The `ApplyBatch` that an in-worker state machine walks: a cursor over entry bytes where they lie.
 *
 * It shows commands only, collects the results that somebody here waits for, and hands each part of
 * a batch on as it ends. It never copies an entry and never decides what is applied when.
 */

import {
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryBytes,
  entryKind,
  entryPayloadBytes,
  entryTimeMs,
} from '../../codec/entry.js';
import { ResultWriter } from '../../codec/results.js';
import type { ApplyBatch, MachineContext } from '../state-machine.js';
import type { BatchPart } from './pending-writes.js';

/** Results are handed on before they grow past this; a single one may be larger. */
const RESULT_BYTES_MAX = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NO_CONTEXT: MachineContext = { groupName: '', groupId: 0, nodeId: 0, options: null };

/** Contiguous entry bytes of one term, wherever they lie. */
export interface EntrySlab {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
  readonly first: number;
  readonly term: number;
}

export type PartDone = (batch: number, offset: number, count: number, results: Uint8Array) => void;

export class ApplyCursor implements ApplyBatch {
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  index = 0;
  term = 0;
  wanted = false;
  /** Never decreases along the log, whatever the clocks of successive leaders said. */
  timeMs = 0;

  readonly context: MachineContext;
  readonly #results = new ResultWriter();
  readonly #partDone: PartDone;
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

  constructor(partDone: PartDone, context: MachineContext = NO_CONTEXT) {
    this.#partDone = partDone;
    this.context = context;
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
  }

  next(): boolean {
    if (!this.#answered) this.#results.addEmpty();
    this.#answered = true;
    while (this.#at < this.#limit) {
      if (this.index >= this.#partLast) this.#finishPart();
      const at = this.#at;
      const payload = entryPayloadBytes(this.#view, at);
      this.#at = at + entryBytes(payload);
      this.index += 1;
      if (entryKind(this.#view, at) !== EntryKind.command) continue;
      this.timeMs = Math.max(this.timeMs, entryTimeMs(this.#view, at));
      this.start = at + ENTRY_HEADER_BYTES;
      this.end = this.start + payload;
      this.wanted = this.index >= this.#partFirst;
      this.#answered = !this.wanted;
      return true;
    }
    return false;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  reply(bytes: Uint8Array): void {
    this.#answer(bytes, false);
  }

  reject(reason: Uint8Array | string): void {
    this.#answer(typeof reason === 'string' ? Buffer.from(reason) : reason, true);
  }

  #answer(bytes: Uint8Array, rejected: boolean): void {
    if (this.#answered) return;
    this.#answered = true;
    // One that is too large to travel must not take others down with it.
    if (this.#results.length + bytes.length > RESULT_BYTES_MAX) this.#flush();
    this.#results.add(bytes, rejected);
  }

  /** The machine is done with the slab: whatever it left unread counts as answered with nothing. */
  finish(): void {
    while (this.next()) this.reply(NO_BYTES);
    if (this.index >= this.#partLast) this.#finishPart();
  }

  /** The machine threw at the current entry: what was answered before it is handed on. */
  abandon(): void {
    this.#flush();
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
    this.#partDone(part.batch, part.offset + this.#flushed, count, this.#results.bytes);
    this.#flushed += count;
    this.#results.clear();
  }

  #finishPart(): void {
    this.#flush();
    this.#nextPart();
  }
}
