/**
 * The pool that compresses chunks: from source and from the compiled build it does what the codec
 * does, refuses what the codec refuses, and keeps no thread while nothing is to be done.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compressChunk, decompressChunk, type SlabJob } from '../../codec/lz4-chunk.js';
import * as source from '../../workers/codec-pool.js';
import { noise, words } from '../io/snapshot-harness.js';

type PoolModule = Pick<typeof source, 'CodecPool'>;

const COMPILED = new URL('../../dist/workers/codec-pool.js', import.meta.url);
const skip = existsSync(COMPILED) ? false : 'dist is missing: npm run build';
const compiled = (): Promise<PoolModule> => import(COMPILED.href);

const SLOT_BYTES = 64 * 1024;
const SLOTS = 8;

function jobOf(slot: number, rawBytes: number): SlabJob {
  const rawAt = slot * 2 * SLOT_BYTES;
  const out = { outAt: rawAt + SLOT_BYTES, outBytesMax: SLOT_BYTES };
  return { rawAt, rawBytes, ...out, compress: true };
}

async function conforms({ CodecPool }: PoolModule): Promise<void> {
  const slab = new SharedArrayBuffer(2 * SLOTS * SLOT_BYTES);
  const bytes = new Uint8Array(slab);
  const pool = new CodecPool({ slab });
  try {
    assert.equal(pool.threads, 0, 'none before the first job');
    const images = Array.from({ length: SLOTS }, (_, slot) => {
      const length = 1 + slot * 9000;
      return slot % 2 === 0 ? words(length, `slot ${slot};`) : noise(length, slot);
    });
    const jobs = images.map((image, slot) => {
      const job = jobOf(slot, image.length);
      bytes.set(image, job.rawAt);
      return job;
    });
    const bodies = await Promise.all(jobs.map((job) => pool.compress(job)));
    assert.ok(pool.threads <= 2, `${pool.threads} threads`);
    for (const [slot, body] of bodies.entries()) {
      const { outAt } = jobs[slot] as SlabJob;
      const image = images[slot] as Uint8Array;
      assert.deepEqual(body, compressChunk(image).body);
      const stored = bytes.slice(outAt, outAt + body.storedBytes);
      assert.deepEqual(Buffer.from(decompressChunk(body, stored, SLOT_BYTES)), Buffer.from(image));
    }
    const outside = { ...jobOf(0, 10), outAt: slab.byteLength };
    await assert.rejects(pool.compress(outside), /lie outside of a slab of \d+/);
  } finally {
    await pool.close();
  }
  assert.equal(pool.threads, 0);
  await assert.rejects(pool.compress(jobOf(0, 100)), /the codec pool is closed/);
}

test('chunks are compressed in the shared slab by threads that run from source', () =>
  conforms(source));

test('chunks are compressed in the shared slab by compiled threads', { skip }, async () =>
  conforms(await compiled()),
);

test('a thread without work ends, and the next job has one again', { skip }, async () => {
  const { CodecPool } = await compiled();
  const slab = new SharedArrayBuffer(2 * SLOT_BYTES);
  const pool = new CodecPool({ slab, idleTimeoutMs: 50 });
  for (let round = 0; round < 3; round += 1) {
    const { rawBytes } = await pool.compress(jobOf(0, 100));
    assert.equal(rawBytes, 100);
    while (pool.threads > 0) await sleep(10);
  }
  await pool.close();
});

test('a job too many is refused, and closing settles what is under way', { skip }, async () => {
  const { CodecPool } = await compiled();
  const pool = new CodecPool({
    slab: new SharedArrayBuffer(2 * SLOT_BYTES),
    threadsMax: 1,
    waitingMax: 2,
  });
  const jobs = Array.from({ length: 8 }, () => pool.compress(jobOf(0, SLOT_BYTES)));
  const settled = Promise.allSettled(jobs);
  await pool.close();
  const reasons = (await settled).map((one) => (one.status === 'rejected' ? one.reason : null));
  assert.ok(
    reasons.some((reason) => /queue/i.test(String(reason))),
    reasons.join('\n'),
  );
});

test('a pool without work does not keep its process alive', { skip }, () => {
  const program = `
    const { CodecPool } = await import(${JSON.stringify(COMPILED.href)});
    const pool = new CodecPool({ slab: new SharedArrayBuffer(1000), idleTimeoutMs: 2 ** 31 - 1 });
    const body = await pool.compress({ rawAt: 0, rawBytes: 400, outAt: 500, outBytesMax: 400 });
    process.stdout.write(String(body.rawBytes));`;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const options = { cwd, encoding: 'utf8', timeout: 60_000 } as const;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], options);
  assert.equal(out, '400');
});

test('packed chunks do not pile up in a pool that is busy all the time', async () => {
  const chunkBytes = 1024 * 1024;
  const slab = new SharedArrayBuffer(2 * chunkBytes + 4096);
  new Uint8Array(slab).set(noise(chunkBytes, 1));
  const pool = new source.CodecPool({ slab });
  const job = {
    ...{ rawAt: 0, rawBytes: chunkBytes, compress: true },
    ...{ outAt: chunkBytes, outBytesMax: chunkBytes + 4096 },
  };
  try {
    for (let chunk = 0; chunk < 50; chunk += 1) await pool.compress(job);
    const before = process.memoryUsage().rss;
    for (let chunk = 0; chunk < 400; chunk += 1) await pool.compress(job);
    const grown = (process.memoryUsage().rss - before) / chunkBytes;
    assert.ok(grown < 150, `${grown.toFixed(0)} MiB more after 400 chunks of 1 MiB`);
  } finally {
    await pool.close();
  }
});
