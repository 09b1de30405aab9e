/**
 * Freed segments on their way from the io thread to the bulk thread and back as spares, and what
 * the consensus worker hears of entries that were moved: over the shared words and the real rings.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { ArenaView } from '../../engine/runtime/arena.js';
import type { Submission } from '../../engine/runtime/ports.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { KEPT_MIN, PERIOD_MS } from '../../io/wal/recycle-demand.js';
import { RecycledPool } from '../../io/wal/recycled-pool.js';
import { Wal } from '../../io/wal/wal.js';
import { createIoFigures, IoFigures } from '../../workers/io-figures.js';
import { IoLoop } from '../../workers/io-loop.js';
import { RingStoragePort } from '../../workers/ports/ring-ports.js';
import {
  persistBytes,
  readMoved,
  readPersist,
  StorageKind,
  writePersist,
} from '../../workers/records/storage.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { SparePreparer } from '../../workers/spare-preparer.js';
import {
  createSpareWords,
  RoomWords,
  SharedSegmentSupply,
  SpareOrders,
} from '../../workers/spare-words.js';
import { Bell, createGroupMemory } from '../../workers/topology.js';
import { run } from '../io/wal-harness.js';

const DIRECTORY = '/wal';
const SEGMENT_BYTES = 64 * 1024;
const ENTRY_BYTES_MAX = 8 * 1024;

const EMPTY = {
  generation: 0,
  term: 1,
  hardState: null,
  truncateAfter: null,
  runs: [],
  configuration: null,
  clearsDoubt: false,
  usesReserve: false,
};

test('a compaction and a reset pass the ring as they are', () => {
  const points: readonly Partial<Submission>[] = [
    {},
    { compact: { index: 7, term: 2 } },
    { reset: { index: 9, term: 3 }, compact: null },
  ];
  for (const point of points) {
    const submission: Submission = { ...EMPTY, seq: 4, ...point };
    const bytes = Buffer.alloc(persistBytes(submission));
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    writePersist(bytes, view, 0, submission);
    const { compact, reset } = readPersist(1, bytes, view, 0, () => bytes);
    assert.deepEqual(
      [compact ?? null, reset ?? null],
      [point.compact ?? null, point.reset ?? null],
    );
  }
});

/** An io loop and a bulk thread's spares over one disk, two groups, and a small log. */
class Bench {
  readonly disk = new MemoryDisk();
  readonly wal: Wal;
  readonly spares: SparePreparer;
  readonly heard: [group: number, kind: number, first: number, last: number][] = [];
  readonly #loop: IoLoop;
  readonly #groups;
  #now = 0;

