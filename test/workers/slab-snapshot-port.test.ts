/**
 * Ports of several groups that share the slots of one slab: a snapshot that waits, for its log or
 * for its machine, must keep none of them from the others.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { NO_INDEX } from '../../engine/raft/types.js';
import type { MachineHost } from '../../engine/runtime/machine-host.js';
import { SnapshotTaker } from '../../engine/runtime/snapshot-taker.js';
import { SlabSnapshotPort } from '../../workers/ports/slab-snapshot-port.js';
import type { SnapshotOrder } from '../../workers/records/snapshot.js';
import { createSnapshotSlab, SnapshotSlab } from '../../workers/snapshot-slab.js';
import { CHUNK_BYTES, headAt } from './snapshot-bench.js';

/**
 * One group with an image of `bytes`; whoever owns the files takes what it is sent at once. With
 * `isHeldUp` the machine never says that this was all.
 */
function groupOf(slab: SnapshotSlab, bytes: number, isHeldUp = false) {
  const orders: SnapshotOrder[] = [];
  const order = (given: SnapshotOrder): void => {
    orders.push(given);
    if (given.kind === 'raw') slab.give(given.slot);
  };
  let image: Uint8Array | null = new Uint8Array(bytes);
  const host = {
    waitsForImage: false,
    beginImage: () => undefined,
    endImage: () => undefined,
    pullImage: () => {
      const next = image;
      image = null;
      if (next !== null || !isHeldUp) taker.onImage(next);
    },
  };
  const port = new SlabSnapshotPort(order, slab, CHUNK_BYTES);
  const taker = new SnapshotTaker(host as unknown as MachineHost, port, () => 0);
  taker.begin(headAt(9));
  return { taker, orders, kinds: () => orders.map(({ kind }) => kind) };
}

test('four groups that wait for their logs keep no slot from a fifth', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const waiting = [1, 2, 3, 4].map(() => groupOf(slab, 100));
  for (let turn = 0; turn < 3; turn += 1) {
    for (const { taker } of waiting) taker.step(NO_INDEX, turn);
  }
  assert.ok(waiting.every(({ taker }) => taker.isWaitingForLog));
  assert.equal(slab.free('taking'), 4);
  const fifth = groupOf(slab, CHUNK_BYTES + 100);
  for (let turn = 0; turn < 3; turn += 1) fifth.taker.step(headAt(9).point.index, turn);
  assert.deepEqual(fifth.kinds(), ['begin', 'raw', 'raw', 'finish']);
  for (const { taker, kinds } of waiting) {
    assert.deepEqual(kinds(), ['begin', 'raw'], 'no file is finished before its log');
    taker.step(headAt(9).point.index, 9);
    assert.deepEqual(kinds(), ['begin', 'raw', 'finish']);
  }
});

test('a snapshot that is given up while it waits gives nothing back twice', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const group = groupOf(slab, 100);
  for (let turn = 0; turn < 3; turn += 1) group.taker.step(NO_INDEX, turn);
  group.taker.abandon();
  assert.deepEqual(group.kinds(), ['begin', 'raw', 'abandon']);
  assert.equal(slab.free('taking'), 4);
});

test('machines that are held up within a chunk keep no slot from another group', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const heldUp = [1, 2, 3, 4, 5].map(() => groupOf(slab, CHUNK_BYTES + 100, true));
  for (const { taker } of heldUp) {
    for (let turn = 0; turn < 3; turn += 1) taker.step(headAt(9).point.index, turn);
  }
  assert.deepEqual(heldUp[0]?.kinds(), ['begin', 'raw']);
  assert.equal(slab.free('taking'), 4);
  const other = groupOf(slab, CHUNK_BYTES + 100);
  for (let turn = 0; turn < 3; turn += 1) other.taker.step(headAt(9).point.index, turn);
  assert.deepEqual(other.kinds(), ['begin', 'raw', 'raw', 'finish']);
});

test('without a slot the rest of an image waits, and its chunks are those that were written', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const image = Uint8Array.from({ length: 3 * CHUNK_BYTES + 300 }, (_, at) => at % 251);
  const chunks: Buffer[] = [];
  const order = (given: SnapshotOrder): void => {
    if (given.kind !== 'raw') return;
    chunks.push(Buffer.from(slab.raw(given.slot, given.bytes)));
    slab.give(given.slot);
  };
  const port = new SlabSnapshotPort(order, slab, CHUNK_BYTES);
  port.begin(headAt(9));
  const taken: number[] = [];
  const withoutSlots = (act: () => void): void => {
    while (slab.free('taking') > 0) taken.push(slab.take('taking'));
    act();
    for (const slot of taken.splice(0)) slab.give(slot);
  };
  const first = CHUNK_BYTES - 100;
  assert.equal(port.write(image.subarray(0, first), 0), first);
  let at = first;
  withoutSlots(() => {
    at += port.write(image, at);
    assert.equal(at, CHUNK_BYTES, 'a whole chunk of it is kept, and no more');
    assert.equal(port.write(image, at), 0);
  });
  at += port.write(image, at);
  assert.equal(at, image.length);
  withoutSlots(() => assert.equal(port.imageEnded(), false));
  assert.equal(port.imageEnded(), true);
  port.finish();
  assert.deepEqual(
    chunks.map(({ length }) => length),
    [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, 300],
  );
  assert.ok(Buffer.concat(chunks).equals(image));
});

test('no chunk holds bytes of two sections', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const chunks: string[] = [];
  const order = (given: SnapshotOrder): void => {
    if (given.kind !== 'raw') return;
    chunks.push(`${given.section}:${given.bytes}`);
    slab.give(given.slot);
  };
  const port = new SlabSnapshotPort(order, slab, CHUNK_BYTES);
  const { machine, sessions } = SnapshotSection;
  port.begin(headAt(9));
  const piece = new Uint8Array(300);
  assert.equal(port.write(piece, 0, sessions), 300);
  assert.equal(port.write(piece, 0, sessions), 300);
  const taken: number[] = [];
  while (slab.free('taking') > 0) taken.push(slab.take('taking'));
  assert.equal(port.write(piece, 0, machine), 0, 'what is left of the first has to go before');
  for (const slot of taken) slab.give(slot);
  assert.equal(port.write(piece, 0, machine), 300);
  assert.equal(port.imageEnded(), true);
  assert.deepEqual(chunks, ['2:600', '1:300']);
});

test('an image that ends with a whole chunk, after pieces of chunks, has no empty one behind', () => {
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const chunks: number[] = [];
  const order = (given: SnapshotOrder): void => {
    if (given.kind !== 'raw') return;
    chunks.push(given.bytes);
    slab.give(given.slot);
  };
  const port = new SlabSnapshotPort(order, slab, CHUNK_BYTES);
  port.begin(headAt(9));
  const half = new Uint8Array(CHUNK_BYTES / 2);
  const two = new Uint8Array(2 * CHUNK_BYTES);
  for (const piece of [half, half, two]) assert.equal(port.write(piece, 0), piece.length);
  assert.equal(port.imageEnded(), true);
  port.finish();
  assert.deepEqual(chunks, [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES]);
});
