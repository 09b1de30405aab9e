/**
 * Who waits for which index: results go to the term that was bound, what another leader replaced is
 * surely lost, and what a later term has overtaken is lost as soon as that is known.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { PendingWrites } from '../../engine/runtime/pending-writes.js';

const shown = (parts: readonly { batch: number; offset: number; first: number; last: number }[]) =>
  parts.map(({ batch, offset, first, last }) => `${batch}+${offset}:${first}-${last}`);

test('entries are claimed by the batch that is bound to their index and term, slab by slab', () => {
  const writes = new PendingWrites();
  writes.bind(1, 5, 10, 2);
  writes.bind(2, 15, 2, 2);
  assert.equal(writes.lastIndex, 16);
  assert.deepEqual(writes.claim(1, 4, 2), { wanted: [], lost: [] });
  const { wanted, lost } = writes.claim(5, 9, 2);
  assert.deepEqual([shown(wanted), shown(lost)], [['1+0:5-9'], []]);
  assert.deepEqual(shown(writes.claim(10, 16, 2).wanted), ['1+5:10-14', '2+0:15-16']);
  assert.equal(writes.lastIndex, 0);
});

test('an entry of another term at the same index means that the command was not executed', () => {
  const writes = new PendingWrites();
  writes.bind(1, 5, 2, 2);
  const { wanted, lost } = writes.claim(5, 6, 3);
  assert.deepEqual([shown(wanted), shown(lost)], [[], ['1+0:5-6']]);
});

test('an entry of a later term settles every batch of earlier terms behind it', () => {
  const writes = new PendingWrites();
  writes.bind(1, 5, 4, 2);
  writes.bind(2, 20, 2, 2);
  writes.bind(3, 22, 1, 3);
  assert.deepEqual(shown(writes.claim(5, 6, 2).wanted), ['1+0:5-6']);
  const { lost } = writes.claim(7, 7, 3);
  assert.deepEqual(shown(lost), ['1+2:7-7', '1+3:8-8', '2+0:20-21']);
  assert.equal(writes.lastIndex, 22, 'what the later term appended may still come');
  assert.equal(writes.isOvertaken(2), true);
  assert.equal(writes.isOvertaken(3), false);
  assert.deepEqual(shown(writes.claim(8, 22, 3).wanted), ['3+0:22-22']);
});

test('at the end exactly what was not handed on still waits', () => {
  const writes = new PendingWrites();
  writes.bind(1, 5, 16, 3);
  writes.bind(2, 6, 3, 4);
  writes.claim(5, 10, 4);
  assert.deepEqual(shown(writes.drain()), []);
  writes.bind(3, 11, 3, 4);
  writes.claim(11, 11, 4);
  assert.deepEqual(shown(writes.drain()), ['3+1:12-13']);
  assert.deepEqual(writes.drain(), []);
});
