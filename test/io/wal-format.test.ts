/**
 * Frames and group sets by themselves: what a valid frame is tied to.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  BlockKind,
  blockBytesFor,
  checksumSeed,
  FRAME_BYTES,
  finishBlock,
  maskHas,
  maskUnion,
  maskWith,
  NO_GROUPS,
  readHeaderFrame,
  readTrailerFrame,
} from '../../io/wal/block-format.js';
import { segmentName, segmentOfName } from '../../io/wal/segment-format.js';

const PLAN = {
  kind: BlockKind.batch,
  bodyBytes: 1000,
  previousCrc: 1,
  requests: 1,
  offset: 4096,
  termMax: 0xffff_ffff,
  mask: NO_GROUPS,
  logId: 2 ** 53 - 1,
  segment: 9,
  sequence: 70,
  durableSeq: 69,
};

function block() {
  const bytes = new Uint8Array(blockBytesFor(PLAN.bodyBytes)).fill(0xaa);
  const view = new DataView(bytes.buffer);
  const seed = checksumSeed(PLAN.logId, PLAN.segment);
  const crc = finishBlock(bytes, view, 0, PLAN, seed);
  return { bytes, view, seed, crc };
}

test('a frame is valid in its own log, segment and place only', () => {
  const { bytes, view, seed, crc } = block();
  const { logId, segment, offset } = PLAN;
  const place = { segment, logId, seed };
  const trailer = bytes.length - FRAME_BYTES;
  const end = offset + trailer;
  assert.equal(readHeaderFrame(bytes, view, 0, offset, place)?.crc, crc);
  assert.equal(readHeaderFrame(bytes, view, 0, offset, { ...place, logId: null })?.crc, crc);
  assert.equal(readTrailerFrame(bytes, view, trailer, end, place)?.crc, crc);
  assert.equal(readHeaderFrame(bytes, view, 0, offset, place)?.termMax, PLAN.termMax);
  assert.equal(readTrailerFrame(bytes, view, trailer, end, place)?.termMax, PLAN.termMax);
  assert.equal(readHeaderFrame(bytes, view, 0, offset + 512, place), null);
  assert.equal(readTrailerFrame(bytes, view, trailer, offset + trailer + 512, place), null);
  assert.equal(
    readHeaderFrame(bytes, view, trailer, offset, place),
    null,
    'a trailer is no header',
  );
  const nextSeed = checksumSeed(logId, segment + 1);
  const next = { segment: segment + 1, logId, seed: nextSeed };
  assert.equal(readHeaderFrame(bytes, view, 0, offset, next), null);
  assert.equal(readHeaderFrame(bytes, view, 0, offset, { ...place, seed: nextSeed }), null);
  const other = { segment, logId: 5, seed: checksumSeed(5, segment) };
  assert.equal(readHeaderFrame(bytes, view, 0, offset, other), null);
  assert.notEqual(seed, nextSeed);
});

test('a block ends on a sector and an empty one is a sector', () => {
  assert.equal(blockBytesFor(0), 512);
  assert.equal(blockBytesFor(512 - 2 * FRAME_BYTES), 512);
  assert.equal(blockBytesFor(512 - 2 * FRAME_BYTES + 1), 1024);
});

test('a set of groups is exact below 64 and never forgets one above', () => {
  let mask = NO_GROUPS;
  for (const group of [0, 31, 32, 63]) mask = maskWith(mask, group);
  const found = Array.from({ length: 64 }, (_, group) => group).filter((n) => maskHas(mask, n));
  assert.deepEqual(found, [0, 31, 32, 63]);
  assert.ok(maskHas(maskWith(NO_GROUPS, 1000), 1000));
  assert.deepEqual(maskUnion(maskWith(NO_GROUPS, 5), maskWith(NO_GROUPS, 40)), {
    low: 32,
    high: 256,
  });
});

test('a segment name holds its number and nothing else is one', () => {
  assert.equal(segmentName(255), '00000000000000ff.wal');
  assert.equal(segmentOfName(segmentName(2 ** 53 - 1)), 2 ** 53 - 1);
  for (const name of ['0000000000000000.wal', '1.wal', '00000000000000FF.wal', 'x.wal', 'LOCK']) {
    assert.equal(segmentOfName(name), null, name);
  }
});
