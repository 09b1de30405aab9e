/**
 * Frames of snapshots: their bytes, what is refused of them, and chunks that land where they are
 * wanted however their stream is cut.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChunkDecoder } from '../../codec/frames/chunk-decoder.js';
import { DecodeStatus } from '../../codec/frames/frame-decoder.js';
import {
  FRAME_HEADER_BYTES,
  FrameKind,
  GREETING_BYTES_MAX,
  makeFrame,
  sealFrame,
} from '../../codec/frames/frame-format.js';
import {
  BULK_FRAME_BYTES_MAX,
  CHUNK_FIXED_BYTES,
  CHUNK_FRAME_BYTES_MAX,
  CHUNK_RAW_BYTES_MAX,
  CHUNK_STORED_BYTES_MAX,
  CHUNKS_MAX,
  chunkHeadBytes,
  decodeChunkHead,
  decodeFetch,
  decodeRefused,
  encodeChunkHead,
  encodeFetch,
  encodeRefused,
  FETCH_BYTES,
  HEAD_BYTES_MAX,
  REFUSED_TEXT_BYTES_MAX,
  type SnapshotChunkHead,
  snapshotLengthFits,
} from '../../codec/frames/snapshot-frames.js';
import { Prng } from '../../engine/raft/prng.js';
import { concat, slab, viewOf } from './frame-samples.js';
import { askFor, chunkFrame, chunkOf, chunks, fetches, POINT, TOTALS } from './snapshot-samples.js';

interface Landed {
  readonly head: SnapshotChunkHead;
  readonly stored: Uint8Array;
}

/** A decoder after its handshake, and the chunks that landed; `room` says whether there is any. */
function receiver(room: () => boolean = () => true) {
  const landed: Landed[] = [];
  const kinds: number[] = [];
  let space = new Uint8Array(0);
  const decoder = new ChunkDecoder(BULK_FRAME_BYTES_MAX, (kind) => kinds.push(kind), {
    space: (head) => {
      if (!room()) return null;
      space = new Uint8Array(head.packed.storedBytes);
      return space;
    },
    landed: (head) => landed.push({ head, stored: space }),
  });
  decoder.takesChunks = true;
  return { decoder, landed, kinds };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const decodedHead = (body: Uint8Array, length: number): SnapshotChunkHead | null =>
  decodeChunkHead(body, viewOf(body), 0, length);

test('the bytes of the three frames are these', () => {
  const point = { index: 0x0102_0304_05, term: 6 };
  const fetch = encodeFetch({ group: 1, point, from: 2, count: 3 });
  assert.equal(hex(fetch), '010000000300000002000000000000000504030201000000' + '0600000000000000');
  const refused = encodeRefused({ group: 1, point, text: 'no' });
  assert.equal(hex(refused), '010000000200000005040302010000000600000000000000' + '6e6f');
  const sizes = { rawBytes: 0x40, storedBytes: 0x20, crc: 0xdeadbeef };
  const packed = { chunk: 0, section: 1, flags: 1, ...sizes };
  const head = {
    group: 1,
    point,
    totals: { chunks: 9, runningCrc: 6, rawBytes: 0x1_0000_0001, storedBytes: 7, fileBytes: 8 },
    head: Uint8Array.of(0xaa, 0xbb),
    packed,
  };
  const chunk = encodeChunkHead(head);
  const words = [
    '01000000',
    '02000000',
    '00000000',
    '09000000',
    '01000000',
    '40000000',
    '20000000',
  ];
  const pointHex = '05040302010000000600000000000000';
  const longs = ['0100000001000000', '0700000000000000', '0800000000000000'];
  const running = '0600000000000000';
  assert.equal(hex(chunk), [...words, 'efbeadde', running, pointHex, ...longs, 'aabb'].join(''));
  const ofSessions = encodeChunkHead({ ...head, packed: { ...packed, section: 2 } });
  assert.equal(hex(ofSessions), hex(chunk).replace('0900000001000000', '0900000001000100'));
});

test('requests, chunks and refusals come back as they were', () => {
  fc.assert(
    fc.property(fetches, (fetch) => {
      assert.deepEqual(decodeFetch(viewOf(encodeFetch(fetch)), 0, FETCH_BYTES), fetch);
    }),
  );
  fc.assert(
    fc.property(chunks, ({ head, stored }) => {
      const body = encodeChunkHead(head);
      assert.deepEqual(decodedHead(body, body.length + stored.length), head);
    }),
  );
  const refusal = { group: 3, point: POINT, text: 'no such snapshot' };
  const body = encodeRefused(refusal);
  assert.deepEqual(decodeRefused(viewOf(body), 0, body.length), refusal);
});

test('the text of a refusal is bounded and harmless', () => {
  const long = encodeRefused({ group: 3, point: POINT, text: 'x'.repeat(5000) });
  assert.equal(decodeRefused(viewOf(long), 0, long.length)?.text.length, REFUSED_TEXT_BYTES_MAX);
  const hostile = encodeRefused({ group: 3, point: POINT, text: 'a\r\n\x1b[31m\u{1F600}' });
  const text = decodeRefused(viewOf(hostile), 0, hostile.length)?.text ?? '';
  assert.match(text, /^a[\x20-\x7e]+$/);
  viewOf(hostile).setUint32(4, REFUSED_TEXT_BYTES_MAX + 1, true);
  assert.equal(decodeRefused(viewOf(hostile), 0, hostile.length), null);
});

test('a number out of bounds makes a request malformed', () => {
  const wrong = (at: number, value: number): boolean => {
    const body = encodeFetch(askFor(1));
    viewOf(body).setUint32(at, value, true);
    return decodeFetch(viewOf(body), 0, body.length) === null;
  };
  assert.ok(wrong(4, 0), 'no chunk');
  assert.ok(wrong(4, CHUNKS_MAX + 1), 'too many chunks');
  assert.ok(wrong(8, CHUNKS_MAX), 'from behind the last possible one');
  assert.ok(wrong(12, 1), 'a reserved field');
  assert.ok(wrong(20, 0xffff_ffff), 'an index past 2^53');
  assert.ok(wrong(28, 0xffff_ffff), 'a term past 2^53');
  assert.ok(wrong(16, 0), 'index 0');
  for (let length = 0; length < FETCH_BYTES; length += 1) {
    assert.equal(decodeFetch(viewOf(encodeFetch(askFor(1))), 0, length), null);
    assert.equal(snapshotLengthFits(FrameKind.snapshotFetch, length), false);
  }
  assert.throws(() => encodeFetch(askFor(1, 0, 0)), /count is 0, a frame holds 1 to/);
});

test('a number out of bounds makes a chunk malformed', () => {
  const { head, stored } = chunkOf(1, 100);
  const wrong = (at: number, value: number): boolean => {
    const body = encodeChunkHead(head);
    viewOf(body).setUint32(at, value, true);
    return decodedHead(body, body.length + stored.length) === null;
  };
  assert.ok(wrong(4, HEAD_BYTES_MAX + 1), 'head of the file');
  assert.ok(wrong(4, 1), 'a head of the file with another chunk than 0');
  assert.ok(wrong(8, 1000), 'chunk behind the last');
  assert.ok(wrong(12, 0), 'chunk of none');
  assert.ok(wrong(12, CHUNKS_MAX + 1), 'too many chunks');
  assert.ok(wrong(20, CHUNK_RAW_BYTES_MAX + 1), 'raw bytes');
  assert.ok(wrong(24, CHUNK_STORED_BYTES_MAX + 1), 'stored bytes');
  assert.ok(wrong(24, 99), 'fewer stored bytes than there are');
  assert.ok(wrong(36, 1), 'reserved');
  for (const at of [44, 52, 60, 68, 76]) assert.ok(wrong(at, 0xffff_ffff), `u64 before ${at}`);
  const body = encodeChunkHead(head);
  for (let length = 0; length < CHUNK_FIXED_BYTES; length += 1) {
    assert.equal(chunkHeadBytes(viewOf(body), 0, length), null);
  }
});

test('an image without a byte is the empty chunk 0 of none', () => {
  const { head, stored } = chunkOf(0, 0, { totals: { ...TOTALS, chunks: 0, rawBytes: 0 } });
  const { decoder, landed } = receiver();
  assert.equal(decoder.push(chunkFrame(head, stored)), DecodeStatus.ok);
  assert.deepEqual(landed, [{ head, stored }]);
});

test('chunks and other frames come out whole, cut at any places', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(chunks, { minLength: 1, maxLength: 4 }), cuts, (sent, steps) => {
      const ping = makeFrame(FrameKind.ping, slab(0));
      const refused = makeFrame(
        FrameKind.snapshotRefused,
        encodeRefused({ group: 1, point: POINT, text: 'busy' }),
      );
      const frames = sent.flatMap(({ head, stored }) => [ping, chunkFrame(head, stored), refused]);
      const stream = concat(frames);
      const { decoder, landed, kinds } = receiver();
      for (let at = 0, i = 0; at < stream.length; i += 1) {
        const step = steps[i % steps.length]!;
        assert.notEqual(decoder.push(stream.subarray(at, at + step)), DecodeStatus.error);
        at += step;
      }
      assert.deepEqual(landed, sent);
      const both = [FrameKind.ping, FrameKind.snapshotRefused];
      assert.deepEqual(
        kinds,
        sent.flatMap(() => both),
      );
    }),
  );
});

