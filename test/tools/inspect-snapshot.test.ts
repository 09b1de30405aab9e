/**
 * `ringraft inspect snapshot` on real files: one, a directory, a data directory; whole, damaged, of
 * another version, unfinished; it reads, and never changes a byte.
 */

import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { crc32c } from '../../codec/checksum.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';
import { appendAll, CLUSTER_ID, headerFor, imageOf } from '../io/snapshot-harness.js';

const root = mkdtempSync(join(tmpdir(), 'ringraft-inspect-'));
after(() => rmSync(root, { recursive: true, force: true }));

const FIRST = 'g0001-00000000000003e8-0000000000000005.snapshot';
const SECOND = 'g0001-00000000000007d0-0000000000000005.snapshot';

/** A data directory with two snapshots and an unfinished one. */
function dataDirectory(name: string): { data: string; snapshots: string } {
  const data = join(root, name);
  const snapshots = join(data, 'snapshots');
  const store = SnapshotStore.open({
    disk: new NodeDisk(),
    directory: snapshots,
    clusterId: CLUSTER_ID,
  });
  for (const index of [1000, 2000, 3000]) {
    const point = { index, term: 5 };
    const writer = store.create(headerFor(point));
    appendAll(writer, imageOf(point));
    if (index !== 3000) writer.finish();
  }
  return { data, snapshots };
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
  const code = await main(ROOT_COMMAND, ['inspect', 'snapshot', ...argv], surroundings);
  return { code, ...written };
}

function bytesOf(directory: string): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
}

function change(path: string, act: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  act(bytes);
  writeFileSync(path, bytes);
}

test('a file prints its header, footer and verdict, and its chunks when asked for', async () => {
  const { snapshots } = dataDirectory('file');
  const before = bytesOf(snapshots);
  const { code, out, err } = await inspect(join(snapshots, FIRST));
  assert.deepEqual([code, err], [ExitCode.ok, '']);
  assert.match(out, /^snapshot format 1 features required 0{8} optional 0{8} cluster 7 group 1 /m);
  assert.match(out, /name hash deadbeef\n/);
  assert.match(out, /^up to 1000@5 configuration 1 \(12 bytes\) chunks of at most 65536 bytes/m);
  assert.match(out, /log time 2023-11-14T22:13:20\.000Z\n/);
  assert.match(out, /^footer 4 chunks 2013 raw bytes → \d+ \(\d+\.\d %\) running crc [0-9a-f]{8}/m);
  assert.match(out, /^whole: every chunk was read, and all checksums agree\n$/m);
  assert.ok(!out.includes('image 1000'), 'the image stays in the file');
  const detailed = await inspect(join(snapshots, FIRST), '--chunks');
  const isChunk = (line: string): boolean => /^ +\d+ chunk /.test(line);
  const lines = detailed.out.split('\n').filter(isChunk);
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? '',
    /^ +176 chunk +0 machine +lz4 +1003 → +\d+ +\d\.\d % crc [0-9a-f]{8}$/,
  );
  assert.match(lines[1] ?? '', / chunk +1 machine +stored +301 → +301 +100\.0 % crc [0-9a-f]{8}$/);
  assert.equal(new Set(lines.map((line) => line.length)).size, 1, 'aligned');
  const others = detailed.out.split('\n').filter((line) => !isChunk(line));
  assert.equal(others.join('\n'), out);
  assert.deepEqual(bytesOf(snapshots), before);
});

test('a directory of snapshots and a data directory list their files, newest first', async () => {
  const { data, snapshots } = dataDirectory('directories');
  copyFileSync(join(snapshots, FIRST), join(snapshots, `${FIRST}.damaged`));
  const byData = await inspect(data);
  const bySnapshots = await inspect(snapshots);
  assert.deepEqual([byData.code, byData.err], [ExitCode.ok, '']);
  assert.equal(byData.out, bySnapshots.out);
  const lines = byData.out.trimEnd().split('\n');
  assert.equal(lines[0], `# ${snapshots}`);
  assert.match(lines[1] ?? '', /0bb8-0{15}5\.snapshot\.tmp +\d+ bytes, unfinished$/);
  const whole = 'bytes, group 1 up to 2000@5, 2023-11-14T22:13:20.000Z, whole';
  assert.ok(lines[2]?.startsWith(SECOND) && lines[2].endsWith(whole), lines[2]);
  assert.match(lines[3] ?? '', /03e8-0{15}5\.snapshot +\d+ bytes, group 1 up to 1000@5/);
  assert.match(lines[4] ?? '', /\.snapshot\.damaged +\d+ bytes, set aside as damaged$/);
  assert.equal(lines.length, 5);
});

test('damage is named with its place and ends in exit code 1, the other files are listed', async () => {
  const { data, snapshots } = dataDirectory('damaged');
  change(join(snapshots, SECOND), (bytes) => {
    bytes[300]! ^= 1;
  });
  const listed = await inspect(data);
  assert.equal(listed.code, ExitCode.failed);
  assert.match(listed.err, new RegExp(`not usable: .*${SECOND}: DAMAGED at byte \\d+: chunk`));
  assert.match(listed.out, /up to 1000@5, .* whole$/m);
  const single = await inspect(join(snapshots, SECOND), '--chunks');
  assert.equal(single.code, ExitCode.failed);
  assert.match(single.out, /^up to 2000@5 /m);
  assert.match(single.out, /^DAMAGED at byte \d+: chunk \d fails its checksum: /m);
  const unfinished = await inspect(join(snapshots, `${SECOND.replace('7d0', 'bb8')}.tmp`));
  assert.equal(unfinished.code, ExitCode.failed);
  assert.match(
    unfinished.out,
    /^up to 3000@5 .*\nDAMAGED at byte \d+: no footer stands at the end/m,
  );
});

test('a snapshot of another version and a file that is none are named as what they are', async () => {
  const { snapshots } = dataDirectory('versions');
  change(join(snapshots, FIRST), (bytes) => {
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, 124)), 124);
  });
  const later = await inspect(join(snapshots, FIRST));
  assert.equal(later.code, ExitCode.failed);
  assert.match(later.err, /OF ANOTHER VERSION: snapshot of format version 2, this program reads/);
  writeFileSync(join(root, 'stranger'), 'x'.repeat(500));
  const stranger = await inspect(join(root, 'stranger'));
  assert.match(stranger.err, /DAMAGED at byte 0: it does not begin as a snapshot does/);
});

test('a path that does not exist, and a directory without snapshots, are named', async () => {
  const missing = await inspect(join(root, 'nowhere'));
  assert.equal(missing.code, ExitCode.failed);
  assert.match(missing.err, /nowhere does not exist: give a snapshot \(DATA\/snapshots\//);
  const empty = await inspect(root);
  assert.equal(empty.code, ExitCode.failed);
  assert.match(empty.err, /holds no \*\.snapshot file/);
});
