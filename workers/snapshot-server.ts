/**
 * The bulk thread's part in snapshots: it owns their files, and does one small thing with them at a
 * time, with pauses in which the disk is the log's.
 *
 * Orders of the groups and news of the transport come in, answers go out; slots of the shared slab
 * carry the bytes. Free of rings and threads, so that the simulator runs it as it is. It must never
 * decide when a snapshot is taken or which one is needed.
 */

import type { ChunkBody } from '../codec/lz4-chunk.js';
import { nodeId, type SnapshotPoint } from '../engine/raft/types.js';
import { DiskError } from '../io/disk/disk.js';
import type { SnapshotStore } from '../io/snapshots/snapshot-store.js';
import type {
  BulkToTransport,
  SnapshotAnswer,
  SnapshotOrder,
  TransportToBulk,
} from './records/snapshot.js';
import { ServedSlots } from './served-slots.js';
import { SnapshotReading } from './snapshot-reading.js';
import { SnapshotReceiving } from './snapshot-receiving.js';
import type { SnapshotSlab } from './snapshot-slab.js';
import { SnapshotWriting } from './snapshot-writing.js';

/**
 * After a write the disk is left to the log for this many times as long as the write took: the
 * syncs of the log would otherwise wait behind all of a snapshot.
 */
const REST_SHARE = 2;
const NEVER = Number.POSITIVE_INFINITY;
/** Between two slices of a file that is removed. */
const REMOVAL_PAUSE_MS = 50;
/** How soon work that waits for a free slot is looked at again. */
const SLOT_RETRY_MS = 1;

export interface ServedGroup {
  readonly group: number;
  readonly nameHash: number;
}

export interface SnapshotServerParts {
  readonly store: SnapshotStore;
  readonly slab: SnapshotSlab;
  readonly clusterId: number;
  readonly chunkBytes: number;
  readonly compress: boolean;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
  readonly groups: readonly ServedGroup[];
  readonly toGroup: (group: number, answer: SnapshotAnswer) => void;
  readonly toTransport: (record: BulkToTransport) => void;
}

/** What the parts of the server share. */
export interface SnapshotSurroundings extends Omit<SnapshotServerParts, 'groups' | 'clock'> {
  /** The slots that peers are served from. */
  readonly served: ServedSlots;
  /** Has the slot's raw bytes packed; a text: why not. */
  readonly pack: (
    slot: number,
    rawBytes: number,
    packed: (body: ChunkBody | string) => void,
  ) => void;
}

interface GroupFiles {
  readonly writing: SnapshotWriting;
  readonly reading: SnapshotReading;
  readonly receiving: SnapshotReceiving;
}

export class SnapshotServer {
  readonly #parts: SnapshotServerParts;
  readonly #groups = new Map<number, GroupFiles>();
  readonly #inTurn: GroupFiles[] = [];
  readonly #jobs = new Map<number, (body: ChunkBody | string) => void>();
  #nextJob = 1;
  /** The disk is the log's until then. */
  #restUntil = 0;
  #removalAt = 0;
  /** Reads that found no free slot look for one again then. */
  #slotsAt = 0;
  /** Removals that the disk refused. */
  failures = 0;

  constructor(parts: SnapshotServerParts) {
    this.#parts = parts;
    const around: SnapshotSurroundings = {
      ...parts,
      served: new ServedSlots(parts.slab),
      pack: (slot, rawBytes, packed) => this.#pack(slot, rawBytes, packed),
    };
    for (const group of parts.groups) {
      const files = {
        writing: new SnapshotWriting(around, group),
        reading: new SnapshotReading(around, group),
        receiving: new SnapshotReceiving(around, group),
      };
      this.#groups.set(group.group, files);
      this.#inTurn.push(files);
    }
  }

