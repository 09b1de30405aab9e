/**
 * Complete snapshot files of one group as they are read: chunk by chunk, unpacked for the group's
 * own machine, or as stored for peers that fetch.
 *
 * Reads wait for a free slot and are served one a step, the own machine first. A file that cannot
 * be read is said to be so to whoever asked, and one that cannot be served to the group as well: it
 * would be offered for ever. It is never passed over silently.
 */

import { SnapshotSection } from '../codec/snapshot-section.js';
import { isSamePoint, type NodeId, type SnapshotPoint } from '../engine/raft/types.js';
import { DiskError } from '../io/disk/disk.js';
import { SnapshotDamage, SnapshotError } from '../io/snapshots/snapshot-errors.js';
import type { PlacedChunk, SnapshotReader } from '../io/snapshots/snapshot-reader.js';
import type { FetchAsked } from './records/snapshot.js';
import { placeText } from './set-aside-text.js';
import { SnapshotFiles, SnapshotGone } from './snapshot-files.js';
import type { ServedGroup, SnapshotSurroundings } from './snapshot-server.js';
import { NO_SLOT } from './snapshot-slab.js';

/** What one peer may have asked for and not been sent. */
const CHUNKS_ASKED_MAX = 64;
const NO_BYTES = new Uint8Array(0);
/** An image without a byte is sent as the empty chunk 0 of none. */
const EMPTY_CHUNK: SentChunk = {
  number: 0,
  section: SnapshotSection.machine,
  flags: 0,
  rawBytes: 0,
  storedBytes: 0,
  storedCrc: 0,
};

interface OwnRead {
  readonly point: SnapshotPoint;
  readonly chunk: number;
}

/**
 * What a peer fetches: chunks `[next, end)` are still to be queued. It stays until the peer fetches
 * another one or no more, so that the file stays open between two requests, and a request for what
 * is queued is recognised.
 */
interface Serving {
  readonly peer: NodeId;
  readonly point: SnapshotPoint;
  next: number;
  end: number;
  /** What the file has to send; not known before it was opened. */
  chunks: number;
}

type SentChunk = Omit<PlacedChunk, 'offset'>;

export class SnapshotReading {
  readonly #around: SnapshotSurroundings;
  readonly #group: ServedGroup;
  readonly #files: SnapshotFiles;
  readonly #reads: OwnRead[] = [];
  /** What the own machine is being given. */
  #own: SnapshotPoint | null = null;
  /** By turns: who was served goes to the end. */
  #servings: Serving[] = [];

  constructor(around: SnapshotSurroundings, group: ServedGroup) {
    this.#around = around;
    this.#group = group;
    this.#files = new SnapshotFiles(around.store, group.group);
  }

  get isDue(): boolean {
    return this.#reads.length > 0 || this.#servings.some(({ next, end }) => next < end);
  }

  /** Files that are open. */
  get openFiles(): number {
    return this.#files.count;
  }

  read(point: SnapshotPoint, chunk: number): void {
    this.#reads.push({ point, chunk });
  }

  /** A peer wants chunks. */
  asked(peer: NodeId, { point: { index, term }, from, count }: FetchAsked): void {
    const point = { index, term } as SnapshotPoint;
    const end = from + Math.min(count, CHUNKS_ASKED_MAX);
    const known = this.#servings.find((one) => one.peer === peer);
    if (known !== undefined && this.#goesOn(known, point, from)) {
      known.end = Math.max(known.end, Math.min(end, known.chunks));
      return;
    }
    this.#servings = this.#servings.filter((one) => one !== known);
    this.#servings.push({ peer, point, next: from, end, chunks: Number.POSITIVE_INFINITY });
    this.#closeUnneeded();
  }

