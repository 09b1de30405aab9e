/**
 * Complete snapshot files as peers are served from them: in turns and with a bounded share each, as
 * long as somebody fetches, and what is said when a file is of no use.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAMAGED_KEPT_MAX } from '../../io/snapshots/snapshot-store.js';
import { NO_SLOT } from '../../workers/snapshot-slab.js';
import { headAt, imageOf, pointAt, ServerBench } from './snapshot-bench.js';

const CHUNKS = 12;

function benchWithFile(): { bench: ServerBench; path: string } {
  const bench = new ServerBench();
  return { bench, path: bench.hold(7, imageOf(CHUNKS)) };
}

const numbers = (from: number, end: number): number[] =>
  Array.from({ length: end - from }, (_, at) => from + at);

test('chunks for a peer go on once its slots are free, although nobody says so', () => {
  const { bench } = benchWithFile();
  bench.asks(2, 7, 0, CHUNKS);
  bench.work();
  const sent: number[] = [];
  while (sent.length < CHUNKS) {
    assert.equal(bench.chunksFor(2).length, 2, 'one is sent while the next is read');
    sent.push(...bench.sends(2));
    const { deadline } = bench.server;
    if (sent.length === CHUNKS) break;
    assert.ok(deadline > bench.now && deadline <= bench.now + 1, `sleeps until ${deadline}`);
    bench.now = deadline;
    assert.equal(bench.server.isDue, true, 'due when the sleep is over');
    bench.work();
  }
  assert.deepEqual(sent, numbers(0, CHUNKS));
  assert.deepEqual([bench.server.isDue, bench.server.deadline], [false, Number.POSITIVE_INFINITY]);
});

test('peers whose chunks are stuck keep no other peer waiting, and nothing that goes on here', () => {
  const { bench } = benchWithFile();
  for (const slow of [3, 4, 5, 6, 7]) bench.asks(slow, 7, 0, CHUNKS);
  bench.work();
  bench.asks(2, 7, 0, CHUNKS);
  bench.server.onOrder(0, { kind: 'read', point: pointAt(7), chunk: 0 });
  const sent: number[] = [];
  for (let sleep = 0; sent.length < CHUNKS; sleep += 1) {
    assert.ok(sleep < 100, `${sent.length} of ${CHUNKS} chunks were sent`);
    bench.sleepAndWork();
    sent.push(...bench.sends(2));
  }
  assert.deepEqual(sent, numbers(0, CHUNKS));
  assert.deepEqual(
    bench.answers.map(({ kind }) => kind),
    ['read'],
  );
  for (const use of ['taking', 'reading', 'landing'] as const) {
    assert.notEqual(bench.slab.take(use), NO_SLOT, use);
  }
});

test('a request for what waits to be sent sends nothing twice; what was lost is sent again', () => {
  const { bench } = benchWithFile();
  bench.asks(2, 7, 0, 8);
  bench.work();
  for (let again = 0; again < 3; again += 1) {
    bench.asks(2, 7, 0, 8);
    bench.sleepAndWork();
  }
  assert.deepEqual(bench.sends(2), [0, 1]);
  bench.sleepAndWork();
  bench.asks(2, 7, 2, 8);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(2), [2, 3]);
  bench.asks(2, 7, 1, 8);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(2), [1, 2]);
});

test('a request behind the end of a file is no reason to begin anew', () => {
  const { bench } = benchWithFile();
  bench.asks(2, 7, CHUNKS - 2, 8);
  bench.work();
  bench.asks(2, 7, CHUNKS + 2, 8);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(2), [CHUNKS - 2, CHUNKS - 1]);
  bench.asks(2, 7, CHUNKS + 40, 8);
  bench.sleepAndWork();
  assert.deepEqual([bench.records, bench.answers], [[], []]);
});

test('a file is opened once, and closed when nobody fetches it any more', () => {
  const { bench } = benchWithFile();
  bench.hold(9, imageOf(3));
  let opened = 0;
  const { disk } = bench;
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    opened += 1;
    return open(path, mode);
  };
  for (const peer of [2, 3]) {
    for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
      bench.asks(peer, 7, chunk, 1);
      bench.sleepAndWork();
      assert.deepEqual(bench.sends(peer), [chunk]);
    }
  }
  assert.deepEqual([opened, bench.server.openFiles], [1, 1]);
  bench.server.onTransport({ kind: 'left', peer: 2 });
  bench.asks(3, 9, 0, 1);
  bench.sleepAndWork();
  assert.deepEqual([opened, bench.server.openFiles], [2, 1], 'each fetches another one');
  bench.server.onTransport({ kind: 'down', peer: 3 });
  assert.equal(bench.server.openFiles, 1, 'that we cannot fetch from it is another matter');
  bench.server.onTransport({ kind: 'left', peer: 3 });
  assert.equal(bench.server.openFiles, 0);
  bench.server.close();
});

test('what a peer asked for before it left is not sent', () => {
  const { bench } = benchWithFile();
  bench.asks(2, 7, 0, CHUNKS);
  bench.work();
  bench.server.onTransport({ kind: 'left', peer: 2 });
  assert.deepEqual(bench.sends(2), [0, 1]);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(2), []);
  assert.equal(bench.server.deadline, Number.POSITIVE_INFINITY);
});

test('a file that was removed is let go of', () => {
  const { bench } = benchWithFile();
  bench.asks(2, 7, 0, 1);
  bench.work();
  bench.hold(9, imageOf(1));
  bench.server.onOrder(0, { kind: 'retain', keep: 1, pinned: [] });
  assert.equal(bench.server.openFiles, 0);
});

test('an image without a byte is sent as the empty chunk of none, once', () => {
  const bench = new ServerBench();
  bench.hold(7, []);
  bench.asks(2, 7, 0, 8);
  bench.work();
  const [record] = bench.chunksFor(2);
  assert.deepEqual([record?.sent.totals.chunks, record?.sent.packed.storedBytes], [0, 0]);
  assert.ok((record?.sent.head.length ?? 0) > 0, 'with the head of its file');
  assert.deepEqual(bench.sends(2), [0]);
  bench.asks(2, 7, 8, 8);
  bench.sleepAndWork();
  assert.deepEqual([bench.records, bench.answers], [[], []]);
});

test('a damaged file is refused to the peer, set aside, and told to the group with its new name', () => {
  const { bench, path } = benchWithFile();
  bench.hold(5, imageOf(2));
  bench.damage(path, -60);
  bench.asks(2, 7, CHUNKS - 2, 8);
  bench.asks(3, 7, 0, 1);
  bench.work();
  const refused = bench.records.flatMap((each) => (each.kind === 'refuse' ? [each.peer] : []));
  assert.deepEqual(refused, [2]);
  const [told] = bench.takeAnswers();
  assert.ok(told?.kind === 'unservable' && !told.isGone);
  assert.deepEqual(told.point, pointAt(7));
  assert.ok(told.text.includes(`fails its checksum`) && told.text.includes(`${path}.damaged`));
  assert.ok(bench.disk.exists(`${path}.damaged`) && !bench.disk.exists(path));
  bench.asks(4, 7, 0, 1);
  bench.sleepAndWork();
  const [again] = bench.takeAnswers();
  assert.ok(again?.kind === 'unservable' && again.isGone);
  assert.match(again.text, /there is no snapshot of entry 7/);
  bench.asks(4, 5, 0, 2);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(4), [0, 1]);
});

test('what is removed for a damaged file is told with it', () => {
  const bench = new ServerBench();
  const paths = Array.from({ length: DAMAGED_KEPT_MAX + 1 }, (_, at) => {
    const path = bench.hold(at + 1, imageOf(2));
    bench.damage(path, -60);
    bench.asks(2, at + 1, 1, 1);
    bench.sleepAndWork();
    return path;
  });
  const texts = bench.takeAnswers().map((told) => (told.kind === 'unservable' ? told.text : ''));
  const removed = `older ones are removed: ${paths[0]}.damaged`;
  assert.deepEqual(
    texts.map((text) => text.includes(removed)),
    [false, false, false, true],
  );
});

test('a file that the own machine is being given is not taken away from it', () => {
  const { bench, path } = benchWithFile();
  bench.server.onOrder(0, { kind: 'read', point: pointAt(7), chunk: 0 });
  bench.work();
  bench.damage(path, -60);
  bench.asks(2, 7, CHUNKS - 1, 8);
  bench.sleepAndWork();
  assert.deepEqual(
    bench.answers.map(({ kind }) => kind),
    ['read', 'unservable'],
  );
  assert.ok(bench.disk.exists(path));
});

test('a snapshot of the same point takes the place of one that was set aside', () => {
  const { bench, path } = benchWithFile();
  bench.damage(path, -60);
  bench.asks(2, 7, CHUNKS - 1, 8);
  bench.work();
  bench.server.onOrder(0, { kind: 'begin', head: headAt(7, 2) });
  bench.server.onOrder(0, { kind: 'finish' });
  bench.sleepAndWork();
  assert.deepEqual(
    bench.answers.map(({ kind }) => kind),
    ['unservable', 'written'],
  );
  bench.asks(2, 7, 0, 8);
  bench.sleepAndWork();
  assert.deepEqual(bench.sends(2), [0]);
});
