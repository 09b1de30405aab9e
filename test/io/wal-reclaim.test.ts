/**
 * Giving segments back: compactions and resets in the log, segments that become free and are
 * recycled, leftovers that are copied forward, and the bound of the whole log.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { inflateRawSync } from 'node:zlib';
import { Prng } from '../../engine/raft/prng.js';
import type { Disk } from '../../io/disk/disk.js';
import type { CrashOptions } from '../../io/disk/simulated-disk.js';
import { LogReader } from '../../io/wal/log-reader.js';
import { RequestLane } from '../../io/wal/request-lane.js';
import type { Wal } from '../../io/wal/wal.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import { ROOT } from '../../tools/house/tracked-files.js';
import { differs, type Model, RandomCaller } from './reclaim-model.js';
import {
  DIRECTORY,
  diskWith,
  filesOf,
  imageOf,
  newDisk,
  openWal,
  run,
  Submitter,
  untilPowerLoss,
} from './wal-harness.js';

const SEGMENT_BYTES = 8192;
const OPEN = { segmentBytes: SEGMENT_BYTES };

function commit(wal: Wal, request: PersistRequest): void {
  assert.ok(wal.stage(request), 'there is room');
  wal.commit(0);
}

/** Entries of a group until the log goes on in a new segment. */
function fillSegment(wal: Wal, submitter: Submitter, group: number, first: number): number {
  const { segment } = wal.position;
  let index = first;
  for (; wal.position.segment === segment; index += 1) {
    commit(wal, submitter.request(group, { runs: [run(group, 1, index, 1, 700)] }));
  }
  return index;
}

test('a compaction and a reset are found again, in records and in checkpoints', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const configuration = (index: number) => ({ index, bytes: Buffer.from(`c${index}`) });
  const { wal } = openWal(disk, OPEN);
  commit(wal, submitter.request(1, { runs: [run(1, 1, 1, 4)], configuration: configuration(2) }));
  const runs = [run(1, 1, 5, 1), run(1, 2, 6, 2)];
  const compact = { index: 6, term: 2 };
  commit(wal, submitter.request(1, { runs, configuration: configuration(5), compact }));
  commit(wal, submitter.request(1, { compact: { index: 3, term: 1 } }));
  commit(wal, submitter.request(2, { runs: [run(2, 1, 1, 2)] }));
  const reset = { index: 50, term: 7 };
  commit(wal, submitter.request(2, { reset, runs: [run(2, 7, 51, 1)] }));
  commit(wal, submitter.request(3, { reset: { index: 9, term: 2 } }));
  const check = (): void => {
    const { groups } = openWal(disk, OPEN);
    const [one, two, three] = groups;
    assert.deepEqual([one!.compacted, one!.first, one!.last], [compact, 7, 7]);
    assert.deepEqual(one!.termRuns, [{ first: 7, term: 2 }]);
    assert.deepEqual(
      one!.configurations.map(({ index }) => index),
      [5],
      'the newest of those that were forgotten stays known',
    );
    assert.deepEqual([two!.compacted, two!.first, two!.last], [reset, 51, 51]);
    assert.deepEqual([three!.compacted, three!.last], [{ index: 9, term: 2 }, 9]);
    assert.deepEqual(imageOf(disk, two!).entries, ['2/51@7;7']);
  };
  check();
  fillSegment(wal, submitter, 4, 1);
  check();
});

test('a compaction that contradicts the log is refused before anything is staged', () => {
  const { wal } = openWal(newDisk(), OPEN);
  const submitter = new Submitter();
  commit(wal, submitter.request(1, { runs: [run(1, 1, 1, 2)] }));
  const refused: readonly Partial<PersistRequest>[] = [
    { compact: { index: 3, term: 1 } },
    { compact: { index: 2, term: 2 } },
    { reset: { index: 9, term: 1 }, truncateAfter: 1 },
    { reset: { index: 9, term: 3 }, runs: [run(1, 2, 10, 1)] },
  ];
  for (const parts of refused) {
    assert.throws(() => wal.stage(submitter.request(1, parts)), /group 1: /);
  }
  assert.equal(wal.stagedRequests, 0);
});

