/**
 * Large frames in parts: what is cut is put together again wherever it was cut, every part is a
 * frame within the bound, and a sequence that is wrong is refused by name before it takes memory.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameDecoder } from '../../codec/frames/frame-decoder.js';
import {
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameKind,
  PART_BYTES_MAX,
} from '../../codec/frames/frame-format.js';
import {
  FrameAssembly,
  type FramePart,
  PART_BYTES_MIN,
  type PartProblem,
  partsBytes,
  sealParts,
  type WholeFrame,
} from '../../codec/frames/frame-parts.js';
import { Prng } from '../../engine/raft/prng.js';
import { concat, slab, viewOf } from './frame-samples.js';

const HEAD = 64;
const EMPTY = new Uint8Array(0);

function bytesOf({ head, slabA, slabB }: FramePart): Uint8Array {
  return concat([head, slabA ?? EMPTY, slabB ?? EMPTY]);
}

function add(assembly: FrameAssembly, body: Uint8Array): PartProblem | null {
  return assembly.add(body, viewOf(body), 0, body.length, FRAME_BYTES_MAX);
}

/** A PART body as anybody might write it. */
function part(kind: number, total: number, at: number, content: number, number = 7): Uint8Array {
  const body = new Uint8Array(16 + content);
  const view = viewOf(body);
  view.setUint32(0, kind, true);
  view.setUint32(4, number, true);
  view.setUint32(8, total, true);
  view.setUint32(12, at, true);
  return body;
}

const bodyOf = ({ bytes, offset, length }: WholeFrame): Uint8Array =>
  bytes.slice(offset, offset + length);

test('a frame in parts comes out whole, whatever its slabs and the bound', () => {
  const sizes = fc.integer({ min: 0, max: 9000 });
  const bounds = fc.integer({ min: PART_BYTES_MIN, max: 4096 });
  fc.assert(
    fc.property(sizes, sizes, bounds, fc.boolean(), (a, b, partBytesMax, isAppend) => {
      const kind = isAppend ? FrameKind.append : FrameKind.forward;
      const body = slab(HEAD, 1);
      const parts = sealParts(kind, 7, body, slab(a, 2), slab(b, 3), partBytesMax);
      const wire = parts.map(bytesOf);
      assert.ok(wire.every(({ length }) => length <= partBytesMax));
      assert.deepEqual(
        wire.map(({ length }) => length),
        parts.map(({ bytes }) => bytes),
      );
      assert.equal(concat(wire).length, partsBytes(HEAD + a + b, partBytesMax));
      const assembly = new FrameAssembly();
      let whole: WholeFrame | null = null;
      const decoder = new FrameDecoder(partBytesMax, (found, bytes, view, offset, length) => {
        assert.equal(found, FrameKind.part);
        assert.equal(whole, null, 'only the last part makes the frame whole');
        assert.equal(assembly.add(bytes, view, offset, length, FRAME_BYTES_MAX), null);
        whole = assembly.take();
      });
      for (const bytes of wire) decoder.push(bytes);
      assert.ok(whole !== null);
      assert.equal((whole as WholeFrame).kind, kind);
      assert.deepEqual(bodyOf(whole), concat([body, slab(a, 2), slab(b, 3)]));
      assert.equal(assembly.isOpen, false);
    }),
  );
});

test('slabs are referenced where they lie, and full parts are as large as the bound', () => {
  const entries = slab(1024 * 1024);
  const parts = sealParts(FrameKind.append, 7, slab(HEAD), entries, null, PART_BYTES_MAX);
  assert.deepEqual(
    parts.map(({ bytes }) => bytes),
    [PART_BYTES_MAX, PART_BYTES_MAX, PART_BYTES_MAX, PART_BYTES_MAX, 5 * 28 + HEAD],
  );
  for (const { slabA } of parts) assert.equal(slabA?.buffer, entries.buffer);
});

test('a body that is no larger than the head is one part', () => {
  const parts = sealParts(FrameKind.forward, 7, slab(20), null, null, PART_BYTES_MIN);
  assert.equal(parts.length, 1);
});

const APPEND = FrameKind.append;

