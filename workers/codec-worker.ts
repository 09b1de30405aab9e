/**
 * A thread of the codec pool (codec-pool.ts): compresses one chunk of the shared slab at a time. A
 * task is where it lies, as numbers; bytes never travel by message.
 *
 * piscina calls the default export. It must never touch the slab outside of its task's ranges.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { workerData } from 'node:worker_threads';
import { type ChunkBody, compressInSlab, type SlabJob } from '../codec/lz4-chunk.js';

/** What every thread of the pool is given when it starts. */
export interface CodecThreadData {
  readonly slab: SharedArrayBuffer;
}

/**
 * Each packed chunk is a native buffer that dies young, in a heap too small for the collector to
 * notice: by itself it comes once some 100 MiB are dead.
 */
const CHUNKS_PER_COLLECTION = 2;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;
// Flags are the process's: contexts of the application get no collector from here.
setFlagsFromString('--no-expose-gc');

const slab = new Uint8Array((workerData as CodecThreadData).slab);
let chunks = 0;

export default function compress(job: SlabJob): ChunkBody {
  chunks += 1;
  if (chunks % CHUNKS_PER_COLLECTION === 0) collect({ type: 'minor' });
  return compressInSlab(slab, job);
}
