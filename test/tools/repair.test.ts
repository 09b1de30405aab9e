/**
 * `ringraft repair` on real files: what is damaged goes aside and a new incarnation takes its
 * place, with the highest term and its vote spent; what is whole, in use, or the only copy is left
 * as it is.
 */

import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { type Configuration, incarnation, MemberPlan, nodeId } from '../../engine/raft/types.js';
import {
  confirmDataDirectory,
  openDataDirectory,
  recordFirstMembers,
} from '../../io/data-directory.js';
import { acquireDataLock } from '../../io/data-lock.js';
import { type DataMeta, decodeMeta } from '../../io/data-meta.js';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { randomU48 } from '../../io/identity.js';
import { examine } from '../../io/repair/examine.js';
import type { RecoveredGroup } from '../../io/wal/wal-types.js';
import { ROOT_COMMAND } from '../../tools/cli/commands.js';
import { ExitCode } from '../../tools/cli/exit-codes.js';
import { main } from '../../tools/cli/main.js';
import { BadSectorDisk } from '../io/bad-sector-disk.js';
import { NODE_ID, openWal, run, Submitter } from '../io/wal-harness.js';

const FIRST = '0000000000000001.wal';
const CLUSTER_ID = 7;
const SEGMENT_BYTES = 8192;
const TERM = 9;

const root = mkdtempSync(join(tmpdir(), 'ringraft-repair-'));
after(() => rmSync(root, { recursive: true, force: true }));

const disk = new NodeDisk();
const identity = { clusterId: CLUSTER_ID, nodeId: NODE_ID, randomU48, nowMs: 1_700_000_000_000 };

function openLog(data: string, walDir?: string) {
  const directory = openDataDirectory(disk, {
    ...identity,
    path: data,
    ...(walDir === undefined ? { groups: ['kv', 'other'] } : { groups: ['kv', 'other'], walDir }),
  });
  const { logId } = directory.meta;
  const opened = openWal(disk, {
    directory: directory.paths.wal,
    segmentBytes: SEGMENT_BYTES,
    logId,
    newLogId: logId,
  });
  return { directory, ...opened };
}

interface Made {
  readonly voters?: readonly number[] | null;
  readonly walDir?: string;
  /** Of group 0, in its log. */
  readonly configuration?: Configuration;
}

/** Voters with a life on record, but for the erased ones. */
function configurationOf(
  voters: readonly number[],
  { outgoing = [], erased = [] }: { outgoing?: readonly number[]; erased?: readonly number[] },
): Configuration {
  const ids = [...new Set([...voters, ...outgoing])];
  return {
    voters: voters.map(nodeId),
    outgoing: outgoing.map(nodeId),
    learners: [],
    learnersNext: [],
    members: ids.map((id) => ({
      id: nodeId(id),
      address: `127.0.0.1:500${id}`,
      incarnation: incarnation(erased.includes(id) ? 0 : 100 + id),
      plan: MemberPlan.stay,
    })),
  };
}

