/**
 * The bench's own command line: what it refuses before it starts anything, and that the small tasks
 * run to their end.
 */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { diskKind, requireDisk } from '../../bench/cluster/disk-kind.js';
import { syncTimes } from '../../bench/cluster/sync-probe.js';
import { BENCH_COMMANDS } from '../../bench/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';

async function bench(...words: string[]) {
  const output = { stdout: '', stderr: '' };
  const write = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      output[name] += text;
    },
  });
  const code = await main(BENCH_COMMANDS, words, {
    stdin: process.stdin,
    stdout: write('stdout'),
    stderr: write('stderr'),
    env: {},
    signal: new AbortController().signal,
  });
  return { code, ...output };
}

test('help lists both benches and the rows', async () => {
  const help = await bench();
  assert.equal(help.code, ExitCode.ok);
  assert.match(help.stdout, /cluster +Three nodes/);
  assert.match(help.stdout, /reads +Reads of each/);
  assert.match(help.stdout, /micro +The parts/);
  assert.match((await bench('cluster', '--help')).stdout, /w256-1024/);
});

test('wrong arguments are refused by name, with a remedy', async () => {
  for (const [words, expected] of [
    [['clustr'], /^bench: unknown command "clustr" \(did you mean "cluster"\?\)/],
    [['cluster', '--rows', 'w16-1'], /--rows is "w16-1": it must be rows, .*failover/],
    [['cluster', '--runs', '0'], /--runs is "0": it must be a whole number from 1/],
    [['cluster', '--seconds', '1'], /--seconds is "1": it must be a whole number from 3/],
    [['cluster', '--row', 'rss'], /unknown option "--row" \(did you mean "--rows"\?\)/],
    [['reads', '--rows', 'stale'], /--rows is "stale": it must be rows, .*linearizable, lease/],
    [['micro', '--only', 'nothing like it'], /which no task contains:\n +ring: claim/],
  ] as const) {
    const { code, stderr } = await bench(...words);
    assert.equal(code, ExitCode.usage, words.join(' '));
    assert.match(stderr, expected);
  }
});

test('file systems in memory are told from disks', () => {
  assert.deepEqual(diskKind(0x0102_1994), { name: 'tmpfs', inMemory: true });
  assert.deepEqual(diskKind(0x8584_58f6 | 0), { name: 'ramfs', inMemory: true });
  assert.deepEqual(diskKind(0xef53), { name: 'ext4', inMemory: false });
  assert.deepEqual(diskKind(0x1234), { name: 'type 0x1234', inMemory: false });
});

test('a directory in memory is refused with the reason and the remedy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-bench-'));
  try {
    assert.equal(
      requireDisk(directory, () => 0xef53),
      'ext4',
    );
    assert.throws(
      () => requireDisk(directory, () => 0x0102_1994),
      /is on tmpfs, which is memory: .* Name a directory on a disk with --dir/,
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a real tmpfs is refused before any node starts', {
  skip: existsSync('/dev/shm') ? false : 'there is no /dev/shm here',
}, async () => {
  const directory = mkdtempSync('/dev/shm/ringraft-bench-');
  try {
    const { code, stderr } = await bench('cluster', '--dir', directory);
    assert.equal(code, ExitCode.usage);
    assert.match(stderr, /is on tmpfs/);
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('times of syncs are told by their quantiles', () => {
  const samples = Array.from({ length: 200 }, (_, n) => n + 1);
  assert.deepEqual(syncTimes(samples), { p50Us: 100, p99Us: 198 });
});

const inMemory = diskKind(statfsSync(tmpdir()).type).inMemory
  ? `${tmpdir()} is in memory, where nothing is measured`
  : false;

test('the small tasks run and leave nothing behind', { skip: inMemory }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-bench-'));
  const file = join(directory, 'micro.json');
  try {
    const words = ['--milliseconds', '10', '--dir', directory, '--json', file];
    const { code, stdout, stderr } = await bench('micro', ...words);
    assert.equal(code, ExitCode.ok, stderr);
    assert.match(stdout, /^WAL, 1 entry, file, synced/m);
    const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: { name: string }[] };
    assert.equal(rows.length, stdout.trimEnd().split('\n').length - 1);
    assert.deepEqual(readdirSync(directory), ['micro.json']);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
