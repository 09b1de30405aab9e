/**
 * Virtual time against a sorted list, and the process that pauses, dies and has a wrong clock.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { SimProcess } from '../../tools/sim/process.js';
import { Scheduler, type Timer } from '../../tools/sim/scheduler.js';

test('actions run in order of time, and of scheduling at equal times', () => {
  const scheduler = new Scheduler();
  const ran: string[] = [];
  scheduler.at(20, () => ran.push('c'));
  scheduler.at(10, () => ran.push('a'));
  scheduler.at(10, () => ran.push('b'));
  scheduler.runUntil(15);
  assert.deepEqual(ran, ['a', 'b']);
  assert.equal(scheduler.nowUs, 15);
  scheduler.runUntil(20);
  assert.deepEqual(ran, ['a', 'b', 'c']);
  assert.equal(scheduler.executed, 3);
  assert.equal(scheduler.step(), false);
});

test('an action may schedule others, also for now', () => {
  const scheduler = new Scheduler();
  const ran: number[] = [];
  scheduler.after(5, () => {
    scheduler.after(0, () => ran.push(scheduler.nowUs));
    scheduler.after(2, () => ran.push(scheduler.nowUs));
  });
  scheduler.runUntil(10);
  assert.deepEqual(ran, [5, 7]);
});

test('runWhile ends with its condition or at the limit', () => {
  const scheduler = new Scheduler();
  let count = 0;
  const repeat = () => {
    count += 1;
    scheduler.after(10, repeat);
  };
  scheduler.after(10, repeat);
  assert.equal(
    scheduler.runWhile(() => count < 3, 1_000),
    true,
  );
  assert.equal(scheduler.nowUs, 30);
  assert.equal(
    scheduler.runWhile(() => count < 1_000, 100),
    false,
  );
  assert.equal(scheduler.nowUs, 100);
  assert.equal(count, 10);
});

test('time never goes back and is an integer', () => {
  const scheduler = new Scheduler();
  scheduler.runUntil(10);
  assert.throws(() => scheduler.at(9, () => {}), /never goes back/);
  assert.throws(() => scheduler.after(0.5, () => {}), /integer/);
  assert.throws(() => scheduler.runUntil(5), /never goes back/);
});

test('random schedules with cancellations run like a sorted list', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const prng = new Prng(seed);
    const scheduler = new Scheduler();
    const ran: number[] = [];
    const wanted: { time: number; id: number }[] = [];
    const timers: { timer: Timer; id: number }[] = [];
    for (let id = 0; id < 300; id += 1) {
      const time = prng.below(100);
      timers.push({ timer: scheduler.at(time, () => ran.push(id)), id });
      wanted.push({ time, id });
      if (!prng.chance(0.4)) continue;
      const victim = prng.pick(timers);
      scheduler.cancel(victim.timer);
      scheduler.cancel(victim.timer);
      const at = wanted.findIndex(({ id: other }) => other === victim.id);
      if (at >= 0) wanted.splice(at, 1);
    }
    assert.equal(scheduler.queued, wanted.length);
    scheduler.runUntil(100);
    wanted.sort((a, b) => a.time - b.time || a.id - b.id);
    assert.deepEqual(
      ran,
      wanted.map(({ id }) => id),
    );
  }
});

test('a paused process does its work in order when it resumes', () => {
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler);
  const ran: string[] = [];
  process.after(10, () => ran.push('timer'));
  const cancelled = process.after(12, () => ran.push('cancelled'));
  scheduler.at(11, () => process.run(() => ran.push('frame')));
  process.pause();
  scheduler.runUntil(50);
  assert.deepEqual(ran, []);
  process.cancel(cancelled);
  process.resume();
  assert.deepEqual(ran, ['timer', 'frame']);
  assert.equal(process.localUs, 50);
});

test('a process that is paused by its own held work keeps the rest', () => {
  const process = new SimProcess(new Scheduler());
  const ran: number[] = [];
  process.pause();
  process.run(() => process.pause());
  process.run(() => ran.push(1));
  process.resume();
  assert.deepEqual(ran, []);
  process.resume();
  assert.deepEqual(ran, [1]);
});

test('nothing of a dead process runs', () => {
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler);
  const ran: string[] = [];
  process.after(10, () => ran.push('timer'));
  process.pause();
  process.run(() => ran.push('held'));
  process.kill();
  process.resume();
  process.run(() => ran.push('late'));
  process.after(1, () => ran.push('late timer'));
  scheduler.runUntil(100);
  assert.deepEqual(ran, []);
  assert.equal(scheduler.executed, 0);
  assert.equal(process.isAlive, false);
});

test('a fast or slow clock moves timers that wait', () => {
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler, 1_000);
  const rang: [number, number][] = [];
  const ring = () => rang.push([scheduler.nowUs, process.localUs]);
  process.at(1_100, ring);
  scheduler.runUntil(50);
  process.setClockRate(2);
  process.after(100, ring);
  scheduler.runUntil(80);
  process.setClockRate(0.5);
  scheduler.runUntil(1_000);
  assert.deepEqual(rang, [
    [75, 1_100],
    [160, 1_150],
  ]);
});

test('whatever the rate, a timer never rings before its time on its own clock', () => {
  const prng = new Prng(3);
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler);
  let rings = 0;
  for (let round = 0; round < 500; round += 1) {
    const dueUs = process.localUs + prng.below(10_000);
    process.at(dueUs, () => {
      rings += 1;
      assert.ok(process.localUs >= dueUs);
    });
    process.setClockRate(0.5 + prng.below(1_000) / 999);
    scheduler.runUntil(scheduler.nowUs + prng.below(3_000));
  }
  process.setClockRate(1);
  scheduler.runUntil(scheduler.nowUs + 20_000);
  assert.equal(rings, 500);
});
