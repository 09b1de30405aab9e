/**
 * The parts of `bench reads` that decide and print. Nothing here measures.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeRow, ROW_IDS, ROWS, type RowId } from '../../bench/reads/read-rows.js';
import { deliverReads, describeReads, type ReadsReport } from '../../bench/reads/reads-report.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';

function judge(id: RowId, runs: readonly number[], problems: readonly string[] = []) {
  const spec = ROWS.find((row) => row.id === id);
  assert.ok(spec !== undefined);
  return judgeRow(spec, { runs, problems, detail: { p50Ms: 3, cpuUsPerRead: Number.NaN } });
}

const times = { p50Us: 50, p99Us: 100 };
const report = (...rows: ReturnType<typeof judge>[]): ReadsReport => ({
  context: {
    ...{ ringraft: '0.1.0', commit: null, node: 'v20', system: 'linux', cpuModel: 'cpu', cpus: 2 },
    ...{ memoryBytes: 1 << 30, startedAt: '', sync: 'always', directory: '/d', fileSystem: 'ext4' },
    ...{ runs: 3, seconds: 10, warmupSeconds: 3, load: { before: 1, after: 2 } },
    fdatasync: { before: times, after: times, all: times },
  },
  rows,
});

test('every consistency has a row; linearizable reads have a floor', () => {
  assert.deepEqual(
    ROWS.map(({ id, reads, floor }) => [id, reads, floor]),
    [
      ['linearizable', 'linearizable', 250_000],
      ['lease', 'lease', null],
      ['bounded', 'bounded:500', null],
      ['local', 'local', null],
    ],
  );
  assert.equal(ROWS.length, ROW_IDS.length);
});

test('a row passes with its floor met and nothing wrong; one without a floor with nothing wrong', () => {
  assert.equal(judge('linearizable', [100_000, 250_000, 300_000]).pass, true);
  assert.equal(judge('linearizable', [249_999]).pass, false);
  assert.equal(judge('linearizable', [300_000], ['run 1 had 1 errors']).pass, false);
  assert.equal(judge('local', [1]).pass, true);
  assert.equal(judge('local', [1e6], ['run 1 read 2 keys that had no value']).pass, false);
});

test('the table shows floors where there are some, and the exit code follows them', () => {
  const good = report(judge('linearizable', [260_000]), judge('lease', [400_000]));
  const text = describeReads(good);
  assert.match(text, /linearizable +by a quorum round.*260,000 +reads\/s +≥ 250,000 +yes/);
  assert.match(text, /lease +by the lease of the leader +400,000 +reads\/s +– +yes/);
  assert.match(text, /CPU µs\/read/);
  let json = '';
  const options = { json: '-' };
  const stdout = {
    write: (given: string) => {
      json += given;
    },
  };
  const code = deliverReads(good, { options, stdout, stderr: { write: () => {} } });
  assert.equal(code, ExitCode.ok);
  assert.equal(JSON.parse(json).rows[0].value, 260_000);
  const bad = report(judge('linearizable', [1], ['run 1 had 1 errors']));
  assert.match(describeReads(bad), /linearizable: run 1 had 1 errors/);
  const nowhere = { options: {}, stdout: { write: () => {} }, stderr: { write: () => {} } };
  assert.equal(deliverReads(bad, nowhere), ExitCode.failed);
});
