/**
 * The transport's send buffers: reused by size, allocated when none is free, and a bounded number
 * kept.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { SlabPool } from '../../workers/slab-pool.js';

test('a buffer that was given back is lent again, for any size of its class', () => {
  const pool = new SlabPool();
  const first = pool.take(5000);
  assert.equal(first.buffer.length, 8192);
  const second = pool.take(5000);
  assert.notEqual(second.buffer, first.buffer, 'none is free: another one is made');
  pool.give(first.token);
  assert.equal(pool.take(8000).buffer, first.buffer);
  assert.equal(pool.take(1).buffer.length, 4096);
});

test('a token is good once, and one that the pool never gave out is ignored', () => {
  const pool = new SlabPool();
  const { token, buffer } = pool.take(10);
  pool.give(token);
  pool.give(token);
  pool.give(token + 1000);
  assert.equal(pool.take(10).buffer, buffer);
  assert.notEqual(pool.take(10).buffer, buffer, 'it is lent to one borrower only');
});

test('of many buffers that come back a few are kept', () => {
  const pool = new SlabPool();
  const lent = Array.from({ length: 40 }, () => pool.take(4096));
  for (const { token } of lent) pool.give(token);
  const known = new Set(lent.map(({ buffer }) => buffer));
  const again = lent.map(() => pool.take(4096).buffer);
  assert.equal(again.filter((buffer) => known.has(buffer)).length, 16);
});
