/**
 * The io thread's duty cycle on a disk in memory, with rings as the consensus workers fill them:
 * who gets into a block when more is submitted than one block takes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { ArenaView } from '../../engine/runtime/arena.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { InlineSegmentSupply } from '../../io/wal/segment-supply.js';
import { Wal } from '../../io/wal/wal.js';
import { createIoFigures, IoFigures } from '../../workers/io-figures.js';
import { IoLoop } from '../../workers/io-loop.js';
import { RingStoragePort } from '../../workers/ports/ring-ports.js';
import { readMustSnapshot, readStored, StorageKind } from '../../workers/records/storage.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { createSpareWords, RoomWords } from '../../workers/spare-words.js';
import { Bell, createGroupMemory, type GroupMemory } from '../../workers/topology.js';
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

const MIB = 1024 * 1024;
const SEGMENT_BYTES = 64 * MIB;
const DIRECTORY = '/wal';

/** One group's side of the rings; every submission is one entry of the same bytes. */
class Submitter {
  readonly stored: number[] = [];
  /** Whether it was urgent, each time that the group was asked for a snapshot. */
  readonly asked: boolean[] = [];
  readonly #port: RingStoragePort;
  readonly #acks: RingConsumer;
  readonly #bytes: number;
  readonly #position: number;
  #submitted = 0;

  constructor(memory: GroupMemory, payloadBytes: number, first: number) {
    const room = new RoomWords(createSpareWords());
    this.#port = new RingStoragePort(new RingProducer(memory.persist), room);
    this.#acks = new RingConsumer(memory.stored);
    this.#bytes = entryBytes(payloadBytes);
    const { view, capacity } = new ArenaView(memory.arena);
    // The last time that an arena begins anew before the position `first`.
    this.#position = Math.floor(first / capacity) * capacity;
    writeEntryHeader(view, 0, EntryKind.command, payloadBytes, 0);
  }

  get waiting(): number {
    return this.#submitted - this.stored.length;
  }

  /** Submits until `waiting` submissions are unanswered. */
  fillUp(waiting: number): void {
    while (this.waiting < waiting) this.#submit();
    this.#port.producer.publish();
  }

  #submit(): void {
    this.#submitted += 1;
    const first = this.#submitted;
    this.#port.submit({
      seq: first,
      generation: 0,
      term: 1,
      hardState: null,
      truncateAfter: null,
      runs: [{ term: 1, first, count: 1, position: this.#position, bytes: this.#bytes }],
      configuration: null,
      clearsDoubt: false,
      usesReserve: false,
    });
  }

  collect(): void {
    this.#acks.drain((kind, at) => {
      const { view } = this.#acks;
      if (kind === StorageKind.mustSnapshot) this.asked.push(readMustSnapshot(view, at));
      else this.stored.push(readStored(view, at).seq);
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
  }
}

/** A loop over one group for each payload size given. */
function open(
  first: number,
  payloads: readonly number[],
  segmentBytes = SEGMENT_BYTES,
): { loop: IoLoop; groups: Submitter[] } {
  const disk = new MemoryDisk();
  disk.makeDirectory(DIRECTORY);
  const { wal } = Wal.open({
    disk,
    directory: DIRECTORY,
    clusterId: 1,
    nodeId: 1,
    newLogId: 5,
    segmentBytes,
    maxLogBytes: 4 * segmentBytes,
    sync: { mode: 'always', intervalMs: 10 },
    supply: new InlineSegmentSupply(disk, DIRECTORY, segmentBytes),
  });
  const bells = createDoorbells(Bell.consensus + 1);
  const bell = new Doorbell(bells, Bell.consensus);
  const memories = payloads.map((bytes) => createGroupMemory(bytes, MIB, first));
  const parts = memories.map((memory, group) => ({ group, memory, bell }));
  const room = new RoomWords(createSpareWords());
  const loop = new IoLoop(wal, new IoFigures(createIoFigures()), room, parts);
  return { loop, groups: payloads.map((bytes, n) => new Submitter(memories[n]!, bytes, first)) };
}

function block(loop: IoLoop, groups: readonly Submitter[], now: number): void {
  loop.doWork(now);
  for (const group of groups) group.collect();
}

for (const first of FIRST_CURSORS) {
  test(`the backlog of one group does not keep another group waiting${fromThere(first)}`, () => {
    const { loop, groups } = open(first, [64 * 1024, 256 * 1024]);
    const [busy, calm] = groups as [Submitter, Submitter];
    calm.fillUp(1);
    for (let now = 0; now < 2; now += 1) {
      busy.fillUp(100);
      block(loop, groups, now);
    }
    assert.deepEqual(calm.stored, [1]);
  });

  test(`groups that all have a backlog take turns at opening a block${fromThere(first)}`, () => {
    const { loop, groups } = open(first, [300_000, 500_000, 900_000, 200_000]);
    for (let now = 0; now < 40; now += 1) {
      for (const group of groups) group.fillUp(40);
      block(loop, groups, now);
    }
    for (const { stored } of groups) {
      assert.ok(stored.length >= 40, `${stored.length} submissions in 40 blocks`);
      assert.deepEqual(
        stored,
        stored.map((_, n) => n + 1),
        'a group keeps its order',
      );
    }
  });

  test(`a long log asks again and again for the snapshot that shortens it${fromThere(first)}`, () => {
    const { loop, groups } = open(first, [16 * 1024], 64 * 1024);
    const [group] = groups as [Submitter];
    for (let now = 0; now < 9; now += 1) {
      group.fillUp(1);
      block(loop, groups, now);
    }
    const asked = group.asked.length;
    assert.ok(asked > 0);
    for (let now = 1_000; now < 10_000; now += 500) block(loop, groups, now);
    assert.ok(group.asked.length - asked >= 8, `${group.asked.length - asked} times in 9 s`);
    assert.ok(loop.deadline < 11_000, 'the loop wakes for the next time');
    assert.equal(group.asked.at(-1), true);
  });

  test(`everything submitted is stored before the loop closes${fromThere(first)}`, () => {
    const { loop, groups } = open(first, [64 * 1024, 256 * 1024]);
    for (const group of groups) group.fillUp(30);
    loop.close();
    for (const group of groups) group.collect();
    assert.deepEqual(
      groups.map(({ waiting }) => waiting),
      [0, 0],
    );
  });
}
