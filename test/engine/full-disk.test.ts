/**
 * A real file system that fills up: writes are refused as busy while the node stays leader, reads
 * go on, and once space is freed everything does. Nothing that was acknowledged is lost.
 *
 * It mounts a small tmpfs over the cluster's own temporary directory; only root on Linux may.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestCluster } from './cluster.js';
import { RingraftError } from './compiled.js';

const MIB = 1024 * 1024;
/** Two segments of 8 MiB, the ballast, and not quite another segment. */
const VOLUME_BYTES = 29 * MIB;
const BALLAST_BYTES = 8 * MIB;
/** A leader of this timing gives up when its disk is silent for 3 s. */
const STANDARD = { timing: 'standard' } as const;
type Refusal = InstanceType<typeof RingraftError>;

const PADDING = ' '.repeat(60 * 1024);

/** Why the volume cannot be mounted; null when it was. */
function mountAt(directory: string): string | null {
  const options = ['-t', 'tmpfs', '-o', `size=${VOLUME_BYTES}`];
  const { status, stderr, error } = spawnSync('mount', [...options, 'ringraft-test', directory]);
  return status === 0 ? null : `mount failed: ${error?.message ?? String(stderr).trim()}`;
}

/** Why this test cannot run here; false when it can. */
function reasonToSkip(): string | false {
  if (process.platform !== 'linux') return `no tmpfs on ${process.platform}`;
  if (process.getuid?.() !== 0) return 'only root may mount a small file system';
  const directory = mkdtempSync(join(tmpdir(), 'ringraft-mount-'));
  const problem = mountAt(directory);
  if (problem === null) spawnSync('umount', [directory]);
  rmdirSync(directory);
  return problem ?? false;
}

/** Adds 1 to the total; false when it was refused as busy. */
async function add(cluster: TestCluster, refusals: Refusal[]): Promise<boolean> {
  try {
    await cluster.group(1).propose(Buffer.from(`add 1${PADDING}`));
    return true;
  } catch (error) {
    assert.ok(error instanceof RingraftError && error.code === 'ERR_BUSY', String(error));
    refusals.push(error);
    return false;
  }
}

async function total(cluster: TestCluster): Promise<number> {
  return Number(await cluster.group(1).read(Buffer.from('total')));
}

const skip = reasonToSkip();

test('a disk that fills up refuses writes, costs no leadership, loses nothing', {
  skip,
}, async () => {
  const cluster = await TestCluster.plan({ nodes: 1, durable: true, options: STANDARD });
  assert.equal(mountAt(cluster.directory), null);
  try {
    await fillAndFree(cluster);
  } finally {
    await cluster.closeAll();
    spawnSync('umount', [cluster.directory]);
    await cluster.dispose();
  }
});

test('a first start on a full disk says how much the log needs, and works once it has it', {
  skip,
}, async () => {
  const cluster = await TestCluster.plan({ nodes: 1, durable: true, options: STANDARD });
  assert.equal(mountAt(cluster.directory), null);
  try {
    const ballast = join(cluster.directory, 'ballast');
    writeFileSync(ballast, Buffer.alloc(VOLUME_BYTES - 4 * MIB));
    await assert.rejects(cluster.open(1), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_STORAGE');
      const wal = join(cluster.directory, '1', 'wal');
      assert.ok(error.message.includes(`Free that much on the disk of ${wal} `), error.message);
      assert.match(error.message, new RegExp(`takes ${8 * MIB} bytes .*ENOSPC.*data directory`));
      return true;
    });
    rmSync(ballast);
    await cluster.open(1);
    await cluster.leader();
    assert.ok(await add(cluster, []));
  } finally {
    await cluster.closeAll();
    spawnSync('umount', [cluster.directory]);
    await cluster.dispose();
  }
});

async function fillAndFree(cluster: TestCluster): Promise<void> {
  const ballast = join(cluster.directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(BALLAST_BYTES));
  const engine = await cluster.open(1);
  await cluster.leader();
  const { term } = cluster.group(1).status();
  const refusals: Refusal[] = [];
  let added = 0;
  while (await add(cluster, refusals)) added += 1;
  assert.ok(added * PADDING.length > 8 * MIB, `${added} writes before the disk was full`);
  assert.equal(engine.status().log.diskFull, true);
  assert.match(refusals[0]!.message, /the disk of this node is full/);
  assert.equal(refusals[0]!.retryAfterMs, 1000);

  const end = Date.now() + 3_500;
  while (Date.now() < end) {
    assert.equal(await add(cluster, refusals), false);
    assert.equal(await total(cluster), added, 'reads go on');
    await sleep(500);
  }
  const status = cluster.group(1).status();
  assert.deepEqual([status.role, status.term], ['leader', term], 'it still leads its term');

  rmSync(ballast);
  while (!(await add(cluster, refusals))) await sleep(50);
  added += 1;
  assert.equal(engine.status().log.diskFull, false);
  for (let n = 0; n < 20; n += 1) {
    assert.ok(await add(cluster, refusals));
    added += 1;
  }
  assert.equal(await total(cluster), added);
  await cluster.closeAll();
  await cluster.open(1);
  await cluster.leader();
  assert.equal(await total(cluster), added, 'after a restart');
}
