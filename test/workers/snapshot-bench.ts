/**
 * The snapshot server of one node with everything around it played by a test: files are on a
 * simulated disk, time and slots are the test's, and what is said to groups and to the transport
 * is kept.
 *
 * It must never act by itself: nothing is read, written or given back before a test says so.
 */

import assert from 'node:assert/strict';
import { encodeConfiguration } from '../../codec/configuration.js';
import { compressChunk } from '../../codec/lz4-chunk.js';
import { SnapshotSection } from '../../codec/snapshot-section.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { logIndex, nodeId, type SnapshotPoint, term } from '../../engine/raft/types.js';
import type { SnapshotHead } from '../../engine/runtime/snapshot-port.js';
import type { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { encodeSnapshotHeader, SnapshotFeature } from '../../io/snapshots/snapshot-format.js';
import { SnapshotStore } from '../../io/snapshots/snapshot-store.js';
import type { BulkToTransport, SnapshotAnswer } from '../../workers/records/snapshot.js';
import { SnapshotServer } from '../../workers/snapshot-server.js';
import { createSnapshotSlab, SnapshotSlab } from '../../workers/snapshot-slab.js';
import { DIRECTORY, newDisk, noise } from '../io/snapshot-harness.js';

export const CHUNK_BYTES = 64 * 1024;
export const GROUP = { group: 0, nameHash: 5 };

export const pointAt = (index: number): SnapshotPoint => ({
  index: logIndex(index),
  term: term(1),
});

/** Of three voters. */
export const CONFIGURATION: Uint8Array = Uint8Array.from(
  encodeConfiguration(
    bootstrapConfiguration([1, 2, 3].map((id) => ({ id: nodeId(id), address: `node${id}` }))),
  ),
);

/** The same as a later version may write it. */
export function laterConfiguration(): Uint8Array {
  const bytes = CONFIGURATION.slice();
  bytes[0] = 3;
  return bytes;
}

export const headAt = (index: number, timeMs = 1) => ({
  ...{ point: pointAt(index), timeMs },
  configuration: { index: 1, bytes: CONFIGURATION },
});

/** An image of so many chunks that are a little different each. */
export function imageOf(chunks: number, seed = 1): Uint8Array[] {
  return Array.from({ length: chunks }, (_, number) => noise(100 + number, seed * 1000 + number));
}

type ChunkRecord = Extract<BulkToTransport, { kind: 'chunk' }>;

export class ServerBench {
  readonly disk: SimulatedDisk;
  readonly store: SnapshotStore;
  readonly slab = new SnapshotSlab(createSnapshotSlab(CHUNK_BYTES));
  readonly server: SnapshotServer;
  readonly answers: SnapshotAnswer[] = [];
  readonly records: BulkToTransport[] = [];
  now = 1000;

  constructor({ disk = newDisk(), compress = false } = {}) {
    this.disk = disk;
    this.store = SnapshotStore.open({
      ...{ disk, directory: DIRECTORY, clusterId: 1 },
      groups: [GROUP],
    });
    this.server = new SnapshotServer({
      ...{ store: this.store, slab: this.slab, clusterId: 1, chunkBytes: CHUNK_BYTES, compress },
      clock: () => this.now,
      groups: [GROUP],
      toGroup: (_, answer) => this.answers.push(answer),
      toTransport: (record) => this.records.push(record),
    });
  }

  /** A complete file that is there. */
  hold(index: number, image: readonly Uint8Array[], timeMs = 1, nameHash = GROUP.nameHash): string {
    return this.#hold({ ...headAt(index, timeMs), nameHash }, image);
  }

  /** The same, with another configuration. */
  holdWith(index: number, image: readonly Uint8Array[], configuration: Uint8Array): string {
    const { nameHash } = GROUP;
    const head = { ...headAt(index), configuration: { index: 1, bytes: configuration } };
    return this.#hold({ ...head, nameHash }, image);
  }

  /** The same, whose first `count` chunks are of client sessions. */
  holdSessions(index: number, image: readonly Uint8Array[], count: number): string {
    const required = SnapshotFeature.sessions;
    return this.#hold({ ...headAt(index), nameHash: GROUP.nameHash, required }, image, count);
  }

  #hold(
    head: SnapshotHead & { nameHash: number; required?: number },
    image: readonly Uint8Array[],
    ofSessions = 0,
  ): string {
    const own = { clusterId: 1, group: GROUP.group, chunkBytesMax: CHUNK_BYTES };
    const writer = this.store.create(encodeSnapshotHeader({ ...own, ...head }));
    for (const [number, raw] of image.entries()) {
      const { body, stored } = compressChunk(raw);
      const { machine, sessions } = SnapshotSection;
      writer.append({ ...body, number, section: number < ofSessions ? sessions : machine }, stored);
    }
    writer.finish();
    return writer.path;
  }

  /** Changes a byte of the file, from its end or from its beginning. */
  damage(path: string, offset: number): void {
    const file = this.disk.open(path, 'read');
    const at = offset < 0 ? file.size() + offset : offset;
    file.close();
    this.disk.flipBit(path, at);
  }

  /** A peer asks for chunks. */
  asks(peer: number, index: number, from: number, count: number): void {
    const asked = { group: GROUP.group, point: pointAt(index), from, count };
    this.server.onTransport({ kind: 'asked', peer, asked });
  }

  /** What the thread does between two sleeps; the clock stands still. */
  work(): void {
    for (let turn = 0; this.server.isDue; turn += 1) {
      assert.ok(turn < 1000, 'work that is due is done');
      this.server.step();
    }
  }

  /** The thread sleeps until there is work, and does it. */
  sleepAndWork(): void {
    this.now = Math.max(this.now, Math.min(this.server.deadline, this.now + 1));
    this.work();
  }

  /** Chunks on their way to a peer: each has a slot. */
  chunksFor(peer: number): ChunkRecord[] {
    return this.records.filter((each) => each.kind === 'chunk' && each.peer === peer) as never;
  }

  /** The transport has sent the chunks to the peer that it was given; returns their numbers. */
  sends(peer: number): number[] {
    const sent = this.chunksFor(peer);
    for (const record of sent) {
      this.records.splice(this.records.indexOf(record), 1);
      this.slab.give(record.slot);
    }
    return sent.map(({ sent: { packed } }) => packed.chunk);
  }

  /** Takes what was said to the group since. */
  takeAnswers(): SnapshotAnswer[] {
    return this.answers.splice(0);
  }

  /** Has a snapshot of another node fetched. */
  fetches(index: number, from = 0, count = 8, peer = 2): void {
    const point = pointAt(index);
    this.server.onOrder(0, { kind: 'fetch', peer: nodeId(peer), point, from, count });
  }
}

/** All that the server says to the transport reaches the other one, chunks in slots of that one. */
export function carry(from: ServerBench, to: ServerBench, [self, other]: [number, number]): void {
  for (const record of from.records.splice(0)) {
    if (record.kind === 'fetch')
      to.asks(self, record.asked.point.index, record.asked.from, record.asked.count);
    else if (record.kind === 'refuse')
      to.server.onTransport({ ...record, kind: 'refused', peer: self });
    else if (record.kind === 'chunk') {
      assert.equal(record.peer, other);
      const slot = to.slab.take('landing');
      assert.ok(slot >= 0, 'a slot for what lands is free');
      to.slab.packed(slot).set(from.slab.packed(record.slot, record.sent.packed.storedBytes));
      from.slab.give(record.slot);
      to.server.onTransport({ kind: 'chunk', peer: self, slot, sent: record.sent });
    }
  }
}
