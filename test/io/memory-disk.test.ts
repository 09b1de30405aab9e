/**
 * The memory disk against the conformance suite, and the pages it is made of: that zero-filling
 * costs no memory, and that what was cut never comes back.
 *
 * Syncs do nothing on this disk, so nothing here is about durability.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { SparsePages } from '../../io/disk/sparse-pages.js';
import { diskSuite } from '../conformance/disk.suite.js';

diskSuite('memory disk', () => {
  const disk = new MemoryDisk();
  disk.makeDirectory('/data/root');
  return { disk, root: '/data/root', dispose: () => undefined };
});

test('pages of zeros are not kept until something else is written to them', () => {
  const pages = new SparsePages(4096);
  pages.write(new Uint8Array(64 * 1024), 0, 64 * 1024, 0);
  assert.equal(pages.size, 64 * 1024);
  for (let index = 0; index < 16; index++) assert.equal(pages.page(index), undefined);
  pages.write(Uint8Array.of(0, 7), 0, 2, 8191);
  assert.equal(pages.page(1), undefined);
  assert.equal(pages.page(2)?.[0], 7);
});

test('cut pages read as zeros when the file grows again', () => {
  const pages = new SparsePages(16);
  pages.write(new Uint8Array(64).fill(5), 0, 64, 0);
  pages.resize(20);
  pages.resize(64);
  const target = new Uint8Array(64);
  assert.equal(pages.read(target, 0, 64, 0), 64);
  assert.deepEqual([...target], [...new Array(20).fill(5), ...new Array(44).fill(0)]);
  assert.equal(pages.page(2), undefined);
});
