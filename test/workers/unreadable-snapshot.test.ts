/**
 * What a start makes of snapshots whose configuration this build cannot read: they are refused by
 * name, never passed over while they are the newest, and never set aside.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SnapshotVersionError } from '../../io/snapshots/snapshot-errors.js';
import { findSnapshots } from '../../workers/snapshot-found.js';
import {
  CONFIGURATION,
  GROUP,
  imageOf,
  laterConfiguration,
  ServerBench,
} from './snapshot-bench.js';

test('the newest snapshot with a configuration of an unknown version stops the start by name', () => {
  const bench = new ServerBench();
  bench.hold(5, imageOf(1));
  const path = bench.holdWith(7, imageOf(1), laterConfiguration());
  const names = bench.disk.list('/data/snapshots');
  assert.throws(
    () => findSnapshots(bench.store, GROUP.group),
    (error) =>
      error instanceof SnapshotVersionError &&
      error.path === path &&
      error.message.startsWith(`${path}: configuration of format version 3, this build reads 2.`),
  );
  assert.deepEqual(bench.disk.list('/data/snapshots'), names);
});

test('a start that is refused leaves damaged files that are newer where they are', () => {
  const bench = new ServerBench();
  bench.holdWith(5, imageOf(1), laterConfiguration());
  bench.damage(bench.hold(7, imageOf(1)), -60);
  const names = bench.disk.list('/data/snapshots');
  assert.throws(() => findSnapshots(bench.store, GROUP.group), SnapshotVersionError);
  assert.deepEqual(bench.disk.list('/data/snapshots'), names);
});

test('one that ends early, or with flags that are unknown, stops it too', () => {
  const flags = CONFIGURATION.slice();
  // Of the first member: behind the counts, three voters' ids, its own id and its incarnation.
  flags[12 + 3 * 8 + 16] = 4;
  for (const configuration of [CONFIGURATION.slice(0, 20), flags]) {
    const bench = new ServerBench();
    bench.holdWith(7, imageOf(1), configuration);
    assert.throws(() => findSnapshots(bench.store, GROUP.group), SnapshotVersionError);
  }
});

test('an older one is named in a warning, and the newest is used', () => {
  const bench = new ServerBench();
  const path = bench.holdWith(5, imageOf(1), laterConfiguration());
  bench.hold(7, imageOf(1));
  const { snapshots, warnings } = findSnapshots(bench.store, GROUP.group);
  assert.deepEqual(
    snapshots.map(({ point }) => point.index),
    [7],
  );
  assert.equal(warnings.length, 1);
  assert.ok(warnings[0]?.startsWith(`an older snapshot cannot be read: ${path}: configuration of`));
});