/** A node's directory with a log of two segments, in term 9 at the end. */
function makeData(name: string, { voters = [1, 2, 3], walDir, configuration }: Made = {}): string {
  const data = join(root, name);
  const { directory, wal } = openLog(data, walDir);
  const confirmed = confirmDataDirectory(disk, directory);
  if (voters !== null) {
    const members = voters.map((id) => ({ id, address: `127.0.0.1:500${id}` }));
    recordFirstMembers(disk, confirmed, [{ groups: [0, 1], members }]);
  }
  const submitter = new Submitter();
  const stage = (group: number, parts: Parameters<Submitter['request']>[1]): void => {
    assert.ok(wal.stage(submitter.request(group, parts)));
    wal.commit(0);
  };
  stage(0, { term: 2, hardState: { term: 2, vote: 3 } });
  if (configuration !== undefined) {
    const bytes = encodeConfiguration(configuration);
    stage(0, { term: 2, runs: [run(0, 2, 1, 1)], configuration: { index: 1, bytes } });
  }
  stage(1, { term: 4, hardState: { term: 4, vote: 1 } });
  for (let index = configuration === undefined ? 1 : 2; wal.segmentCount < 2; index += 1) {
    stage(0, { term: 2, runs: [run(0, 2, index, 1, 700)] });
  }
  stage(0, { term: TERM, hardState: { term: TERM, vote: 1 } });
  wal.close();
  return data;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

async function repair(...argv: string[]): Promise<{ code: ExitCode; out: string; err: string }> {
  const written = { out: '', err: '' };
  const into = (name: 'out' | 'err') => ({
    write: (chunk: string) => {
      written[name] += chunk;
    },
  });
  const { signal } = new AbortController();
  const streams = { stdin: process.stdin, stdout: into('out'), stderr: into('err') };
  const code = await main(ROOT_COMMAND, ['repair', ...argv], { ...streams, env: {}, signal });
  return { code, ...written };
}

/** Every file below a directory, by path, but for locks. */
function filesOf(directory: string, under = ''): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of readdirSync(join(directory, under))) {
    const path = join(under, name);
    if (name.startsWith('LOCK')) continue;
    if (statSync(join(directory, path)).isDirectory()) {
      for (const [inner, bytes] of filesOf(directory, path)) files.set(inner, bytes);
    } else files.set(path, readFileSync(join(directory, path)).toString('base64'));
  }
  return files;
}

function metaOf(data: string): DataMeta {
  const decoded = decodeMeta(readFileSync(join(data, 'meta')));
  assert.equal(decoded.kind, 'meta');
  return (decoded as { meta: DataMeta }).meta;
}

function asideOf(data: string): string {
  const [name] = readdirSync(data).filter((each) => each.startsWith('damaged-'));
  assert.ok(name !== undefined, 'something was set aside');
  return join(data, name);
}

/** Starts from what a repair left: term and vote of each group. */
function recovered(data: string, walDir?: string): RecoveredGroup[] {
  const { wal, groups } = openLog(data, walDir);
  wal.close();
  return [...groups];
}

/** Both groups have spent their vote in the highest term and hold nothing. */
function assertSpent(groups: readonly RecoveredGroup[]): void {
  for (const { term, vote, last } of groups) {
    assert.deepEqual([term, vote, last], [TERM, NODE_ID, 0]);
  }
  assert.deepEqual(
    groups.map(({ group }) => group),
    [0, 1],
  );
}

test('a damaged log goes aside, and a new incarnation keeps term and groups', async () => {
  const data = makeData('log');
  const before = metaOf(data);
  flip(join(data, 'wal', FIRST), 1100);
  const damaged = readFileSync(join(data, 'wal', FIRST));
  assert.throws(() => openLog(data), /the log is damaged: .*run "ringraft repair" on the data/s);
  const { code, out, err } = await repair(data);
  assert.equal(code, ExitCode.ok, err);
  for (const pattern of [/0001\.wal at byte \d+: /, /voters 1 2 3/, /found in it: 9/, /Set aside:/])
    assert.match(out, pattern);
  const aside = asideOf(data);
  assert.deepEqual(readFileSync(join(aside, 'wal', FIRST)), damaged);
  assert.deepEqual(readdirSync(aside).sort(), ['meta', 'wal']);
  const meta = metaOf(data);
  assert.deepEqual(meta.groups, ['kv', 'other']);
  assert.deepEqual(meta.firstMembers, before.firstMembers);
  assert.notEqual(meta.incarnation, before.incarnation);
  assert.notEqual(meta.logId, before.logId);
  assertSpent(recovered(data));
  assert.match((await repair(data)).out, /nothing to repair/);
});

test('a sector of the log that the disk cannot read is damage that goes aside', () => {
  const data = makeData('sector');
  const path = join(data, 'wal', FIRST);
  const { damage, whose, remains } = examine(new BadSectorDisk(disk, path, 1024), data, null);
  assert.deepEqual(damage, [
    `${path} at byte 1024: the disk cannot read a sector of its blocks (EIO)`,
  ]);
  assert.deepEqual(whose, { clusterId: CLUSTER_ID, nodeId: NODE_ID });
  assert.equal(remains.termMax, TERM, 'the other segment says it');
});

