/**
 * What a start says of files with which it cannot go on: the text reaches whoever opened the node,
 * with the file and what to do.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** A snapshot newer than all, by the project's own writer; returns its path. */
function writeSnapshot(directory: string, clusterId: number, required = 0): string {
  const store = SnapshotStore.open({ disk: new NodeDisk(), directory, clusterId });
  const own = { clusterId, group: 0, chunkBytesMax: CHUNK_BYTES, nameHash: 1, ...headAt(9000) };
  const writer = store.create(encodeSnapshotHeader(own));
  writer.finish();
  // The writer takes no header of a version that it could not read back.
  const file = readFileSync(writer.path);
  file.set(encodeSnapshotHeader({ ...own, required }));
  writeFileSync(writer.path, file);
  return writer.path;
}

async function refuses(cluster: TestCluster, path: string, text: RegExp): Promise<void> {
  await assert.rejects(cluster.open(1), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_STORAGE');
    assert.ok(error.message.includes(path), error.message);
    assert.match(error.message, text);
    return true;
  });
}

test('a snapshot of another cluster stops the start by name', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, options: OPTIONS });
  const path = writeSnapshot(await closedNode(cluster), 77);
  await refuses(cluster, path, /cluster 77, .*Nothing was changed\. Move the file/);
});

test('a snapshot of a later version stops the start by name', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, options: OPTIONS });
  const path = writeSnapshot(await closedNode(cluster), 1, 0x100);
  await refuses(cluster, path, /required features 0*100, .*\. Start the version that wrote it/);
});

test('a file in the place of the snapshots stops the start with what to do', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true, options: OPTIONS });
  const directory = await closedNode(cluster);
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'not a directory');
  await refuses(cluster, directory, /EEXIST\. Something else stands where .*: move it, or/);
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