test('without a place decoding pauses, keeps what came, and goes on when there is one', () => {
  let places = 0;
  const { decoder, landed } = receiver(() => {
    places -= 1;
    return places >= 0;
  });
  const sent = [0, 1, 2].map((chunk) => chunkOf(chunk, 500));
  const stream = concat(sent.map(({ head, stored }) => chunkFrame(head, stored)));
  decoder.push(stream.subarray(0, 700));
  decoder.push(stream.subarray(700));
  for (const landedBefore of [0, 1, 2]) {
    assert.ok(decoder.isPaused);
    assert.equal(landed.length, landedBefore);
    places = 0;
    assert.equal(decoder.resume(), DecodeStatus.needMore);
    places = 1;
    decoder.resume();
  }
  assert.equal(decoder.isPaused, false);
  assert.deepEqual(landed, sent);
  assert.ok(decoder.bufferBytes < 2000, 'what was kept is let go');
});

test('before the handshake no chunk is taken, and nothing large', () => {
  const { head, stored } = chunkOf(1, 5000);
  const { decoder, landed } = receiver();
  decoder.takesChunks = false;
  decoder.frameBytesMax = GREETING_BYTES_MAX;
  assert.equal(decoder.push(chunkFrame(head, stored)), DecodeStatus.error);
  assert.equal(decoder.problem, 'length');
  assert.equal(landed.length, 0);
});

