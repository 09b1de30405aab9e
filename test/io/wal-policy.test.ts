/**
 * The group-commit policy by itself: no disk, no clock but the numbers given.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  Admission,
  admit,
  type Room,
  SyncSchedule,
  usesReserve,
} from '../../io/wal/group-commit.js';

const ROOM: Room = {
  stagedBytes: 0,
  bodyBytesMax: 10_000,
  liveBytes: 20_480,
  spares: 1,
  reserveBytes: 4096,
};

test('a request joins the block while body and segment have room', () => {
  assert.equal(admit(1000, false, ROOM), Admission.stage);
  assert.equal(admit(1000, false, { ...ROOM, stagedBytes: 9000 }), Admission.stage);
  assert.equal(admit(1001, false, { ...ROOM, stagedBytes: 9000 }), Admission.commitFirst);
});

test('a full segment is committed first, then left for a spare, else the log is busy', () => {
  const room = { ...ROOM, liveBytes: 2048 };
  // 1024 bytes of block: frames take 160, two sectors stay free for the seal and the handover.
  assert.equal(admit(864, false, room), Admission.stage);
  assert.equal(admit(865, false, room), Admission.rollOver);
  assert.equal(admit(865, false, { ...room, spares: 0 }), Admission.busy);
  assert.equal(admit(400, false, { ...room, stagedBytes: 500 }), Admission.commitFirst);
});

test('without a spare, entries leave the reserve to terms, votes and membership', () => {
  const room = { ...ROOM, spares: 0, liveBytes: 4096 + 2 * 512 + 1024 };
  assert.equal(admit(864, false, room), Admission.stage);
  assert.equal(admit(865, false, room), Admission.busy);
  assert.equal(admit(865, true, room), Admission.stage);
  assert.equal(admit(500, false, { ...room, stagedBytes: 500 }), Admission.commitFirst);
});

test('a term and vote may use the reserve alone, beside entries of clients they may not', () => {
  const request = { group: 1, seq: 1, generation: 0, term: 2, runs: [] };
  const hardState = { term: 2, vote: 1 };
  const runs = [{ term: 2, first: 1, count: 1, bytes: new Uint8Array(64) }];
  assert.equal(usesReserve({ ...request, hardState }), true);
  assert.equal(usesReserve({ ...request, hardState, runs }), false);
  assert.equal(usesReserve({ ...request, hardState, runs, usesReserve: true }), true);
  assert.equal(usesReserve({ ...request, runs }), false);
});

test('always syncs every block', () => {
  const schedule = new SyncSchedule({ mode: 'always', intervalMs: 10 }, 5);
  assert.equal(schedule.written(6, false, 0), true);
  assert.equal(schedule.durableSeq, 5);
  assert.equal(schedule.dirty, true);
  schedule.synced();
  assert.equal(schedule.durableSeq, 6);
  assert.equal(schedule.dirty, false);
});

test('batch syncs within the interval of the first unsynced block, or with a strict one', () => {
  const schedule = new SyncSchedule({ mode: 'batch', intervalMs: 10 }, 0);
  assert.equal(schedule.written(1, false, 100), false);
  assert.equal(schedule.written(2, false, 109), false);
  assert.equal(schedule.nextSyncAt, 110);
  assert.equal(schedule.due(109.9), false);
  assert.equal(schedule.written(3, false, 110), true);
  schedule.synced();
  assert.equal(schedule.nextSyncAt, Number.POSITIVE_INFINITY);
  assert.equal(schedule.written(4, true, 111), true);
});

test('none syncs strict blocks only, and durableSeq tells the truth', () => {
  const schedule = new SyncSchedule({ mode: 'none', intervalMs: 10 }, 0);
  assert.equal(schedule.written(1, false, 0), false);
  assert.equal(schedule.due(1e12), false);
  assert.equal(schedule.durableSeq, 0);
  assert.equal(schedule.written(2, true, 0), true);
  schedule.synced();
  assert.equal(schedule.durableSeq, 2);
});
