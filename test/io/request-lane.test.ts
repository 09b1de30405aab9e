/**
 * Requests that wait for space on the disk: their order is kept, a term and a vote go ahead of
 * them, and no recovery goes back behind what was acknowledged.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { RequestLane } from '../../io/wal/request-lane.js';
import type { Wal } from '../../io/wal/wal.js';
import { DIRECTORY, filesOf, newDisk, openWal, readBack, run, Submitter } from './wal-harness.js';

/** A log of one segment, with no space for another, into which only a few hundred bytes fit. */
function fullLog(): { disk: SimulatedDisk; wal: Wal; submitter: Submitter; last: number } {
  const disk = newDisk();
  disk.setCapacity(8192);
  const { wal } = openWal(disk);
  const submitter = new Submitter();
  let last = 0;
  while (wal.counters.refusals === 0) {
    const request = submitter.request(1, { runs: [run(1, 1, last + 1, 1, 700)] });
    if (!wal.stage(request)) continue;
    last += 1;
    wal.commit(0);
  }
  return { disk, wal, submitter, last };
}

function committed(wal: Wal): string[] {
  return wal.commit(0).map(({ seq, promiseOnly }) => (promiseOnly ? `promise ${seq}` : `${seq}`));
}

test('half a segment before the end, a log without space for another says that it is short', () => {
  const disk = newDisk();
  disk.setCapacity(8192);
  const { wal } = openWal(disk);
  const submitter = new Submitter();
  for (let index = 1; !wal.isShort; index += 1) {
    assert.ok(wal.position.offset <= 4096, 'more than half is left');
    assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 700)] })));
    wal.commit(0);
  }
  assert.ok(wal.position.offset > 4096 && wal.position.offset <= 4096 + 1024);
  assert.equal(wal.counters.refusals, 0);
  disk.setCapacity(Number.POSITIVE_INFINITY);
  wal.stage(submitter.request(2, { runs: [run(2, 1, 1, 1, 3900)] }));
  assert.equal(wal.isShort, false, 'there was space for a spare again');
});

test('a vote goes ahead of entries that wait for space, and they follow without an older one', () => {
  const { disk, wal, submitter, last } = fullLog();
  const lane = new RequestLane(wal);
  const older = { term: 4, vote: 2 };
  const newer = { term: 6, vote: 1 };
  const entries = { runs: [run(1, 4, last + 1, 2, 1500)] };
  assert.ok(lane.offer(submitter.request(1, entries)));
  assert.ok(lane.hasNoRoom && lane.isWaiting);
  assert.ok(lane.offer(submitter.request(1, { hardState: older, runs: [run(1, 4, last + 3, 1)] })));
  assert.ok(lane.offer(submitter.request(1, { hardState: newer })));
  lane.promise();
  lane.promise();
  assert.deepEqual(committed(wal), [`promise ${last + 4}`]);
  const reopened = openWal(copyOf(disk)).groups[0]!;
  assert.deepEqual([reopened.term, reopened.vote, reopened.last], [6, 1, last]);

  lane.resume();
  lane.promise();
  assert.deepEqual(committed(wal), [], 'a promise is made once');
  disk.setCapacity(Number.POSITIVE_INFINITY);
  lane.resume();
  lane.resume();
  while (lane.isWaiting) {
    assert.ok(!lane.hasNoRoom);
    committed(wal);
    lane.resume();
  }
  committed(wal);
  wal.close();
  const { term, vote, ...rest } = openWal(disk).groups[0]!;
  assert.deepEqual([term, vote, rest.last], [6, 1, last + 3]);
  assert.equal(readBack(disk, { term, vote, ...rest }).length, last + 3);
});

/** The same files on a disk with space. */
function copyOf(disk: SimulatedDisk): SimulatedDisk {
  const copy = newDisk();
  copy.makeDirectory(DIRECTORY);
  for (const [name, bytes] of filesOf(disk)) {
    copy.open(`${DIRECTORY}/${name}`, 'create').write(bytes, 0, bytes.length, 0);
  }
  return copy;
}

test('a first vote of a group that the log has never seen is promised too', () => {
  const { disk, wal, submitter } = fullLog();
  const lane = new RequestLane(wal);
  assert.ok(lane.offer(submitter.request(9, { runs: [run(9, 1, 1, 1, 2000)] })));
  assert.ok(lane.offer(submitter.request(9, { hardState: { term: 3, vote: 2 } })));
  lane.promise();
  assert.deepEqual(committed(wal), ['promise 2']);
  const found = openWal(copyOf(disk)).groups.find(({ group }) => group === 9)!;
  assert.deepEqual([found.term, found.vote, found.last], [3, 2, 0]);
});

test('what leaders make themselves may use the reserve, what clients wrote may not', () => {
  const { wal, submitter } = fullLog();
  const runs = [run(2, 1, 1, 1, 700)];
  assert.equal(wal.stage(submitter.request(2, { runs })), false);
  assert.equal(wal.stage(submitter.request(2, { runs, usesReserve: true })), true);
  assert.deepEqual(committed(wal), ['2']);
});

test('entries that came with a vote wait for room, and the vote goes ahead of them', () => {
  const { disk, wal, submitter } = fullLog();
  const lane = new RequestLane(wal);
  const hardState = { term: 3, vote: 2 };
  const runs = [run(9, 3, 1, 1, 700)];
  assert.ok(lane.offer(submitter.request(9, { hardState, runs })));
  assert.ok(lane.hasNoRoom);
  lane.promise();
  assert.deepEqual(committed(wal), ['promise 1']);
  const found = openWal(copyOf(disk)).groups.find(({ group }) => group === 9)!;
  assert.deepEqual([found.term, found.vote, found.last], [3, 2, 0]);
});

test('what merely finds the block full is left to whoever offers it', () => {
  const { wal } = openWal(newDisk(), { segmentBytes: 64 * 1024 });
  const submitter = new Submitter();
  const lane = new RequestLane(wal);
  assert.ok(lane.offer(submitter.request(1, { runs: [run(1, 1, 1, 2, 10_000)] })));
  const second = submitter.request(1, { runs: [run(1, 1, 3, 2, 10_000)] });
  assert.equal(lane.offer(second), false);
  assert.equal(lane.isWaiting, false);
  assert.deepEqual(committed(wal), ['1']);
  assert.ok(lane.offer(second));
});
