/**
 * What a start says of snapshots with which it cannot go on: the text reaches whoever opened the
 * node, with the file and what to do.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { NodeDisk } from '../../io/disk/node-disk.js';
import { encodeSnapshotHeader } from '../../io/snapshots/snapshot-format.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import { CHUNK_BYTES, headAt } from '../workers/snapshot-bench.js';
import { bytes, eventually, TestCluster } from './cluster.js';

const OPTIONS = { snapshot: { retain: 1, trailingEntries: 0, threshold: 1_000_000 } } as const;

/** A node that was closed after a snapshot of everything; returns where its snapshots are. */
async function closedNode(cluster: TestCluster): Promise<string> {
  const group = cluster.group(1);
  for (let count = 0; count < 3; count += 1) await group.propose(bytes('add 1'));
  await group.snapshot();
  await eventually('the compaction', () => (group.status().compactedIndex > 1 ? true : null));
  await cluster.close(1);
  return join(cluster.directory, '1', 'snapshots');
}

test('a snapshot of another cluster stops the start by name', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, options: OPTIONS });
  const directory = await closedNode(cluster);
  const store = SnapshotStore.open({ disk: new NodeDisk(), directory, clusterId: 77 });
  const own = { clusterId: 77, group: 0, chunkBytesMax: CHUNK_BYTES, nameHash: 1 };
  const writer = store.create(encodeSnapshotHeader({ ...own, ...headAt(9000) }));
  writer.finish();
  await assert.rejects(cluster.open(1), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_STORAGE');
    assert.ok(error.message.includes(writer.path), error.message);
    assert.match(error.message, /cluster 77/);
    return true;
  });
});

test('a single node without the state before its log says so to whoever asks', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, options: OPTIONS });
  const directory = await closedNode(cluster);
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.snapshot'))) {
    const file = readFileSync(join(directory, name));
    file[file.length - 60]! ^= 1;
    writeFileSync(join(directory, name), file);
  }
  await cluster.open(1);
  const group = cluster.group(1);
  const stranded = /the state before it is gone.*Put the snapshot back from a copy/s;
  await eventually('the failure', () => group.failure);
  assert.match(group.status().failure?.message ?? '', stranded);
  await assert.rejects(group.read(bytes('total')), stranded);
});
