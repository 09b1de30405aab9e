/**
 * The key-value machine that ships with the engine: keys and values are bytes, held off the heap.
 *
 * This file only joins the parts: commands.ts and apply-command.ts (writes), queries.ts and
 * answer-query.ts (reads), results.ts (answers), store.ts (state), image.ts (snapshots). The
 * default export is the factory that a consensus worker loads. It must keep the contract of
 * engine/state-machine.ts, determinism above all.
 */

import type { ApplyBatch, MachineContext, Restoration, StateMachine } from '../../state-machine.js';
import { QueryAnswerer } from './answer-query.js';
import { CommandApplier } from './apply-command.js';
import { digestStore } from './digest.js';
import { Image } from './image.js';
import { ImageReader } from './image-format.js';
import { type KvOptions, kvOptions } from './options.js';
import { countsAsOperation } from './queries.js';
import { ResultWriter } from './results.js';
import { Store } from './store.js';

export class KvMachine implements StateMachine {
  readonly #options: KvOptions;
  readonly #results = new ResultWriter();
  readonly #commands: CommandApplier;
  readonly #queries: QueryAnswerer;
  #store: Store;
  /**
   * Commands and queries served by this process: reads of keys count as operations, questions about
   * the store itself and further pages of a read do not. Not replicated.
   */
  #operations = 0;

  constructor(options: KvOptions) {
    this.#options = options;
    this.#store = new Store(options.hashSeed);
    this.#queries = new QueryAnswerer(this.#results, options.answerBytesMax);
    this.#commands = new CommandApplier(this.#results, options.valueBytesMax, () => {
      // A snapshot that is running keeps the old store, which nothing changes any more.
      this.#store = new Store(options.hashSeed);
    });
  }

  apply(batch: ApplyBatch): void {
    while (batch.next()) {
      this.#operations += 1;
      const outcome = this.#commands.apply(this.#store, batch.buffer, batch.start, batch.end);
      if (typeof outcome === 'string') batch.reject(outcome);
      else if (batch.wanted) batch.reply(outcome);
    }
  }

  query(query: Uint8Array): Uint8Array {
    if (countsAsOperation(query[0])) this.#operations += 1;
    const bytes = Buffer.isBuffer(query)
      ? query
      : Buffer.from(query.buffer, query.byteOffset, query.byteLength);
    return this.#queries.answer(this.#store, bytes, this.#operations);
  }

  /** One snapshot at a time: a new one ends the one before, whose next chunk is an error. */
  snapshot(): IterableIterator<Uint8Array> {
    return new Image(this.#store, this.#options.snapshotChunkBytes);
  }

  imageBacklogBytes(): number {
    return this.#store.tap?.backlogBytes ?? 0;
  }

  /**
   * The state before goes at once, so that two never need room. Records are stored as their bytes
   * come in: of the image itself only a record that is cut is kept.
   */
  restore(): Restoration {
    const store = new Store(this.#options.hashSeed);
    this.#store = store;
    const reader = new ImageReader((bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      store.set(bytes, keyStart, keyEnd, bytes, valueStart, valueEnd);
    }, this.#options.valueBytesMax);
    return { chunk: (bytes) => reader.push(bytes), finish: () => reader.end() };
  }

  /** Bytes are those of the slots that hold records; `reservedBytes` adds free room and tables. */
  stats(): { keys: number; memoryBytes: number; operations: number; reservedBytes: number } {
    return {
      keys: this.#store.keys,
      memoryBytes: this.#store.memoryBytes,
      operations: this.#operations,
      reservedBytes: this.#store.reservedBytes,
    };
  }

  digest(): string {
    return digestStore(this.#store);
  }
}

/** Makes a key-value machine; see options.ts for `context.options`. */
export default function createKvMachine(context: MachineContext): KvMachine {
  return new KvMachine(kvOptions(context.options));
}
