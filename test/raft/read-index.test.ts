/**
 * Batching of reads: rounds on the leader, contexts on the reader.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { LeaderReads, ReaderReads } from '../../engine/raft/read-index.js';
import { logIndex, nodeId } from '../../engine/raft/types.js';

test('all reads that wait share the next round', () => {
  const reads = new LeaderReads();
  assert.equal(reads.wantsRound, false);
  reads.add({ local: [1, 2] });
  reads.add({ reader: nodeId(2), context: 9 });
  assert.equal(reads.wantsRound, true);
  reads.start(logIndex(5));
  assert.deepEqual(reads.confirm(1), {
    index: 5,
    reads: [{ local: [1, 2] }, { reader: 2, context: 9 }],
  });
  assert.equal(reads.hasRound, false);
});

test('answers to an earlier round confirm nothing', () => {
  const reads = new LeaderReads();
  reads.add({ local: [1] });
  reads.start(logIndex(5));
  assert.ok(reads.confirm(1) !== null);
  reads.add({ local: [2] });
  reads.start(logIndex(6));
  assert.equal(reads.confirm(1), null);
  assert.equal(reads.confirm(2)?.index, 6);
});

test('a read that comes after a round has left waits for the next one', () => {
  const reads = new LeaderReads();
  reads.add({ local: [1] });
  reads.start(logIndex(5));
  reads.add({ local: [2] });
  assert.equal(reads.wantsRound, false);
  assert.deepEqual(reads.confirm(1)?.reads, [{ local: [1] }]);
  assert.equal(reads.wantsRound, true);
});

test('a context that is asked again while it waits is answered once', () => {
  const reads = new LeaderReads();
  reads.add({ reader: nodeId(2), context: 9 });
  reads.start(logIndex(5));
  reads.add({ reader: nodeId(2), context: 9 });
  reads.add({ reader: nodeId(3), context: 9 });
  assert.equal(reads.confirm(1)?.reads.length, 1);
  reads.start(logIndex(5));
  assert.deepEqual(reads.confirm(2)?.reads, [{ reader: 3, context: 9 }]);
});

test('a fallen leader gives back its own reads, asked or waiting', () => {
  const reads = new LeaderReads();
  reads.add({ local: [1] });
  reads.start(logIndex(5));
  reads.add({ local: [2, 3] });
  reads.add({ reader: nodeId(2), context: 9 });
  assert.deepEqual(reads.drain(), [1, 2, 3]);
  assert.equal(reads.wantsRound || reads.hasRound, false);
});

test('a reader asks for everything that waits in one context at a time', () => {
  const reads = new ReaderReads(100);
  reads.add([1, 2]);
  assert.equal(reads.outstanding, null);
  assert.equal(reads.open(), 101);
  reads.add([3]);
  assert.equal(reads.outstanding, 101);
  assert.deepEqual(reads.answer(101), [1, 2]);
  assert.equal(reads.outstanding, null);
  assert.equal(reads.open(), 102);
  assert.deepEqual(reads.answer(102), [3]);
});

test('an answer to another context, or a second one, grants nothing', () => {
  const reads = new ReaderReads(100);
  reads.add([1]);
  const context = reads.open();
  assert.deepEqual(reads.answer(context - 1), []);
  assert.deepEqual(reads.answer(context), [1]);
  assert.deepEqual(reads.answer(context), []);
});

test('after a change of leader what was asked waits again, and old answers are stale', () => {
  const reads = new ReaderReads(100);
  reads.add([1]);
  const context = reads.open();
  reads.add([2]);
  reads.restart();
  assert.equal(reads.outstanding, null);
  assert.deepEqual(reads.answer(context), []);
  assert.deepEqual(reads.answer(reads.open()), [1, 2]);
});

test('a new leader takes all reads over, in the order they came', () => {
  const reads = new ReaderReads(100);
  reads.add([1]);
  reads.open();
  reads.add([2]);
  assert.deepEqual(reads.takeAll(), [1, 2]);
  assert.equal(reads.isWaiting, false);
});

test('a read that is forgotten is not asked for, and its context grants the others', () => {
  const reads = new ReaderReads(100);
  reads.add([1, 2]);
  const context = reads.open();
  reads.add([3]);
  reads.forget(new Set([1, 3]));
  assert.equal(reads.isWaiting, false);
  assert.deepEqual(reads.answer(context), [2]);
  reads.add([4]);
  const given = reads.open();
  reads.forget(new Set([4]));
  assert.equal(reads.outstanding, null, 'nobody waits for this context');
  reads.add([5]);
  reads.open();
  assert.deepEqual(reads.answer(given), []);
});

test('a leader forgets its own reads, waiting or in a round, and only those', () => {
  const reads = new LeaderReads();
  reads.add({ local: [1, 2] });
  reads.add({ reader: nodeId(2), context: 1 });
  reads.start(logIndex(5));
  reads.add({ local: [3] });
  reads.forget(new Set([1, 3]));
  assert.equal(reads.wantsRound, false);
  assert.deepEqual(reads.confirm(1)?.reads, [{ local: [2] }, { reader: 2, context: 1 }]);
  assert.equal(reads.wantsRound, false, 'read 3 waited and is gone');
});

test('of each reader only its newest context waits', () => {
  const reads = new LeaderReads();
  for (const context of [7, 8, 9]) reads.add({ reader: nodeId(2), context });
  reads.add({ reader: nodeId(3), context: 7 });
  reads.start(logIndex(5));
  assert.deepEqual(reads.confirm(1)?.reads, [
    { reader: 2, context: 9 },
    { reader: 3, context: 7 },
  ]);
});
