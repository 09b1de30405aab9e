/**
 * The pauses of a snapshot that is taken: after each pull of the image the thread is left to the
 * group, unless the machine itself waits for the image to be pulled.
 *
 * Time is what the test says it is.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, type SnapshotPoint, term } from '../../engine/raft/types.js';
import type { MachineHost } from '../../engine/runtime/machine-host.js';
import type { SnapshotPort } from '../../engine/runtime/snapshot-port.js';
import { SnapshotTaker } from '../../engine/runtime/snapshot-taker.js';

const POINT: SnapshotPoint = { index: logIndex(9), term: term(1) };
const HEAD = { point: POINT, timeMs: 0, configuration: { index: 1, bytes: new Uint8Array(0) } };
const DURABLE = logIndex(9);
const PULL_MS = 2;
/** The pause after a pull, in pulls. */
const PAUSE_MS = 3 * PULL_MS;

/** A taker whose pulls take so long, with a machine of `chunks` chunks. */
function begun(chunks: number, pullMs = PULL_MS) {
  const seen = { pulls: 0, finished: 0, room: Number.POSITIVE_INFINITY };
  let stopwatch = 0;
  const host = { waitsForImage: false, beginImage: () => undefined, pullImage: () => undefined };
  const port = {
    begin: () => undefined,
    write: (bytes: Uint8Array, from: number) => Math.min(bytes.length - from, seen.room),
    imageEnded: () => true,
    finish: () => {
      seen.finished += 1;
    },
  };
  const taker = new SnapshotTaker(
    host as unknown as MachineHost,
    port as unknown as SnapshotPort,
    () => stopwatch,
  );
  host.pullImage = (): undefined => {
    seen.pulls += 1;
    stopwatch += pullMs;
    taker.onImage(seen.pulls > chunks ? null : new Uint8Array(4));
  };
  taker.begin(HEAD);
  return { taker, host, seen };
}

test('the first pull comes at once, the next after a pause of three times as long', () => {
  const { taker, seen } = begun(5);
  assert.equal(taker.hasWork, true);
  taker.step(DURABLE, 100);
  assert.deepEqual([seen.pulls, taker.hasWork, taker.deadline], [1, false, 100 + PAUSE_MS]);
  taker.step(DURABLE, 100 + PAUSE_MS - 1);
  assert.deepEqual([seen.pulls, taker.deadline], [1, 100 + PAUSE_MS]);
  taker.step(DURABLE, 100 + PAUSE_MS);
  assert.equal(seen.pulls, 2);
});

test('a machine that waits is given no pauses', () => {
  const { taker, host, seen } = begun(5);
  taker.step(DURABLE, 0);
  host.waitsForImage = true;
  taker.step(DURABLE, 0);
  taker.step(DURABLE, 0);
  assert.equal(seen.pulls, 3);
});

test('pulls that take no time have no pauses', () => {
  const { taker, seen } = begun(5, 0);
  for (let turn = 0; turn < 4; turn += 1) {
    assert.equal(taker.hasWork, true);
    taker.step(DURABLE, 0);
  }
  assert.equal(seen.pulls, 4);
});

test('a pause ends no later than the image: then nothing is due any more', () => {
  const { taker, seen } = begun(1);
  taker.step(DURABLE, 0);
  taker.step(DURABLE, PAUSE_MS);
  assert.deepEqual([seen.pulls, seen.finished], [2, 1]);
  assert.deepEqual([taker.hasWork, taker.deadline], [false, Number.POSITIVE_INFINITY]);
});

test('what the port has no room for is offered again in a pause too', () => {
  const { taker, seen } = begun(5);
  seen.room = 1;
  taker.step(DURABLE, 0);
  assert.deepEqual([taker.isWaitingForRoom, taker.deadline], [true, Number.POSITIVE_INFINITY]);
  seen.room = Number.POSITIVE_INFINITY;
  taker.step(DURABLE, 1);
  assert.deepEqual([taker.isWaitingForRoom, seen.pulls], [false, 1]);
  assert.equal(taker.deadline, PAUSE_MS);
});

test('a snapshot begins without the pause of the one before', () => {
  const { taker, seen } = begun(5);
  taker.step(DURABLE, 0);
  assert.equal(taker.hasWork, false);
  taker.begin(HEAD);
  assert.equal(taker.hasWork, true);
  taker.step(DURABLE, 1);
  assert.equal(seen.pulls, 2);
});
