/**
 * The bulk thread and codec pool of one simulated process, as far as snapshots go: the production
 * server on the node's disk, with virtual time for each step.
 *
 * Orders and answers wait a moment as in rings, chunks are packed as by another thread, and what
 * goes to peers becomes frames of the transport. It must never answer within the call that asked.
 */

import { FrameKind } from '../../codec/frames/frame-format.js';
import { decodeChunkHead, decodeFetch, decodeRefused } from '../../codec/frames/snapshot-frames.js';
import { compressInSlab } from '../../codec/lz4-chunk.js';
import type { Prng } from '../../engine/raft/prng.js';
import type { SnapshotHead, SnapshotPort } from '../../engine/runtime/snapshot-port.js';
import { snapshotName } from '../../io/snapshots/snapshot-names.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import { SlabSnapshotPort } from '../../workers/ports/slab-snapshot-port.js';
import type {
  BulkToTransport,
  FetchAsked,
  SnapshotAnswer,
  SnapshotOrder,
  TransportToBulk,
} from '../../workers/records/snapshot.js';
import { type FoundSnapshots, findSnapshots } from '../../workers/snapshot-found.js';
import { SnapshotServer } from '../../workers/snapshot-server.js';
import { createSnapshotSlab, NO_SLOT, SnapshotSlab } from '../../workers/snapshot-slab.js';
import type { FusedDisk } from './fused-disk.js';
import type { SimProcess } from './process.js';
import type { SnapshotFaults } from './snapshot-faults.js';

/** The least that a file's header allows; ports fill far less of it. */
export const SIM_CHUNK_BYTES = 64 * 1024;
const US_PER_MS = 1_000;
const POOL_FAILED = 'the codec pool has failed this job';

/** What goes to a peer. */
export type BulkRecord = Exclude<BulkToTransport, { kind: 'pack' }>;

export interface SnapshotDeviceParts {
  readonly process: SimProcess;
  readonly prng: Prng;
  readonly disk: FusedDisk;
  readonly directory: string;
  readonly clusterId: number;
  readonly groups: number;
  /** How much of a slot a group fills. */
  readonly chunkBytes: number;
  readonly compress: boolean;
  readonly faults: SnapshotFaults;
  /** The connection to a peer breaks. */
  cut(peer: number): void;
  /** Whether the file of a group may be damaged now, and the damage. */
  mayRot(group: number): boolean;
  rot(path: string, group: number, index: number): void;
  /** A group begins to take a snapshot, of the state as it is now. */
  began(group: number, head: SnapshotHead): void;
  answer(group: number, answer: SnapshotAnswer): void;
  send(record: BulkRecord): void;
}

export class SnapshotDevice {
  readonly slab = new SnapshotSlab(createSnapshotSlab(SIM_CHUNK_BYTES));
  /** What the start found, by group. */
  readonly found: readonly FoundSnapshots[];
  readonly #parts: SnapshotDeviceParts;
  readonly #server: SnapshotServer;
  readonly #bytes: Uint8Array;
  #isAwake = false;