  constructor(maxSegments = 4) {
    const words = createSpareWords();
    this.disk.makeDirectory(DIRECTORY);
    const supply = new SharedSegmentSupply(words, DIRECTORY, 0, [], () => {});
    this.wal = Wal.open({
      disk: this.disk,
      directory: DIRECTORY,
      clusterId: 1,
      nodeId: 1,
      newLogId: 5,
      segmentBytes: SEGMENT_BYTES,
      maxLogBytes: maxSegments * SEGMENT_BYTES,
      sync: { mode: 'always', intervalMs: 10 },
      supply,
    }).wal;
    const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.main);
    const place = {
      ...{ disk: this.disk, walDirectory: DIRECTORY, segmentBytes: SEGMENT_BYTES },
      filesInUse: this.wal.segmentCount,
    };
    const orders = new SpareOrders(words, 0, this.wal.oldestSegment);
    this.spares = new SparePreparer(place, orders, bell, () => this.#now);
    const room = new RoomWords(words);
    this.#groups = [0, 1].map((group) => {
      const memory = createGroupMemory(ENTRY_BYTES_MAX, 1024 * 1024, 0);
      const port = new RingStoragePort(new RingProducer(memory.persist), room);
      return { group, memory, bell, port, heard: new RingConsumer(memory.stored), seq: 0 };
    });
    const figures = new IoFigures(createIoFigures());
    this.#loop = new IoLoop(this.wal, figures, room, this.#groups);
  }

  submit(group: number, parts: Partial<Submission>, bytes: Uint8Array = new Uint8Array(0)): void {
    const one = this.#groups[group]!;
    new ArenaView(one.memory.arena).bytes.set(bytes, 0);
    one.seq += 1;
    one.port.submit({ ...EMPTY, seq: one.seq, ...parts });
    one.port.producer.publish();
    this.turn();
  }

  append(group: number, index: number, size: number): void {
    const { bytes } = run(group, 1, index, 1, size);
    const runs = [{ term: 1, first: index, count: 1, position: 0, bytes: bytes.length }];
    this.submit(group, { runs }, bytes);
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  turn(): void {
    this.#now += 1;
    do this.#loop.doWork(this.#now);
    while (this.#loop.hasWork());
    while (this.spares.isDue) this.spares.step();
    for (const { group, heard } of this.#groups) {
      heard.drain((kind, at, length) => {
        const moved = length > 0 ? readMoved(heard.view, at) : { first: 0, last: 0 };
        if (kind !== StorageKind.stored) this.heard.push([group, kind, moved.first, moved.last]);
        return RECORD_TAKEN;
      }, 100);
    }
  }

  names(pattern: RegExp): string[] {
    return this.disk.list(DIRECTORY).filter((name) => pattern.test(name));
  }
}

test('freed segments become spares, entries that lay in them are told to have moved', () => {
  const bench = new Bench();
  bench.append(0, 1, 100);
  let index = 0;
  while (bench.wal.position.segment < 9) {
    for (const end = index + 8; index < end; ) {
      index += 1;
      bench.append(1, index, 7000);
    }
    bench.submit(1, { compact: { index, term: 1 } });
  }
  assert.ok(bench.wal.counters.freed >= 6);
  assert.ok(bench.heard.every(([group, kind]) => group === 0 && kind === StorageKind.moved));
  assert.deepEqual(bench.heard[0], [0, StorageKind.moved, 1, 1]);
  assert.ok(bench.names(/\.wal$/).length <= 3, `${bench.names(/\.wal$/)}`);
  assert.deepEqual(bench.names(/\.tmp$/), []);
  assert.ok(bench.names(/\.recycled$/).length > 0);
});

test('a group that keeps much in the oldest segment hears that it must snapshot', () => {
  const bench = new Bench();
  for (let n = 1; n <= 3; n += 1) bench.append(0, n, 7000);
  for (let n = 1; bench.wal.position.segment < 4; n += 1) bench.append(1, n, 7000);
  assert.deepEqual(bench.heard[0]?.slice(0, 2), [0, StorageKind.mustSnapshot]);
});

test('files that the log had at its longest are used again: none is filled or removed', () => {
  const bench = new Bench(100);
  let index = 0;
  let files = 0;
  for (let round = 0; round < 6; round += 1) {
    const begun = bench.wal.position.segment;
    while (bench.wal.position.segment < begun + 9) {
      index += 1;
      bench.append(1, index, 7000);
    }
    const grown = bench.names(/\.(wal|spare|recycled)$/).length;
    if (round > 1) assert.equal(grown, files, `as many as before in round ${round}`);
    files = grown;
    bench.submit(1, { compact: { index, term: 1 } });
    bench.turn();
    assert.ok(bench.names(/\.recycled$/).length >= 7, `${bench.names(/./)}`);
    assert.equal(bench.names(/\.(wal|spare|recycled)$/).length, files);
  }
});

test('what a log that stays short does not want again is removed, one after the other', () => {
  const bench = new Bench(100);
  let index = 0;
  while (bench.wal.position.segment < 12) {
    index += 1;
    bench.append(1, index, 7000);
  }
  bench.submit(1, { compact: { index, term: 1 } });
  bench.turn();
  const waiting = (): number => bench.names(/\.recycled$/).length;
  const before = waiting();
  assert.ok(before > KEPT_MIN + 3);
  bench.pass(PERIOD_MS);
  bench.turn();
  assert.equal(waiting(), before, 'it was as long within the last period');
  bench.pass(PERIOD_MS);
  bench.turn();
  assert.equal(waiting(), before - 1);
  bench.turn();
  assert.equal(waiting(), before - 1, 'the disk has a pause');
  for (let second = 0; second < 20; second += 1) {
    bench.pass(1_000);
    bench.turn();
  }
  assert.equal(waiting(), KEPT_MIN);
});

test('recycled files have the right size, and a restart finds them', () => {
  const disk = new MemoryDisk();
  disk.makeDirectory(DIRECTORY);
  for (let segment = 1; segment <= 7; segment += 1) {
    const name = `${DIRECTORY}/${segment.toString(16).padStart(16, '0')}.wal`;
    const file = disk.open(name, 'create');
    file.truncate(segment === 2 ? 512 : 1024);
    file.close();
  }
  const pool = new RecycledPool(disk, DIRECTORY, 1024);
  for (let segment = 1; segment <= 7; segment += 1) pool.recycle(segment);
  assert.equal(pool.size, 6);
  for (let removed = 0; removed < 2; removed += 1) pool.removeOne();
  assert.equal(disk.list(DIRECTORY).length, 4);
  const again = new RecycledPool(disk, DIRECTORY, 1024);
  assert.equal(again.take('spare-00000000.spare'), `${DIRECTORY}/spare-00000000.spare`);
  assert.equal(again.size, 3);
  assert.equal(new RecycledPool(disk, DIRECTORY, 2048).size, 0);
  assert.deepEqual(disk.list(DIRECTORY), ['spare-00000000.spare']);
});
