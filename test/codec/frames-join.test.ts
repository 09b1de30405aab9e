/**
 * ASK and TOLD: round trips, versions that do not meet, and bytes that are neither.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  FRAME_HEADER_BYTES,
  FrameKind,
  frameKind,
  GREETING_BYTES_MAX,
} from '../../codec/frames/frame-format.js';
import { askProblem, decodeTold, encodeAsk, encodeTold } from '../../codec/frames/join-frames.js';
import { Prng } from '../../engine/raft/prng.js';
import { viewOf } from './frame-samples.js';

const bodyOf = (frame: Uint8Array): Uint8Array => frame.slice(FRAME_HEADER_BYTES);

test('the question is understood, and the answer comes back as it was', () => {
  const ask = encodeAsk();
  assert.equal(frameKind(viewOf(ask), 0), FrameKind.ask);
  assert.equal(askProblem(viewOf(bodyOf(ask)), 0, bodyOf(ask).length), null);
  const told = fc.record({
    nodeId: fc.integer({ min: 1, max: 0xffff_ffff }),
    clusterId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  });
  fc.assert(
    fc.property(told, (each) => {
      const frame = encodeTold(each);
      assert.equal(frameKind(viewOf(frame), 0), FrameKind.told);
      assert.ok(frame.length <= GREETING_BYTES_MAX);
      const body = bodyOf(frame);
      const back = decodeTold(viewOf(body), 0, body.length);
      assert.deepEqual({ ...(back as typeof each) }, { ...each });
    }),
  );
});

test('a later version that still understands this one is answered, another is named', () => {
  for (const frame of [encodeAsk(), encodeTold({ nodeId: 1, clusterId: 7 })]) {
    const body = bodyOf(frame);
    const longer = new Uint8Array([...body, 1, 2, 3, 4]);
    viewOf(longer).setUint16(4, 9, true);
    const problem = askProblem(viewOf(longer), 0, longer.length);
    assert.equal(problem, null);
    viewOf(longer).setUint16(6, 8, true);
    const text = 'joining in version 8 to 9 there, 1 here: upgrade one';
    assert.equal(askProblem(viewOf(longer), 0, longer.length), text);
    assert.equal(decodeTold(viewOf(longer), 0, longer.length), text);
  }
});

test('an answer that is cut, or names what cannot be, is none', () => {
  const body = bodyOf(encodeTold({ nodeId: 3, clusterId: 7 }));
  for (let length = 0; length < body.length; length += 1) {
    assert.equal(typeof decodeTold(viewOf(body), 0, length), 'string');
  }
  for (const at of [8, 16]) {
    const wrong = body.slice();
    wrong.fill(0, at, at + 8);
    assert.match(String(decodeTold(viewOf(wrong), 0, wrong.length)), /names no cluster/);
  }
  const huge = body.slice();
  huge.fill(255, 16, 24);
  assert.match(String(decodeTold(viewOf(huge), 0, huge.length)), /names no cluster/);
});

test('whatever the bytes, reading them never throws', () => {
  const random = new Prng(5);
  const originals = [bodyOf(encodeAsk()), bodyOf(encodeTold({ nodeId: 3, clusterId: 7 }))];
  for (let run = 0; run < 5000; run += 1) {
    const body = random.pick(originals).slice();
    for (let each = 0; each < 3; each += 1) body[random.below(body.length)] = random.below(256);
    const length = random.below(body.length + 1);
    askProblem(viewOf(body), 0, length);
    decodeTold(viewOf(body), 0, length);
  }
});