test('segments go from the old end once nobody has an entry in them, and not before', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, OPEN);
  let next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(2, { runs: [run(2, 1, 1, 1)] }));
  next = fillSegment(wal, submitter, 1, next);
  next = fillSegment(wal, submitter, 1, next);
  assert.deepEqual([wal.segmentCount, wal.bytes], [4, 4 * SEGMENT_BYTES]);
  commit(wal, submitter.request(1, { compact: { index: next - 1, term: 1 } }));
  assert.deepEqual([wal.segmentCount, wal.oldestSegment], [3, 1], 'group 2 is in the second');
  assert.equal(wal.recycleFreed(), 1);
  assert.equal(wal.oldestSegment, 2);
  commit(wal, submitter.request(2, { compact: { index: 1, term: 1 } }));
  assert.deepEqual([wal.segmentCount, wal.bytes], [1, SEGMENT_BYTES]);
  assert.equal(wal.recycleFreed(), 2);
  wal.close();
  assert.deepEqual(
    disk.list(DIRECTORY).filter((name) => name.endsWith('.wal')),
    ['0000000000000004.wal'],
  );
  const { groups } = openWal(disk, OPEN);
  assert.deepEqual(
    groups.map(({ group, first, last }) => [group, first, last]),
    [
      [1, next, next - 1],
      [2, 2, 1],
    ],
  );
});

test('what only an unsynced block says frees nothing', () => {
  for (let seed = 1; seed < 10; seed += 1) {
    const disk = newDisk(seed);
    const submitter = new Submitter();
    const { wal } = openWal(disk, { ...OPEN, mode: 'none' });
    commit(wal, submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
    for (let term = 2; wal.position.segment < 2; term += 1) {
      commit(wal, submitter.request(2, { hardState: { term, vote: 1 } }));
    }
    commit(wal, submitter.request(1, { truncateAfter: 0, runs: [run(1, 2, 1, 1)] }));
    assert.equal(wal.segmentCount, 2);
    assert.equal(wal.recycleFreed(), 0);
    disk.crash({ keepSector: 0 });
    assert.deepEqual(imageOf(disk, openWal(disk, OPEN).groups[0]!).entries, ['1/1@1;1']);
  }
});

test('a compaction and a reset are synced before their acknowledgement in every mode', () => {
  for (const mode of ['always', 'batch', 'none'] as const) {
    for (const parts of [
      { compact: { index: 2, term: 1 } },
      { reset: { index: 8, term: 3 }, runs: [run(1, 3, 9, 1)] },
    ]) {
      const disk = newDisk();
      const submitter = new Submitter();
      const { wal } = openWal(disk, { ...OPEN, mode });
      commit(wal, submitter.request(1, { runs: [run(1, 1, 1, 3)] }));
      commit(wal, submitter.request(1, parts));
      disk.crash({ keepSector: 0, keepDirectoryOperation: 0 });
      const [found] = openWal(disk, OPEN).groups;
      assert.deepEqual(found!.compacted, parts.compact ?? parts.reset);
    }
  }
});

test('a segment that somebody took away is told from one that was given back', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, OPEN);
  const next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: 1, term: 1 } }));
  wal.close();
  disk.remove(`${DIRECTORY}/0000000000000001.wal`);
  const before = filesOf(disk);
  const message = new RegExp(`0001.wal: entries 2–${next - 2} of group 1 are in no segment`);
  assert.throws(() => openWal(disk, OPEN), { code: 'walMissing', message });
  assert.deepEqual(filesOf(disk), before, 'nothing was changed');
});

/** The log that an older build wrote: see test/io/fixtures. */
function olderLog(): { disk: Disk; images: Record<string, unknown> } {
  const path = join(ROOT, 'test', 'io', 'fixtures', 'wal-before-compaction.json');
  const { files, groups } = JSON.parse(readFileSync(path, 'utf8'));
  const named = Object.entries(files as Record<string, string>).map(
    ([name, text]) => [name, new Uint8Array(inflateRawSync(Buffer.from(text, 'base64')))] as const,
  );
  return { disk: diskWith(new Map(named)), images: groups };
}

