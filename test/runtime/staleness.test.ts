/**
 * Which granted read index may answer a bounded read, and for how long.
 *
 * How reads come to use it is in reads.test.ts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Staleness } from '../../engine/runtime/staleness.js';

const at = (now: number, wallAhead = 0) => ({ now, wallAhead });

test('nothing was granted: nothing will do', () => {
  assert.equal(new Staleness().indexFor(1e9, at(0)), null);
});

test('an index serves for as long as it was asked for within the staleness', () => {
  const staleness = new Staleness();
  staleness.granted(at(100), 7);
  assert.equal(staleness.indexFor(50, at(150)), 7);
  assert.equal(staleness.indexFor(50, at(150.5)), null);
  assert.equal(staleness.indexFor(51, at(150.5)), 7);
});

test('what counts is when an index was asked for, not when it was granted or how large it is', () => {
  const staleness = new Staleness();
  staleness.granted(at(200), 7);
  staleness.granted(at(100), 9);
  assert.equal(staleness.indexFor(50, at(240)), 7, 'a late grant of an earlier question');
  staleness.granted(at(230), 7);
  assert.equal(staleness.indexFor(50, at(280)), 7);
});

test('what the wall clock gained has passed: the other one stood still', () => {
  const staleness = new Staleness();
  staleness.granted(at(100, 5), 7);
  assert.equal(staleness.indexFor(50, at(110, 5)), 7);
  assert.equal(staleness.indexFor(50, at(110, 45)), 7);
  assert.equal(staleness.indexFor(50, at(110, 46)), null);
  assert.equal(staleness.indexFor(50, at(110, -1000)), 7, 'a clock that was set back says nothing');
});
