/**
 * The transport thread's part of snapshots: what the bulk thread wants packed, fetched and sent,
 * and what comes of it.
 *
 *   bulk ══ toTransport ══▶ pack → packer, fetch, chunk, refuse → bulk connections
 *        ◀═ fromTransport ═ packed, asked, chunk, refused, down, left
 *
 * Chunks lie in the slab: from the socket into a slot, from a slot to the socket. Every slot that
 * was taken or received here is handed on or given back. A turn has a bound, so that frames of the
 * groups, which go first, never wait for long. This file must never look into a chunk.
 */

import {
  CHUNK_RAW_BYTES_MAX,
  CHUNKS_MAX,
  type SnapshotChunkHead,
  type SnapshotFetch,
  type SnapshotRefusal,
} from '../codec/frames/snapshot-frames.js';
import type { ChunkBody } from '../codec/lz4-chunk.js';
import { assert, type NodeId, nodeId } from '../engine/raft/types.js';
import type { Adapter, Timer } from '../io/net/adapter.js';
import type { BulkHandlers } from '../io/net/bulk-handlers.js';
import type { BulkLinks } from '../io/net/bulk-links.js';
import { SendResult } from '../io/net/peer-handlers.js';
import type { CodecPool } from './codec-pool.js';
import { OverflowProducer } from './ports/overflow.js';
import {
  type BulkToTransport,
  packRecord,
  type TransportToBulk,
  unpackRecord,
} from './records/snapshot.js';
import type { Doorbell } from './ring/doorbell.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import { SendRate } from './send-rate.js';
import { NO_SLOT, SnapshotSlab } from './snapshot-slab.js';
import type { SnapshotMemory } from './topology.js';

export interface SnapshotTrafficOptions {
  readonly memory: SnapshotMemory;
  /** Groups of this node. */
  readonly groups: number;
  /** Of the thread that has the files. */
  readonly bell: Doorbell;
  readonly packer: ChunkPacker;
  /** Bytes of chunks per second to all peers together; 0: no limit. */
  readonly rateBytes: number;
  /** For its clock and one timer. */
  readonly adapter: Adapter;
}

type PackOrder = Extract<BulkToTransport, { kind: 'pack' }>;
type ChunkOrder = Extract<BulkToTransport, { kind: 'chunk' }>;

/** What compresses chunks on threads of its own, never on this one. */
export type ChunkPacker = Pick<CodecPool, 'compress' | 'close'>;

/** Kind of all records of the two rings: what they are they say themselves. */
export const SNAPSHOT_RECORD = 1;

const RECORDS_PER_TURN = 16;
/** How soon slots and rings that nobody rings for are looked at again. */
const ROOM_RETRY_MS = 2;
const TIMER_MS_MIN = 1;
/** Requests of peers are dropped while so many bytes wait for the bulk thread. */
const KEPT_BYTES_MAX = 64 * 1024;

export class SnapshotTraffic implements BulkHandlers {
  readonly #adapter: Adapter;
  readonly #groups: number;
  readonly #bell: Doorbell;
  readonly #packer: ChunkPacker;
  readonly #rate: SendRate;
  readonly #slab: SnapshotSlab;
  readonly #orders: RingConsumer;
  readonly #answers: OverflowProducer;
  readonly #timer: Timer;
  /** Chunks that wait for their connection or for the rate, oldest first: each has a slot. */
  #pending: ChunkOrder[] = [];
  /** The slot that a peer's chunk is being received into. */
  readonly #landing = new Map<NodeId, number>();
  #links: BulkLinks | null = null;
  #isSoon = false;
  #isClosed = false;