test('the log of an older build is read, and left before anything new is written', () => {
  const { disk, images } = olderLog();
  const before = filesOf(disk);
  const { wal, groups } = openWal(disk, { segmentBytes: 4608 });
  for (const group of groups) assert.deepEqual(imageOf(disk, group), images[group.group]);
  assert.equal(groups.length, 3);
  assert.deepEqual(wal.position.segment, 6, 'it goes on in a segment of its own');
  for (const [name, bytes] of before) assert.deepEqual(filesOf(disk).get(name), bytes);
  const required = (name: string): number => filesOf(disk).get(name)![16]!;
  assert.deepEqual([required('0000000000000005.wal'), required('0000000000000006.wal')], [0, 1]);
  const one = groups[0]!;
  const compact = { index: one.last, term: one.termRuns.at(-1)!.term };
  const { generation, term } = one;
  commit(wal, { group: 1, seq: 1, generation, term, runs: [], compact });
  wal.close();
  const again = openWal(disk, { segmentBytes: 4608 });
  assert.equal(again.wal.position.segment, 6, 'once');
  assert.deepEqual(again.groups[0]!.compacted, compact);
});

test('a recycled file costs no zeros, and what it held is neither read nor cleared', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, OPEN);
  let next = fillSegment(wal, submitter, 1, 1);
  next = fillSegment(wal, submitter, 1, next);
  commit(wal, submitter.request(1, { compact: { index: next - 1, term: 1 } }));
  assert.equal(wal.recycleFreed(), 2);
  const names = disk.list(DIRECTORY).filter((name) => name.endsWith('.recycled'));
  assert.deepEqual(names, ['0000000000000001.recycled', '0000000000000002.recycled']);
  next = fillSegment(wal, submitter, 1, next);
  next = fillSegment(wal, submitter, 1, next);
  assert.equal(wal.position.segment, 5);
  const live = filesOf(disk).get('0000000000000005.wal')!;
  assert.ok(
    live.subarray(wal.position.offset).some((byte) => byte !== 0),
    'it had a life before',
  );
  const reader = new LogReader(disk, DIRECTORY);
  const wanted = { group: 1, location: wal.position, first: next, last: next, bytesMax: 1 };
  assert.deepEqual(reader.read({ ...wanted, termOf: () => 1 }), [], 'the log ends before it');
  reader.close();
  disk.crash();
  const { report, groups } = openWal(disk, OPEN);
  assert.deepEqual([report.cut, report.tornBlocks, groups[0]!.last], [null, 0, next - 1]);
  assert.deepEqual(filesOf(disk).get('0000000000000005.wal')!.subarray(4096), live.subarray(4096));
});

test('spares with a former life never begin a log anew', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, OPEN);
  const next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: next - 1, term: 1 } }));
  wal.recycleFreed();
  wal.close();
  for (const name of disk.list(DIRECTORY)) {
    if (name.endsWith('.recycled'))
      disk.rename(`${DIRECTORY}/${name}`, `${DIRECTORY}/spare-00000000.spare`);
    else disk.remove(`${DIRECTORY}/${name}`);
  }
  assert.equal(openWal(disk, OPEN).report.created, true);
  assert.deepEqual(openWal(disk, OPEN).groups, []);
});

test('an idle group beside a busy one never pins the log, however much is written', () => {
  const disk = newDisk();
  const maxLogBytes = 8 * SEGMENT_BYTES;
  const limits = { ...OPEN, maxLogBytes };
  const caller = new RandomCaller(disk, new Prng(1), openWal(disk, limits), new Map());
  caller.append(1, 2, 40);
  let most = 0;
  let restarts = 0;
  while (caller.wal.counters.bytesWritten < 10 * maxLogBytes) {
    assert.ok(caller.append(2, 1, 600));
    caller.commit();
    if (caller.groupOf(2).entries.length > 12) {
      assert.ok(caller.compact(2, caller.groupOf(2).base.index + 10));
    }
    caller.commit();
    most = Math.max(most, caller.wal.bytes);
    if (caller.acknowledged % 17 === 0) {
      assertComplete(diskWith(filesOf(disk)), caller.model);
      restarts += 1;
    }
  }
  caller.assertReadable();
  assert.ok(most <= maxLogBytes / 2 + SEGMENT_BYTES, `${most} bytes at most`);
  assert.ok(disk.list(DIRECTORY).length <= 5 + 4 + 2, 'files');
  assert.ok(caller.moves > 3 && restarts > 20, `${caller.moves} copies, ${restarts} restarts`);
});

