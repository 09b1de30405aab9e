/**
 * When the snapshot server has something to do: its caller asks `isDue`, sleeps until `deadline`
 * and asks again, so that whatever waits must become due by time alone.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_SLOT } from '../../workers/snapshot-slab.js';
import { imageOf, pointAt, ServerBench } from './snapshot-bench.js';

test('a read for the own machine waits for a slot and is looked at again', () => {
  const bench = new ServerBench();
  const { server, slab } = bench;
  bench.hold(7, imageOf(3));
  const taken: number[] = [];
  for (let slot = 0; slot !== NO_SLOT; ) {
    slot = slab.take('reading');
    if (slot !== NO_SLOT) taken.push(slot);
  }
  server.onOrder(0, { kind: 'read', point: pointAt(7), chunk: 0 });
  for (let sleep = 0; sleep < 3; sleep += 1) {
    bench.work();
    assert.deepEqual(bench.answers, []);
    bench.now = server.deadline;
  }
  slab.give(taken[0] as number);
  bench.work();
  const [read] = bench.answers;
  assert.ok(read?.kind === 'read' && read.chunk === 0);
});

test('without work there is nothing to wake for', () => {
  const { server } = new ServerBench();
  assert.deepEqual([server.isDue, server.deadline], [false, Number.POSITIVE_INFINITY]);
});
