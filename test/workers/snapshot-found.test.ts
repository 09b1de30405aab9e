/**
 * What a start says about the snapshots of a group: what is passed over and why, where it is now,
 * and what was removed for it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { DAMAGED_KEPT_MAX } from '../../io/snapshots/snapshot-store.js';
import { findSnapshots } from '../../workers/snapshot-found.js';
import { GROUP, imageOf, ServerBench } from './snapshot-bench.js';

const found = (bench: ServerBench) => findSnapshots(bench.store, GROUP.group);
const indexes = (bench: ServerBench): number[] =>
  found(bench).snapshots.map(({ point }) => point.index);

test('a damaged snapshot is named with its place now, and the one that is removed for it', () => {
  const bench = new ServerBench();
  const paths: string[] = [];
  const warnings: (readonly string[])[] = [];
  for (let index = 1; index <= DAMAGED_KEPT_MAX + 1; index += 1) {
    const path = bench.hold(index, imageOf(2));
    bench.damage(path, -60);
    paths.push(path);
    warnings.push(found(bench).warnings);
  }
  for (const [at, [first = '', ...others]] of warnings.entries()) {
    assert.match(first, /^a snapshot is passed over: the snapshot is damaged: .* checksum/);
    assert.ok(first.endsWith(`. It is kept as ${paths[at]}.damaged`), first);
    if (at < DAMAGED_KEPT_MAX) assert.deepEqual(others, []);
  }
  const removed = `${paths[0]}.damaged`;
  assert.deepEqual(warnings.at(-1)!.slice(1), [
    `3 damaged snapshots of a group are kept, older ones are removed: ${removed}`,
  ]);
  assert.ok(!bench.disk.exists(removed));
});

test('a snapshot that the disk cannot read is named and left, and the one before it is taken', () => {
  const bench = new ServerBench();
  bench.hold(5, imageOf(2));
  const path = bench.hold(7, imageOf(2));
  bench.disk.arm({ kind: 'readError', path, times: Number.POSITIVE_INFINITY });
  const { snapshots, warnings } = found(bench);
  assert.deepEqual([snapshots.map(({ point }) => point.index as number)], [[5]]);
  assert.deepEqual(warnings, [`a snapshot is passed over: read ${path}: EIO`]);
  bench.disk.disarm();
  assert.deepEqual(indexes(bench), [7, 5]);
});

test('a file of another group that has the same number elsewhere is passed over, and says so', () => {
  const bench = new ServerBench();
  bench.hold(5, imageOf(2));
  const path = bench.hold(7, imageOf(2), 1, 0xabc);
  const { snapshots, warnings } = found(bench);
  assert.deepEqual([snapshots.map(({ point }) => point.index as number)], [[5]]);
  const [warning = ''] = warnings;
  assert.match(
    warning,
    /group with another name \(its hash is 00000abc, this group's is 00000005\)/,
  );
  assert.ok(warning.includes(path) && warning.endsWith(`. It is kept as ${path}.damaged`), warning);
});

test('an older file of another group is not offered either', () => {
  const bench = new ServerBench();
  bench.hold(5, imageOf(2), 1, 0xabc);
  bench.hold(7, imageOf(2));
  const { snapshots, warnings } = found(bench);
  assert.deepEqual([snapshots.map(({ point }) => point.index as number)], [[7]]);
  assert.match(`${warnings}`, /an older snapshot cannot be read: .*group with another name/);
});
