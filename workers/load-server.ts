/**
 * Serves the loads of all groups: reads old entries back from the log and hands them over by ring.
 *
 * Runs in the bulk thread, or, for a node in memory, in the io thread that owns the memory disk. An
 * entry that cannot be read is answered with a count of 0 and the reason; what that means is the
 * asker's business.
 */

import type { LoadRequest } from '../engine/runtime/ports.js';
import type { Disk } from '../io/disk/disk.js';
import { LogReader } from '../io/wal/log-reader.js';
import { OverflowProducer } from './ports/overflow.js';
import { LOADED_HEADER_BYTES, LoadKind, readLoad, writeLoadedHeader } from './records/load.js';
import type { Doorbell } from './ring/doorbell.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from './ring/spsc-ring.js';
import type { GroupMemory } from './topology.js';

interface LoadClient {
  readonly group: number;
  readonly requests: RingConsumer;
  readonly answers: OverflowProducer;
  readonly payloadBytesMax: number;
  readonly bell: Doorbell;
}

type OrderSink = (group: number, bytes: Buffer, at: number, length: number) => void;

const LOADS_PER_TURN = 4;
const REASON_BYTES_MAX = 2048;

export class LoadServer {
  readonly #reader: LogReader;
  readonly #clients: LoadClient[];
  /** Loads that could not be served. */
  failures = 0;
  /** Takes orders about snapshots, which travel in the same rings. */
  onSnapshotOrder: OrderSink = () => {};

  constructor(
    disk: Disk,
    directory: string,
    groups: readonly { group: number; memory: GroupMemory; bell: Doorbell }[],
  ) {
    this.#reader = new LogReader(disk, directory);
    this.#clients = groups.map(({ group, memory, bell }) => {
      const ring = new RingProducer(memory.loaded);
      return {
        group,
        bell,
        requests: new RingConsumer(memory.loads),
        answers: new OverflowProducer(ring),
        payloadBytesMax: ring.payloadBytesMax,
      };
    });
  }

  hasWork(): boolean {
    return this.#clients.some((client) => client.requests.hasRecords());
  }

  /** Answers wait for room in a ring: look again soon. */
  get isWaiting(): boolean {
    return this.#clients.some((client) => client.answers.isWaiting);
  }

  doWork(): number {
    let served = 0;
    for (const client of this.#clients) {
      served += client.requests.drain((kind, at, length) => {
        const { bytes, view } = client.requests;
        if (kind === LoadKind.load) this.#serve(client, readLoad(view, at));
        else if (kind === LoadKind.snapshot) {
          this.onSnapshotOrder(client.group, bytes, at, length);
        }
        return RECORD_TAKEN;
      }, LOADS_PER_TURN);
    }
    this.publish();
    return served;
  }

  /** Hands over what was answered since. */
  publish(): void {
    for (const { answers, bell } of this.#clients) if (answers.publish()) bell.ring();
  }

  /** Hands a record to a group; it leaves with the next turn. */
  answer(group: number, kind: number, record: Buffer): void {
    const client = this.#clients.find((one) => one.group === group);
    const fill = (bytes: Buffer, _: DataView, at: number): void => {
      bytes.set(record, at);
    };
    client?.answers.put(kind, record.length, fill, () => fill);
  }

  #serve(client: LoadClient, load: LoadRequest): void {
    const { id, first } = load;
    const { count, slab } = this.#read(client, load);
    const fill = (bytes: Buffer, view: DataView, at: number): void => {
      writeLoadedHeader(view, at, { id, first, count });
      bytes.set(slab, at + LOADED_HEADER_BYTES);
    };
    client.answers.put(LoadKind.loaded, LOADED_HEADER_BYTES + slab.length, fill, () => fill);
  }

  #read(client: LoadClient, load: LoadRequest): { count: number; slab: Uint8Array } {
    const { segment, offset, first, last, term } = load;
    const bytesMax = Math.min(load.bytesMax, client.payloadBytesMax - LOADED_HEADER_BYTES);
    try {
      const [run] = this.#reader.read({
        group: client.group,
        location: { segment, offset },
        first,
        last,
        bytesMax,
        termOf: () => term,
      });
      if (run !== undefined) return { count: run.count, slab: run.bytes };
    } catch (cause) {
      return this.#unreadable(cause instanceof Error ? cause.message : String(cause));
    }
    return this.#unreadable(`segment ${segment} does not hold it from byte ${offset} on`);
  }

  #unreadable(reason: string): { count: number; slab: Uint8Array } {
    this.failures += 1;
    return { count: 0, slab: Buffer.from(reason).subarray(0, REASON_BYTES_MAX) };
  }

  close(): void {
    this.#reader.close();
  }
}
