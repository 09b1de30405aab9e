/**
 * The parts of `bench snapshot` that decide and print: floors, ratios of turns, files, the table.
 * Nothing here measures time.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  peakAbove,
  problemsOf,
  rowsOf,
  type Turn,
  type Window,
} from '../../bench/snapshot/load-part.js';
import { madeAtMs, newestFile, restoreImage } from '../../bench/snapshot/snapshot-files.js';
import {
  deliverSnapshots,
  describeSnapshots,
  type SnapshotReport,
} from '../../bench/snapshot/snapshot-report.js';
import {
  judgeRow,
  type Measured,
  PARTS,
  ROW_IDS,
  ROWS,
  type RowId,
} from '../../bench/snapshot/snapshot-rows.js';
import { CHUNK_BYTES_MAX_DEFAULT, compressChunk } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import { kvOptions } from '../../engine/machines/kv/options.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { encodeSnapshotHeader } from '../../io/snapshots/snapshot-format.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { noErrors } from '../../tools/load/error-kinds.js';
import type { LoadReport } from '../../tools/load/load-report.js';

const measured = (runs: readonly number[], problems: readonly string[] = []): Measured => ({
  ...{ runs, problems },
  detail: {},
});

function window(over: Partial<Window> = {}): Window {
  return {
    ...{ rate: 100_000, p50Ms: 5, p99Ms: 10, gapMs: 20, peakMiB: [500, 510, 520], taken: [] },
    ...{ nodesCpuUsPerWrite: 10, generatorCores: 0.5, problems: [] },
    ...over,
  };
}

function turn(withThem: Partial<Window> = {}, without: Partial<Window> = {}): Turn {
  return { without: window(without), with: window(withThem) };
}

test('every row has its floor and belongs to a part', () => {
  assert.deepEqual(
    ROWS.map(({ id }) => id),
    [...ROW_IDS],
  );
  assert.deepEqual(new Set(ROWS.flatMap(({ parts }) => parts)), new Set(PARTS));
  assert.deepEqual(Object.fromEntries(ROWS.map(({ id, bound, floor }) => [id, [bound, floor]])), {
    throughput: ['atLeast', 0.7],
    'p99-saturated': ['atMost', 2],
    'p99-half': ['atMost', 2],
    'gap-saturated': ['atMost', 250],
    'gap-half': ['atMost', 250],
    taken: ['atMost', 60],
    memory: ['atMost', 64],
    image: ['atLeast', 3],
    'catch-up': ['atLeast', 50],
    restart: ['atMost', 3],
  });
});

test('a ratio counts by the median of its turns, a gap by the worst', () => {
  const ratio = judgeRow('throughput', measured([0.2, 0.7, 0.9]));
  assert.deepEqual([ratio.value, ratio.pass], [0.7, true]);
  assert.equal(judgeRow('throughput', measured([0.69])).pass, false);
  const gap = judgeRow('gap-half', measured([10, 251, 20]));
  assert.deepEqual([gap.value, gap.pass], [251, false]);
  const image = judgeRow('image', measured([3, 2]));
  assert.deepEqual([image.value, image.pass], [2, false]);
});

test('a row fails for a problem or a value that is no number', () => {
  assert.equal(judgeRow('restart', measured([1], ['states differ'])).pass, false);
  assert.equal(judgeRow('p99-half', measured([Number.NaN])).pass, false);
  assert.throws(() => judgeRow('nothing' as RowId, measured([1])), /no row nothing/);
});

test('the rows of a load compare the two windows of each turn', () => {
  const taken = [{ node: 1, seconds: 7, index: 9 }];
  const saturated = [turn({ rate: 80_000, p99Ms: 15, gapMs: 99, taken })];
  const half = [turn({ p99Ms: 30, gapMs: 44 }, { p99Ms: 20, gapMs: 33 })];
  const rows = new Map<RowId, Measured>(rowsOf(window(), saturated, half, []));
  assert.deepEqual(rows.get('throughput')?.runs, [0.8]);
  assert.deepEqual(rows.get('p99-saturated')?.runs, [1.5]);
  assert.deepEqual(rows.get('p99-half')?.runs, [1.5]);
  assert.deepEqual(rows.get('gap-saturated')?.runs, [99]);
  assert.deepEqual(rows.get('gap-half')?.runs, [44]);
  assert.deepEqual(rows.get('gap-half')?.detail, { without: [33] });
  assert.deepEqual(rows.get('taken')?.runs, [7]);
  assert.deepEqual(rows.get('memory')?.runs, [0, 0]);
});

test('a load that was not measured has no rows', () => {
  const rows = new Map(rowsOf(window(), [], [turn()], []));
  assert.deepEqual([...rows.keys()], ['p99-half', 'gap-half', 'memory']);
});

test('what is wrong with a window is wrong with the rows that are made of it', () => {
  const rows = new Map(rowsOf(window(), [turn({ problems: ['late'] })], [turn()], ['differ']));
  assert.deepEqual(rows.get('throughput')?.problems, ['differ', 'late']);
  assert.deepEqual(rows.get('gap-half')?.problems, ['differ']);
  assert.deepEqual(rows.get('memory')?.problems, ['differ', 'late']);
});

test('memory is compared node by node, at first with processes that took no snapshot yet', () => {
  const turns = [
    turn({ peakMiB: [540, 515, 600] }, { peakMiB: [530, 515, 595] }),
    turn({ peakMiB: [560, 400, 400] }, { peakMiB: [550, 530, 600] }),
  ];
  assert.deepEqual(peakAbove(window(), turns), [80, 10]);
});

test('errors, a rate that was not kept and missing snapshots are problems', () => {
  const report = {
    errors: noErrors(),
    errorSamples: [],
    config: { rate: 1000 },
    behind: 500,
  } as unknown as LoadReport;
  assert.deepEqual(problemsOf(report, false, 3), []);
  const wrong = { ...report, errors: { ...noErrors(), lost: 2 }, behind: 501 };
  const problems = problemsOf(wrong, true, 3);
  assert.match(problems[0] ?? '', /^2 errors: .*"lost":2/);
  assert.match(problems[1] ?? '', /^501 commands of 1000\/s were due/);
  assert.match(problems[2] ?? '', /raise --seconds/);
});

function withDirectory(act: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'bench-snapshot-'));
  try {
    act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function writeSnapshot(directory: string, index: number, machine: KvMachine): void {
  const store = SnapshotStore.open({
    ...{ disk: new NodeDisk(), directory: join(directory, 'snapshots'), clusterId: 1 },
  });
  const head = { point: { index, term: 1 }, timeMs: 1, configuration: { index: 1, bytes: ONE } };
  const own = { clusterId: 1, group: 0, nameHash: 1, chunkBytesMax: CHUNK_BYTES_MAX_DEFAULT };
  const writer = store.create(encodeSnapshotHeader({ ...own, ...head }));
  let number = 0;
  for (const chunk of machine.snapshot()) {
    const { body, stored } = compressChunk(chunk);
    writer.append({ ...body, number, section: SnapshotSection.machine }, stored);
    number += 1;
  }
  writer.finish();
}

const ONE = Uint8Array.of(1);

test('the newest complete file of a node is found and gives its state back', () => {
  withDirectory((directory) => {
    assert.equal(newestFile({ directory }), undefined);
    const machine = new KvMachine(kvOptions(null));
    writeSnapshot(directory, 7, machine);
    writeSnapshot(directory, 11, machine);
    const file = newestFile({ directory });
    assert.equal(file?.point.index, 11);
    const facts = restoreImage(file as NonNullable<typeof file>);
    assert.deepEqual([facts.index, facts.digest], [11, machine.digest()]);
    assert.ok(facts.imageBytes > 0 && facts.fileBytes > facts.imageBytes);
    assert.ok(madeAtMs(file as NonNullable<typeof file>) > 0);
    // What is being written does not count.
    writeFileSync(join(directory, 'snapshots', `${file?.name.replaceAll('b', 'f')}.tmp`), '');
    assert.equal(newestFile({ directory })?.name, file?.name);
  });
});

const TIMES = { p50Us: 50, p99Us: 100 };
const REPORT: SnapshotReport = {
  context: {
    ...{ ringraft: '1.0.0', commit: 'abc', node: 'v20', system: 'linux', cpuModel: 'a CPU' },
    ...{ cpus: 2, memoryBytes: 8 * 1024 ** 3, startedAt: '2026-01-01T00:00:00Z', sync: 'always' },
    ...{ directory: '/disk', fileSystem: 'ext4', runs: 1, seconds: 30, warmupSeconds: 3 },
    ...{ fdatasync: { before: TIMES, after: TIMES, all: TIMES }, load: { before: 0, after: 1 } },
    ...{ keys: 1_000_000, valueBytes: 256, entries: 1_000_000 },
  },
  rows: [
    judgeRow('throughput', measured([0.812])),
    judgeRow('p99-saturated', measured([2.5], ['late'])),
    judgeRow('memory', measured([12], ['late'])),
  ],
};

test('the table has a line for each row, and says once what is wrong', () => {
  const text = describeSnapshots(REPORT);
  assert.match(text, /1,000,000 keys, values of 256 bytes/);
  assert.match(text, /^throughput .* 0\.812 +≥ 0\.700 +yes +0\.812$/m);
  assert.match(text, /^p99-saturated .* 2\.50 +≤ 2\.00 +NO +2\.50$/m);
  assert.equal(text.split('\n').filter((line) => line === 'late').length, 1);
});

test('the JSON has context and rows, and a miss is the exit code', () => {
  withDirectory((directory) => {
    const path = join(directory, 'report.json');
    const output = { stdout: '', stderr: '' };
    const write = (name: 'stdout' | 'stderr') => ({
      write: (text: string) => {
        output[name] += text;
      },
    });
    const to = { stdout: write('stdout'), stderr: write('stderr') };
    const code = deliverSnapshots(REPORT, { options: { json: path }, ...to });
    assert.equal(code, ExitCode.failed);
    const parsed = JSON.parse(readFileSync(path, 'utf8')) as SnapshotReport;
    assert.deepEqual(Object.keys(parsed), ['context', 'rows']);
    assert.deepEqual(Object.keys(parsed.rows[0] ?? {}).slice(0, 6), [
      'id',
      'value',
      'unit',
      'floor',
      'pass',
      'runs',
    ]);
    const passing = { ...REPORT, rows: REPORT.rows.slice(0, 1) };
    assert.equal(deliverSnapshots(passing, { options: { json: '-' }, ...to }), ExitCode.ok);
    assert.match(output.stderr, /throughput/);
  });
});