/** Parts that are fine so far, the part that is not, its problem, and what is said of it. */
const WRONG: [readonly Uint8Array[], Uint8Array, PartProblem['problem'], RegExp][] = [
  [[], EMPTY, 'malformed', /part of 0 bytes/],
  [[], part(APPEND, 100, 0, 0), 'malformed', /part of 16 bytes holds nothing/],
  [[], part(FrameKind.vote, 100, 0, 50), 'malformed', /kind 3 does not travel in parts/],
  [[], part(FrameKind.part, 100, 0, 50), 'malformed', /kind 50 does not travel in parts/],
  [[], part(APPEND, 0xffff_ffff, 0, 50), 'oversized', /4294967295 bytes announced/],
  [[], part(APPEND, FRAME_BYTES_MAX - 11, 0, 50), 'oversized', /announced, at most/],
  [[], part(APPEND, 100, 50, 50), 'sequence', /from byte 50, none before/],
  [[], part(APPEND, 100, 0, 101), 'sequence', /ends at byte 101 of a body of 100/],
  [[], part(APPEND, 0, 0, 1), 'sequence', /ends at byte 1 of a body of 0/],
  [
    [part(APPEND, 100, 0, 50)],
    part(APPEND, 100, 0, 50),
    'sequence',
    /expected kind 5, number 7, from byte 50/,
  ],
  [
    [part(APPEND, 100, 0, 50)],
    part(APPEND, 100, 60, 40),
    'sequence',
    /expected kind 5, number 7, from byte 50/,
  ],
  [
    [part(APPEND, 100, 0, 50)],
    part(APPEND, 100, 40, 60),
    'sequence',
    /expected kind 5, number 7, from byte 50/,
  ],
  [[part(APPEND, 100, 0, 50)], part(APPEND, 101, 50, 51), 'sequence', /of 101, expected .* of 100/],
  [[part(APPEND, 100, 0, 50)], part(FrameKind.forward, 100, 50, 50), 'sequence', /kind 48/],
  [[part(APPEND, 100, 0, 50)], part(APPEND, 100, 50, 51), 'sequence', /ends at byte 101/],
  [[part(APPEND, 100, 0, 50)], part(APPEND, 100, 50, 50, 6), 'sequence', /number 6, .* number 7/],
  [[part(APPEND, 100, 0, 100)], part(APPEND, 100, 100, 1), 'sequence', /ends at byte 101/],
];

test('every part that does not continue the frame is named, and takes no memory of its own', () => {
  for (const [before, wrong, problem, text] of WRONG) {
    const assembly = new FrameAssembly();
    for (const body of before) assert.equal(add(assembly, body), null);
    assembly.take();
    const heldBytes = assembly.bufferBytes;
    const found = add(assembly, wrong);
    assert.equal(found?.problem, problem, String(text));
    assert.match(found?.text ?? '', text);
    assert.equal(assembly.take(), null);
    assert.ok(assembly.bufferBytes <= Math.max(heldBytes, FRAME_HEADER_BYTES + 100));
  }
});

test('the largest legal frame is put together, one byte more is not begun', () => {
  const assembly = new FrameAssembly();
  const most = FRAME_BYTES_MAX - FRAME_HEADER_BYTES;
  assert.equal(add(assembly, part(APPEND, most, 0, 100)), null);
  assert.equal(assembly.bufferBytes, FRAME_BYTES_MAX);
  assembly.clear();
  assert.equal(assembly.bufferBytes, 0);
  assert.equal(add(assembly, part(APPEND, most + 1, 0, 100))?.problem, 'oversized');
  assert.equal(assembly.bufferBytes, 0);
});

test('while a frame is unfinished, frames without entries may come and others not', () => {
  const assembly = new FrameAssembly();
  assert.ok(assembly.admits(FrameKind.append));
  assert.equal(add(assembly, part(APPEND, 100, 0, 50)), null);
  for (const kind of [FrameKind.append, FrameKind.forward]) assert.ok(!assembly.admits(kind));
  for (const kind of Object.values(FrameKind)) {
    const isEntries = kind === FrameKind.append || kind === FrameKind.forward;
    assert.equal(assembly.admits(kind), !isEntries);
  }
  assembly.clear();
  assert.ok(assembly.admits(FrameKind.append));
});

test('after an unfinished frame is given up the next one is whole and clean', () => {
  const assembly = new FrameAssembly();
  assert.equal(add(assembly, part(APPEND, 500, 0, 400)), null);
  assembly.clear();
  const [first, second] = sealParts(FrameKind.forward, 7, slab(HEAD), slab(1500), null, 1024);
  for (const { head, slabA } of [first!, second!]) {
    assert.equal(add(assembly, concat([head.subarray(FRAME_HEADER_BYTES), slabA!])), null);
  }
  assert.deepEqual(bodyOf(assembly.take()!), concat([slab(HEAD), slab(1500)]));
});

test('20,000 sequences of arbitrary parts never throw and never hold more than the bound', () => {
  const random = new Prng(11);
  const bound = 2000;
  const assembly = new FrameAssembly();
  for (let i = 0; i < 20_000; i += 1) {
    const kind = random.pick([APPEND, APPEND, APPEND, FrameKind.forward, FrameKind.vote]);
    const at = random.pick([0, 0, 100, 200, random.below(3000)]);
    const body = part(kind, random.pick([300, 300, random.below(4000)]), at, random.below(301));
    if (assembly.add(body, viewOf(body), 0, body.length, bound) !== null) assembly.clear();
    const whole = assembly.take();
    if (whole !== null) assert.equal(whole.bytes.length, FRAME_HEADER_BYTES + whole.length);
    assert.ok(assembly.bufferBytes <= bound);
  }
});
