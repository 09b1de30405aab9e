/**
 * The doorbell in one thread: `hasWork` runs between "flag set" and "wait", so the test plays the
 * other thread there and walks through each interleaving. Real threads meet in two-threads.test.ts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Doorbell, DoorbellSleeper } from '../../workers/ring/doorbell.js';
import {
  createDoorbells,
  openDoorbell,
  stampDelivery,
  stampedMsBefore,
  stampedSequenceAhead,
  WORD_DELIVERED,
  WORD_SEQUENCE,
  WORD_SLEEPING,
} from '../../workers/ring/layout.js';

const LONG_MS = 60_000;

function counters(sleeper: DoorbellSleeper) {
  const { rung, timeouts, lateWork, missedRings } = sleeper;
  return { rung, timeouts, lateWork, missedRings };
}

test('nobody is notified while the sleeper is awake', () => {
  const memory = createDoorbells(2);
  assert.equal(new Doorbell(memory, 0).ring(), false);
  assert.equal(
    openDoorbell(memory, 0).some((word) => word !== 0),
    false,
  );
});

test('work that is there before the wait ends the park without a wait', () => {
  const memory = createDoorbells(1);
  const sleeper = new DoorbellSleeper(memory, 0, () => true);
  assert.equal(sleeper.park(LONG_MS), 'work');
  assert.equal(new Doorbell(memory, 0).ring(), false, 'the sleeper is awake again');
});

test('a ring between the check and the wait ends the wait, whichever doorbell number', () => {
  const memory = createDoorbells(3);
  for (const number of [0, 1, 2]) {
    const bell = new Doorbell(memory, number);
    let woke = false;
    const sleeper = new DoorbellSleeper(memory, number, () => {
      woke = bell.ring();
      return false;
    });
    assert.equal(sleeper.park(LONG_MS), 'rung');
    assert.equal(woke, true);
    assert.deepEqual(counters(sleeper), { rung: 1, timeouts: 0, lateWork: 0, missedRings: 0 });
  }
});

test('only the first of several rings notifies', () => {
  const memory = createDoorbells(1);
  const bells = [new Doorbell(memory, 0), new Doorbell(memory, 0)];
  const rang: boolean[] = [];
  const sleeper = new DoorbellSleeper(memory, 0, () => {
    rang.push(...bells.map((bell) => bell.ring()));
    return false;
  });
  sleeper.park(LONG_MS);
  assert.deepEqual(rang, [true, false]);
});

test('a deadline that passes or has passed ends the park without blame', () => {
  const sleeper = new DoorbellSleeper(createDoorbells(1), 0, () => false);
  assert.equal(sleeper.park(1), 'deadline');
  assert.equal(sleeper.park(0), 'deadline');
  assert.equal(sleeper.park(-5), 'deadline');
  assert.deepEqual(counters(sleeper), { rung: 0, timeouts: 1, lateWork: 0, missedRings: 0 });
  assert.throws(() => sleeper.park(Number.NaN), /deadline/);
});

test('a deadline that finds work nobody rang for is counted as late work', () => {
  let looks = 0;
  const sleeper = new DoorbellSleeper(createDoorbells(1), 0, () => {
    looks += 1;
    return looks > 1;
  });
  assert.equal(sleeper.park(1), 'deadline');
  assert.deepEqual(counters(sleeper), { rung: 0, timeouts: 1, lateWork: 1, missedRings: 0 });
});

/** Parks 20 ms while a stamped ring, which reached nobody, is forged into the words. */
function parkBesideForgedRing(sequenceAhead: number, msFromNow: number): DoorbellSleeper {
  const memory = createDoorbells(1);
  const words = openDoorbell(memory, 0);
  words[WORD_SEQUENCE] = 0x7fff_ffff;
  let looks = 0;
  const sleeper = new DoorbellSleeper(memory, 0, () => {
    looks += 1;
    if (looks > 1) return true;
    const [seconds, nanoseconds] = process.hrtime();
    const ms = seconds * 1000 + Math.floor(nanoseconds / 1e6) + msFromNow;
    Atomics.store(words, WORD_SLEEPING, 0);
    Atomics.store(words, WORD_DELIVERED, stampDelivery(0x7fff_ffff + sequenceAhead, ms | 0));
    return false;
  });
  assert.equal(sleeper.park(20), 'deadline');
  return sleeper;
}

test('a deadline that finds work after a delivered ring is counted as a missed ring', () => {
  const sleeper = parkBesideForgedRing(1, 0);
  assert.deepEqual(counters(sleeper), { rung: 0, timeouts: 1, lateWork: 0, missedRings: 1 });
});

test('a ring at or after the deadline, or of an earlier sleep, is not a missed one', () => {
  for (const [sequenceAhead, msFromNow] of [
    [1, 20],
    [1, 200],
    [0, 0],
    [-1, 0],
  ] as const) {
    assert.equal(parkBesideForgedRing(sequenceAhead, msFromNow).missedRings, 0);
  }
});

test('stamps keep their order where sequences and clocks wrap', () => {
  for (const [sequence, ms] of [
    [0, 0],
    [0x7fff, 0x7fff],
    [0xffff, 0xffff],
    [0x7fff_ffff, 0x7fff_ffff],
    [-1, -1],
  ] as const) {
    const stamp = stampDelivery((sequence + 1) | 0, (ms + 5) | 0);
    assert.equal(stampedSequenceAhead(stamp, sequence), 1);
    assert.equal(stampedMsBefore(stamp, (ms + 7) | 0), 2);
    assert.equal(stampedMsBefore(stamp, ms), -5);
  }
});

test('a thread with an event loop waits without blocking and is woken by a ring', async () => {
  const memory = createDoorbells(1);
  const bell = new Doorbell(memory, 0);
  let work = false;
  const sleeper = new DoorbellSleeper(memory, 0, () => work);
  const waiting = sleeper.parkAsync();
  assert.ok(waiting !== null);
  assert.throws(() => sleeper.parkAsync(), /one wait at a time/);
  assert.throws(() => sleeper.park(1), /never parks/);
  setImmediate(() => {
    work = true;
    bell.ring();
  });
  const alive = setTimeout(() => {}, LONG_MS);
  await waiting;
  clearTimeout(alive);
  assert.equal(sleeper.rung, 1);
  assert.equal(sleeper.parkAsync(), null, 'work is there');
  work = false;
  const again = sleeper.parkAsync();
  assert.ok(again !== null);
  bell.ring();
  await again;
});

test('a ring between the check and an asynchronous wait is not slept through', () => {
  const memory = createDoorbells(1);
  const bell = new Doorbell(memory, 0);
  const sleeper = new DoorbellSleeper(memory, 0, () => {
    bell.ring();
    return false;
  });
  assert.equal(sleeper.parkAsync(), null);
});

test('a doorbell that does not exist is refused', () => {
  assert.throws(() => new Doorbell(createDoorbells(2), 2), /exists/);
  assert.throws(() => new Doorbell(createDoorbells(2), -1), /exists/);
  assert.throws(() => createDoorbells(0), /at least one/);
});
