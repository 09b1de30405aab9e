/**
 * When a group takes a snapshot, how much of its log it forgets then, and when it fetches one: with
 * a log that needs room, transfers that stand in the way, and failures that repeat.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RETRY_MS } from '../../engine/runtime/snapshot-policy.js';
import { pointAt, SnapshotsBench } from './snapshots-bench.js';

test('pressure lasts until the log begins at the newest snapshot, which alone is taken for it', () => {
  const bench = new SnapshotsBench();
  bench.applies(10);
  bench.raft.snapshotFloor = 5;
  bench.snapshots.pressed(false);
  bench.turns();
  bench.written();
  assert.equal(bench.raft.compactedIndex, 5, 'a transfer needs what follows');
  bench.applies(12);
  bench.turns();
  assert.deepEqual([bench.raft.compactedIndex, bench.begun], [5, [10]]);
  bench.raft.snapshotFloor = Number.POSITIVE_INFINITY;
  bench.turns(1);
  assert.deepEqual([bench.raft.compactedIndex, bench.begun], [10, [10]], 'the transfer has ended');
  bench.snapshots.pressed(false);
  bench.turns();
  bench.written();
  assert.deepEqual([bench.raft.compactedIndex, bench.begun], [12, [10, 12]]);
});

test('urgent pressure forgets what a transfer needs', () => {
  const bench = new SnapshotsBench();
  bench.applies(10);
  bench.raft.snapshotFloor = 5;
  bench.snapshots.pressed(false);
  bench.turns();
  bench.written();
  assert.deepEqual(bench.events, []);
  bench.snapshots.pressed(true);
  bench.turns(1);
  assert.deepEqual([bench.raft.compactedIndex, bench.begun], [10, [10]]);
  assert.match(bench.events.join('; '), /^a peer was being sent the snapshot of entry 5 when/);
});

test('a log that was pressed is compacted to the snapshot before the newest as ever', () => {
  const bench = new SnapshotsBench({ threshold: 10 });
  bench.snapshots.pressed(false);
  bench.turns();
  for (const index of [10, 20]) {
    bench.applies(index);
    bench.turns();
    bench.written();
  }
  assert.deepEqual([bench.raft.compactedIndex, bench.begun], [10, [10, 20]]);
});

test('with one file to keep, the one before the newest is not kept either', () => {
  for (const [retain, kept] of [
    [1, [20]],
    [2, [20, 10]],
  ] as const) {
    const bench = new SnapshotsBench({ threshold: 10, retain });
    for (const index of [10, 20]) {
      bench.applies(index);
      bench.turns();
      bench.written();
    }
    assert.deepEqual(
      bench.pinned.map(({ index }) => index),
      kept,
    );
  }
});

test('a snapshot asked for by hand compacts although nothing was applied since the last', () => {
  const bench = new SnapshotsBench({ threshold: 10, retain: 1 });
  bench.applies(10);
  bench.raft.snapshotFloor = 5;
  bench.turns();
  bench.written();
  bench.raft.snapshotFloor = Number.POSITIVE_INFINITY;
  bench.turns();
  assert.equal(bench.raft.compactedIndex, 5);
  bench.snapshots.request(1);
  bench.turns();
  assert.deepEqual([bench.raft.compactedIndex, bench.events], [10, ['snapshot']]);
});

test('one that a peer needs and one that is due are tried again after a pause alone', () => {
  for (const threshold of [10, 1_000]) {
    const bench = new SnapshotsBench({ threshold, minIntervalMs: 100 * RETRY_MS });
    bench.problem = 'no space';
    bench.applies(10);
    if (threshold > 10) bench.raft.snapshotNeeded = 10;
    bench.turns(100);
    assert.deepEqual([bench.begun.length, bench.events.length], [1, 1]);
    bench.turns(1, RETRY_MS);
    bench.turns(100);
    assert.deepEqual([bench.begun.length, bench.events.length], [2, 1]);
  }
});

test('one that is asked for by hand is tried at once, and each who asked is told', () => {
  const bench = new SnapshotsBench();
  bench.problem = 'no space';
  bench.applies(10);
  for (const id of [1, 2]) {
    bench.snapshots.request(id);
    bench.turns(50);
    assert.equal(bench.begun.length, id);
  }
  assert.equal(bench.events.filter((text) => text.endsWith('no image: no space')).length, 3);
});

test('a snapshot that was refused is fetched again after growing pauses, and told once', () => {
  const bench = new SnapshotsBench();
  const askedAt: number[] = [];
  for (let heartbeat = 0; heartbeat < 400; heartbeat += 1) {
    const before = bench.fetches.length;
    bench.offered(100);
    if (bench.fetches.length > before) {
      askedAt.push(heartbeat * 25);
      bench.refused(100, 'no space');
    }
    bench.turns(1, 25);
  }
  const pauses = askedAt.slice(1).map((at, n) => at - askedAt[n]!);
  assert.deepEqual(pauses, [500, 1000, 2000, 4000]);
  assert.deepEqual(bench.events, ['no space']);
  bench.offered(200);
  assert.deepEqual(bench.fetches.at(-1), 200, 'another one is asked for at once');
  bench.refused(200, 'that snapshot is gone');
  assert.deepEqual(bench.events, ['no space', 'that snapshot is gone']);
});

test('a fetch is given up once the log has overtaken its point', () => {
  const bench = new SnapshotsBench();
  bench.offered(100);
  bench.turns();
  assert.deepEqual([bench.fetches, bench.abandonedFetches], [[100], 0]);
  bench.raft.canInstallAny = false;
  bench.turns(5);
  assert.deepEqual([bench.snapshots.fetching, bench.abandonedFetches], [null, 1]);
  bench.turns(3, 2_000);
  assert.equal(bench.fetches.length, 1, 'nothing asks for it again');
});

test('a snapshot of a leader counts as installed once it has replaced what was here', () => {
  const bench = new SnapshotsBench();
  const { snapshots } = bench;
  bench.offered(100);
  bench.fetched(100);
  bench.applier.isLending = true;
  bench.turns();
  assert.equal(snapshots.installed, 0, 'the machine is busy with what is replaced');
  bench.applier.isLending = false;
  bench.turns();
  assert.deepEqual([snapshots.installed, snapshots.newest?.point.index], [1, 100]);
  snapshots.onRestored();
  bench.offered(200);
  bench.fetched(200);
  bench.raft.canInstallAny = false;
  bench.turns();
  assert.deepEqual([snapshots.installed, snapshots.newest?.point.index], [1, 100], 'overtaken');
  const { restored, taken } = snapshots;
  assert.deepEqual([restored, taken], [1, 0]);
});

test('no file that came in vain takes the place of the two that the log rests on', () => {
  const bench = new SnapshotsBench({ threshold: 10 });
  for (const index of [10, 20]) {
    bench.applies(index);
    bench.turns();
    bench.written();
  }
  assert.deepEqual(bench.pinned, [pointAt(20), pointAt(10)]);
});

/** Two snapshots are there. */
function benchWithTwo(): SnapshotsBench {
  const bench = new SnapshotsBench({ threshold: 10 });
  for (const index of [10, 20]) {
    bench.applies(index);
    bench.turns();
    bench.written();
  }
  return bench;
}

