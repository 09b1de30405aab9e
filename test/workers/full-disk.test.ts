/**
 * A disk that fills up under one group's worker, io loop and spare preparer, wired as in a node but
 * turned by hand: who is refused, what still gets through, and that it all goes on by itself.
 *
 * The group has one voter, so it leads. Time is the test's own but for the retry of a full disk.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { ErrorNumber } from '../../engine/errors.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, nodeId, Role, term } from '../../engine/raft/types.js';
import type { Restoration, StateMachine } from '../../engine/state-machine.js';
import { monotonicMs } from '../../io/clock.js';
import type { Disk } from '../../io/disk/disk.js';
import { MemoryDisk } from '../../io/disk/memory-disk.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { InlineSegmentSupply, type SegmentSupply } from '../../io/wal/segment-supply.js';
import { type OpenedWal, Wal } from '../../io/wal/wal.js';
import { GroupAgent } from '../../workers/consensus-loop.js';
import { createIoFigures, IoFigures } from '../../workers/io-figures.js';
import { IoLoop } from '../../workers/io-loop.js';
import { CompletionKind, readCompletionHeader } from '../../workers/records/completion.js';
import { INBOX_HEADER_BYTES, InboxKind, writeProposeHeader } from '../../workers/records/inbox.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { createSnapshotSlab, SnapshotSlab } from '../../workers/snapshot-slab.js';
import { SparePreparer } from '../../workers/spare-preparer.js';
import {
  createSpareWords,
  diskIsFull,
  RoomWords,
  SharedSegmentSupply,
  SpareOrders,
} from '../../workers/spare-words.js';
import { createStatusPage, StatusPage } from '../../workers/status-page.js';
import { Bell, createGroupMemory, type GroupMemory } from '../../workers/topology.js';
import { WITHOUT_SNAPSHOTS } from '../runtime/no-snapshots.js';
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

const KIB = 1024;
const SEGMENT_BYTES = 64 * KIB;
const ENTRY_BYTES_MAX = 4 * KIB;
const DIRECTORY = '/wal';
const SELF = nodeId(1);
const STALL_MS = 3000;
const NEVER = Number.POSITIVE_INFINITY;

class CountingMachine implements StateMachine {
  applied = 0;

  apply(batch: Parameters<StateMachine['apply']>[0]): void {
    while (batch.next()) {
      this.applied += 1;
      batch.reply(new Uint8Array(0));
    }
  }

  query(): Uint8Array {
    return new Uint8Array(0);
  }

  *snapshot(): Generator<Uint8Array> {}

  restore(): Restoration {
    return { chunk: () => {}, finish: () => {} };
  }
}

function raftOptions() {
  return {
    id: SELF,
    incarnation: incarnation(11),
    seed: 5,
    electionTimeoutMin: 150,
    electionTimeoutMax: 300,
    heartbeatInterval: 50,
    preVote: true,
    transfer: true,
    windowMessagesMax: 8,
    windowBytesMax: 2 * KIB * KIB,
    appendEntriesMax: 16_384,
    appendBytesMax: 256 * KIB,
    diskStallMax: STALL_MS,
  };
}

function openLog(disk: Disk, supply: SegmentSupply): OpenedWal {
  return Wal.open({
    disk,
    directory: DIRECTORY,
    clusterId: 1,
    nodeId: 1,
    newLogId: 5,
    segmentBytes: SEGMENT_BYTES,
    sync: { mode: 'always', intervalMs: 10 },
    supply,
  });
}

function readWhole(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path, 'read');
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0, bytes.length, 0);
  file.close();
  return bytes;
}

class Bench {
  readonly disk = new SimulatedDisk(new Prng(1));
  readonly words = createSpareWords();
  readonly machine = new CountingMachine();
  readonly agent: GroupAgent;
  readonly loop: IoLoop;
  readonly wal: Wal;
  readonly refusals: number[] = [];
  readonly #spares: SparePreparer;
  readonly #inbox: RingProducer;
  readonly #completions: RingConsumer;
  #now = monotonicMs();
  #batch = 0;
  /** The io thread does not get to run. */
  ioSleeps = false;

  /** Cursors of rings and positions of the arena start at `first`. */
  constructor(first = 0) {
    const { disk, words } = this;
    const memory = createGroupMemory(ENTRY_BYTES_MAX, 1024 * KIB, first);
    const bells = createDoorbells(Bell.consensus + 1);
    const bell = new Doorbell(bells, Bell.main);
    const supply = new SharedSegmentSupply(words, DIRECTORY, 0, [], () => {});
    this.wal = openLog(disk, supply).wal;
    const room = new RoomWords(words);
    const groups = [{ group: 0, memory, bell }];
    this.loop = new IoLoop(this.wal, new IoFigures(createIoFigures()), room, groups);
    const place = {
      ...{ disk, walDirectory: DIRECTORY, segmentBytes: SEGMENT_BYTES },
      filesInUse: this.wal.segmentCount,
    };
    this.#spares = new SparePreparer(place, new SpareOrders(words, 0, 1), bell, () => this.#now);
    this.agent = this.#makeAgent(memory, bell, room, first);
    this.#inbox = new RingProducer(memory.inbox);
    this.#completions = new RingConsumer(memory.completions);
    while (this.agent.runtime.raft.role !== Role.leader) this.turn(50);
    for (let n = 0; n < 20; n += 1) this.turn();
  }

  #makeAgent(memory: GroupMemory, bell: Doorbell, room: RoomWords, first: number): GroupAgent {
    const recovered = {
      hardState: { term: term(0), vote: nodeId(0) },
      log: EMPTY_LOG,
      bootstrap: bootstrapConfiguration([{ id: SELF, address: '127.0.0.1:1' }]),
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    const arenaMemory = memory.arena;
    const entryBytesMax = ENTRY_BYTES_MAX;
    const arena = { firstPosition: first };
    const sizes = { arenaMemory, arena, entryBytesMax };
    const options = {
      raft: raftOptions(),
      recovered,
      locations: [],
      ...sizes,
      ...WITHOUT_SNAPSHOTS,
    };
    const bells = { main: bell, io: bell, bulk: bell, transport: bell };
    const context = { groupName: 'g', groupId: 0, nodeId: 1, options: null };
    const made = { machine: this.machine, context };
    const page = new StatusPage(createStatusPage());
    const slab = new SnapshotSlab(createSnapshotSlab(64 * 1024));
    const images = { slab, chunkBytes: slab.chunkBytes };
    return new GroupAgent(0, memory, options, made, bells, page, room, images);
  }

  /** One turn of the worker, the io loop and the bulk thread. */
  turn(laterMs = 1): void {
    this.#now += laterMs;
    this.agent.doWork(this.#now);
    if (!this.ioSleeps) this.loop.doWork(this.#now);
    for (let n = 0; n < 3; n += 1) this.#spares.step();
    this.agent.doWork(this.#now);
    this.#completions.drain((kind, at) => {
      const { code } = readCompletionHeader(this.#completions.view, at);
      if (kind === CompletionKind.refused) this.refusals.push(code);
      return RECORD_TAKEN;
    }, NEVER);
  }

  propose(count = 1, payloadBytes = 1000): void {
    const length = INBOX_HEADER_BYTES + entryBytes(payloadBytes);
    const { view } = this.#inbox;
    for (let n = 0; n < count; n += 1) {
      const at = this.#inbox.tryClaim(InboxKind.propose, length);
      this.#batch += 1;
      writeProposeHeader(view, at, this.#batch, 1, this.#now + 1e6, true);
      writeEntryHeader(view, at + INBOX_HEADER_BYTES, EntryKind.command, payloadBytes, 0);
    }
    this.#inbox.commit();
  }

  /** Writes until the first refusal; how many writes were taken. */
  writeUntilRefused(): number {
    for (let written = 0; ; written += 1) {
      this.propose();
      this.turn();
      this.turn();
      if (this.refusals.length > 0) return written;
      assert.ok(written < 1000, 'a full disk refuses');
    }
  }

  /** What a restart would find, read from a copy of the disk's files. */
  reopened() {
    const { disk } = this;
    const copy = new MemoryDisk();
    copy.makeDirectory(DIRECTORY);
    for (const name of disk.list(DIRECTORY)) {
      const path = `${DIRECTORY}/${name}`;
      const bytes = readWhole(disk, path);
      copy.open(path, 'create').write(bytes, 0, bytes.length, 0);
    }
    return openLog(copy, new InlineSegmentSupply(copy, DIRECTORY, SEGMENT_BYTES)).groups[0]!;
  }

  /** Turns until the bulk thread has tried the disk again. */
  retried(): void {
    this.turn(250);
    for (let n = 0; n < 10; n += 1) this.turn();
  }
}

for (const first of FIRST_CURSORS) {
  test(`a full disk refuses writes as busy, and all goes on by itself${fromThere(first)}`, () => {
    const bench = new Bench(first);
    const { agent, disk, machine, wal } = bench;
    disk.setCapacity(0);
    const written = bench.writeUntilRefused();
    assert.deepEqual(bench.refusals.splice(0), [ErrorNumber.busy]);
    assert.equal(machine.applied, written, 'everything else was executed');
    assert.equal(wal.counters.refusals, 0, 'the log itself refused nothing');
    assert.ok(diskIsFull(bench.words), 'the status says so');
    for (let n = 0; n < 3; n += 1) {
      bench.turn(STALL_MS);
      assert.equal(agent.runtime.raft.role, Role.leader, 'it leads on');
    }
    bench.retried();
    bench.propose();
    bench.turn();
    assert.deepEqual(bench.refusals.splice(0), [ErrorNumber.busy], 'as long as there is no space');
    disk.setCapacity(NEVER);
    bench.retried();
    assert.ok(!diskIsFull(bench.words));
    for (let n = 0; n < 100; n += 1) {
      bench.propose();
      bench.turn();
    }
    bench.turn();
    assert.deepEqual(bench.refusals, []);
    assert.equal(machine.applied, written + 100);
    assert.ok(wal.segmentCount > 2, 'segments are begun again');
  });
}

/** Submits far more than the room that is left while the io thread sleeps. */
function overfilled(): Bench {
  const bench = new Bench();
  bench.disk.setCapacity(0);
  while (bench.wal.segmentCount < 2) {
    bench.propose();
    bench.turn();
  }
  bench.ioSleeps = true;
  for (let n = 0; n < 20; n += 1) {
    bench.propose(6);
    bench.turn();
  }
  bench.ioSleeps = false;
  return bench;
}

test('entries that wait for space cost no leadership, and are executed once there is some', () => {
  const bench = overfilled();
  const { agent, machine, wal } = bench;
  for (let waited = 0; waited < 3 * STALL_MS; waited += 40) bench.turn(40);
  assert.ok(wal.counters.refusals > 0, 'some found no room');
  const { raft } = agent.runtime;
  assert.ok(raft.durableIndex < raft.lastIndex);
  assert.equal(raft.role, Role.leader);
  const before = machine.applied;
  bench.disk.setCapacity(NEVER);
  bench.retried();
  bench.retried();
  bench.retried();
  assert.equal(raft.durableIndex, raft.lastIndex);
  assert.ok(machine.applied > before);
  assert.deepEqual(bench.refusals, []);
});

test('a disk that does not answer at all still costs leadership, full or not', () => {
  const bench = overfilled();
  bench.turn();
  bench.ioSleeps = true;
  for (let waited = 0; waited < 2 * STALL_MS; waited += 40) bench.turn(40);
  assert.notEqual(bench.agent.runtime.raft.role, Role.leader);
});

test('a vote gets through while entries of the same group wait for space', () => {
  const bench = overfilled();
  const before = bench.agent.runtime.raft.term;
  for (let n = 0; n < 5; n += 1) bench.turn();
  const { raft } = bench.agent.runtime;
  assert.ok(raft.durableIndex < raft.lastIndex);
  bench.ioSleeps = true;
  for (let waited = 0; waited < 2 * STALL_MS; waited += 40) bench.turn(40);
  assert.notEqual(raft.role, Role.leader);
  bench.ioSleeps = false;
  for (let waited = 0; waited < 2000; waited += 40) bench.turn(40);
  assert.ok(raft.term > before);
  assert.equal(raft.role, Role.leader, 'its own vote is durable');
  assert.ok(bench.wal.counters.promises > 0);
  assert.ok(raft.durableIndex < raft.lastIndex, 'the entries wait on');
  assert.equal(bench.reopened().term, raft.term);
  bench.disk.setCapacity(NEVER);
  for (let n = 0; n < 3; n += 1) bench.retried();
  assert.equal(raft.durableIndex, raft.lastIndex);
  const { term: recorded, vote, last } = bench.reopened();
  assert.deepEqual([recorded, vote, last], [raft.term, SELF, raft.lastIndex]);
});
