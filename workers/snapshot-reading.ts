/**
 * Complete snapshot files of one group as they are read: chunk by chunk, unpacked for the group's
 * own machine, or as stored for peers that fetch.
 *
 * Reads wait for a free slot and are served one a step, the own machine first. A file that cannot
 * be read is said to be so to whoever asked; it is never passed over silently.
 */

import type { NodeId, SnapshotPoint } from '../engine/raft/types.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotError } from '../io/snapshots/snapshot-errors.js';
import type { PlacedChunk, SnapshotReader } from '../io/snapshots/snapshot-reader.js';
import type { FetchAsked } from './records/snapshot.js';
import type { ServedGroup, SnapshotSurroundings } from './snapshot-server.js';
import { NO_SLOT } from './snapshot-slab.js';

/** Slots that serving peers leaves to others. */
const SLOTS_LEFT = 2;
/** What one peer may have asked for and not been sent. */
const CHUNKS_ASKED_MAX = 64;

interface OwnRead {
  readonly point: SnapshotPoint;
  readonly chunk: number;
}

/** Chunks `[next, end)` for one peer. */
interface Serving {
  readonly peer: NodeId;
  readonly point: SnapshotPoint;
  next: number;
  end: number;
}

export class SnapshotReading {
  readonly #around: SnapshotSurroundings;
  readonly #group: ServedGroup;
  readonly #reads: OwnRead[] = [];
  /** By turns: who was served goes to the end. */
  readonly #servings: Serving[] = [];
  #reader: { readonly point: SnapshotPoint; readonly reader: SnapshotReader } | null = null;

  constructor(around: SnapshotSurroundings, group: ServedGroup) {
    this.#around = around;
    this.#group = group;
  }

  get isDue(): boolean {
    return this.#reads.length > 0 || this.#servings.length > 0;
  }

  read(point: SnapshotPoint, chunk: number): void {
    this.#reads.push({ point, chunk });
  }

  /** A peer wants chunks; a new wish replaces, or continues, the one before. */
  asked(peer: NodeId, { point: { index, term }, from, count }: FetchAsked): void {
    const point = { index, term } as SnapshotPoint;
    const end = from + Math.min(count, CHUNKS_ASKED_MAX);
    const at = this.#servings.findIndex((one) => one.peer === peer);
    const known = this.#servings[at];
    if (known === undefined) this.#servings.push({ peer, point, next: from, end });
    else if (isSame(known.point, point) && known.end === from) known.end = end;
    else this.#servings[at] = { peer, point, next: from, end };
  }

  /** Nothing can be sent to this peer any more. */
  down(peer: NodeId): void {
    const at = this.#servings.findIndex((one) => one.peer === peer);
    if (at >= 0) this.#servings.splice(at, 1);
  }

  /** False: no slot was free, or there was nothing to do. */
  step(): boolean {
    const { slab } = this.#around;
    const [own] = this.#reads;
    const [serving] = this.#servings;
    if (own === undefined && serving === undefined) return false;
    const slot = slab.take(own === undefined ? SLOTS_LEFT : 0);
    if (slot === NO_SLOT) return false;
    if (own !== undefined) {
      this.#reads.shift();
      this.#readOwn(own, slot);
    } else if (serving !== undefined) {
      this.#servings.shift();
      this.#serve(serving, slot);
    }
    return true;
  }

  #readOwn({ point, chunk }: OwnRead, slot: number): void {
    const { slab, toGroup } = this.#around;
    const { group } = this.#group;
    const read = this.#attempt(() => {
      const reader = this.#open(point);
      const { chunkCount } = reader;
      // A machine may have nothing to say: its image is no chunk at all.
      if (chunkCount === 0) return { bytes: 0, isLast: true };
      this.#checkFits(reader, chunk);
      const { rawBytes } = reader.readRaw(chunk, slab.raw(slot));
      return { bytes: rawBytes, isLast: chunk === chunkCount - 1 };
    });
    if (typeof read === 'string') {
      slab.give(slot);
      toGroup(group, { kind: 'unreadable', point, text: read });
    } else {
      toGroup(group, { kind: 'read', point, chunk, slot, ...read });
      if (read.isLast) this.close();
    }
  }

  #serve(serving: Serving, slot: number): void {
    const { peer, point, next } = serving;
    const { slab, toTransport } = this.#around;
    const { group } = this.#group;
    const sent = this.#attempt(() => {
      const reader = this.#open(point);
      if (next >= reader.chunkCount) return null;
      this.#checkFits(reader, next);
      return { reader, chunk: reader.readStored(next, slab.packed(slot)) };
    });
    if (sent === null || typeof sent === 'string') {
      slab.give(slot);
      if (sent !== null) toTransport({ kind: 'refuse', peer, group, point, text: sent });
      return;
    }
    const { reader, chunk } = sent;
    serving.next += 1;
    if (serving.next < Math.min(serving.end, reader.chunkCount)) this.#servings.push(serving);
    toTransport({ kind: 'chunk', peer, slot, sent: this.#chunkSent(point, reader, chunk) });
  }

  #chunkSent(point: SnapshotPoint, { header, footer }: SnapshotReader, chunk: PlacedChunk) {
    const { number, flags, rawBytes, storedBytes, storedCrc: crc } = chunk;
    return {
      group: this.#group.group,
      point,
      totals: footer,
      head: number === 0 ? header.bytes : NOTHING,
      packed: { chunk: number, flags, rawBytes, storedBytes, crc },
    };
  }

  #open(point: SnapshotPoint): SnapshotReader {
    if (this.#reader !== null && isSame(this.#reader.point, point)) return this.#reader.reader;
    this.close();
    const { group } = this.#group;
    const { store } = this.#around;
    const file = store.list(group).find((one) => isSame(one.point as SnapshotPoint, point));
    if (file === undefined) throw new SnapshotGone(point);
    const reader = store.read(file);
    this.#reader = { point, reader };
    return reader;
  }

  /** Files may have larger chunks than any node of this version makes or takes. */
  #checkFits(reader: SnapshotReader, chunk: number): void {
    const { rawBytes } = reader.chunk(chunk);
    const { chunkBytes } = this.#around.slab;
    if (rawBytes > chunkBytes) throw new ChunkTooLarge(reader.path, chunk, rawBytes, chunkBytes);
  }

  #attempt<T>(act: () => T): T | string {
    try {
      return act();
    } catch (cause) {
      const isExpected =
        cause instanceof DiskError ||
        cause instanceof SnapshotError ||
        cause instanceof ChunkTooLarge ||
        cause instanceof SnapshotGone;
      if (!isExpected) throw cause;
      this.close();
      return cause.message;
    }
  }

  /** Lets go of the open file. */
  close(): void {
    this.#reader?.reader.close();
    this.#reader = null;
  }
}

const NOTHING = new Uint8Array(0);

class SnapshotGone extends Error {
  constructor({ index, term }: SnapshotPoint) {
    super(`there is no snapshot of entry ${index} of term ${term} here (any more)`);
  }
}

class ChunkTooLarge extends Error {
  constructor(path: string, chunk: number, bytes: number, most: number) {
    const sizes = `chunk ${chunk} has ${bytes} bytes, this version takes at most ${most}`;
    super(`${path}: ${sizes}. Start the version that wrote it, or move the file away`);
  }
}

function isSame(a: SnapshotPoint, b: SnapshotPoint): boolean {
  return a.index === b.index && a.term === b.term;
}
