/**
 * Frames: what is sealed is decoded however it is cut, nothing damaged ever is, and no announced
 * length takes memory before it is judged.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DecodeStatus, FrameDecoder } from '../../codec/frames/frame-decoder.js';
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameKind,
  GREETING_BYTES_MAX,
  makeFrame,
  sealFrame,
} from '../../codec/frames/frame-format.js';
import { Prng } from '../../engine/raft/prng.js';
import { concat, frameOf, messages, slab, viewOf } from './frame-samples.js';

interface Seen {
  readonly kind: number;
  readonly body: Uint8Array;
}

function collector(frameBytesMax = FRAME_BYTES_MAX): { decoder: FrameDecoder; seen: Seen[] } {
  const seen: Seen[] = [];
  const decoder = new FrameDecoder(frameBytesMax, (kind, bytes, view, offset, length) => {
    assert.equal(view.byteLength, bytes.length);
    seen.push({ kind, body: bytes.slice(offset, offset + length) });
  });
  return { decoder, seen };
}

test('a sequence of frames comes out whole, cut at any places', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 6 });
  const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(sizes, cuts, (bodies, steps) => {
      const frames = bodies.map((size, i) => makeFrame(FrameKind.append, slab(size, i)));
      const stream = concat(frames);
      const { decoder, seen } = collector();
      for (let at = 0, i = 0; at < stream.length; i += 1) {
        const step = steps[i % steps.length]!;
        assert.notEqual(decoder.push(stream.subarray(at, at + step)), DecodeStatus.error);
        at += step;
      }
      assert.deepEqual(
        seen.map((each) => each.body),
        bodies.map((size, i) => slab(size, i)),
      );
    }),
  );
});

test('a stream of three frames may be split at every single byte', () => {
  const frames = [0, 5, 40].map((size, i) => makeFrame(FrameKind.vote, slab(size, i)));
  const stream = concat(frames);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const { decoder, seen } = collector();
    decoder.push(stream.subarray(0, cut));
    const status = decoder.push(stream.subarray(cut));
    assert.equal(status, DecodeStatus.ok);
    assert.equal(seen.length, 3, `cut at ${cut}`);
  }
});

test('an unfinished frame asks for more, a finished one does not', () => {
  const frame = makeFrame(FrameKind.vote, slab(20));
  const { decoder } = collector();
  assert.equal(decoder.push(frame.subarray(0, frame.length - 1)), DecodeStatus.needMore);
  assert.equal(decoder.push(frame.subarray(frame.length - 1)), DecodeStatus.ok);
});

test('a frame that lies whole in a chunk is handed out where it lies', () => {
  const stream = concat([makeFrame(FrameKind.ping, slab(0)), makeFrame(FrameKind.vote, slab(9))]);
  let inPlace = 0;
  const decoder = new FrameDecoder(FRAME_BYTES_MAX, (_kind, bytes) => {
    if (bytes === stream) inPlace += 1;
  });
  decoder.push(stream);
  assert.equal(inPlace, 2);
});

test('slabs are checksummed where they lie, in one or two pieces', () => {
  for (const split of [0, 1, 500, 999, 1000]) {
    const entries = slab(1000);
    const head = new Uint8Array(FRAME_HEADER_BYTES + 8);
    const [a, b] = [entries.subarray(0, split), entries.subarray(split)];
    const total = sealFrame(head, viewOf(head), 0, FrameKind.append, 8, a, b);
    assert.equal(total, head.length + 1000);
    const { decoder, seen } = collector();
    for (const piece of [head, a, b]) decoder.push(piece);
    assert.deepEqual(seen[0]?.body.subarray(8), entries);
  }
});

test('slabs in shared memory are sealed and decoded like any others', () => {
  const entries = new Uint8Array(new SharedArrayBuffer(3000)).fill(7);
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  sealFrame(head, viewOf(head), 0, FrameKind.append, 0, entries, null);
  const stream = new Uint8Array(new SharedArrayBuffer(head.length + entries.length));
  stream.set(head);
  stream.set(entries, head.length);
  const { decoder, seen } = collector();
  assert.equal(decoder.push(stream), DecodeStatus.ok);
  assert.equal(seen[0]?.body.length, 3000);
});

test('a changed byte anywhere in a frame is always detected', () => {
  const flips = fc.integer({ min: 1, max: 255 });
  fc.assert(
    fc.property(messages, fc.nat(), flips, (message, place, flip) => {
      const frame = frameOf(message, 3);
      const at = place % frame.length;
      frame[at] = frame[at]! ^ flip;
      const { decoder, seen } = collector();
      assert.equal(decoder.push(frame), DecodeStatus.error);
      assert.equal(seen.length, 0);
    }),
    { numRuns: 500 },
  );
});

test('every flipped bit of a header is detected before the body is there', () => {
  const frame = makeFrame(FrameKind.append, slab(100));
  for (let bit = 32; bit < FRAME_HEADER_BYTES * 8; bit += 1) {
    const head = frame.slice(0, FRAME_HEADER_BYTES);
    head[bit >> 3] = head[bit >> 3]! ^ (1 << (bit & 7));
    const { decoder } = collector();
    assert.equal(decoder.push(head), DecodeStatus.error, `bit ${bit}`);
  }
});

test('a giant length is refused before memory is taken for it', () => {
  const giant = new Uint8Array(FRAME_HEADER_BYTES);
  const view = viewOf(giant);
  for (const bodyBytes of [GREETING_BYTES_MAX, 2 ** 31, 2 ** 32 - 1]) {
    sealFrame(giant, view, 0, FrameKind.hello, 0);
    const before = giant.slice(4, 8);
    view.setUint32(4, bodyBytes, true);
    const folded = giant.subarray(4, 8).reduce((a, b) => a ^ b) ^ before.reduce((a, b) => a ^ b);
    giant[11] = giant[11]! ^ folded;
    const { decoder } = collector(GREETING_BYTES_MAX);
    for (const byte of giant) decoder.push(Uint8Array.of(byte));
    assert.equal(decoder.problem, 'length');
    assert.ok(decoder.bufferBytes <= FRAME_HEADER_BYTES);
  }
});

test('a frame with a flag that this version does not know is refused', () => {
  const frame = makeFrame(FrameKind.vote, slab(4));
  frame[10] = 1;
  frame[11] = frame[11]! ^ 1;
  const { decoder } = collector();
  decoder.push(frame);
  assert.equal(decoder.problem, 'flags');
});

test('HTTP, TLS, SSH and RESP are not frames', () => {
  const hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0x55];
  const openings = ['GET / HTTP/1.1\r\n', 'SSH-2.0-OpenSSH_9.6\r\n', '*3\r\n$3\r\nSET\r\n$1\r\n'];
  for (const bytes of [Buffer.from(hello), ...openings.map((text) => Buffer.from(text))]) {
    const { decoder } = collector();
    assert.equal(decoder.push(bytes), DecodeStatus.error);
    assert.equal(decoder.problem, 'magic');
  }
});

test('memory stays bounded by the largest frame and is given back after it', () => {
  const large = makeFrame(FrameKind.append, new Uint8Array(FRAME_BYTES_MAX - FRAME_HEADER_BYTES));
  const { decoder, seen } = collector();
  for (let at = 0; at < large.length; at += 65_536) {
    decoder.push(large.subarray(at, at + 65_536));
    assert.ok(decoder.bufferBytes <= FRAME_BYTES_MAX);
  }
  assert.equal(seen.length, 1);
  assert.ok(decoder.bufferBytes <= FRAME_HEADER_BYTES);
});

test('nothing is decoded after a problem, nor after a stop from inside the callback', () => {
  const good = makeFrame(FrameKind.vote, slab(8));
  const bad = good.slice();
  bad[19] = bad[19]! ^ 1;
  const first = collector();
  assert.equal(first.decoder.push(concat([good, bad, good])), DecodeStatus.error);
  assert.equal(first.seen.length, 1);
  assert.equal(first.decoder.push(good), DecodeStatus.error);
  let frames = 0;
  const stopping = new FrameDecoder(FRAME_BYTES_MAX, () => {
    frames += 1;
    stopping.stop();
  });
  stopping.push(concat([good, good]));
  assert.equal(frames, 1);
});

test('20,000 mutated streams neither throw, nor hang, nor pass a damaged frame', () => {
  const random = new Prng(20_000);
  const originals = fc.sample(messages, { numRuns: 40, seed: 7 }).map((each) => frameOf(each, 9));
  const legal = new Set(originals.map((each) => Buffer.from(each).toString('latin1')));
  for (let run = 0; run < 20_000; run += 1) {
    const bytes = concat([random.pick(originals), random.pick(originals)]);
    for (let edits = random.between(1, 4); edits > 0; edits -= 1) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    const cut = random.below(bytes.length);
    const decoder = new FrameDecoder(FRAME_BYTES_MAX, (_kind, chunk, _view, offset, length) => {
      const frame = chunk.subarray(offset - FRAME_HEADER_BYTES, offset + length);
      assert.ok(legal.has(Buffer.from(frame).toString('latin1')));
    });
    decoder.push(bytes.subarray(0, cut));
    decoder.push(bytes.subarray(cut));
  }
});
