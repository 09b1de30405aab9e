/**
 * A key-value machine under observation: every command is reported with its bytes before it is
 * applied, and compare-and-set is added on top. Some runs use the machine that ships.
 *
 * It must never change what the machine does with a command that the machine knows. The deferred
 * host answers later, as a machine on another thread does.
 */

import type { SnapshotSection } from '../../codec/snapshot-section.js';
import {
  COMMAND_HEADER_BYTES,
  CommandType,
  OFFSET_KEY_LENGTH,
  readU16,
} from '../../engine/machines/kv/commands.js';
import { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import { kvOptions } from '../../engine/machines/kv/options.js';
import { encodeQuery, QUERY_HEADER_BYTES, QueryType } from '../../engine/machines/kv/queries.js';
import { RESULT_HEADER_BYTES, ResultStatus } from '../../engine/machines/kv/results.js';
import type { EntrySlab } from '../../engine/runtime/apply-cursor.js';
import type { HostEvents, MachineHost } from '../../engine/runtime/machine-host.js';
import type { ReadBatch } from '../../engine/runtime/pending-reads.js';
import type { BatchPart } from '../../engine/runtime/pending-writes.js';
import type { ApplyBatch, Restoration, StateMachine } from '../../engine/state-machine.js';
import { COMPARE_AND_SET, casAnswer, decodeCas } from './kv-wire.js';
import { type InnerMachine, MapMachine } from './map-machine.js';

/** Small, so that images of few keys have several chunks. */
const SNAPSHOT_CHUNK_BYTES = 512;

/** Sees each command: its place, the time it carries and its bytes, lent for the call. */
export type Watch = (index: number, term: number, timeMs: number, command: Buffer) => void;

/** A batch of one command, pointed at wherever it lies. */
class SingleCommand implements ApplyBatch {
  index = 0;
  term = 0;
  timeMs = 0;
  context: ApplyBatch['context'] = { groupName: '', groupId: 0, nodeId: 0, options: null };
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  wanted = false;
  answer: ApplyBatch | null = null;
  #isFresh = false;

  point(from: ApplyBatch, start: number, answer: ApplyBatch | null): this {
    this.index = from.index;
    this.term = from.term;
    this.timeMs = from.timeMs;
    this.context = from.context;
    this.buffer = from.buffer;
    this.start = start;
    this.end = from.end;
    this.wanted = answer !== null && from.wanted;
    this.answer = answer;
    this.#isFresh = true;
    return this;
  }

  next(): boolean {
    const fresh = this.#isFresh;
    this.#isFresh = false;
    return fresh;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  reply(bytes: Uint8Array): void {
    this.answer?.reply(bytes);
  }

  reject(reason: Uint8Array | string): void {
    this.answer?.reject(reason);
  }
}

export class SimMachine implements StateMachine {
  readonly #inner: InnerMachine;
  readonly #watch: Watch;
  readonly #single = new SingleCommand();
  readonly #restored: () => void;
  #mustFail = false;
  /** The command at which it was made to throw; 0: it was not. */
  failedAt = 0;

  /** `restored`: called when an image was taken over, before anything else is applied. */
  constructor(watch: Watch, isShipped: boolean, restored: () => void = () => {}) {
    this.#restored = restored;
    this.#inner = isShipped
      ? new KvMachine(kvOptions({ snapshotChunkBytes: SNAPSHOT_CHUNK_BYTES }))
      : new MapMachine();
    this.#watch = watch;
  }

  /** The next command makes it throw, once. */
  failNext(): void {
    this.#mustFail = true;
  }

  apply(batch: ApplyBatch): void {
    while (batch.next()) {
      const { buffer, start, end } = batch;
      if (this.#mustFail) this.#fail(batch.index);
      this.#watch(batch.index, batch.term, batch.timeMs, buffer.subarray(start, end));
      if (buffer[start] === COMPARE_AND_SET) this.#compareAndSet(batch);
      else this.#inner.apply(this.#single.point(batch, start, batch));
    }
  }

  #fail(index: number): never {
    this.#mustFail = false;
    this.failedAt = index;
    throw new Error('this machine was made to fail');
  }

  #compareAndSet(batch: ApplyBatch): void {
    const { buffer, start } = batch;
    const { expected, setAt } = decodeCas(buffer, start);
    const keyAt = setAt + COMMAND_HEADER_BYTES;
    const keyEnd = keyAt + readU16(buffer, setAt + OFFSET_KEY_LENGTH);
    if (buffer[setAt] !== CommandType.set) throw new Error('a compare-and-set ends with a SET');
    const query = Buffer.alloc(QUERY_HEADER_BYTES + keyEnd - keyAt);
    encodeQuery(query, 0, QueryType.get, buffer, keyAt, keyEnd);
    const found = this.#inner.query(query);
    const isValue = found[0] === ResultStatus.value;
    const took = isValue && expected.equals(found.subarray(RESULT_HEADER_BYTES));
    if (took) this.#inner.apply(this.#single.point(batch, setAt, null));
    batch.reply(casAnswer(took));
  }

  query(query: Uint8Array): Uint8Array {
    return this.#inner.query(Buffer.from(query.buffer, query.byteOffset, query.length));
  }

  snapshot(): Iterable<Uint8Array> {
    return this.#inner.snapshot();
  }

  restore(): Restoration {
    const inner = this.#inner.restore();
    return {
      chunk: (bytes) => inner.chunk(bytes),
      finish: () => {
        inner.finish();
        this.#restored();
      },
    };
  }

  imageBacklogBytes(): number {
    return this.#inner.imageBacklogBytes?.() ?? 0;
  }

  digest(): string {
    return this.#inner.digest();
  }
}

/** Hands everything to the host below after a while, in order. */
export class DeferredHost implements MachineHost {
  readonly #host: MachineHost;
  readonly #later: (action: () => void) => void;
  /** Changes with each image that begins or ends: a pull of one that is over is never answered. */
  #image = 0;

  constructor(host: MachineHost, later: (action: () => void) => void) {
    this.#host = host;
    this.#later = later;
  }

  attach(events: HostEvents): void {
    this.#host.attach(events);
  }

  apply(slab: EntrySlab, last: number, parts: readonly BatchPart[]): void {
    this.#later(() => this.#host.apply(slab, last, parts));
  }

  query(batch: ReadBatch): void {
    this.#later(() => this.#host.query(batch));
  }

  get timeMs(): number {
    return this.#host.timeMs;
  }

  get sessions(): number {
    return this.#host.sessions;
  }

  beginImage(): void {
    this.#image += 1;
    this.#later(() => this.#host.beginImage());
  }

  pullImage(): void {
    const image = this.#image;
    this.#later(() => {
      if (image === this.#image) this.#host.pullImage();
    });
  }

  endImage(): void {
    this.#image += 1;
    this.#later(() => this.#host.endImage());
  }

  beginRestore(): void {
    this.#image += 1;
    this.#later(() => this.#host.beginRestore());
  }

  restoreChunk(bytes: Uint8Array, section?: SnapshotSection): void {
    this.#later(() => this.#host.restoreChunk(bytes, section));
  }

  finishRestore(last: number, timeMs: number): void {
    this.#later(() => this.#host.finishRestore(last, timeMs));
  }
}