test('a dry run says the same and changes nothing', async () => {
  const data = makeData('dry');
  flip(join(data, 'wal', FIRST), 1100);
  const before = filesOf(data);
  const { code, out } = await repair(data, '--dry-run');
  assert.equal(code, ExitCode.ok);
  assert.match(out, /is damaged:\n.*at byte/);
  assert.match(out, /nothing was changed/);
  assert.deepEqual(filesOf(data), before);
});

test('a directory that is whole is left alone, and one that is torn as well', async () => {
  const data = makeData('whole');
  const before = filesOf(data);
  const { code, out } = await repair(data);
  assert.deepEqual([code, out], [ExitCode.ok, `${data}: nothing to repair\n`]);
  assert.deepEqual(filesOf(data), before);
  const torn = join(data, 'wal', '0000000000000002.wal');
  const bytes = readFileSync(torn);
  // The seal that a close writes last.
  const last = bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1).length - 1;
  bytes[last] = (bytes[last] as number) ^ 1;
  writeFileSync(torn, bytes);
  assert.match((await repair(data)).out, /nothing to repair/);
});

test('of a damaged meta the log says whose it is', async () => {
  const data = makeData('meta');
  flip(join(data, 'meta'), 70);
  const damaged = readFileSync(join(data, 'meta'));
  assert.throws(() => openLog(data), /meta is damaged: .*run "ringraft repair"/s);
  const refused = await repair(data);
  assert.equal(refused.code, ExitCode.failed);
  assert.match(refused.err, /nothing readable says which other voters there are.*--force/s);
  const { code, out, err } = await repair(data, '--force');
  assert.equal(code, ExitCode.ok, err);
  assert.match(out, /cluster 7, node 3/);
  assert.deepEqual(readFileSync(join(asideOf(data), 'meta')), damaged);
  const { clusterId, nodeId, complete } = metaOf(data);
  assert.deepEqual({ clusterId, nodeId, complete }, { clusterId: 7, nodeId: 3, complete: true });
  assertSpent(recovered(data));
});

test('where nothing says whose it is, force sets everything aside', async () => {
  const data = makeData('nothing');
  flip(join(data, 'meta'), 70);
  for (const name of readdirSync(join(data, 'wal'))) flip(join(data, 'wal', name), 20);
  assert.match((await repair(data)).err, /neither .*meta nor any segment says whose data/);
  const { code, out } = await repair(data, '--force');
  assert.equal(code, ExitCode.ok);
  assert.match(out, /Nothing was made/);
  assert.deepEqual(readdirSync(join(data, 'wal')), []);
  assert.equal(openLog(data).directory.fresh, true);
});

test('the only copy is not given up, by force neither', async () => {
  const data = makeData('alone', { voters: [NODE_ID] });
  flip(join(data, 'wal', FIRST), 1100);
  const before = filesOf(data);
  for (const argv of [[data], [data, '--force'], [data, '--dry-run']]) {
    const { code, err } = await repair(...argv);
    assert.equal(code, ExitCode.failed);
    assert.match(err, /node 3 is the only voter of group kv: .*Restore the damaged files/s);
  }
  assert.deepEqual(filesOf(data), before);
});

test('one of two voters is not given up: the other one alone could never readmit it', async () => {
  const needed = /group kv has the voters 1 and 3, and without the data of node 3 they are no maj/;
  const first = makeData('two', { voters: [1, NODE_ID] });
  // The group grew: of the old two a majority still has to agree.
  const growing = configurationOf([1, 2, NODE_ID], { outgoing: [1, NODE_ID] });
  const joint = makeData('joint', { configuration: growing });
  for (const data of [first, joint]) {
    flip(join(data, 'wal', '0000000000000002.wal'), 1100);
    const before = filesOf(data);
    for (const argv of [[data], [data, '--force'], [data, '--dry-run']]) {
      const { code, out, err } = await repair(...argv);
      assert.equal(code, ExitCode.failed);
      assert.match(err, needed);
      assert.match(err, /would be down for good. Restore the damaged files from a backup/);
      assert.doesNotMatch(out, /counts again/);
    }
    assert.deepEqual(filesOf(data), before);
  }
  const spectator = makeData('spectator', { voters: [1, 2] });
  flip(join(spectator, 'wal', FIRST), 1100);
  assert.equal((await repair(spectator)).code, ExitCode.ok);
});