  /** The request goes on with what is served, or repeats what waits to be sent. */
  #goesOn(known: Serving, asked: SnapshotPoint, from: number): boolean {
    const { peer, point, next, end, chunks } = known;
    const isGap = from > end && end < chunks;
    if (!isSamePoint(point, asked) || isGap) return false;
    const { served } = this.#around;
    const { group } = this.#group;
    for (let chunk = from; chunk < next; chunk += 1) {
      if (!served.isQueued({ peer, group, point, chunk })) return false;
    }
    return true;
  }

  /** The peer fetches no more. */
  left(peer: NodeId): void {
    this.#servings = this.#servings.filter((one) => one.peer !== peer);
    this.#closeUnneeded();
  }

  /** Files of these paths were removed. */
  removed(paths: readonly string[]): void {
    this.#files.removed(paths);
  }

  #closeUnneeded(): void {
    const own = this.#own;
    const points = this.#servings.map(({ point }) => point);
    if (own !== null) points.push(own);
    this.#files.keep((point) => points.some((one) => isSamePoint(one, point)));
  }

  /** False: no slot was free, or there was nothing to do. */
  step(): boolean {
    return this.#stepOwn() || this.#stepServing();
  }

  #stepOwn(): boolean {
    const [own] = this.#reads;
    if (own === undefined) return false;
    const slot = this.#around.slab.take('reading');
    if (slot === NO_SLOT) return false;
    this.#reads.shift();
    this.#readOwn(own, slot);
    return true;
  }

  #stepServing(): boolean {
    const { group } = this.#group;
    for (const [at, serving] of this.#servings.entries()) {
      const { peer, point, next: chunk, end } = serving;
      if (chunk >= end) continue;
      const slot = this.#around.served.take({ peer, group, point, chunk });
      if (slot === NO_SLOT) continue;
      this.#servings.splice(at, 1);
      this.#serve(serving, slot);
      return true;
    }
    return false;
  }

  #readOwn({ point, chunk }: OwnRead, slot: number): void {
    const { slab, toGroup } = this.#around;
    const { group } = this.#group;
    this.#own = point;
    const read = attempt(() => {
      const reader = this.#files.open(point);
      const { chunkCount } = reader;
      // A machine may have nothing to say: its image is no chunk at all.
      if (chunkCount === 0) return { bytes: 0, section: SnapshotSection.machine, isLast: true };
      this.#checkFits(reader, chunk);
      const { rawBytes, section } = reader.readRaw(chunk, slab.raw(slot));
      return { bytes: rawBytes, section, isLast: chunk === chunkCount - 1 };
    });
    if (read instanceof Error) {
      slab.give(slot);
      toGroup(group, { kind: 'unreadable', point, text: read.message });
    } else toGroup(group, { kind: 'read', point, chunk, slot, ...read });
    if (read instanceof Error || read.isLast) this.#own = null;
    this.#closeUnneeded();
  }

  /** Sends the next chunk of what a peer fetches, which is none of `#servings` meanwhile. */
  #serve(serving: Serving, slot: number): void {
    const { peer, point, next } = serving;
    const { slab, toTransport } = this.#around;
    const sent = attempt(() => {
      const reader = this.#files.open(point);
      serving.chunks = Math.max(reader.chunkCount, 1);
      serving.end = Math.min(serving.end, serving.chunks);
      if (next >= serving.chunks) return null;
      if (reader.chunkCount === 0) return { reader, chunk: EMPTY_CHUNK };
      this.#checkFits(reader, next);
      return { reader, chunk: reader.readStored(next, slab.packed(slot)) };
    });
    if (sent === null) slab.give(slot);
    else if (sent instanceof Error) {
      slab.give(slot);
      this.#refuse(serving, sent);
    } else {
      const { reader, chunk } = sent;
      serving.next += 1;
      this.#servings.push(serving);
      toTransport({ kind: 'chunk', peer, slot, sent: this.#chunkSent(point, reader, chunk) });
    }
    this.#closeUnneeded();
  }

  /** The file is of no use to any peer. */
  #refuse({ peer, point }: Serving, reason: Error): void {
    const { toTransport, toGroup } = this.#around;
    const { group } = this.#group;
    // A machine that is being given this very image goes on as far as it can be read.
    const isBeingRead = this.#own !== null && isSamePoint(this.#own, point);
    const where = isBeingRead ? '' : placeText(this.#files.setAside(point, reason));
    const what = reason instanceof SnapshotDamage ? placeOf(reason) : reason.message;
    toTransport({ kind: 'refuse', peer, group, point, text: what });
    const isGone = reason instanceof SnapshotGone;
    toGroup(group, { kind: 'unservable', point, text: `${what}${where}`, isGone });
  }

  #chunkSent(point: SnapshotPoint, { header, footer }: SnapshotReader, chunk: SentChunk) {
    const { number, section, flags, rawBytes, storedBytes, storedCrc: crc } = chunk;
    return {
      group: this.#group.group,
      point,
      totals: footer,
      head: number === 0 ? header.bytes : NO_BYTES,
      packed: { chunk: number, section, flags, rawBytes, storedBytes, crc },
    };
  }

  /** Files may have larger chunks than any node of this version makes or takes. */
  #checkFits(reader: SnapshotReader, chunk: number): void {
    const { rawBytes } = reader.chunk(chunk);
    const { chunkBytes } = this.#around.slab;
    if (rawBytes > chunkBytes) throw new ChunkTooLarge(reader.path, chunk, rawBytes, chunkBytes);
  }

  /** Lets go of the open files. */
  close(): void {
    this.#files.close();
  }
}

/** Without the remedies of a file that a start finds damaged. */
function placeOf({ path, offset, what }: SnapshotDamage): string {
  return `${path} is damaged at byte ${offset}: ${what}`;
}

/** What `act` gives, or why the file cannot be read. */
function attempt<T>(act: () => T): T | Error {
  try {
    return act();
  } catch (cause) {
    const isExpected =
      cause instanceof DiskError ||
      cause instanceof SnapshotError ||
      cause instanceof ChunkTooLarge ||
      cause instanceof SnapshotGone;
    if (!isExpected) throw cause;
    return cause;
  }
}

class ChunkTooLarge extends Error {
  constructor(path: string, chunk: number, bytes: number, most: number) {
    const sizes = `chunk ${chunk} has ${bytes} bytes, this version takes at most ${most}`;
    super(`${path}: ${sizes}. Start the version that wrote it, or move the file away`);
  }
}
