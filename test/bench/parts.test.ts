/**
 * The parts of the bench that decide and print: medians, floors, tables, what lies between two
 * samples. Nothing here measures time.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type BenchReport,
  deliverReport,
  describeBench,
} from '../../bench/cluster/bench-report.js';
import { parseInfo } from '../../bench/cluster/node-client.js';
import type { Node } from '../../bench/cluster/nodes.js';
import { parseCpuUs, parseRssBytes } from '../../bench/cluster/process-figures.js';
import { judgeRow, type Measured, ROW_IDS, ROWS, type RowId } from '../../bench/cluster/rows.js';
import { between, type NodeSample, type Sample } from '../../bench/cluster/samples.js';
import { digestProblems, stateDigests } from '../../bench/cluster/state-digests.js';
import { microTable } from '../../bench/micro/micro-report.js';
import { median, quantile } from '../../bench/statistics.js';
import { figure, textTable } from '../../bench/text-table.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';

const DISK = { p50Us: 50, p99Us: 100 };

function judge(id: RowId, runs: readonly number[], problems: readonly string[] = []) {
  const spec = ROWS.find((row) => row.id === id);
  assert.ok(spec !== undefined);
  const measured: Measured = { runs, problems, detail: {} };
  return judgeRow(spec, measured, DISK);
}

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([7]), 7);
  assert.equal(median([10, 9]), 9.5);
  assert.throws(() => median([]), /at least one value/);
});

test('a quantile is a value that occurred', () => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n);
  assert.equal(quantile(values, 0.5), 50);
  assert.equal(quantile(values, 0.99), 99);
  assert.equal(quantile(values, 0), 1);
  assert.equal(quantile(values, 1), 100);
  assert.throws(() => quantile([], 0.5), /at least one value/);
  assert.throws(() => quantile([1], 1.5), /between 0 and 1/);
});

test('every row has its floor', () => {
  assert.deepEqual(
    ROWS.map(({ id }) => id),
    [...ROW_IDS],
  );
  const floors = ROWS.map(({ id, bound, floor }) => [id, bound, floor(DISK)]);
  assert.deepEqual(Object.fromEntries(floors.map(([id, ...rest]) => [id, rest])), {
    rss: ['atMost', 150],
    'w16-8192': ['atLeast', 250_000],
    'w256-1024': ['atLeast', 120_000],
    'w16-64': ['atLeast', 30_000],
    'lat1-256': ['atMost', 0.9],
    failover: ['atMost', 500],
  });
});

test('a throughput row passes at its floor and above, by the median', () => {
  assert.equal(judge('w16-64', [30_000]).pass, true);
  assert.equal(judge('w16-64', [29_999]).pass, false);
  const mixed = judge('w16-64', [10_000, 31_000, 90_000]);
  assert.deepEqual([mixed.value, mixed.pass, mixed.runs], [31_000, true, [10_000, 31_000, 90_000]]);
});

test('a row of latency or memory passes at its floor and below', () => {
  assert.equal(judge('failover', [500]).pass, true);
  assert.equal(judge('failover', [501]).pass, false);
  assert.equal(judge('rss', [20, 150, 900]).pass, true);
  assert.equal(judge('lat1-256', [0.89]).pass, true);
  assert.equal(judge('lat1-256', [0.91]).pass, false);
});

test('a row with problems fails whatever its value, and one without a value fails too', () => {
  assert.equal(judge('w16-64', [90_000], ['the states differ: a, b']).pass, false);
  assert.equal(judge('failover', [Number.NaN]).pass, false);
});

test('figures keep at least three digits', () => {
  const shown = [412_345.6, 100, 41.234, 4.1234, 0.41234, 0.00031, 0].map(figure);
  assert.deepEqual(shown, ['412,346', '100', '41.2', '4.12', '0.412', '0.000310', '0']);
});

test('a table aligns its columns and ends no line with blanks', () => {
  const lines = textTable(
    [
      { heading: 'row', align: 'left' },
      { heading: 'value', align: 'right' },
      { heading: 'note', align: 'left' },
    ],
    [
      ['a', '1,000', ''],
      ['longer', '7', 'well'],
    ],
  );
  assert.deepEqual(lines, ['row     value  note', 'a       1,000', 'longer      7  well']);
});

function sample(atMs: number, applied: number, cpuUs: number, leader = 1): Sample {
  const node = (id: number): NodeSample => ({
    id,
    leads: id === leader,
    applied,
    blocks: applied / 100,
    requests: applied / 50,
    syncs: applied / 100 + id,
    bytes: applied * 64,
  });
  const nodes = [1, 2, 3].map(node);
  return { atMs, nodes, cpuUs, generatorCpuUs: cpuUs / 4, leaderCpuUs: cpuUs / 2 };
}

test('what lies between two samples is told per write', () => {
  assert.deepEqual(between(sample(0, 1000, 4000), sample(2000, 201_000, 804_000)), {
    writesPerSecond: 100_000,
    cpuUsPerWrite: 4,
    generatorCpuUsPerWrite: 1,
    generatorCores: 0.1,
    leaderCpuUsPerWrite: 2,
    entriesPerBlock: 100,
    entriesPerRequest: 50,
    logBytesPerWrite: 64,
    syncsPerWrite: [0.01, 0.01, 0.01],
    syncsPerSecond: [1000, 1000, 1000],
  });
});

test('nothing is said when the leader changed, a node was silent, or nothing was written', () => {
  const first = sample(0, 1000, 0);
  assert.equal(between(first, sample(1000, 2000, 0, 2)), null);
  assert.equal(between(first, sample(1000, 1000, 0)), null);
  const second = sample(1000, 2000, 0);
  assert.equal(between(first, { ...second, nodes: second.nodes.slice(0, 2) }), null);
});

test('CPU time and memory are read from the texts of /proc', () => {
  const stat = `12 (node (a) b) S 1 12 12 0 -1 0 10 0 0 0 150 50 7 8 20 0 11 0 99 0 0`;
  assert.equal(parseCpuUs(stat), 2_000_000);
  assert.equal(parseCpuUs('nothing'), undefined);
  assert.equal(parseRssBytes('Name:\tnode\nVmRSS:\t  2048 kB\nThreads:\t11\n'), 2048 * 1024);
  assert.equal(parseRssBytes('Name:\tkthread\n'), undefined);
});

test('INFO fields are split at the first colon', () => {
  const fields = parseInfo(
    'role:leader\r\naddress:[::1]:5001\r\n\r\n# a comment\r\nwal_syncs:12\r\n',
  );
  assert.equal(fields.get('role'), 'leader');
  assert.equal(fields.get('address'), '[::1]:5001');
  assert.equal(fields.get('wal_syncs'), '12');
  assert.equal(fields.size, 3);
});

const CONTEXT: BenchReport['context'] = {
  ringraft: '0.1.0',
  commit: 'abc123',
  node: 'v20.0.0',
  system: 'linux 6',
  cpuModel: 'A processor',
  cpus: 2,
  memoryBytes: 8 * 1024 ** 3,
  startedAt: '2030-01-01T00:00:00.000Z',
  sync: 'always',
  directory: '/disk/bench',
  fileSystem: 'ext4',
  runs: 3,
  seconds: 10,
  warmupSeconds: 3,
  fdatasync: { before: DISK, after: DISK, all: DISK },
  load: { before: 0.5, after: 2 },
};

test('the report names machine, disk and every row, and says why a row fails', () => {
  const detail = { inFlight: 64, p50Ms: 0.5, cpuUsPerWrite: 12.34, generatorCores: 0.5 };
  const rows = [
    { ...judge('w16-64', [31_000, 32_000, 33_000], ['the states differ: a, b']), detail },
    judge('rss', [100]),
  ];
  const lines = describeBench({ context: CONTEXT, rows }).split('\n');
  assert.ok(lines.includes('sync always on every node, in /disk/bench (ext4)'));
  assert.ok(lines.includes('w16-64: the states differ: a, b'));
  const row = lines.find((line) => line.startsWith('w16-64  16 B'));
  assert.match(row ?? '', /32,000 +writes\/s +≥ 30,000 +NO +31,000 32,000 33,000$/);
  assert.match(lines.find((line) => line.startsWith('rss')) ?? '', /100 +MiB +≤ 150 +yes +100$/);
  const behind = lines.filter((line) => line.startsWith('w16-64')).at(1);
  assert.match(behind ?? '', /^w16-64 +0\.500 +– +12\.3 +– +– +0\.500 +– /);
  assert.ok(lines.some((line) => /generator +its cores +entries\/block/.test(line)));
});

test('a row that misses ends the bench with 1, and the file has all of it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-bench-'));
  const text = { stdout: '', stderr: '' };
  const to = (name: keyof typeof text) => ({
    write: (more: string) => {
      text[name] += more;
    },
  });
  const deliver = (rows: BenchReport['rows'], json?: string) =>
    deliverReport(
      { context: CONTEXT, rows },
      {
        options: { json },
        stdout: to('stdout'),
        stderr: to('stderr'),
      },
    );
  try {
    const met = judge('rss', [100]);
    const missed = judge('w16-64', [10_000, 20_000, 29_000]);
    const file = join(directory, 'bench.json');
    assert.equal(deliver([met, missed], file), ExitCode.failed);
    assert.match(text.stdout, /20,000 +writes\/s +≥ 30,000 +NO/);
    const written = JSON.parse(readFileSync(file, 'utf8')) as BenchReport;
    assert.deepEqual(Object.keys(written), ['context', 'rows']);
    assert.deepEqual(written, { context: CONTEXT, rows: [met, missed] });
    for (const name of ['id', 'value', 'unit', 'floor', 'pass', 'runs']) {
      assert.ok(Object.hasOwn(written.rows[1] as object, name), name);
    }
    assert.equal(deliver([met]), ExitCode.ok);
    text.stdout = '';
    assert.equal(deliver([met, judge('rss', [10], ['the states differ: a, b'])], '-'), 1);
    assert.equal((JSON.parse(text.stdout) as BenchReport).rows.length, 2, 'nothing but JSON');
    assert.match(text.stderr, /rss: the states differ: a, b/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('states are asked once all is applied, and differing ones are a problem', async () => {
  const asked: string[] = [];
  const nodes = {
    all: [1, 2, 3].map((id) => ({ id }) as Node),
    caughtUp: async () => {
      asked.push('caught up');
    },
  };
  const ask = async ({ id }: Node) => {
    asked.push(`digest ${id}`);
    return id === 2 ? 'b' : 'a';
  };
  const digests = await stateDigests(nodes, ask);
  assert.deepEqual(asked, ['caught up', 'digest 1', 'digest 2', 'digest 3']);
  assert.deepEqual(digestProblems(digests), ['the states differ: a, b, a']);
  assert.deepEqual(digestProblems(['a', 'a', 'a']), []);
});

test('the table of small tasks shows times in the unit that fits', () => {
  const row = (name: string, p50Ns: number, p99Ns: number) => ({
    ...{ name, unit: 'record', operationsPerSecond: 1e6, calls: 10 },
    ...{ p50Ns, p99Ns },
  });
  const table = microTable([row('ring', 42, 1500), row('synced', 139_000, 3_060_000)]);
  assert.deepEqual(table.trimEnd().split('\n'), [
    'task    unit    per second      p50      p99',
    'ring    record   1,000,000  42.0 ns  1.50 µs',
    'synced  record   1,000,000   139 µs  3.06 ms',
  ]);
});
