/**
 * How a snapshot is fetched: which chunks are asked for when, with chunks that come at any pace,
 * chunks that are lost, and connections that break.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logIndex, nodeId, term } from '../../engine/raft/types.js';
import { SnapshotFetcher } from '../../engine/runtime/snapshot-fetcher.js';
import { NO_SNAPSHOT_PORT } from './no-snapshots.js';

const POINT = { index: logIndex(7), term: term(1) };
const LEADER = nodeId(2);

class Bench {
  /** First chunk and end of what was asked for, and when. */
  readonly asked: { from: number; end: number; at: number }[] = [];
  readonly fetcher = new SnapshotFetcher({
    ...NO_SNAPSHOT_PORT,
    fetch: (_, __, from, count) => {
      this.asked.push({ from, end: from + count, at: this.now });
    },
  });
  now = 0;
  next = 0;

  constructor() {
    this.fetcher.wanted(LEADER, POINT, 0);
  }

  /** Time passes, and the fetcher is woken when it wants to be. */
  wait(ms: number): void {
    const until = this.now + ms;
    while (this.fetcher.deadline <= until) {
      this.now = this.fetcher.deadline;
      this.fetcher.tick(this.now);
    }
    this.now = until;
  }

  chunk(): void {
    this.next += 1;
    this.fetcher.onFetching(POINT, this.next, this.next * 100, this.now);
  }

  /** Requests for a chunk that was asked for before. */
  get repeated(): number {
    let end = 0;
    let repeated = 0;
    for (const asked of this.asked) {
      if (asked.from < end) repeated += 1;
      end = asked.end;
    }
    return repeated;
  }
}

test('chunks are asked for in windows, the next before the last has come', () => {
  const bench = new Bench();
  for (let chunk = 0; chunk < 100; chunk += 1) {
    bench.wait(5);
    bench.chunk();
    const { end } = bench.asked.at(-1) as { end: number };
    assert.ok(end - bench.next >= 4 && end - bench.next <= 8, `${end} asked, ${bench.next} here`);
  }
  assert.equal(bench.repeated, 0);
});

test('chunks that are slow to come are not asked for again once their pace is known', () => {
  for (const paceMs of [1_500, 5_000, 25_000]) {
    const bench = new Bench();
    for (let chunk = 0; chunk < 6; chunk += 1) {
      bench.wait(paceMs);
      bench.chunk();
    }
    const before = bench.repeated;
    assert.ok(before < 12, `${before} at a chunk each ${paceMs} ms`);
    for (let chunk = 0; chunk < 100; chunk += 1) {
      bench.wait(paceMs);
      bench.chunk();
    }
    assert.equal(bench.repeated, before);
  }
});

test('a chunk that is lost is asked for again, and again, after growing waits', () => {
  const bench = new Bench();
  bench.wait(10);
  bench.chunk();
  bench.wait(60_000);
  const again = bench.asked.slice(1).map(({ at }) => at - 10);
  assert.deepEqual(again, [1_000, 3_000, 7_000, 15_000, 31_000]);
  assert.ok(bench.asked.slice(1).every(({ from }) => from === 1));
  bench.chunk();
  bench.wait(10);
  bench.chunk();
  const { length } = bench.asked;
  bench.wait(1_000);
  assert.equal(bench.asked.length, length + 1, 'one loss says nothing of the pace');
});

test('after a connection broke what is missing is asked for soon, however slow chunks were', () => {
  const bench = new Bench();
  for (let chunk = 0; chunk < 6; chunk += 1) {
    bench.wait(20_000);
    bench.chunk();
  }
  const { length } = bench.asked;
  bench.fetcher.onCutOff({ ...POINT, index: logIndex(8) }, bench.now);
  bench.wait(500);
  assert.equal(bench.asked.length, length);
  bench.fetcher.onCutOff(POINT, bench.now);
  bench.wait(500);
  assert.deepEqual(bench.asked.slice(length), [{ from: 6, end: 14, at: bench.now - 400 }]);
});

test('one that ended is not asked for any more', () => {
  const bench = new Bench();
  bench.fetcher.ended();
  bench.fetcher.onCutOff(POINT, bench.now);
  bench.wait(100_000);
  assert.equal(bench.asked.length, 1);
});
