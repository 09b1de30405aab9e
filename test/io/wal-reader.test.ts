/**
 * Reading old entries back: bounds, stale versions, segment borders, a writer that goes on
 * meanwhile.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { LogReader, readLog } from '../../io/wal/log-reader.js';
import type { PersistRun } from '../../io/wal/wal-types.js';
import {
  DIRECTORY,
  entryTexts,
  newDisk,
  openWal,
  payloadOf,
  run,
  Submitter,
} from './wal-harness.js';

const START = { segment: 1, offset: 1024 };

function texts(runs: readonly PersistRun[]): string[] {
  return runs.flatMap(entryTexts);
}

function expected(term: number, first: number, last: number): string[] {
  const indexes = Array.from({ length: last - first + 1 }, (_, n) => first + n);
  return indexes.map((index) => `${payloadOf(1, index, term)}${term}`);
}

function logOf(...steps: Parameters<Submitter['request']>[1][]) {
  const disk = newDisk();
  const { wal } = openWal(disk, { segmentBytes: 64 * 1024 });
  const submitter = new Submitter();
  const write = (parts: Parameters<Submitter['request']>[1]) => {
    assert.ok(wal.stage(submitter.request(1, parts)));
    wal.stage(submitter.request(2, { runs: [] }));
    return wal.commit(0)[0]!;
  };
  for (const parts of steps) write(parts);
  return { disk, directory: DIRECTORY, wal, write };
}

test('a read begins at any index and ends at the last one wanted', () => {
  const { disk, directory } = logOf({ runs: [run(1, 1, 1, 5)] }, { runs: [run(1, 1, 6, 5)] });
  const base = { disk, directory, group: 1, location: START, bytesMax: 1 << 20, termOf: () => 1 };
  for (let first = 1; first <= 10; first += 1) {
    for (let last = first; last <= 10; last += 1) {
      const { runs } = readLog({ ...base, first, last });
      assert.equal(runs.length, 1, 'entries of one term are one run, also over several blocks');
      assert.equal(runs[0]!.first, first);
      assert.deepEqual(texts(runs), expected(1, first, last));
    }
  }
  assert.deepEqual(readLog({ ...base, first: 11, last: 12 }).runs, []);
});

test('bytesMax bounds a read, and one entry is returned whatever its size', () => {
  const { disk, directory } = logOf({ runs: [run(1, 1, 1, 20)] });
  const one = run(1, 1, 1, 1).bytes.length;
  const base = { disk, directory, group: 1, location: START, first: 1, last: 20, termOf: () => 1 };
  assert.deepEqual(texts(readLog({ ...base, bytesMax: 1 }).runs), expected(1, 1, 1));
  assert.deepEqual(texts(readLog({ ...base, bytesMax: 3 * one }).runs), expected(1, 1, 3));
  assert.deepEqual(texts(readLog({ ...base, bytesMax: 4 * one - 1 }).runs), expected(1, 1, 3));
});

test('versions that a truncation replaced are skipped, by the term of the log', () => {
  const { disk, directory } = logOf(
    { runs: [run(1, 1, 1, 6)] },
    { truncateAfter: 3, runs: [run(1, 2, 4, 4)] },
    { truncateAfter: 5, runs: [run(1, 4, 6, 2), run(1, 5, 8, 1)] },
  );
  const terms = [0, 1, 1, 1, 2, 2, 4, 4, 5];
  const base = { disk, directory, group: 1, location: START, first: 2, last: 8, bytesMax: 1 << 20 };
  const { runs } = readLog({ ...base, termOf: (index) => terms[index] ?? 0 });
  assert.deepEqual(
    runs.map(({ term, first, count }) => ({ term, first, count })),
    [
      { term: 1, first: 2, count: 2 },
      { term: 2, first: 4, count: 2 },
      { term: 4, first: 6, count: 2 },
      { term: 5, first: 8, count: 1 },
    ],
  );
  assert.deepEqual(texts(runs), [
    ...expected(1, 2, 3),
    ...expected(2, 4, 5),
    ...expected(4, 6, 7),
    ...expected(5, 8, 8),
  ]);
});

test('a read crosses segments, and one reader serves many reads', () => {
  const disk = newDisk();
  const { wal } = openWal(disk, { segmentBytes: 4608 });
  const submitter = new Submitter();
  let last = 0;
  while (wal.segmentCount < 4) {
    last += 1;
    assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, last, 1, 400)] })));
    wal.commit(0);
  }
  const reader = new LogReader(disk, DIRECTORY);
  const base = { group: 1, location: START, termOf: () => 1 };
  for (const bytesMax of [500, 5000, 1 << 20]) {
    let next = 1;
    while (next <= last) {
      const runs = reader.read({ ...base, first: next, last, bytesMax });
      assert.equal(runs[0]?.first, next);
      next += runs[0]!.count;
    }
  }
  reader.close();
});

test('a reader sees what the writer appended since its last read', () => {
  const { disk, directory, write } = logOf({ runs: [run(1, 1, 1, 2)] });
  const reader = new LogReader(disk, directory);
  const base = { group: 1, location: START, last: 100, bytesMax: 1 << 20, termOf: () => 1 };
  assert.deepEqual(texts(reader.read({ ...base, first: 1 })), expected(1, 1, 2));
  assert.deepEqual(reader.read({ ...base, first: 3 }), []);
  const { segment, offset } = write({ runs: [run(1, 1, 3, 2)] });
  assert.deepEqual(texts(reader.read({ ...base, first: 3 })), expected(1, 3, 4));
  const location = { segment, offset };
  assert.deepEqual(texts(reader.read({ ...base, location, first: 4 })), expected(1, 4, 4));
  reader.close();
});

test('an unreadable place is named; a missing segment too', () => {
  const { disk, directory, write } = logOf({ runs: [run(1, 1, 1, 2)] });
  const { offset } = write({ runs: [run(1, 1, 3, 2)] });
  disk.flipBit(`${DIRECTORY}/0000000000000001.wal`, offset + 100);
  const base = { disk, directory, group: 1, last: 4, bytesMax: 1 << 20, termOf: () => 1 };
  assert.deepEqual(texts(readLog({ ...base, location: START, first: 1 }).runs), expected(1, 1, 2));
  assert.throws(() => readLog({ ...base, location: START, first: 3 }), {
    code: 'walDamage',
    offset,
    message: /the body of block 3 fails its checksum/,
  });
  const location = { segment: 9, offset: 512 };
  assert.throws(() => readLog({ ...base, location, first: 1 }), { code: 'walMissing' });
});
