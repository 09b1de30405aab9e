/**
 * A node whose data directory was emptied, started again by the same options, becomes a full member
 * by itself: real threads, sockets and files.
 */

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import test from 'node:test';
import { bytes, eventually, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';

/** Closes a node, takes its data away and opens it as before. */
async function wipe(cluster: TestCluster, id: number): Promise<void> {
  await cluster.close(id);
  rmSync(cluster.dataDir(id), { recursive: true });
  await cluster.open(id);
}

async function standsFull(cluster: TestCluster, id: number, name?: string): Promise<void> {
  await eventually(`node ${id} to be a full member of ${name}`, () =>
    cluster.group(id, name).status().standing === 'full' ? true : null,
  );
}

test('a node that lost its data comes back by its old options, and then another may go', async () => {
  const groups = ['a', 'b'].map((name) => ({ name, machine: LEDGER }));
  await using cluster = await TestCluster.start({ durable: true, groups });
  for (const name of ['a', 'b']) await cluster.group(1, name).propose(bytes('add 5'));
  const wiped = await cluster.follower('a');
  const before = cluster.engine(wiped).status().incarnation;
  await wipe(cluster, wiped);
  assert.notEqual(cluster.engine(wiped).status().incarnation, before);
  for (const name of ['a', 'b']) await standsFull(cluster, wiped, name);
  const other = cluster.ids.find((id) => id !== wiped) as number;
  await cluster.close(other);
  for (const name of ['a', 'b']) {
    assert.equal(Number(await cluster.group(wiped, name).propose(bytes('add 1'))), 6);
    assert.equal(Number(await cluster.group(wiped, name).read(bytes('total'))), 6);
  }
});

test('it comes back by a snapshot where the log has forgotten what it needs', async () => {
  const snapshot = { threshold: 100, minInterval: 0, trailingEntries: 10 };
  await using cluster = await TestCluster.start({ durable: true, options: { snapshot } });
  const wiped = await cluster.follower();
  await cluster.close(wiped);
  rmSync(cluster.dataDir(wiped), { recursive: true });
  const leader = await cluster.leader();
  for (let round = 0; round < 20; round += 1) {
    await cluster.group(leader).proposeMany(Array.from({ length: 50 }, () => bytes('add 1')));
  }
  await cluster.open(wiped);
  await standsFull(cluster, wiped);
  const other = cluster.ids.find((id) => id !== wiped && id !== leader) as number;
  await cluster.close(other);
  assert.equal(Number(await cluster.group(leader).propose(bytes('add 1'))), 1001);
  assert.equal(Number(await cluster.group(wiped).read(bytes('total'))), 1001);
  const { compactedIndex, snapshots } = cluster.group(wiped).status();
  assert.ok(compactedIndex > 1 && snapshots.restored > 0, 'it began with a snapshot');
});

test('nodes in memory come back as well, one after the other', async () => {
  await using cluster = await TestCluster.start();
  await cluster.group(1).propose(bytes('add 5'));
  for (const id of cluster.ids) {
    await cluster.close(id);
    await cluster.open(id);
    await standsFull(cluster, id);
  }
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 6);
});