  #pack(slot: number, rawBytes: number, packed: (body: ChunkBody | string) => void): void {
    const job = this.#nextJob;
    this.#nextJob += 1;
    this.#jobs.set(job, packed);
    const { compress } = this.#parts;
    this.#parts.toTransport({ kind: 'pack', job, slot, rawBytes, compress });
  }

  onOrder(group: number, order: SnapshotOrder): void {
    const files = this.#groups.get(group);
    if (files === undefined) return;
    const { writing, reading, receiving } = files;
    switch (order.kind) {
      case 'begin':
        writing.begin(order.head);
        break;
      case 'raw':
        writing.raw(order.slot, order.bytes, order.section);
        break;
      case 'finish':
        writing.finish();
        break;
      case 'abandon':
        writing.abandon();
        break;
      case 'read':
        reading.read(order.point, order.chunk);
        break;
      case 'fetch':
        receiving.fetch(order.peer, order.point, order.from, order.count);
        break;
      case 'abandonFetch':
        receiving.abandon();
        break;
      case 'retain':
        this.#retain(group, order.keep, order.pinned);
        break;
    }
  }

  #retain(group: number, keep: number, pinned: readonly SnapshotPoint[]): void {
    try {
      const removed = this.#parts.store.retain(group, keep, pinned);
      this.#groups.get(group)?.reading.removed(removed);
    } catch (cause) {
      // The files stay a while longer: the next snapshot tries again.
      if (!(cause instanceof DiskError)) throw cause;
      this.failures += 1;
    }
  }

  onTransport(record: TransportToBulk): void {
    switch (record.kind) {
      case 'packed':
        this.#onPacked(record);
        break;
      case 'asked': {
        const { peer, asked } = record;
        this.#groups.get(asked.group)?.reading.asked(nodeId(peer), asked);
        break;
      }
      case 'chunk': {
        const files = this.#groups.get(record.sent.group);
        if (files === undefined) this.#parts.slab.give(record.slot);
        else files.receiving.chunk(record.slot, record.sent);
        break;
      }
      case 'refused': {
        const { group, point, text } = record;
        this.#groups.get(group)?.receiving.refused(point as SnapshotPoint, text);
        break;
      }
      case 'down':
        for (const { receiving } of this.#inTurn) receiving.down(nodeId(record.peer));
        break;
      case 'left':
        for (const { reading } of this.#inTurn) reading.left(nodeId(record.peer));
        break;
    }
  }

  #onPacked({ job, packed, problem }: Extract<TransportToBulk, { kind: 'packed' }>): void {
    const done = this.#jobs.get(job);
    this.#jobs.delete(job);
    done?.(packed ?? problem);
  }

  get #writes(): boolean {
    return this.#inTurn.some(({ writing }) => writing.isDue);
  }

  get #reads(): boolean {
    return this.#inTurn.some(({ reading }) => reading.isDue);
  }

  /** Files that are open for reading. */
  get openFiles(): number {
    return this.#inTurn.reduce((sum, { reading }) => sum + reading.openFiles, 0);
  }

  /** A step would do something now. */
  get isDue(): boolean {
    return this.#parts.clock() >= this.deadline;
  }

  get deadline(): number {
    const reads = this.#reads ? this.#slotsAt : NEVER;
    const removals = this.#parts.store.removals.isDue ? this.#removalAt : NEVER;
    return Math.min(reads, removals, this.#writes ? this.#restUntil : NEVER);
  }

  /** One chunk read and one written, of the groups by turns; one slice of a file removed. */
  step(): void {
    const begun = this.#parts.clock();
    if (begun >= this.#slotsAt) this.#read(begun);
    if (begun >= this.#restUntil) this.#write(begun);
    if (begun >= this.#removalAt) this.#remove(begun);
    const first = this.#inTurn.shift();
    if (first !== undefined) this.#inTurn.push(first);
  }

  #read(begun: number): void {
    const isShort = this.#reads && !this.#inTurn.some(({ reading }) => reading.step());
    // Nobody rings when a slot comes free.
    this.#slotsAt = isShort ? begun + SLOT_RETRY_MS : 0;
  }

  #write(begun: number): void {
    const due = this.#inTurn.find(({ writing }) => writing.isDue);
    if (due === undefined) return;
    due.writing.step();
    const ended = this.#parts.clock();
    this.#restUntil = ended + REST_SHARE * (ended - begun);
  }

  #remove(begun: number): void {
    this.#removalAt = begun + REMOVAL_PAUSE_MS;
    try {
      this.#parts.store.removals.step();
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      this.failures += 1;
    }
  }

  /** What is not complete goes. */
  close(): void {
    this.#parts.store.removals.close();
    for (const { writing, reading, receiving } of this.#inTurn) {
      writing.abandon();
      receiving.abandon();
      reading.close();
    }
  }
}
