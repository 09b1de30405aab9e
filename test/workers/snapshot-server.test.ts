/**
 * When the snapshot server has something to do: its caller asks `isDue`, sleeps until `deadline`
 * and asks again, so that whatever waits must become due by time alone.
 *
 * Files are on a memory disk, time and slots are the test's.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../codec/checksum.js';
import { ChunkFlag } from '../../codec/lz4-chunk.js';
import { logIndex, type SnapshotPoint, term } from '../../engine/raft/types.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { SnapshotSection } from '../../io/snapshots/chunk-format.js';
import { encodeSnapshotHeader } from '../../io/snapshots/snapshot-format.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import type { BulkToTransport, SnapshotAnswer } from '../../workers/records/snapshot.js';
import { SnapshotServer } from '../../workers/snapshot-server.js';
import { createSnapshotSlab, NO_SLOT, SnapshotSlab } from '../../workers/snapshot-slab.js';

const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 12;
const POINT: SnapshotPoint = { index: logIndex(7), term: term(1) };
const HEAD = { point: POINT, timeMs: 1, configuration: { index: 1, bytes: Uint8Array.of(1) } };
const OWN = { clusterId: 1, group: 0, nameHash: 5, chunkBytesMax: CHUNK_BYTES };
const PEER = 2;

/** A server with one complete file of `CHUNKS` chunks, on a clock that stands still. */
function serverWithFile() {
  const store = SnapshotStore.open({
    ...{ disk: new MemoryDisk(), directory: '/snapshots', clusterId: 1 },
  });
  const writer = store.create(encodeSnapshotHeader({ ...OWN, ...HEAD }));
  const bytes = Buffer.alloc(100, 'x');
  const body = { flags: ChunkFlag.stored, rawBytes: 100, storedBytes: 100 };
  for (let number = 0; number < CHUNKS; number += 1) {
    const section = SnapshotSection.machine;
    writer.append({ ...body, storedCrc: crc32c(bytes), number, section }, bytes);
  }
  writer.finish();
  const seen = { now: 1000, sent: [] as number[], slots: [] as number[], read: [] as number[] };
  const slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  const server = new SnapshotServer({
    ...{ store, slab, clusterId: 1, chunkBytes: CHUNK_BYTES, compress: false },
    clock: () => seen.now,
    groups: [{ group: 0, nameHash: 5 }],
    toGroup: (_: number, answer: SnapshotAnswer) => {
      if (answer.kind === 'read') seen.read.push(answer.chunk);
    },
    toTransport: (record: BulkToTransport) => {
      if (record.kind !== 'chunk') return;
      seen.sent.push(record.sent.packed.chunk);
      seen.slots.push(record.slot);
    },
  });
  return { server, slab, seen };
}

/** What the thread does between two sleeps. */
function workWhileDue(server: SnapshotServer): void {
  for (let turn = 0; server.isDue; turn += 1) {
    assert.ok(turn < 1000, 'work that is due is done');
    server.step();
  }
}

test('chunks for a peer go on once slots are free, although nobody says so', () => {
  const { server, slab, seen } = serverWithFile();
  const asked = { group: 0, point: POINT, from: 0, count: CHUNKS };
  server.onTransport({ kind: 'asked', peer: PEER, asked });
  workWhileDue(server);
  // Two slots are left to others.
  assert.deepEqual(seen.sent, [0, 1, 2, 3, 4, 5]);
  for (const slot of seen.slots.splice(0)) slab.give(slot);
  while (seen.sent.length < CHUNKS) {
    const { deadline } = server;
    assert.ok(deadline > seen.now && deadline <= seen.now + 1, `sleeps until ${deadline}`);
    seen.now = deadline;
    assert.equal(server.isDue, true, 'due when the sleep is over');
    workWhileDue(server);
    for (const slot of seen.slots.splice(0)) slab.give(slot);
  }
  assert.deepEqual([server.isDue, server.deadline], [false, Number.POSITIVE_INFINITY]);
});

test('a read for the own machine waits for a slot and is looked at again', () => {
  const { server, slab, seen } = serverWithFile();
  const taken: number[] = [];
  for (let slot = slab.take(); slot !== NO_SLOT; slot = slab.take()) taken.push(slot);
  server.onOrder(0, { kind: 'read', point: POINT, chunk: 0 });
  for (let sleep = 0; sleep < 3; sleep += 1) {
    workWhileDue(server);
    assert.deepEqual(seen.read, []);
    seen.now = server.deadline;
  }
  slab.give(taken[0] as number);
  workWhileDue(server);
  assert.deepEqual(seen.read, [0]);
});

test('without work there is nothing to wake for', () => {
  const { server } = serverWithFile();
  assert.deepEqual([server.isDue, server.deadline], [false, Number.POSITIVE_INFINITY]);
});