/** A chunk's frame header that announces a body of another length. */
function withLength(frame: Uint8Array, bodyBytes: number): Uint8Array {
  const lying = frame.slice();
  const before = lying.slice(4, 8).reduce((a, b) => a ^ b);
  viewOf(lying).setUint32(4, bodyBytes, true);
  lying[11] = lying[11]! ^ before ^ lying.slice(4, 8).reduce((a, b) => a ^ b);
  return lying;
}

test('an announced length that cannot be takes no memory', () => {
  const { head, stored } = chunkOf(1, 100);
  const frame = chunkFrame(head, stored);
  const problems = [2 ** 32 - 1, CHUNK_FRAME_BYTES_MAX, 0, CHUNK_FIXED_BYTES - 1, 5000].map(
    (bodyBytes) => {
      const { decoder, landed } = receiver();
      assert.equal(decoder.push(withLength(frame, bodyBytes)), DecodeStatus.error);
      assert.equal(landed.length, 0);
      assert.equal(decoder.bufferBytes, 0);
      return decoder.problem;
    },
  );
  assert.deepEqual(problems, ['length', 'length', 'chunk', 'chunk', 'chunk']);
  const largest = encodeChunkHead({ ...head, head: new Uint8Array(0) });
  assert.equal(largest.length, CHUNK_FIXED_BYTES);
});

test('a changed byte anywhere in a chunk is always detected', () => {
  const flips = fc.integer({ min: 1, max: 255 });
  fc.assert(
    fc.property(chunks, fc.nat(), flips, ({ head, stored }, place, flip) => {
      const frame = chunkFrame(head, stored);
      const at = place % frame.length;
      frame[at] = frame[at]! ^ flip;
      const { decoder, landed } = receiver();
      const status = decoder.push(frame);
      assert.equal(landed.length, 0);
      // A chunk whose length grew waits for the rest; its checksum will not hold.
      if (status !== DecodeStatus.error) decoder.push(new Uint8Array(5 * 1024 * 1024));
      assert.notEqual(decoder.problem, null);
    }),
    { numRuns: 500 },
  );
});

test('10,000 mutated streams neither throw, nor hang, nor land a damaged chunk', () => {
  const random = new Prng(31);
  const samples = fc.sample(chunks, { numRuns: 30, seed: 5 });
  const frames = samples.map(({ head, stored }) => chunkFrame(head, stored));
  const legal = new Set(samples.map(({ stored }) => hex(stored)));
  for (let run = 0; run < 10_000; run += 1) {
    const bytes = concat([random.pick(frames), random.pick(frames)]);
    for (let edits = random.between(1, 4); edits > 0; edits -= 1) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = random.below(bytes.length);
    const { decoder, landed } = receiver(() => random.below(4) > 0);
    decoder.push(bytes.subarray(0, cut));
    decoder.push(bytes.subarray(cut));
    for (let i = 0; i < 3; i += 1) decoder.resume();
    for (const { stored } of landed) assert.ok(legal.has(hex(stored)));
    // Bodies that no checksum has judged: nothing is believed of them either.
    const at = random.below(bytes.length);
    const length = random.below(bytes.length - at + 1);
    decodeFetch(viewOf(concat([bytes, slab(64)])), at, Math.min(length, FETCH_BYTES));
    if (length >= CHUNK_FIXED_BYTES) decodeChunkHead(bytes, viewOf(bytes), at, length);
    decodeRefused(viewOf(bytes), at, length);
  }
});

test('a chunk in shared memory is sealed where it lies, and lands in shared memory', () => {
  const { head, stored } = chunkOf(3, 70_000);
  const shared = new Uint8Array(new SharedArrayBuffer(stored.length));
  shared.set(stored);
  const body = encodeChunkHead(head);
  const front = concat([new Uint8Array(FRAME_HEADER_BYTES), body]);
  sealFrame(front, viewOf(front), 0, FrameKind.snapshotChunk, body.length, shared);
  const place = new Uint8Array(new SharedArrayBuffer(stored.length));
  let whole = 0;
  const sink = { space: () => place, landed: () => (whole += 1) };
  const decoder = new ChunkDecoder(GREETING_BYTES_MAX, () => {}, sink);
  decoder.takesChunks = true;
  for (const piece of [front, shared]) decoder.push(piece);
  assert.equal(whole, 1);
  assert.ok(Buffer.from(place).equals(stored));
});