  constructor(parts: SnapshotDeviceParts) {
    this.#parts = parts;
    const { disk, directory, clusterId, groups, compress } = parts;
    const served = Array.from({ length: groups }, (_, group) => ({ group, nameHash: group + 1 }));
    const store = SnapshotStore.open({ disk, directory, clusterId, groups: served });
    this.found = served.map(({ group }) => findSnapshots(store, group));
    this.#bytes = new Uint8Array(this.slab.memory);
    this.#server = new SnapshotServer({
      store,
      slab: this.slab,
      clusterId,
      chunkBytes: SIM_CHUNK_BYTES,
      compress,
      clock: () => parts.process.localUs / US_PER_MS,
      groups: served,
      toGroup: (group, answer) => parts.answer(group, answer),
      toTransport: (record) => this.#toTransport(record),
    });
  }

  /** Warnings of the start about snapshots: damaged, unreadable, or removed as one too many. */
  get damaged(): number {
    return this.found.reduce((sum, { warnings }) => sum + warnings.length, 0);
  }

  portOf(group: number): SnapshotPort {
    const { process, prng, chunkBytes } = this.#parts;
    // A ring per group: orders wait a moment, and keep their order whatever the clock does.
    const ring: SnapshotOrder[] = [];
    return new SlabSnapshotPort(
      (order) => {
        if (order.kind === 'begin') this.#parts.began(group, order.head);
        ring.push(order);
        process.after(prng.between(20, 300), () => {
          const next = ring.shift();
          if (next !== undefined) this.#server.onOrder(group, next);
          this.#wake();
        });
      },
      this.slab,
      chunkBytes,
    );
  }

  #wake(): void {
    if (this.#isAwake) return;
    const { process, prng } = this.#parts;
    const { isDue, deadline } = this.#server;
    if (!isDue && deadline === Number.POSITIVE_INFINITY) return;
    this.#isAwake = true;
    const waitUs = prng.between(50, 1_500);
    const dueUs = isDue ? process.localUs : Math.ceil(deadline * US_PER_MS);
    process.at(Math.max(dueUs, process.localUs) + waitUs, () => {
      this.#isAwake = false;
      if (this.#server.isDue) this.#server.step();
      this.#wake();
    });
  }

  #toTransport(record: BulkToTransport): void {
    if (record.kind !== 'pack') {
      this.#parts.send(record);
      return;
    }
    const { process, prng, faults } = this.#parts;
    const { job, slot, rawBytes, compress } = record;
    process.after(prng.between(50, 3_000), () => {
      const { slab } = this;
      if (faults.strikes('pack')) {
        this.fromTransport({ kind: 'packed', job, slot, packed: null, problem: POOL_FAILED });
        return;
      }
      const packed = compressInSlab(this.#bytes, slab.job(slot, rawBytes, compress));
      this.fromTransport({ kind: 'packed', job, slot, packed, problem: '' });
    });
  }

  fromTransport(record: TransportToBulk): void {
    this.#server.onTransport(record);
    this.#wake();
  }

  /** A frame of a peer about snapshots; false when it is not what it says. */
  frame(peer: number, kind: number, body: Buffer): boolean {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    if (kind === FrameKind.snapshotFetch) {
      const asked = decodeFetch(view, 0, body.length);
      if (asked === null) return false;
      const { group, point } = asked;
      this.#rot(asked);
      if (this.#parts.faults.strikes('gone')) {
        this.#parts.send({ kind: 'refuse', peer, group, point, text: 'that snapshot is gone' });
      } else this.fromTransport({ kind: 'asked', peer, asked });
      return true;
    }
    if (kind === FrameKind.snapshotRefused) {
      const refused = decodeRefused(view, 0, body.length);
      if (refused !== null) this.fromTransport({ kind: 'refused', peer, ...refused });
      return refused !== null;
    }
    const sent = decodeChunkHead(body, view, 0, body.length);
    if (sent === null) return false;
    const { faults, cut, process } = this.#parts;
    if (faults.strikes('cut')) process.after(0, () => cut(peer));
    if (faults.strikes('lose')) return true;
    const slot = this.#slotOf(body.subarray(body.length - sent.packed.storedBytes));
    // Without a slot the chunk is lost: it is asked for again.
    if (slot !== NO_SLOT) this.fromTransport({ kind: 'chunk', peer, slot, sent });
    return true;
  }

  #rot({ group, point }: FetchAsked): void {
    const { disk, directory, faults, mayRot, rot } = this.#parts;
    const path = `${directory}/${snapshotName(group, point)}`;
    if (disk.exists(path) && mayRot(group) && faults.strikes('rot')) rot(path, group, point.index);
  }

  /** The connection to a peer broke. */
  down(peer: number): void {
    this.fromTransport({ kind: 'down', peer });
    this.fromTransport({ kind: 'left', peer });
  }

  /** A slot with a chunk that has come from a peer; `NO_SLOT`: it is lost. */
  #slotOf(stored: Uint8Array): number {
    const slot = stored.length > this.slab.packedBytesMax ? NO_SLOT : this.slab.take('landing');
    if (slot !== NO_SLOT) this.slab.packed(slot).set(stored);
    return slot;
  }
}