function assertComplete(disk: Disk, model: Model): void {
  const { groups } = openWal(disk, OPEN);
  for (const [group, one] of model) {
    const found = groups.find((candidate) => candidate.group === group);
    assert.ok(!differs(disk, found, one), `group ${group}`);
  }
}

test('groups with much in the oldest segment are named, alone or together, and not copied', () => {
  const maxLogBytes = 4 * SEGMENT_BYTES;
  for (const groups of [[1], [1, 2, 3, 4]]) {
    const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes });
    const submitter = new Submitter();
    const size = groups.length === 1 ? 1500 : 500;
    for (const group of groups) {
      commit(wal, submitter.request(group, { runs: [run(group, 1, 1, 1, size)] }));
    }
    let next = 1;
    while (wal.segmentCount < 4) next = fillSegment(wal, submitter, 9, next);
    commit(wal, submitter.request(9, { compact: { index: next - 1, term: 1 } }));
    while (wal.reclaim());
    assert.deepEqual(wal.takeMoved(), []);
    const named = wal.takePinning();
    assert.ok(named.length > 0 && named.every((group) => groups.includes(group)), `${named}`);
    for (const group of named) {
      commit(wal, submitter.request(group, { compact: { index: 1, term: 1 } }));
    }
    while (wal.reclaim());
    assert.equal(wal.segmentCount, 1, 'the rest is little, and copied');
  }
});

test('at its bound the log refuses entries, and takes terms, votes and compactions', () => {
  const maxLogBytes = 4 * SEGMENT_BYTES;
  const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes });
  const submitter = new Submitter();
  let next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: 1, term: 1 } }));
  const lane = new RequestLane(wal);
  const entry = (index: number) => submitter.request(1, { runs: [run(1, 1, index, 1, 700)] });
  for (; !lane.isWaiting; next += 1) {
    assert.ok(lane.offer(entry(next)));
    wal.commit(0);
  }
  assert.deepEqual([wal.segmentCount, wal.isShort, wal.busy], [4, true, true]);
  assert.ok(lane.offer(submitter.request(1, { hardState: { term: 5, vote: 3 } })));
  assert.ok(lane.offer(submitter.request(1, { compact: { index: next - 2, term: 1 } })));
  lane.promise();
  const acks = wal.commit(0);
  assert.deepEqual(
    acks.map(({ promiseOnly }) => promiseOnly),
    [true],
    'the compaction goes ahead without a word',
  );
  assert.deepEqual([wal.segmentCount, wal.isShort], [1, false]);
  let acknowledged = 0;
  for (let turn = 0; turn < 3; turn += 1) {
    lane.resume();
    acknowledged += wal.commit(0).length;
  }
  assert.deepEqual([lane.isWaiting, acknowledged], [false, 3]);
});

test('at its bound the log names who keeps it so as often as it is to look', () => {
  const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes: 4 * SEGMENT_BYTES });
  const submitter = new Submitter();
  let next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: 1, term: 1 } }));
  assert.deepEqual([wal.isLong, wal.isUrgent], [false, false]);
  for (; !wal.isShort; next += 1) {
    commit(wal, submitter.request(1, { runs: [run(1, 1, next, 1, 700)] }));
  }
  assert.deepEqual([wal.isLong, wal.isUrgent], [true, true]);
  while (wal.reclaim());
  assert.deepEqual(wal.takePinning(), [1]);
  while (wal.reclaim());
  assert.deepEqual(wal.takePinning(), [], 'once for each look');
  for (let look = 0; look < 3; look += 1) {
    wal.lookAgain();
    while (wal.reclaim());
    assert.deepEqual(wal.takePinning(), [1]);
  }
  commit(wal, submitter.request(1, { compact: { index: next - 1, term: 1 } }));
  assert.deepEqual([wal.isLong, wal.isUrgent, wal.isShort], [false, false, false]);
});

test('a log whose groups never compacted anything goes on beyond its bound', () => {
  const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes: 4 * SEGMENT_BYTES });
  const submitter = new Submitter();
  for (let next = 1; wal.segmentCount < 7; ) next = fillSegment(wal, submitter, 1, next);
  assert.equal(wal.isShort, false);
});

