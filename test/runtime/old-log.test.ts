/**
 * Where old entries lie once the log on disk copies them and gives their segments back: the block
 * index, and loads that were under way meanwhile.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { logIndex, term } from '../../engine/raft/types.js';
import { BlockIndex } from '../../engine/runtime/block-index.js';
import { OldLog } from '../../engine/runtime/old-log.js';
import type { LoadedEntries, LoadRequest } from '../../engine/runtime/ports.js';

const KIB = 1024;

function at(index: BlockIndex, entry: number): string {
  const found = index.find(logIndex(entry));
  return found === undefined ? 'nowhere' : `${found.segment}:${found.offset}`;
}

/** Entries 1–10 in segment 1, 11–20 in segment 2, 21 on in segment 3. */
function threeSegments(): BlockIndex {
  const index = new BlockIndex([]);
  index.add(1, 100, 1, 512);
  index.add(11, 100, 2, 512);
  index.add(21, 100, 3, 512);
  return index;
}

test('moved entries are found in their new block, their neighbours where they were', () => {
  const index = threeSegments();
  index.moved({ first: 1, last: 10, segment: 9, offset: 4096 });
  assert.deepEqual([at(index, 1), at(index, 10), at(index, 11)], ['9:4096', '9:4096', '2:512']);
  index.moved({ first: 11, last: 15, segment: 9, offset: 8192 });
  assert.deepEqual([at(index, 15), at(index, 16), at(index, 21)], ['9:8192', '2:512', '3:512']);
});

test('what is written behind moved entries is found where it was written', () => {
  const index = new BlockIndex([{ first: 1, segment: 1, offset: 512 }]);
  index.moved({ first: 1, last: 4, segment: 9, offset: 4096 });
  index.add(5, 100, 9, 8192);
  assert.deepEqual([at(index, 4), at(index, 5)], ['9:4096', '9:8192']);
});

test('an acknowledgement of entries that were truncated leaves no trace behind', () => {
  const index = new BlockIndex([{ first: 1, segment: 1, offset: 512 }]);
  index.truncateAfter(logIndex(3));
  index.add(5, 100, 2, 512);
  index.add(4, 100, 2, 1024);
  assert.deepEqual([at(index, 3), at(index, 4), at(index, 5)], ['1:512', '2:1024', '2:1024']);
});

test('a move of entries that are gone changes nothing', () => {
  const empty = new BlockIndex([]);
  empty.moved({ first: 1, last: 4, segment: 9, offset: 4096 });
  assert.equal(at(empty, 1), 'nowhere');
  const later = new BlockIndex([{ first: 20, segment: 3, offset: 512 }]);
  later.moved({ first: 1, last: 4, segment: 9, offset: 4096 });
  assert.deepEqual([at(later, 4), at(later, 20)], ['nowhere', '3:512']);
});

test('a reader is sent no further than it can scan without going back or far ahead', () => {
  const index = threeSegments();
  const reach = (first: number, last: number) => index.reach(logIndex(first), logIndex(last));
  assert.deepEqual([reach(1, 25), reach(5, 8)], [25, 8]);
  index.moved({ first: 1, last: 10, segment: 9, offset: 4096 });
  assert.deepEqual([reach(1, 25), reach(11, 25)], [10, 25]);
  index.add(31, 64 * KIB, 8, 512);
  assert.deepEqual([reach(21, 40), reach(31, 40)], [30, 40]);
});

class Loads {
  readonly asked: LoadRequest[] = [];
  readonly blocks = threeSegments();
  readonly log = new OldLog(this.blocks, { load: (request) => void this.asked.push(request) });
  readonly answers: LoadedEntries[] = [];

  load(first: number, last: number): void {
    const done = (loaded: LoadedEntries): void => void this.answers.push(loaded);
    this.log.load(logIndex(first), logIndex(last), term(1), KIB, done);
  }

  answer(count: number): void {
    const { id, first } = this.asked.at(-1)!;
    this.log.loaded({ id, first, count, slab: Buffer.alloc(0) });
  }
}

test('a load from a segment that is gone is asked for again where the entries lie now', () => {
  const loads = new Loads();
  loads.load(3, 10);
  loads.blocks.moved({ first: 1, last: 10, segment: 9, offset: 4096 });
  loads.answer(0);
  assert.equal(loads.answers.length, 0);
  assert.deepEqual(
    loads.asked.map(({ segment, first, last }) => [segment, first, last]),
    [
      [1, 3, 10],
      [9, 3, 10],
    ],
  );
  loads.answer(8);
  assert.equal(loads.answers[0]!.count, 8);
});

test('news of a move that comes after the answer is waited for, once', () => {
  const moved = new Loads();
  moved.load(3, 10);
  moved.answer(0);
  moved.blocks.moved({ first: 1, last: 10, segment: 9, offset: 4096 });
  moved.answer(0);
  assert.deepEqual(
    moved.asked.map(({ segment }) => segment),
    [1, 1, 9],
  );
  const unreadable = new Loads();
  unreadable.load(3, 10);
  unreadable.answer(0);
  unreadable.answer(0);
  assert.deepEqual([unreadable.asked.length, unreadable.answers[0]!.count], [2, 0]);
});