test('where another voter did not count, it takes force to set aside one that did', async () => {
  const configuration = configurationOf([1, 2, NODE_ID], { erased: [1] });
  const data = makeData('erased', { configuration });
  flip(join(data, 'wal', '0000000000000002.wal'), 1100);
  const before = filesOf(data);
  const { code, err } = await repair(data);
  assert.equal(code, ExitCode.failed);
  assert.match(err, /node 1 of group kv had lost its data and did not count yet: without node 3/);
  assert.match(err, /names a leader, give --force. If not, restore the damaged files/);
  assert.deepEqual(filesOf(data), before);
  assert.equal((await repair(data, '--force')).code, ExitCode.ok);
  // Of five, three others are left: enough.
  const five = configurationOf([1, 2, NODE_ID, 4, 5], { erased: [1] });
  const enough = makeData('five', { configuration: five });
  flip(join(enough, 'wal', '0000000000000002.wal'), 1100);
  assert.equal((await repair(enough)).code, ExitCode.ok);
  // It was the one that did not count.
  const self = makeData('self', { configuration: configurationOf([1, 2, 3], { erased: [3] }) });
  flip(join(self, 'wal', '0000000000000002.wal'), 1100);
  assert.equal((await repair(self)).code, ExitCode.ok);
});

test('unknown voters and a log that is gone need force', async () => {
  const unknown = makeData('unknown', { voters: null });
  flip(join(unknown, 'wal', FIRST), 1100);
  assert.match((await repair(unknown)).err, /which other voters/);
  assert.equal((await repair(unknown, '--force')).code, ExitCode.ok);
  const gone = makeData('gone');
  rmSync(join(gone, 'wal'), { recursive: true });
  assert.throws(() => openLog(gone), /holds no \*\.wal file.*ringraft repair/s);
  assert.match((await repair(gone)).err, /holds no segment at all.*mount it.*--force/s);
  assert.equal((await repair(gone, '--force')).code, ExitCode.ok);
  assert.deepEqual(recovered(gone), []);
});

test('a directory in use is refused, and what is not damage keeps its own refusal', async () => {
  const data = makeData('used');
  flip(join(data, 'wal', FIRST), 1100);
  const lock = await acquireDataLock(data);
  const { code, err } = await repair(data);
  await lock.release();
  assert.equal(code, ExitCode.failed);
  assert.match(err, /is in use by this process itself\. Stop that one first/);
  assert.match((await repair(join(root, 'absent'))).err, /does not exist/);
  const other = makeData('foreign');
  rmSync(join(data, 'wal'), { recursive: true });
  renameSync(join(other, 'wal'), join(data, 'wal'));
  assert.match((await repair(data, '--force')).err, /belongs to log id .*own data directory/s);
});

test('a repair that was cut short is finished by the next one, with the term it had found', async () => {
  const data = makeData('short');
  flip(join(data, 'wal', FIRST), 1100);
  disk.makeDirectory(join(data, 'damaged-before'));
  renameSync(join(data, 'wal'), join(data, 'damaged-before', 'wal'));
  assert.throws(() => openLog(data), /holds no \*\.wal file/);
  assert.equal((await repair(data)).code, ExitCode.ok);
  assertSpent(recovered(data));
});

test('a separate log directory is repaired where it lies', async () => {
  const walDir = join(root, 'fast');
  const data = makeData('separate', { walDir });
  flip(join(walDir, FIRST), 1100);
  assert.equal((await repair(data)).code, ExitCode.ok);
  assert.ok(readdirSync(join(asideOf(walDir))).includes(FIRST));
  assertSpent(recovered(data, walDir));
  flip(join(walDir, 'meta'), 70);
  assert.throws(() => openLog(data, walDir), /meta is damaged/);
  assert.match((await repair(data, '--dry-run')).out, /fast\/meta is damaged/);
  rmSync(join(walDir, 'meta'));
  assert.throws(() => openLog(data, walDir), /has no meta file/);
  assert.equal((await repair(data)).code, ExitCode.ok);
  assertSpent(recovered(data, walDir));
});