  constructor(options: SnapshotTrafficOptions) {
    const { memory } = options;
    this.#adapter = options.adapter;
    this.#groups = options.groups;
    this.#bell = options.bell;
    this.#packer = options.packer;
    this.#rate = new SendRate(options.rateBytes);
    this.#slab = new SnapshotSlab(memory.slab);
    assert(this.#slab.chunkBytes <= CHUNK_RAW_BYTES_MAX, 'every chunk fits into a frame');
    this.#orders = new RingConsumer(memory.toTransport);
    this.#answers = new OverflowProducer(new RingProducer(memory.fromTransport));
    this.#timer = options.adapter.timerCreate(() => this.#turn());
  }

  attach(links: BulkLinks): void {
    this.#links = links;
  }

  hasWork(): boolean {
    return this.#orders.hasRecords();
  }

  /** Does what the bulk thread has asked for; returns how many records that was. */
  doWork(): number {
    const taken = this.#orders.drain((_, at, bytes) => {
      this.#take(unpackRecord<BulkToTransport>(this.#orders.bytes, at, bytes));
      return RECORD_TAKEN;
    }, RECORDS_PER_TURN);
    if (taken > 0) this.#turn();
    return taken;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#adapter.timerDestroy(this.#timer);
    await this.#packer.close();
  }

  #bulk(): BulkLinks {
    assert(this.#links !== null, 'the links are attached before the first turn');
    return this.#links;
  }

  #take(order: BulkToTransport): void {
    switch (order.kind) {
      case 'pack':
        this.#pack(order);
        return;
      case 'fetch':
        this.#fetch(nodeId(order.peer), order.asked);
        return;
      case 'chunk':
        this.#pending.push(order);
        return;
      case 'refuse':
        this.#bulk().refuse(nodeId(order.peer), order);
        return;
    }
  }

  #pack(order: PackOrder): void {
    const { slot, rawBytes, compress } = order;
    assert(rawBytes <= this.#slab.chunkBytes, 'a chunk fits into its slot');
    this.#packer.compress(this.#slab.job(slot, rawBytes, compress)).then(
      (result) => this.#packed(order, result, ''),
      (cause: unknown) => this.#packed(order, null, String(cause)),
    );
  }

  #packed({ job, slot }: PackOrder, body: ChunkBody | null, problem: string): void {
    if (!this.#isClosed) this.#answer({ kind: 'packed', job, slot, packed: body, problem });
  }

  #fetch(peer: NodeId, asked: SnapshotFetch): void {
    const { group, point, from } = asked;
    const count = Math.min(asked.count, CHUNKS_MAX);
    const text = this.#bulk().fetch(peer, { group, point, from, count });
    if (text !== null) this.refused(peer, { group, point, text });
  }

  #answer(record: TransportToBulk): void {
    const bytes = packRecord(record);
    const fill = (into: Buffer, _: DataView, at: number): void => {
      bytes.copy(into, at);
    };
    this.#answers.put(SNAPSHOT_RECORD, bytes.length, fill, () => fill);
    this.#soon();
  }

  /** A turn once the callbacks that run now are done. */
  #soon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    queueMicrotask(() => {
      this.#isSoon = false;
      this.#turn();
    });
  }

  /** Everything that may have become possible: sending, receiving, answering. */
  #turn(): void {
    if (this.#isClosed) return;
    const rateWaitMs = this.#send();
    const bulk = this.#bulk();
    if (bulk.isPaused) bulk.resume();
    if (this.#answers.publish()) this.#bell.ring();
    const isShort = bulk.isPaused || this.#answers.isWaiting;
    const waitMs = Math.min(rateWaitMs, isShort ? ROOM_RETRY_MS : Number.POSITIVE_INFINITY);
    if (!Number.isFinite(waitMs)) return;
    this.#adapter.timerStart(this.#timer, Math.max(TIMER_MS_MIN, Math.ceil(waitMs)), false);
  }

  /** Sends what may leave; returns in how many milliseconds the rate lets more go, or Infinity. */
  #send(): number {
    const now = this.#adapter.now();
    const waiting = this.#pending;
    this.#pending = [];
    for (const [at, order] of waiting.entries()) {
      const waitMs = this.#rate.waitMs(now);
      if (waitMs > 0) {
        this.#pending.push(...waiting.slice(at));
        return waitMs;
      }
      this.#sendOne(order, now);
    }
    return Number.POSITIVE_INFINITY;
  }

  #sendOne(order: ChunkOrder, nowMs: number): void {
    const { slot, sent } = order;
    const { storedBytes } = sent.packed;
    const stored = this.#slab.packed(slot, storedBytes);
    const result = this.#bulk().sendChunk(nodeId(order.peer), sent, stored, slot + 1);
    if (result === SendResult.queued) this.#rate.took(storedBytes, nowMs);
    else if (result === SendResult.queueFull) this.#pending.push(order);
    // The peer has gone, and will ask again.
    else this.#slab.give(slot);
  }

  released(token: number): void {
    this.#slab.give(token - 1);
    this.#soon();
  }

  fetch(peer: NodeId, asked: SnapshotFetch): void {
    const { group, point } = asked;
    if (group >= this.#groups) {
      this.#bulk().refuse(peer, { group, point, text: `group ${group} is not here` });
      return;
    }
    // The peer asks again by itself; a refusal would make it begin anew.
    if (this.#answers.keptBytes > KEPT_BYTES_MAX) return;
    this.#answer({ kind: 'asked', peer, asked });
  }

  space(peer: NodeId, head: SnapshotChunkHead): Uint8Array | null | string {
    const { rawBytes, storedBytes } = head.packed;
    const { chunkBytes, packedBytesMax } = this.#slab;
    if (rawBytes > chunkBytes || storedBytes > packedBytesMax) {
      const sizes = `chunk of ${rawBytes} bytes there, at most ${chunkBytes} here`;
      const text = `${sizes}: upgrade this node`;
      this.refused(peer, { group: head.group, point: head.point, text });
      return text;
    }
    const slot = this.#slab.take('landing');
    if (slot === NO_SLOT) {
      // Not `#soon`: a turn asks for room again, without end.
      this.#adapter.timerStart(this.#timer, ROOM_RETRY_MS, false);
      return null;
    }
    this.#landing.set(peer, slot);
    return this.#slab.packed(slot, storedBytes);
  }

  chunk(peer: NodeId, head: SnapshotChunkHead): void {
    this.#answer({ kind: 'chunk', peer, slot: this.#landed(peer), sent: head });
  }

  spaceLost(peer: NodeId): void {
    this.#slab.give(this.#landed(peer));
  }

  #landed(peer: NodeId): number {
    const slot = this.#landing.get(peer);
    assert(slot !== undefined, 'a chunk lands where it was given room');
    this.#landing.delete(peer);
    return slot;
  }

  refused(peer: NodeId, { group, point, text }: SnapshotRefusal): void {
    this.#answer({ kind: 'refused', peer, group, point, text });
  }

  down(peer: NodeId): void {
    this.#answer({ kind: 'down', peer });
  }

  left(peer: NodeId): void {
    const lost = this.#pending.filter((order) => order.peer === peer);
    this.#pending = this.#pending.filter((order) => order.peer !== peer);
    for (const { slot } of lost) this.#slab.give(slot);
    this.#answer({ kind: 'left', peer });
  }
}
