/**
 * Files that are not kept go a slice at a time, with pauses in which the disk is the log's, and a
 * disk that fails at that stops nothing.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GROUP, imageOf, ServerBench } from './snapshot-bench.js';

const MIB = 1024 * 1024;
const KEEP_ONE = { kind: 'retain', keep: 1, pinned: [] } as const;

function enlarge(bench: ServerBench, path: string, bytes: number): void {
  const file = bench.disk.open(path, 'readwrite');
  file.truncate(bytes);
  file.close();
}

test('a large file goes over several pauses', () => {
  const bench = new ServerBench();
  enlarge(bench, bench.hold(5, imageOf(1)), 40 * MIB);
  bench.hold(7, imageOf(1));
  bench.server.onOrder(GROUP.group, KEEP_ONE);
  const files = (): number => bench.disk.list('/data/snapshots').length;
  const goneAt: number[] = [];
  for (const begun = bench.now; files() > 1; bench.now = bench.server.deadline) {
    bench.work();
    goneAt.push(bench.now - begun);
  }
  assert.deepEqual(goneAt, [0, 50, 100]);
  assert.equal(bench.server.deadline, Number.POSITIVE_INFINITY);
});

test('a file that the disk does not remove is counted and left', () => {
  const bench = new ServerBench();
  for (const index of [5, 7]) bench.hold(index, imageOf(1));
  bench.server.onOrder(GROUP.group, KEEP_ONE);
  const [left = ''] = bench.disk.list('/data/snapshots').filter((name) => /removed$/.test(name));
  bench.disk.remove(`/data/snapshots/${left}`);
  bench.work();
  assert.deepEqual([bench.server.failures, bench.server.isDue], [1, false]);
});
