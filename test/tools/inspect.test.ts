/**
 * `ringraft inspect wal` on a log that real files hold: a segment, the directory of the log, the
 * data directory, whole, torn and damaged; it reads, and never changes a byte.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';
import { openWal, run, Submitter } from '../io/wal-harness.js';

const FIRST = '0000000000000001.wal';
const SECOND = '0000000000000002.wal';
const SEGMENT_BYTES = 4608;

const directory = mkdtempSync(join(tmpdir(), 'ringraft-inspect-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a log of two segments under `name`, as a node's data directory has one. */
function writeLog(name: string): { data: string; wal: string } {
  const data = join(directory, name);
  const disk = new NodeDisk();
  disk.makeDirectory(data);
  const submitter = new Submitter();
  const options = { directory: join(data, 'wal'), segmentBytes: SEGMENT_BYTES };
  const { wal } = openWal(disk, options);
  const stage = (group: number, parts: Parameters<Submitter['request']>[1]): void => {
    assert.ok(wal.stage(submitter.request(group, parts)));
    wal.commit(0);
  };
  stage(1, { term: 2, hardState: { term: 2, vote: 3 } });
  for (let index = 1; wal.segmentCount < 2; index += 1) {
    stage(1, { term: 2, runs: [run(1, 2, index, 1, 700)] });
  }
  wal.close();
  return { data, wal: options.directory };
}

async function inspect(...argv: string[]): Promise<{ code: ExitCode; out: string; err: string }> {
  const written = { out: '', err: '' };
  const into = (name: 'out' | 'err') => ({
    write: (chunk: string) => {
      written[name] += chunk;
    },
  });
  const { signal } = new AbortController();
  const streams = { stdin: process.stdin, stdout: into('out'), stderr: into('err') };
  const surroundings = { ...streams, env: {}, signal };
  const code = await main(ROOT_COMMAND, ['inspect', 'wal', ...argv], surroundings);
  return { code, ...written };
}

function bytesOf(wal: string): Map<string, Buffer> {
  return new Map(readdirSync(wal).map((name) => [name, readFileSync(join(wal, name))]));
}

function damage(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

const HEADER = /^segment 1 format 1 .* cluster 7 node 3 log 123456789012 size 4608$/m;

test('a segment file prints its header, blocks, requests and runs, and no payload', async () => {
  const { wal } = writeLog('segment');
  const before = bytesOf(wal);
  const { code, out, err } = await inspect(join(wal, FIRST));
  assert.deepEqual([code, err], [ExitCode.ok, '']);
  assert.match(out, HEADER);
  assert.match(out, /^ +512 checkpoint #1 /m);
  assert.match(out, /group 1 request 1 term 2 generation 0 hard state 2\/3 last 0/);
  assert.match(out, /entries 1–1@2 \(\d+ bytes\) last 1/);
  assert.match(out, /\d+ end, \d+ bytes free\n$/);
  assert.ok(!out.includes('1/1@2;'), 'the payload stays in the file');
  assert.ok(!out.includes(SECOND), 'nothing but the file that was named');
  assert.deepEqual(bytesOf(wal), before);
});

test('the directory of the log and the data directory print all segments in order', async () => {
  const { data, wal } = writeLog('directories');
  const byLog = await inspect(wal);
  const byData = await inspect(data);
  assert.deepEqual([byLog.code, byData.code], [ExitCode.ok, ExitCode.ok]);
  assert.equal(byData.out, byLog.out);
  const titles = byLog.out.split('\n').filter((line) => line.startsWith('# '));
  assert.deepEqual(titles, [`# ${join(wal, FIRST)}`, `# ${join(wal, SECOND)}`]);
  const alone = await inspect(join(wal, FIRST), join(wal, SECOND));
  assert.equal(alone.out, byLog.out);
});

test('--limit cuts each file and says so', async () => {
  const { wal } = writeLog('limit');
  const whole = (await inspect(wal)).out;
  const { code, out } = await inspect(wal, '--limit', '2');
  assert.equal(code, ExitCode.ok);
  const files = out.split('# ').slice(1);
  assert.equal(files.length, 2);
  for (const file of files) {
    const lines = file.trimEnd().split('\n');
    assert.deepEqual([lines.length, lines.at(-1)], [4, '… more than 2 lines']);
    assert.ok(whole.includes(lines[1]!));
  }
  const generous = await inspect(wal, '--limit', '1000');
  assert.equal(generous.out, whole);
});

test('a torn block is where the segment ends, and what is still recognisable is listed', async () => {
  const { wal } = writeLog('torn');
  const path = join(wal, SECOND);
  // Only the first sector of its last block of two arrived, and nothing of the seal behind it.
  const begin = 1024;
  damage(path, (bytes) => bytes.fill(0, begin + 512));
  const { code, out } = await inspect(path);
  assert.equal(code, ExitCode.ok);
  assert.match(out, /1024 end: the body of block \d+ fails its checksum; traces of blocks/);
  assert.match(out, /^ +1024 unreachable batch /m);
});

test('a damaged block is a line with its place; the blocks behind it are unreachable', async () => {
  const { wal, data } = writeLog('damaged');
  const path = join(wal, FIRST);
  damage(path, (bytes) => {
    bytes[1536 + 200]! ^= 1;
  });
  const before = bytesOf(wal);
  const { code, out } = await inspect(data);
  assert.equal(code, ExitCode.ok, 'damage is what it was asked to show');
  assert.match(out, /1536 end: the body of block 3 fails its checksum; traces of blocks up to/);
  assert.match(out, /^ +2560 unreachable batch #4 durable 3 /m);
  assert.match(out, /^segment 2 format 1 /m, 'the next file is printed all the same');
  assert.deepEqual(bytesOf(wal), before);
});

test('a segment without a header is refused when it is named, and a line in a directory', async () => {
  const { wal } = writeLog('headless');
  const path = join(wal, SECOND);
  damage(path, (bytes) => bytes.fill(0));
  const named = await inspect(path);
  assert.equal(named.code, ExitCode.failed);
  assert.match(named.err, /no segment of a log: .*0000000000000002\.wal/);
  const listed = await inspect(wal);
  assert.equal(listed.code, ExitCode.ok);
  assert.match(listed.out, /0000000000000002\.wal: no segment header \(4608 bytes\)/);
});

test('a path that does not exist, and a directory without a log, are named with the remedy', async () => {
  const missing = await inspect(join(directory, 'nowhere'));
  assert.equal(missing.code, ExitCode.failed);
  assert.match(missing.err, /nowhere does not exist: give a segment \(DATA\/wal\/\*\.wal\)/);
  const empty = join(directory, 'empty');
  new NodeDisk().makeDirectory(empty);
  const none = await inspect(empty);
  assert.equal(none.code, ExitCode.failed);
  assert.match(none.err, /empty holds no \*\.wal file/);
});
