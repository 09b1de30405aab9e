/**
 * The write-ahead log in ordinary life: staging, acknowledgements, sync modes, roll-over, full
 * disks, failures, restart. Crashes and damage have files of their own.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { EntryKind } from '../../codec/entry.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { describeSegment } from '../../io/wal/describe.js';
import type { PersistRequest } from '../../io/wal/wal-types.js';
import {
  assertIndexed,
  DIRECTORY,
  LOG_ID,
  newDisk,
  openWal,
  payloadOf,
  prefixLength,
  run,
  Submitter,
} from './wal-harness.js';

const KIB = 1024;

test('a new log is one segment of the full size with a spare beside it', () => {
  const disk = newDisk();
  const { wal, groups, report } = openWal(disk);
  assert.equal(report.created, true);
  assert.deepEqual(groups, []);
  assert.deepEqual(disk.list(DIRECTORY), ['0000000000000001.wal', 'spare-00000001.spare']);
  assert.equal(wal.bytes, 8192);
  assert.equal(wal.logId, LOG_ID);
  assert.deepEqual(wal.position, { segment: 1, offset: 1024 });
});

test('one commit is one block and one sync for all groups, acknowledged in order', () => {
  const { wal } = openWal(newDisk());
  const submitter = new Submitter();
  wal.stage(submitter.request(2, { term: 4, runs: [run(2, 4, 1, 3)] }));
  wal.stage(submitter.request(1, { term: 9, hardState: { term: 9, vote: 1 } }));
  wal.stage(submitter.request(2, { term: 4, truncateAfter: 1, runs: [run(2, 4, 2, 1)] }));
  const { syncs, blocks } = wal.counters;
  const place = wal.position;
  assert.deepEqual(wal.commit(0), [
    { group: 2, seq: 1, generation: 0, term: 4, lastIndex: 3, ...place },
    { group: 1, seq: 1, generation: 0, term: 9, lastIndex: 0, ...place },
    { group: 2, seq: 2, generation: 1, term: 4, lastIndex: 2, ...place },
  ]);
  assert.equal(wal.counters.syncs, syncs + 1);
  assert.equal(wal.counters.blocks, blocks + 1);
  assert.deepEqual(wal.commit(0), [], 'nothing staged, nothing written');
  assert.equal(wal.counters.blocks, blocks + 1);
});

test('a restart brings back hard state, entries, terms, places and configurations', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const first = openWal(disk, { segmentBytes: 512 * KIB });
  const configuration = run(1, 2, 4, 1, 0, EntryKind.configuration);
  const requests = [
    submitter.request(1, { configuration: { index: 0, bytes: Buffer.from('bootstrap') } }),
    submitter.request(1, { hardState: { term: 2, vote: 3 }, runs: [run(1, 1, 1, 3)] }),
    submitter.request(1, {
      runs: [configuration, run(1, 2, 5, 100, 2000 - 24)],
      configuration: { index: 4, bytes: Buffer.from(payloadOf(1, 4, 2)) },
    }),
  ];
  for (const request of requests) {
    assert.ok(first.wal.stage(request));
    first.wal.commit(0);
  }
  first.wal.close();
  const { groups, report } = openWal(disk, { segmentBytes: 512 * KIB });
  assert.equal(report.created, false);
  assert.equal(prefixLength(disk, groups, requests), 3);
  const [group] = groups;
  assert.ok(group !== undefined);
  assert.deepEqual(group.termRuns, [
    { first: 1, term: 1 },
    { first: 4, term: 2 },
  ]);
  assert.equal(group.first, 1);
  assert.equal(group.last, 104);
  assert.equal(group.inDoubt, false);
  assert.deepEqual(
    group.configurations.map(({ index, bytes }) => [index, Buffer.from(bytes).toString()]),
    [
      [0, 'bootstrap'],
      [4, payloadOf(1, 4, 2)],
    ],
  );
  assertIndexed(disk, group);
});

test('places stay sparse: one per 64 KiB of a group or per segment, with exact sums', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, { segmentBytes: 512 * KIB });
  for (let index = 1; index <= 1500; index += 1) {
    const request = submitter.request(1, { runs: [run(1, 1, index, 1, 200)] });
    assert.ok(wal.stage(request));
    wal.commit(0);
  }
  wal.close();
  const { groups } = openWal(disk, { segmentBytes: 512 * KIB });
  const group = groups[0]!;
  assert.ok(group.locations.length < 20, `${group.locations.length} places`);
  assert.equal(group.extents.at(-1)?.bytes, 1500 * 216);
  assertIndexed(disk, group);
});

test('truncated entries are gone, rewritten ones take their place, sums follow exactly', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk, { segmentBytes: 64 * KIB });
  const requests = [
    submitter.request(1, { runs: [run(1, 1, 1, 10, 100)] }),
    submitter.request(1, { runs: [run(1, 1, 11, 10, 150)] }),
    submitter.request(1, { truncateAfter: 15, runs: [run(1, 2, 16, 2, 33)] }),
    submitter.request(1, { truncateAfter: 7 }),
    submitter.request(1, { truncateAfter: 7, runs: [run(1, 4, 8, 1), run(1, 5, 9, 3, 70)] }),
    submitter.request(1, { truncateAfter: 10, runs: [] }),
  ];
  for (const request of requests) {
    wal.stage(request);
    wal.commit(0);
  }
  wal.close();
  const { groups } = openWal(disk, { segmentBytes: 64 * KIB });
  assert.equal(prefixLength(disk, groups, requests), requests.length);
  assert.equal(groups[0]!.generation, 4);
  assert.deepEqual(groups[0]!.termRuns, [
    { first: 1, term: 1 },
    { first: 8, term: 4 },
    { first: 9, term: 5 },
  ]);
  assertIndexed(disk, groups[0]!);
});

test('a configuration that is truncated away is rolled back, also in the next checkpoint', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk);
  const add = (index: number, text: string) =>
    wal.stage(
      submitter.request(1, {
        runs: [run(1, 1, index, 1, 0, EntryKind.configuration)],
        configuration: { index, bytes: Buffer.from(text) },
      }),
    );
  add(1, 'one');
  add(2, 'two');
  wal.stage(submitter.request(1, { truncateAfter: 1 }));
  wal.commit(0);
  for (let index = 2; wal.segmentCount < 2; index += 1) {
    wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 900)] }));
    wal.commit(0);
  }
  wal.close();
  const { groups } = openWal(disk);
  assert.deepEqual(
    groups[0]!.configurations.map(({ index }) => index),
    [1],
  );
});

test('a full segment is followed by a new one that repeats the state of every group', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const { wal } = openWal(disk);
  const requests: PersistRequest[] = [];
  for (let n = 0; wal.segmentCount < 4; n += 1) {
    const group = n % 5;
    const first = Math.floor(n / 5) + 1;
    requests.push(submitter.request(group, { runs: [run(group, 1, first, 1, 700)] }));
    assert.ok(wal.stage(requests.at(-1)!));
    wal.commit(0);
  }
  assert.equal(wal.bytes, 4 * 8192);
  wal.close();
  const { groups, report } = openWal(disk);
  assert.equal(report.segments, 4);
  assert.equal(prefixLength(disk, groups, requests), requests.length);
});

test('always: nothing is acknowledged before its sync', () => {
  const disk = newDisk();
  const { wal } = openWal(disk, { mode: 'always' });
  wal.stage(new Submitter().request(1, { runs: [run(1, 1, 1, 1)] }));
  wal.commit(0);
  assert.equal(disk.unsynced().sectors, 0);
  assert.equal(wal.nextSyncAt, Number.POSITIVE_INFINITY);
});

test('batch: entries are acknowledged when written and synced when the interval is over', () => {
  const disk = newDisk();
  const { wal } = openWal(disk, { mode: 'batch', intervalMs: 10 });
  const submitter = new Submitter();
  const { durableSeq } = wal;
  wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
  assert.equal(wal.commit(100).length, 1);
  wal.stage(submitter.request(1, { runs: [run(1, 1, 2, 1)] }));
  assert.equal(wal.commit(105).length, 1);
  assert.ok(disk.unsynced().sectors > 0);
  assert.equal(wal.nextSyncAt, 110);
  assert.equal(wal.durableSeq, durableSeq);
  assert.equal(wal.syncDue(109), false);
  assert.equal(wal.syncDue(110), true);
  assert.equal(disk.unsynced().sectors, 0);
  assert.equal(wal.durableSeq, durableSeq + 2);
  assert.equal(wal.nextSyncAt, Number.POSITIVE_INFINITY);
});

test('none: entries are never synced on their own account, a seal does not do it either', () => {
  const disk = newDisk();
  const { wal } = openWal(disk, { mode: 'none' });
  wal.stage(new Submitter().request(1, { runs: [run(1, 1, 1, 1)] }));
  assert.equal(wal.commit(0).length, 1);
  assert.equal(wal.nextSyncAt, Number.POSITIVE_INFINITY);
  assert.equal(wal.syncDue(1e9), false);
  assert.equal(wal.seal(), false);
  assert.ok(disk.unsynced().sectors > 0);
  wal.close();
  assert.equal(disk.unsynced().sectors, 0, 'closing syncs in every mode');
});

test('terms, votes, configurations and ends of doubt are synced before they are acked', () => {
  for (const mode of ['batch', 'none'] as const) {
    for (const parts of [
      { hardState: { term: 1, vote: 1 } },
      { configuration: { index: 0, bytes: Buffer.from('c') } },
      { clearsDoubt: true },
    ]) {
      const disk = newDisk();
      const { wal } = openWal(disk, { mode });
      const submitter = new Submitter();
      wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
      wal.commit(0);
      assert.ok(disk.unsynced().sectors > 0);
      wal.stage(submitter.request(2, parts));
      wal.commit(0);
      assert.equal(disk.unsynced().sectors, 0, `${mode} ${Object.keys(parts)}`);
    }
  }
});

test('a seal is written once after a sync, and again only when something followed', () => {
  const { wal } = openWal(newDisk());
  assert.equal(wal.seal(), false, 'a new log has nothing to seal');
  const submitter = new Submitter();
  wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
  assert.equal(wal.seal(), false, 'not while requests are staged');
  wal.commit(0);
  assert.equal(wal.seal(), true);
  assert.equal(wal.seal(), false);
  wal.stage(submitter.request(1, { runs: [run(1, 1, 2, 1)] }));
  wal.commit(0);
  assert.equal(wal.seal(), true);
});

test('doubt ends with the request that says so, and only for its group', () => {
  const disk = newDisk();
  const submitter = new Submitter();
  const first = openWal(disk);
  first.wal.stage(submitter.request(1, { runs: [run(1, 1, 1, 1)] }));
  first.wal.stage(submitter.request(2, { runs: [run(2, 1, 1, 1, 900)] }));
  const { offset } = first.wal.commit(0)[0]!;
  disk.flipBit(`${DIRECTORY}/0000000000000001.wal`, offset + 200);
  const second = openWal(disk);
  assert.deepEqual(second.groups, [], 'both groups were only in the block that is cut');
  assert.equal(second.report.tornBlocks, 1);
  const again = new Submitter();
  const filler: PersistRequest[] = [];
  second.wal.stage(again.request(1, { runs: [run(1, 2, 1, 1)] }));
  second.wal.stage(again.request(2, { runs: [run(2, 2, 1, 1)] }));
  second.wal.stage(again.request(3, { runs: [run(3, 2, 1, 1)] }));
  second.wal.commit(0);
  while (second.wal.segmentCount < 2) {
    const { length } = filler;
    filler.push(again.request(4, { runs: [run(4, 2, length + 1, 1, 900)] }));
    second.wal.stage(filler.at(-1)!);
    second.wal.commit(0);
  }
  const doubts = () => openWal(disk).groups.map(({ group, inDoubt }) => [group, inDoubt]);
  assert.deepEqual(doubts(), [
    [1, true],
    [2, true],
    [3, false],
    [4, false],
  ]);
  const third = openWal(disk);
  third.wal.stage(again.request(1, { runs: [run(1, 3, 2, 1)], clearsDoubt: true }));
  for (let index = 2; third.wal.segmentCount < 3; index += 1) {
    third.wal.stage(again.request(3, { runs: [run(3, 2, index, 1, 900)] }));
    third.wal.commit(0);
  }
  assert.deepEqual(doubts(), [
    [1, false],
    [2, true],
    [3, false],
    [4, false],
  ]);
});

test('submissions that do not continue a group are refused before anything is staged', () => {
  const { wal } = openWal(newDisk());
  const ok = { group: 1, seq: 1, generation: 1, term: 2, runs: [run(1, 2, 1, 3)] };
  assert.ok(wal.stage(ok));
  const next = { ...ok, seq: 2, runs: [] };
  assert.throws(() => wal.stage({ ...next, seq: 1 }), /group 1: submission 1 after 1/);
  assert.throws(() => wal.stage({ ...next, generation: 0 }), /generation 0 after 1/);
  assert.throws(() => wal.stage({ ...next, truncateAfter: 4 }), /truncation after 4 of a log 0–3/);
  assert.throws(() => wal.stage({ ...next, runs: [run(1, 2, 5, 1)] }), /a run at 5 after index 3/);
  assert.throws(() => wal.stage({ ...next, runs: [run(1, 1, 4, 1)] }), /term 1 after term 2/);
  assert.throws(() => wal.stage({ ...next, group: -1 }), /group id out of range/);
  const short = { term: 2, first: 4, count: 2, bytes: new Uint8Array(24) };
  assert.throws(() => wal.stage({ ...next, runs: [short] }), /a run of 2 entries in 24 bytes/);
  assert.ok(wal.stage(next));
  assert.equal(wal.commit(0).length, 2);
});

test('a closed log refuses, a second close does nothing', () => {
  const { wal } = openWal(newDisk());
  wal.close();
  wal.close();
  assert.throws(() => wal.commit(0), /the log is closed/);
});

test('the same log on real files: roll-over, restart, inspection', () => {
  const root = mkdtempSync(join(tmpdir(), 'ringraft-wal-'));
  const directory = join(root, 'wal');
  try {
    const disk = new NodeDisk();
    const submitter = new Submitter();
    const { wal } = openWal(disk, { directory });
    for (let index = 1; wal.segmentCount < 3; index += 1) {
      assert.ok(wal.stage(submitter.request(1, { runs: [run(1, 1, index, 1, 500)] })));
      wal.commit(0);
    }
    wal.close();
    const { groups, report } = openWal(disk, { directory });
    assert.equal(report.segments, 3);
    assert.equal(report.cut, null);
    const lines = [...describeSegment(disk, join(directory, '0000000000000003.wal'))];
    assert.ok(lines.some((line) => line.includes(`last ${groups[0]!.last}`)));
  } finally {
    rmSync(root, { recursive: true });
  }
});