test('a newest snapshot that cannot be sent is replaced at once, and offered instead', () => {
  for (const applied of [20, 23]) {
    const bench = benchWithTwo();
    bench.applies(applied);
    bench.unservable(20, 'damaged');
    bench.unservable(20, 'damaged');
    assert.deepEqual([bench.raft.gone, bench.events.length], [[], 1]);
    assert.equal(bench.snapshots.newest?.point.index, 10);
    bench.turns();
    assert.deepEqual(bench.begun, [10, 20, applied]);
    assert.equal(bench.raft.compactedIndex, 10, 'nothing is forgotten meanwhile');
    bench.written();
    assert.deepEqual(bench.raft.gone, applied > 20 ? [20] : []);
    bench.turns(10);
    assert.equal(bench.begun.length, 3);
    assert.deepEqual(
      [bench.raft.compactedIndex, bench.snapshots.newest?.point.index],
      [10, applied],
    );
  }
});

test('the replacement of one that cannot be sent is tried again after a pause', () => {
  const bench = benchWithTwo();
  bench.problem = 'no space';
  bench.unservable(20, 'damaged');
  bench.turns(100);
  assert.equal(bench.begun.length, 3);
  bench.problem = null;
  bench.turns(1, RETRY_MS);
  bench.turns();
  bench.written();
  assert.deepEqual([bench.begun.length, bench.snapshots.newest?.point.index], [4, 20]);
});

test('an older one that cannot be sent is replaced by the newest', () => {
  const bench = benchWithTwo();
  bench.unservable(10, 'damaged');
  bench.turns();
  assert.deepEqual([bench.raft.gone, bench.begun, bench.events.length], [[10], [10, 20], 1]);
});

test('one that is not there any more is news only if the group relies on it', () => {
  const bench = benchWithTwo();
  bench.unservable(5, 'there is none', true);
  bench.turns();
  assert.deepEqual([bench.begun, bench.events], [[10, 20], []]);
  bench.unservable(20, 'there is none', true);
  bench.turns();
  assert.deepEqual([bench.begun, bench.events.length], [[10, 20, 20], 1]);
});

test('a snapshot ahead of a log without room waits, says once what to do, and goes on with room', () => {
  const bench = new SnapshotsBench({ threshold: 10 });
  bench.applies(10);
  bench.raft.durableIndex = 7;
  bench.logIsShort = true;
  bench.turns(20);
  assert.equal(bench.finished, 0);
  assert.equal(bench.events.length, 1);
  assert.match(bench.events[0] as string, /up to entry 10 waits .* ends at 7, .*free space/);
  bench.raft.durableIndex = 10;
  bench.turns();
  assert.deepEqual([bench.finished, bench.events.length], [1, 1]);
});