test('beyond its bound the log takes entries of leaders, then what is under way, then none', () => {
  const maxLogBytes = 4 * SEGMENT_BYTES;
  const underWayBytesMax = 6 * SEGMENT_BYTES;
  const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes, underWayBytesMax });
  const submitter = new Submitter();
  let next = fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: 1, term: 1 } }));
  const lane = new RequestLane(wal);
  let seen = '';
  for (; !lane.isWaiting; next += 1) {
    assert.ok(lane.offer(submitter.request(1, { runs: [run(1, 1, next, 1, 700)] })));
    wal.commit(0);
    const state = `${wal.segmentCount} ${wal.isShort ? 'short' : ''}${wal.isFull ? ' full' : ''}`;
    if (wal.isShort && !seen.endsWith(state)) seen += `, ${state}`;
  }
  assert.match(seen, /^, 4 short, .*, 6 short full, .*, 10 short full$/);
});

test('a group that stopped does not get others refused, and is named as long as it keeps the log', () => {
  const { wal } = openWal(newDisk(), { ...OPEN, maxLogBytes: 4 * SEGMENT_BYTES });
  const submitter = new Submitter();
  fillSegment(wal, submitter, 1, 1);
  commit(wal, submitter.request(1, { compact: { index: 1, term: 1 } }));
  let next = 1;
  const write = (): void => {
    commit(wal, submitter.request(2, { runs: [run(1, 1, next, 1, 700)] }));
    next += 1;
  };
  while (!wal.isShort) write();
  commit(wal, submitter.request(2, { compact: { index: next - 1, term: 1 } }));
  assert.equal(wal.isShort, true, 'another one keeps the oldest segment');
  wal.stopped(1);
  assert.equal(wal.isShort, false);
  while (wal.segmentCount < 7) write();
  while (wal.reclaim());
  assert.deepEqual([wal.isShort, wal.takePinning()], [false, [1]]);
});

/** What survives: nothing, everything, renames alone, and as the coin says. */
const CRASHES: readonly CrashOptions[] = [
  { keepSector: 0, keepDirectoryOperation: 0 },
  { keepSector: 1, keepDirectoryOperation: 1 },
  { keepSector: 0, keepDirectoryOperation: 1 },
  { keepSector: 0.5 },
  {},
];

test('a crash between any two operations of freeing, recycling and copying loses nothing', () => {
  let crashes = 0;
  for (const [seed, crash] of CRASHES.entries()) {
    for (let budget = 0; ; budget += 1) {
      const disk = newDisk(seed * 1000 + budget);
      let caller: RandomCaller | null = null;
      const crashed = untilPowerLoss(disk, budget, crash, (power) => {
        const opened = openWal(power, { ...OPEN, maxLogBytes: 4 * SEGMENT_BYTES });
        caller = new RandomCaller(power, new Prng(1), opened, new Map());
        life(caller);
      });
      const known = caller as RandomCaller | null;
      assertOneOf(disk, known?.models ?? [new Map()], known?.acknowledged ?? 0);
      if (!crashed) break;
      crashes += 1;
    }
  }
  assert.ok(crashes > 400, `${crashes} crashes`);
});

/** An idle group is copied twice, freed segments are recycled, and recycled ones used. */
function life(caller: RandomCaller): void {
  caller.append(1, 2, 40);
  for (let n = 0; n < 30; n += 1) {
    caller.append(2, 1, 1200);
    caller.commit();
    if (n % 6 === 5) caller.compact(2, caller.groupOf(2).base.index + 6);
    caller.commit();
  }
  assert.ok(caller.moves > 1 && caller.wal.counters.freed > 5);
  caller.wal.close();
}

/** The disk holds one of the models, one after at least so many requests. */
function assertOneOf(disk: Disk, models: readonly Model[], atLeast: number): void {
  const { groups } = openWal(disk, OPEN);
  const at = models.findLastIndex((model) =>
    [...model].every(([group, one]) => {
      const found = groups.find((candidate) => candidate.group === group);
      return !differs(disk, found, one);
    }),
  );
  assert.ok(at >= atLeast, `recovered ${at}, acknowledged ${atLeast}`);
}
