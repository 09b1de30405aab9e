/**
 * Chunks of snapshots: what is compressed comes back, what does not shrink is left alone, and bytes
 * that were changed or forged are refused before the native decoder sees them.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { compressSync } from 'lz4-napi';
import { crc32c } from '../../codec/checksum.js';
import {
  CHUNK_BYTES_MAX_DEFAULT,
  CHUNK_BYTES_MAX_HIGHEST,
  CHUNK_BYTES_MAX_LOWEST,
  type ChunkBody,
  ChunkDamage,
  ChunkFlag,
  checkChunkBytesMax,
  checkStored,
  compressChunk,
  compressInSlab,
  decompressChunk,
  decompressInto,
} from '../../codec/lz4-chunk.js';
import { noise, words } from '../io/snapshot-harness.js';

const MAX = CHUNK_BYTES_MAX_DEFAULT;

/** A body that is right about its stored bytes, whatever those are. */
function forged(stored: Uint8Array, rawBytes: number, flags: ChunkFlag = ChunkFlag.lz4): ChunkBody {
  return { flags, rawBytes, storedBytes: stored.length, storedCrc: crc32c(stored) };
}

function withPrefix(stored: Uint8Array, prefix: number): Buffer {
  const copy = Buffer.from(stored);
  copy.writeUInt32LE(prefix, 0);
  return copy;
}

function refuses(body: ChunkBody, stored: Uint8Array, what: RegExp, max = MAX): void {
  assert.throws(
    () => decompressChunk(body, stored, max),
    (error: Error) => {
      assert.ok(error instanceof ChunkDamage, `${error}`);
      assert.match(error.what, what);
      assert.match(error.message, /^the chunk .*fetch it anew$/);
      return true;
    },
  );
}

test('whatever is compressed comes back as it was', () => {
  const repeated = fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 }))
    .map(([part, times]) => Buffer.concat(Array.from({ length: times }, () => part)));
  const raw = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 5000 }), repeated);
  fc.assert(
    fc.property(raw, (bytes) => {
      const { body, stored } = compressChunk(bytes);
      assert.equal(body.rawBytes, bytes.length);
      assert.equal(body.storedBytes, stored.length);
      assert.deepEqual(Buffer.from(decompressChunk(body, stored, MAX)), Buffer.from(bytes));
    }),
    { numRuns: 300 },
  );
});

test('LZ4 is kept only when it saves an eighth', () => {
  const shrinks = compressChunk(words(1000, 'abc'));
  assert.equal(shrinks.body.flags, ChunkFlag.lz4);
  const grows = noise(1000, 3);
  const kept = compressChunk(grows);
  assert.equal(kept.body.flags, ChunkFlag.stored);
  assert.equal(kept.stored, grows, 'not copied');
  // Noise with some zeros behind it: the block becomes shorter, by less or by more than an eighth.
  for (let zeros = 0; zeros < 400; zeros += 1) {
    const raw = Buffer.concat([noise(1000, zeros), Buffer.alloc(zeros)]);
    const packed = compressSync(raw).length;
    const { body } = compressChunk(raw);
    const saves = (raw.length - packed) * 8 >= raw.length;
    assert.equal(body.flags, saves ? ChunkFlag.lz4 : ChunkFlag.stored, `${zeros} zeros`);
  }
});

test('all of it works at offsets of one shared slab, also in place', () => {
  const slab = new Uint8Array(new SharedArrayBuffer(40_000)).fill(0xee);
  for (const raw of [words(5000, 'slab '), noise(5000, 9)]) {
    for (const outAt of [20_001, 103]) {
      slab.set(raw, 103);
      const job = {
        rawAt: 103,
        rawBytes: raw.length,
        outAt,
        outBytesMax: raw.length,
        compress: true,
      };
      const body = compressInSlab(slab, job);
      const stored = slab.subarray(outAt, outAt + body.storedBytes);
      assert.deepEqual(body, compressChunk(raw).body);
      decompressInto(body, stored, MAX, slab, 30_007);
      assert.deepEqual(slab.slice(30_007, 30_007 + raw.length), Uint8Array.from(raw));
      assert.deepEqual([slab[102], slab[30_006], slab[30_007 + raw.length]], [0xee, 0xee, 0xee]);
    }
  }
});

test('a job without compression leaves the bytes where they are, and sums them up', () => {
  const slab = words(5000, 'slab ');
  const before = Buffer.from(slab);
  const job = { rawAt: 100, rawBytes: 4000, outAt: 100, outBytesMax: 4000, compress: false };
  const storedCrc = crc32c(slab.subarray(100, 4100));
  const body = compressInSlab(slab, job);
  assert.deepEqual(body, { flags: ChunkFlag.stored, rawBytes: 4000, storedBytes: 4000, storedCrc });
  assert.deepEqual(Buffer.from(slab), before);
  checkStored(body, slab.subarray(100, 4100), MAX);
});

