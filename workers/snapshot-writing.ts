/**
 * The file of one group's snapshot while it is taken: raw chunks come in slots, are packed by the
 * codec pool, and are written in their order, one a step.
 *
 * A disk that fails, or has no space, ends the snapshot alone. Every slot that comes in goes back,
 * whatever becomes of it.
 */

import type { ChunkBody } from '../codec/lz4-chunk.js';
import type { SnapshotSection } from '../codec/snapshot-section.js';
import type { SnapshotPoint } from '../engine/raft/types.js';
import type { SnapshotHead } from '../engine/runtime/snapshot-port.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotError } from '../io/snapshots/snapshot-errors.js';
import { encodeSnapshotHeader, SnapshotFeature } from '../io/snapshots/snapshot-format.js';
import type { SnapshotWriter } from '../io/snapshots/snapshot-writer.js';
import type { ServedGroup, SnapshotSurroundings } from './snapshot-server.js';

interface Packed {
  readonly slot: number;
  readonly section: SnapshotSection;
  readonly body: ChunkBody;
}

interface Taking {
  readonly head: SnapshotHead;
  /** Null once it has failed: what still comes is dropped. */
  writer: SnapshotWriter | null;
  /** Chunks that have come in, and those that are written. */
  received: number;
  written: number;
  readonly ready: Map<number, Packed>;
  isComplete: boolean;
}

export class SnapshotWriting {
  readonly #around: SnapshotSurroundings;
  readonly #group: ServedGroup;
  #taking: Taking | null = null;

  constructor(around: SnapshotSurroundings, group: ServedGroup) {
    this.#around = around;
    this.#group = group;
  }

  /** A step would do something now. */
  get isDue(): boolean {
    const taking = this.#taking;
    if (taking === null) return false;
    return taking.ready.has(taking.written) || this.#isFinishable(taking);
  }

  #isFinishable({ isComplete, received, written }: Taking): boolean {
    return isComplete && received === written;
  }

  begin(head: SnapshotHead): void {
    this.abandon();
    const { clusterId, chunkBytes, store } = this.#around;
    const { group, nameHash } = this.#group;
    const ready = new Map<number, Packed>();
    const taking = { head, writer: null, received: 0, written: 0, ready, isComplete: false };
    this.#taking = taking;
    this.#attempt(taking, () => {
      const own = { clusterId, group, nameHash, chunkBytesMax: chunkBytes };
      const required = head.hasSessions === true ? SnapshotFeature.sessions : 0;
      const header = encodeSnapshotHeader({ ...own, ...head, required });
      return store.create(header);
    });
  }

  /** Does one thing with the disk; a failure of it ends the snapshot. */
  #attempt(taking: Taking, act: () => SnapshotWriter | null): void {
    try {
      taking.writer = act();
    } catch (cause) {
      if (!(cause instanceof DiskError || cause instanceof SnapshotError)) throw cause;
      // One that only refused a chunk has its file still.
      taking.writer?.abandon();
      taking.writer = null;
      this.#dropReady(taking);
      this.#taking = null;
      this.#answerFailed(taking.head.point, cause.message);
    }
  }

  #answerFailed(point: SnapshotPoint, text: string): void {
    this.#around.toGroup(this.#group.group, { kind: 'failed', point, text });
  }

  /** The next chunk of the image lies in the slot. */
  raw(slot: number, rawBytes: number, section: SnapshotSection): void {
    const taking = this.#taking;
    const { slab } = this.#around;
    if (taking === null) {
      slab.give(slot);
      return;
    }
    const chunk = taking.received;
    taking.received += 1;
    this.#around.pack(slot, rawBytes, (body) =>
      this.#onPacked(taking, chunk, { slot, section }, body),
    );
  }

  #onPacked(
    taking: Taking,
    chunk: number,
    place: Omit<Packed, 'body'>,
    body: ChunkBody | string,
  ): void {
    const { slot } = place;
    if (taking !== this.#taking) {
      this.#around.slab.give(slot);
    } else if (typeof body === 'string') {
      this.#around.slab.give(slot);
      this.abandon();
      this.#answerFailed(taking.head.point, body);
    } else taking.ready.set(chunk, { ...place, body });
  }

  finish(): void {
    if (this.#taking !== null) this.#taking.isComplete = true;
  }

  abandon(): void {
    const taking = this.#taking;
    if (taking === null) return;
    this.#taking = null;
    this.#dropReady(taking);
    taking.writer?.abandon();
  }

  #dropReady({ ready }: Taking): void {
    for (const { slot } of ready.values()) this.#around.slab.give(slot);
    ready.clear();
  }

  /** Writes one chunk, or ends the file. */
  step(): void {
    const taking = this.#taking;
    if (taking === null) return;
    const next = taking.ready.get(taking.written);
    if (next !== undefined) this.#append(taking, next);
    else if (this.#isFinishable(taking)) this.#finish(taking);
  }

  #append(taking: Taking, { slot, section, body }: Packed): void {
    const { slab, compress } = this.#around;
    const { storedBytes } = body;
    const bytes = compress ? slab.packed(slot, storedBytes) : slab.raw(slot, storedBytes);
    const header = { ...body, number: taking.written, section };
    taking.ready.delete(taking.written);
    taking.written += 1;
    this.#attempt(taking, () => {
      taking.writer?.append(header, bytes);
      return taking.writer;
    });
    slab.give(slot);
  }

  #finish(taking: Taking): void {
    this.#attempt(taking, () => {
      const {
        chunks,
        rawBytes: imageBytes,
        fileBytes,
      } = (taking.writer as SnapshotWriter).finish();
      const stored = { ...taking.head, chunks, imageBytes, fileBytes };
      this.#taking = null;
      this.#around.toGroup(this.#group.group, { kind: 'written', stored });
      return null;
    });
  }
}
