/**
 * A thread of the codec pool (codec-pool.ts): compresses one chunk of the shared slab at a time. A
 * task is where it lies, as numbers; bytes never travel by message.
 *
 * piscina calls the default export. It must never touch the slab outside of its task's ranges.
 */

import { workerData } from 'node:worker_threads';
import { type ChunkBody, compressInSlab, type SlabJob } from '../codec/lz4-chunk.js';

/** What every thread of the pool is given when it starts. */
export interface CodecThreadData {
  readonly slab: SharedArrayBuffer;
}

const slab = new Uint8Array((workerData as CodecThreadData).slab);

export default function compress(job: SlabJob): ChunkBody {
  return compressInSlab(slab, job);
}
