/**
 * The worker's half of a state machine that is hosted on the main thread: slabs leave by the
 * completion ring, "applied" and "failed" come back by the inbox ring. Images are its own part,
 * hosted-images.ts.
 *
 * One piece of a slab is under way at a time, so the machine sees every entry once and in order
 * whatever the rings do. Nothing here waits: while the main thread is busy, the applier simply has
 * no further work, and what piles up behind it is refused as busy where it enters.
 */

import { entryBytes, entryPayloadBytes } from '../codec/entry.js';
import type { SnapshotSection } from '../codec/snapshot-section.js';
import type { EntrySlab } from '../engine/runtime/apply-cursor.js';
import type { HostEvents, MachineHost } from '../engine/runtime/machine-host.js';
import type { ReadBatch } from '../engine/runtime/pending-reads.js';
import type { BatchPart } from '../engine/runtime/pending-writes.js';
import { HostedImages } from './hosted-images.js';
import type { OverflowProducer } from './ports/overflow.js';
import { CompletionKind } from './records/completion.js';
import {
  type Applied,
  type ApplyPiece,
  applyBytes,
  QUERY_HEADER_BYTES,
  writeApply,
  writeQueryHeader,
} from './records/hosted.js';
import { assert } from './ring/assert.js';

/** Entries that are not in the arena travel in pieces of this size, or one by one when larger. */
const INLINE_BYTES_MAX = 32 * 1024;
/** Parts of one piece: a record always has room for them. */
const PARTS_MAX = 1024;

interface UnderWay {
  readonly slab: EntrySlab;
  readonly last: number;
  readonly parts: readonly BatchPart[];
  /** First entry that the machine has not been given yet, and where it lies. */
  next: number;
  at: number;
  /** Last entry of the piece that the machine has. */
  sentUpTo: number;
}

export class HostedMachineHost implements MachineHost {
  readonly #arena: SharedArrayBuffer;
  readonly #producer: OverflowProducer;
  /** Its half of images and restorations: what comes back for it goes there. */
  readonly images: HostedImages;
  timeMs = 0;
  #events: HostEvents | null = null;
  #underWay: UnderWay | null = null;

  constructor(arena: SharedArrayBuffer, completions: OverflowProducer) {
    this.#arena = arena;
    this.#producer = completions;
    this.images = new HostedImages(completions);
  }

  attach(events: HostEvents): void {
    this.#events = events;
    this.images.attach(events);
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    assert(this.#underWay === null, 'one slab at a time is with the machine');
    assert(!this.images.isRestoring, 'nothing is applied to half a state');
    this.#underWay = { slab, last, parts, next: slab.first, at: slab.start, sentUpTo: 0 };
    this.#sendPiece(this.#underWay);
  }

  #sendPiece(whole: UnderWay): void {
    const piece = this.#cutPiece(whole);
    whole.sentUpTo = piece.last;
    const fill = (bytes: Buffer, view: DataView, at: number): void =>
      writeApply(bytes, view, at, piece);
    this.#producer.put(CompletionKind.apply, applyBytes(piece), fill, () => fill);
  }

  /** The next piece of the slab that fits one record; moves on behind it. */
  #cutPiece(whole: UnderWay): ApplyPiece {
    const { slab, parts } = whole;
    const inline = slab.buffer.buffer !== this.#arena;
    const waiting = parts.filter((part) => part.last >= whole.next);
    const bound = Math.min(whole.last, waiting[PARTS_MAX - 1]?.last ?? whole.last);
    const { next: first, at: start } = whole;
    while (whole.next <= bound) {
      const end = whole.at + entryBytes(entryPayloadBytes(slab.view, whole.at));
      if (inline && end - start > INLINE_BYTES_MAX && whole.next > first) break;
      whole.at = end;
      whole.next += 1;
    }
    const last = whole.next - 1;
    const within = waiting.filter((part) => part.first <= last);
    return {
      slab: { ...slab, start, end: whole.at, first },
      last,
      parts: within.map((part) => clip(part, first, last)),
      inline,
    };
  }

  get sessions(): number {
    return this.images.sessions;
  }

  /** The machine has applied everything up to `last`. */
  onApplied({ last, timeMs, sessions }: Applied): void {
    const whole = this.#underWay;
    assert(whole !== null && last === whole.sentUpTo, 'a machine answers what it was given');
    this.timeMs = timeMs;
    this.images.sessions = sessions;
    if (last < whole.last) {
      this.#sendPiece(whole);
      return;
    }
    this.#underWay = null;
    this.#events?.applied(last);
  }

  /** `apply` threw at `index`; everything before it is applied and answered. */
  onFailed(index: number, text: string): void {
    assert(this.#underWay !== null, 'a machine fails at what it was given');
    this.#underWay = null;
    this.#events?.failed(index, text, 'apply');
  }

  query(batch: ReadBatch): void {
    assert(!this.images.isRestoring, 'half a state answers no reads');
    const { id, count, queries } = batch;
    const fill = (bytes: Buffer, view: DataView, at: number): void => {
      writeQueryHeader(view, at, id, count);
      bytes.set(queries, at + QUERY_HEADER_BYTES);
    };
    const length = QUERY_HEADER_BYTES + queries.length;
    this.#producer.put(CompletionKind.query, length, fill, () => fill);
  }

  beginImage(): void {
    assert(this.#underWay === null, 'an image begins between two slabs');
    this.images.begin();
  }

  pullImage(): void {
    this.images.pull();
  }

  endImage(): void {
    this.images.end();
  }

  beginRestore(): void {
    assert(this.#underWay === null, 'a state is replaced between two slabs');
    this.images.beginRestore();
  }

  restoreChunk(bytes: Uint8Array, section?: SnapshotSection): void {
    this.images.restoreChunk(bytes, section);
  }

  finishRestore(last: number, timeMs: number): void {
    this.timeMs = timeMs;
    this.images.finishRestore(last, timeMs);
  }
}

/** What of a part lies in `[first, last]`. */
function clip(part: BatchPart, first: number, last: number): BatchPart {
  const from = Math.max(part.first, first);
  const to = Math.min(part.last, last);
  return { batch: part.batch, offset: part.offset + from - part.first, first: from, last: to };
}
