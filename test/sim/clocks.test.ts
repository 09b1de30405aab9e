/**
 * Clocks that go wrong in the simulator, and what reads ask for there: processes whose machine is
 * suspended, wall clocks that are set, rates within what leases allow, bounded reads as the checker
 * sees them.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Prng } from '../../engine/raft/prng.js';
import { checkInvocations } from '../../tools/check/linearizability.js';
import {
  drawClocks,
  ReadTermsDrawn,
  SOUND_CLOCKS,
  withinRates,
} from '../../tools/sim/clock-plan.js';
import { FAULT_FAMILIES } from '../../tools/sim/fault-families.js';
import { History } from '../../tools/sim/history.js';
import { describeOperation, type Operation } from '../../tools/sim/operation.js';
import { SimProcess } from '../../tools/sim/process.js';
import { Scheduler } from '../../tools/sim/scheduler.js';
import { withStaleness } from '../../tools/sim/stale-reads.js';

test('while a machine is suspended its monotonic clock stands still, and its wall clock does not', () => {
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler, 1000);
  const rung: number[] = [];
  process.after(500, () => rung.push(scheduler.nowUs));
  scheduler.runUntil(200);
  process.suspend();
  scheduler.runUntil(5200);
  assert.deepEqual([process.localUs, process.wallUs], [1200, 6200]);
  process.run(() => rung.push(-scheduler.nowUs));
  assert.deepEqual(rung, []);
  process.resume();
  assert.deepEqual(rung, [-5200], 'what came meanwhile runs when it wakes up');
  scheduler.runUntil(6000);
  assert.deepEqual(rung, [-5200, 5500], 'a timer has waited as long as its clock stood still');
  assert.equal(process.wallUs - process.localUs, 5000);
});

test('a rate that changes, and timers that are set, while suspended count from the end', () => {
  const scheduler = new Scheduler();
  const process = new SimProcess(scheduler, 0);
  process.suspend();
  scheduler.runUntil(1000);
  process.setClockRate(2);
  let rungUs = 0;
  process.after(100, () => {
    rungUs = scheduler.nowUs;
  });
  scheduler.runUntil(2000);
  assert.equal(process.localUs, 0);
  process.resume();
  scheduler.runUntil(3000);
  assert.deepEqual([rungUs, process.localUs], [2050, 2000]);
});

test('a wall clock that is set leaves the monotonic one alone', () => {
  const process = new SimProcess(new Scheduler(), 10);
  process.setWallClock(-300);
  assert.deepEqual([process.localUs, process.wallUs], [10, -290]);
});

test('where leases are kept, no two clocks differ in rate by more than they allow for', () => {
  let leases = 0;
  for (let seed = 1; seed <= 200; seed += 1) {
    const plan = drawClocks(new Prng(seed), FAULT_FAMILIES);
    const { leaseDrift, jumpsBack, suspensions } = plan;
    assert.ok(!jumpsBack || suspensions === 0, 'a suspension is never hidden');
    assert.ok(withinRates(plan, 1) === 1 && withinRates(plan, 0.01) === plan.rateMin);
    if (leaseDrift === null) continue;
    leases += 1;
    const slowest = withinRates(plan, 0.5);
    const fastest = withinRates(plan, 2);
    assert.ok(fastest / slowest < 1 / (1 - leaseDrift));
  }
  assert.ok(leases > 50 && leases < 200);
  assert.equal(drawClocks(new Prng(1), ['process']), SOUND_CLOCKS);
});

test('reads are drawn with and without terms, and nothing else is', () => {
  const plan = { ...SOUND_CLOCKS, byLease: 0.3, bounded: 0.3, stalenessMs: [50] };
  const drawn = new ReadTermsDrawn(plan, 1);
  const seen = new Set<string>();
  for (let at = 0; at < 200; at += 1) {
    seen.add(describeOperation(drawn.draw({ op: 'get', key: 'a' })));
  }
  assert.deepEqual([...seen].sort(), ['get a', 'get a by lease', 'get a within 50 ms']);
  const del: Operation = { op: 'del', key: 'a' };
  assert.equal(drawn.draw(del), del);
});

/** `set a 1` until 10 ms, `set a 2` until 20 ms, then a read from 60 to 61 ms that sees `value`. */
function historyWith(value: string, read: Operation): History {
  const history = new History();
  for (const [written, endUs] of [
    ['1', 10_000],
    ['2', 20_000],
  ] as const) {
    const id = history.invoke(1, 1, { op: 'set', key: 'a', value: written }, endUs - 5_000);
    history.ok(id, null, endUs);
  }
  history.ok(history.invoke(2, 1, read, 60_000), value, 61_000);
  return history;
}

test('a bounded read may see what was current within its staleness, and nothing older', () => {
  const find = (value: string, maxStalenessMs: number, rateMin = 1): string => {
    const terms = { consistency: 'bounded', maxStalenessMs } as const;
    const history = historyWith(value, { op: 'get', key: 'a', terms });
    return checkInvocations(withStaleness(history, rateMin)).finding;
  };
  assert.equal(find('2', 1), 'explained');
  assert.equal(find('1', 39), 'contradiction', 'the second write was acknowledged 40 ms before');
  assert.equal(find('1', 41), 'explained');
  assert.equal(find('1', 21, 0.5), 'explained', 'by a clock at half speed');
  assert.equal(find('1', 1000), 'explained');
});

test('reads by lease are judged like linearizable ones', () => {
  const terms = { consistency: 'lease', maxStalenessMs: 0 } as const;
  const history = historyWith('1', { op: 'get', key: 'a', terms });
  assert.equal(checkInvocations(withStaleness(history, 1)).finding, 'contradiction');
});
