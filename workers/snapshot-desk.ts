/**
 * The snapshot server on its rings: in the bulk thread or, for a node in memory, in the io thread.
 *
 * Orders of the groups come through the load server, which owns their rings; news of the transport
 * and what goes there through two rings of the node. Wiring only.
 */

import { crc32c } from '../codec/checksum.js';
import { monotonicMs } from '../io/clock.js';
import type { SnapshotStore } from '../io/snapshots/snapshot-store.js';
import type { LoadServer } from './load-server.js';
import { OverflowProducer } from './ports/overflow.js';
import { LoadKind } from './records/load.js';
import {
  type BulkToTransport,
  packRecord,
  type SnapshotOrder,
  type TransportToBulk,
  unpackRecord,
} from './records/snapshot.js';
import { Doorbell } from './ring/doorbell.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import type { ServedGroup } from './snapshot-server.js';
import { SnapshotServer } from './snapshot-server.js';
import { SnapshotSlab } from './snapshot-slab.js';
import { Bell, type NodeMemory } from './topology.js';

/** What the server is told at its start. */
export interface SnapshotDeskOptions {
  readonly clusterId: number;
  /** Names of the groups, by their number. */
  readonly groupNames: readonly string[];
  readonly chunkBytes: number;
  readonly compress: boolean;
}

const RECORDS_PER_TURN = 16;
/** There is one kind of record in these rings. */
const KIND = 1;

export class SnapshotDesk {
  readonly #server: SnapshotServer;
  readonly #toTransport: OverflowProducer;
  readonly #fromTransport: RingConsumer;
  readonly #bell: Doorbell;

  constructor(
    memory: NodeMemory,
    store: SnapshotStore,
    options: SnapshotDeskOptions,
    loads: LoadServer,
  ) {
    const { clusterId, chunkBytes, compress, groupNames } = options;
    this.#toTransport = new OverflowProducer(new RingProducer(memory.snapshots.toTransport));
    this.#fromTransport = new RingConsumer(memory.snapshots.fromTransport);
    this.#bell = new Doorbell(memory.doorbells, Bell.transport);
    this.#server = new SnapshotServer({
      store,
      slab: new SnapshotSlab(memory.snapshots.slab),
      clusterId,
      chunkBytes,
      compress,
      clock: monotonicMs,
      groups: servedGroups(groupNames),
      toGroup: (group, answer) => loads.answer(group, LoadKind.snapshot, packRecord(answer)),
      toTransport: (record) => this.#send(record),
    });
    loads.onSnapshotOrder = (group, bytes, at, length) =>
      this.#server.onOrder(group, unpackRecord<SnapshotOrder>(bytes, at, length));
  }

  #send(record: BulkToTransport): void {
    const bytes = packRecord(record);
    const fill = (memory: Buffer, _: DataView, at: number): void => {
      memory.set(bytes, at);
    };
    this.#toTransport.put(KIND, bytes.length, fill, () => fill);
  }

  hasWork(): boolean {
    return this.#fromTransport.hasRecords() || this.#server.isDue;
  }

  get deadline(): number {
    const soon = this.#toTransport.isWaiting ? monotonicMs() + 1 : Number.POSITIVE_INFINITY;
    return Math.min(soon, this.#server.deadline);
  }

  doWork(): void {
    this.#fromTransport.drain((_, at, length) => {
      const { bytes } = this.#fromTransport;
      this.#server.onTransport(unpackRecord<TransportToBulk>(bytes, at, length));
      return RECORD_TAKEN;
    }, RECORDS_PER_TURN);
    if (this.#server.isDue) this.#server.step();
    if (this.#toTransport.publish()) this.#bell.ring();
  }

  close(): void {
    this.#server.close();
  }
}

/** Groups by the number that log and snapshots know them by. */
export function servedGroups(names: readonly string[]): ServedGroup[] {
  return names.map((name, group) => ({ group, nameHash: crc32c(Buffer.from(name)) }));
}
