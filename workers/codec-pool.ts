/**
 * The pool of threads that compress chunks of snapshots, two at most by default and none before
 * the first snapshot or long after the last. It lives in a thread with an event loop (the transport
 * thread).
 *
 * Jobs are ranges of one slab that all threads share; until a job's promise settles its ranges
 * belong to the pool. A chunk must never be compressed on the caller's own thread instead.
 */

import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ChunkBody, SlabJob } from '../codec/lz4-chunk.js';
import type { CodecThreadData } from './codec-worker.js';
import { workerEntry } from './spawn.js';

export interface CodecPoolOptions {
  readonly slab: SharedArrayBuffer;
  /** 2 by default, 1 on fewer than four processors. */
  readonly threadsMax?: number;
  /** A thread without work for so long ends, in milliseconds; ten minutes by default. */
  readonly idleTimeoutMs?: number;
  /** Jobs that may wait besides those being done; 64 by default. One more is refused. */
  readonly waitingMax?: number;
}

/** What is used of piscina: its own declarations do not compile with exact optional properties. */
interface ThreadPool {
  readonly threads: readonly unknown[];
  run(task: SlabJob): Promise<ChunkBody>;
  destroy(): Promise<void>;
}
interface ThreadPoolOptions {
  readonly filename: string;
  readonly argv: readonly string[];
  readonly workerData: CodecThreadData;
  readonly minThreads: number;
  readonly maxThreads: number;
  readonly idleTimeout: number;
  readonly maxQueue: number;
  readonly recordTiming: boolean;
  readonly atomics: 'sync' | 'async' | 'disabled';
}
const { Piscina } = createRequire(import.meta.url)('piscina') as {
  readonly Piscina: new (options: ThreadPoolOptions) => ThreadPool;
};

/** Where processors are few a second thread would only take them from the log and the groups. */
const THREADS_MAX_DEFAULT = availableParallelism() >= 4 ? 2 : 1;
/**
 * A start costs 30 ms and more of a processor, in the middle of whatever load there is: a node that
 * takes snapshots keeps its thread from one to the next.
 */
const IDLE_TIMEOUT_MS_DEFAULT = 600_000;
const WAITING_MAX_DEFAULT = 64;

export class CodecPool {
  readonly #pool: ThreadPool;
  #isClosed = false;

  constructor(options: CodecPoolOptions) {
    const entry = workerEntry(import.meta.url, 'codec-worker');
    this.#pool = new Piscina({
      filename: fileURLToPath(entry.url),
      argv: entry.argv,
      workerData: { slab: options.slab },
      minThreads: 0,
      maxThreads: options.threadsMax ?? THREADS_MAX_DEFAULT,
      idleTimeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS_DEFAULT,
      maxQueue: options.waitingMax ?? WAITING_MAX_DEFAULT,
      recordTiming: false,
      // A thread that waits by Atomics never comes to its event loop, where native buffers are
      // freed: it would keep every packed chunk of a snapshot.
      atomics: 'disabled',
    });
  }

  /** Threads that exist now, busy or not. */
  get threads(): number {
    return this.#pool.threads.length;
  }

  /**
   * Compresses `rawBytes` at `rawAt` to `outAt`, if asked to, and works out the checksum. Rejects
   * with the RangeError of a job that lies outside of the slab, and with piscina's error when too
   * many wait, when the thread died, or when the pool is closed: then what lies at `outAt` counts
   * for nothing.
   */
  compress({ rawAt, rawBytes, outAt, outBytesMax, compress }: SlabJob): Promise<ChunkBody> {
    if (this.#isClosed) return Promise.reject(new Error('the codec pool is closed'));
    return this.#pool.run({ rawAt, rawBytes, outAt, outBytesMax, compress });
  }

  /** Ends all threads; jobs that are not done yet are rejected. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#pool.destroy();
  }
}