test('a job outside of its slab, or over itself, changes nothing', () => {
  const slab = words(1000, 'x');
  const before = Buffer.from(slab);
  const job = { rawAt: 0, rawBytes: 400, outAt: 500, outBytesMax: 400, compress: true };
  for (const [change, message] of [
    [{ rawAt: -1 }, /lie outside of a slab of 1000/],
    [{ rawAt: 0.5 }, /outside/],
    [{ rawBytes: 1001 }, /outside/],
    [{ outAt: 601 }, /outside/],
    [{ outBytesMax: 399 }, /room of 399 bytes for a chunk of 400/],
    [{ outAt: 200 }, /overlap in part/],
    [{ rawBytes: 0 }, /chunk of 0 bytes/],
  ] as const) {
    assert.throws(() => compressInSlab(slab, { ...job, ...change }), message);
  }
  const { body, stored } = compressChunk(words(400, 'y'));
  assert.throws(() => decompressInto(body, stored, MAX, slab, 601), RangeError);
  assert.deepEqual(Buffer.from(slab), before);
});

test('a flipped bit fails the checksum, in either form', () => {
  for (const raw of [words(300, 'flip '), noise(40, 5)]) {
    const { body, stored } = compressChunk(raw);
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const bad = Buffer.from(stored);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      refuses(body, bad, /fails its checksum: [0-9a-f]{8}, its header says [0-9a-f]{8}/);
    }
    refuses(body, stored.subarray(1), /stored bytes, its header says/);
  }
});

test('forged lengths are refused before memory is taken for them', () => {
  const { body, stored } = compressChunk(words(5000, 'bomb '));
  // Each of these passes its checksum: only bounds stand before an allocation of up to 4 GiB.
  for (const prefix of [0x7fff_ffff, 0xffff_ffff, 5001, 4999, 0]) {
    const bad = withPrefix(stored, prefix);
    refuses(forged(bad, 5000), bad, new RegExp(`announces ${prefix} raw bytes inside`));
  }
  const most = withPrefix(stored, 0xffff_ffff);
  refuses(forged(most, 0xffff_ffff), most, /announces 4294967295 raw bytes, at most 1048576/);
  const over = withPrefix(stored, MAX);
  refuses(forged(over, MAX), over, new RegExp(`raw bytes, more than ${stored.length} can hold`));
  refuses(forged(stored, MAX + 1), stored, /at most 1048576 are allowed/);
  refuses(forged(stored, 0), stored, /announces 0 raw bytes/);
  refuses(body, stored, /at most 4999 are allowed/, 4999);
  refuses(forged(stored.subarray(0, 4), 50), stored.subarray(0, 4), /is LZ4 of 4 bytes/);
  refuses(forged(stored, 5000, ChunkFlag.stored), stored, /is stored as it is in .* but has 5000/);
});

test('a block that holds less or more than it announces is refused after decoding', () => {
  const { stored } = compressChunk(words(5000, 'length '));
  const long = withPrefix(stored, 5001);
  refuses(forged(long, 5001), long, /decompresses to 5000 bytes instead of 5001|is no LZ4 block/);
  const short = withPrefix(stored, 4999);
  refuses(forged(short, 4999), short, /is no LZ4 block|instead of 4999/);
  const rubbish = withPrefix(noise(200, 1), 5000);
  refuses(forged(rubbish, 5000), rubbish, /is no LZ4 block|instead of 5000/);
});

test('the largest chunk of zeros is no bomb, and chunkBytesMax has bounds', () => {
  const { body, stored } = compressChunk(new Uint8Array(CHUNK_BYTES_MAX_HIGHEST));
  assert.ok(body.storedBytes < 70_000);
  const raw = decompressChunk(body, stored, CHUNK_BYTES_MAX_HIGHEST);
  assert.equal(raw.length, CHUNK_BYTES_MAX_HIGHEST);
  assert.throws(() => compressChunk(new Uint8Array(CHUNK_BYTES_MAX_HIGHEST + 1)), RangeError);
  for (const good of [CHUNK_BYTES_MAX_LOWEST, MAX, CHUNK_BYTES_MAX_HIGHEST]) {
    checkChunkBytesMax(good);
  }
  for (const bad of [CHUNK_BYTES_MAX_LOWEST - 1, CHUNK_BYTES_MAX_HIGHEST + 1, 1e5 + 0.5]) {
    assert.throws(() => checkChunkBytesMax(bad), /it must be from 65536 to 16777216 bytes/);
  }
});
