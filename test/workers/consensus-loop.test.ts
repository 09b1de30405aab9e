/**
 * What one turn of a group takes in and gives out, on its rings: a flood of forwarded proposals
 * does not keep the inbox shut, what a turn submits always fits one request of the log, and results
 * that nobody takes make the machine wait.
 *
 * The group has one voter, so it leads; the disk is a few lines that acknowledge what they are
 * given.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { encodeForwardHeader, FORWARD_HEADER_BYTES } from '../../codec/frames/forward-codec.js';
import { FrameKind } from '../../codec/frames/frame-format.js';
import { ResultReader } from '../../codec/results.js';
import { Consistency } from '../../engine/config-reads.js';
import { LIMITS } from '../../engine/limits.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { incarnation, nodeId, Role, term } from '../../engine/raft/types.js';
import { ArenaView } from '../../engine/runtime/arena.js';
import type { StateMachine } from '../../engine/state-machine.js';
import type { StatusNumbers } from '../../engine/status.js';
import { monotonicMs } from '../../io/clock.js';
import { requestRecordBytes } from '../../io/wal/request-record.js';
import { requestBytesMax } from '../../io/wal/segment-start.js';
import { GroupAgent } from '../../workers/consensus-loop.js';
import {
  CompletionKind,
  RESULT_HEADER_BYTES,
  readCompletionHeader,
} from '../../workers/records/completion.js';
import {
  INBOX_HEADER_BYTES,
  InboxKind,
  writeProposeHeader,
  writeReadHeader,
} from '../../workers/records/inbox.js';
import { FRAME_RECORD_BYTES, PeerRecordKind, writePeerHeader } from '../../workers/records/peer.js';
import {
  readPersist,
  STORED_BYTES,
  StorageKind,
  writeStored,
} from '../../workers/records/storage.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import {
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';
import { createSnapshotSlab, SnapshotSlab } from '../../workers/snapshot-slab.js';
import { createSpareWords, RoomWords } from '../../workers/spare-words.js';
import { createStatusPage, StatusPage } from '../../workers/status-page.js';
import { Bell, createGroupMemory } from '../../workers/topology.js';
import { WITHOUT_SNAPSHOTS } from '../runtime/no-snapshots.js';
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

const KIB = 1024;
const SELF = nodeId(1);
const PEER = nodeId(2);
const PEER_LIFE = incarnation(22);
const NEVER = Number.POSITIVE_INFINITY;

const MACHINE: StateMachine = {
  apply: (batch) => {
    while (batch.next()) batch.reply(new Uint8Array(0));
  },
  query: () => new Uint8Array(0),
  *snapshot() {},
  restore: () => ({ chunk: () => {}, finish: () => {} }),
};

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
    diskStallMax: 3000,
  };
}

/** A group with everything around it that its rings lead to. */
class Bench {
  readonly agent: GroupAgent;
  /** What the status page says before the first turn. */
  readonly firstStatus: StatusNumbers;
  /** Bytes of each request that the log was given. */
  readonly requests: number[] = [];
  readonly readsAnswered: number[] = [];
  /** Lengths of the results of proposals, by batch. */
  readonly results = new Map<number, number[]>();
  largestRecord = 0;
  /** The main thread takes no completions. */
  mainIsBusy = false;
  readonly #arena: ArenaView;
  readonly #inbox: RingProducer;
  readonly #fromPeers: RingProducer;
  readonly #persist: RingConsumer;
  readonly #stored: RingProducer;
  readonly #completions: RingConsumer;
  readonly #toPeers: RingConsumer;
  #now = monotonicMs();
  #forwardId = 0;
  #batch = 0;
  #lastIndex = 0;

  /** Cursors of rings and positions of the arena start at `first`. */
  constructor(entryBytesMax: number, first: number, machine = MACHINE) {
    const memory = createGroupMemory(entryBytesMax, 32 * KIB * KIB, first);
    this.#arena = new ArenaView(memory.arena);
    this.#inbox = new RingProducer(memory.inbox);
    this.#fromPeers = new RingProducer(memory.fromPeers);
    this.#persist = new RingConsumer(memory.persist);
    this.#stored = new RingProducer(memory.stored);
    this.#completions = new RingConsumer(memory.completions);
    this.#toPeers = new RingConsumer(memory.toPeers);
    const bells = createDoorbells(Bell.consensus + 1);
    const bell = new Doorbell(bells, Bell.main);
    const recovered = {
      hardState: { term: term(0), vote: nodeId(0) },
      log: EMPTY_LOG,
      bootstrap: bootstrapConfiguration([{ id: SELF, address: '127.0.0.1:1' }]),
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    const options = {
      raft: raftOptions(),
      recovered,
      locations: [],
      arenaMemory: memory.arena,
      arena: { firstPosition: first },
      entryBytesMax,
      ...WITHOUT_SNAPSHOTS,
    };
    const status = new StatusPage(createStatusPage());
    const all = { main: bell, io: bell, bulk: bell, transport: bell };
    const context = { groupName: 'g', groupId: 0, nodeId: 1, options: null };
    const made = { machine, context };
    const room = new RoomWords(createSpareWords());
    const slab = new SnapshotSlab(createSnapshotSlab(64 * 1024));
    const images = { slab, chunkBytes: slab.chunkBytes };
    this.agent = new GroupAgent(0, memory, options, made, all, status, room, images);
    this.firstStatus = status.read();
    while (this.agent.runtime.raft.role !== Role.leader) this.turn(50);
    for (let n = 0; n < 3; n += 1) this.turn();
  }

  /** One turn of the group, then everything it gave out is taken and answered. */
  turn(laterMs = 0): void {
    this.#now += laterMs;
    this.agent.doWork(this.#now);
    this.#persist.drain((_, at) => this.#store(at), NEVER);
    this.#stored.commit();
    this.#toPeers.drain(() => RECORD_TAKEN, NEVER);
    if (!this.mainIsBusy) this.#completions.drain(this.#onCompletion, NEVER);
  }

  readonly #onCompletion = (kind: number, at: number, bytes: number): boolean => {
    const { bytes: buffer, view } = this.#completions;
    const { batch, offset } = readCompletionHeader(view, at);
    this.largestRecord = Math.max(this.largestRecord, bytes);
    if (kind === CompletionKind.readResults) this.readsAnswered.push(batch);
    if (kind !== CompletionKind.results) return RECORD_TAKEN;
    const start = at + RESULT_HEADER_BYTES;
    const reader = new ResultReader(buffer, start, at + bytes - start);
    const lengths = this.results.get(batch) ?? [];
    assert.equal(lengths.length, offset, 'portions of a batch come in order, each result once');
    while (reader.next()) lengths.push(reader.end - reader.start);
    this.results.set(batch, lengths);
    return RECORD_TAKEN;
  };

  #store(at: number): boolean {
    const { bytes, view } = this.#persist;
    const region = (position: number, length: number) => this.#arena.region(position, length);
    const request = readPersist(0, bytes, view, at, region);
    const { seq, generation, runs } = request;
    this.requests.push(requestRecordBytes(request));
    for (const run of runs) this.#lastIndex = run.first + run.count - 1;
    const ack = { seq, generation, term: request.term, lastIndex: this.#lastIndex };
    const place = this.#stored.tryClaim(StorageKind.stored, STORED_BYTES);
    writeStored(this.#stored.view, place, { ...ack, group: 0, segment: 1, offset: 512 * seq });
    return RECORD_TAKEN;
  }

  /** Fills the ring from the peers with forwarded entries of `payloadBytes`. */
  flood(payloadBytes: number): void {
    const bytes = entryBytes(payloadBytes);
    const length = FRAME_RECORD_BYTES + FORWARD_HEADER_BYTES + bytes;
    const { view } = this.#fromPeers;
    for (;;) {
      const at = this.#fromPeers.tryClaim(PeerRecordKind.frame, length);
      if (at === RING_FULL) break;
      this.#forwardId += 1;
      writePeerHeader(view, at, PEER, FrameKind.forward, PEER_LIFE);
      const forward = { group: 0, forwardId: this.#forwardId, count: 1, term: term(1), bytes };
      const body = at + FRAME_RECORD_BYTES;
      encodeForwardHeader(forward, view, body);
      writeEntryHeader(view, body + FORWARD_HEADER_BYTES, EntryKind.command, payloadBytes, 0);
    }
    this.#fromPeers.commit();
  }

  /** Fills the inbox with proposals of `payloadBytes`. */
  proposeAll(payloadBytes: number): void {
    const length = INBOX_HEADER_BYTES + entryBytes(payloadBytes);
    const { view } = this.#inbox;
    for (;;) {
      const at = this.#inbox.tryClaim(InboxKind.propose, length);
      if (at === RING_FULL) break;
      this.#batch += 1;
      writeProposeHeader(view, at, this.#batch, 1, this.#now + 1e6, true);
      writeEntryHeader(view, at + INBOX_HEADER_BYTES, EntryKind.command, payloadBytes, 0);
    }
    this.#inbox.commit();
  }

  get completionRingBytes(): number {
    return this.#completions.capacity;
  }

  /** One proposal of `count` commands without bytes; returns its batch. */
  propose(count: number): number {
    this.#batch += 1;
    const length = INBOX_HEADER_BYTES + count * entryBytes(0);
    const at = this.#inbox.tryClaim(InboxKind.propose, length);
    const { view } = this.#inbox;
    writeProposeHeader(view, at, this.#batch, count, this.#now + 1e6, true);
    let entry = at + INBOX_HEADER_BYTES;
    for (let i = 0; i < count; i += 1, entry += entryBytes(0)) {
      writeEntryHeader(view, entry, EntryKind.command, 0, 0);
    }
    this.#inbox.commit();
    return this.#batch;
  }

  /** Asks one local read and returns its batch. */
  read(): number {
    this.#batch += 1;
    const at = this.#inbox.tryClaim(InboxKind.read, INBOX_HEADER_BYTES + 4);
    const { view } = this.#inbox;
    writeReadHeader(view, at, this.#batch, 1, this.#now + 1e6, Consistency.local, false, 0);
    view.setUint32(at + INBOX_HEADER_BYTES, 0, true);
    this.#inbox.commit();
    return this.#batch;
  }
}

test('who asks before the first turn is not told of a full member, nor of a snapshot on its way', () => {
  const { firstStatus } = new Bench(64 * KIB, FIRST_CURSORS[0]);
  assert.equal(firstStatus.standing, 'fresh');
  assert.equal(firstStatus.snapshots.fetchedBytes, null);
});

const ENTRY_SIZES = [64 * KIB, LIMITS.entryBytesMaxMax];

for (const first of FIRST_CURSORS) {
  test(`a flood of forwarded proposals does not keep the inbox shut${fromThere(first)}`, () => {
    const bench = new Bench(64 * KIB, first);
    for (let n = 0; n < 20; n += 1) {
      bench.flood(60 * KIB);
      const batch = bench.read();
      bench.turn();
      assert.deepEqual(bench.readsAnswered.splice(0), [batch]);
    }
    assert.ok(bench.agent.runtime.raft.lastIndex > 100, 'the flood was taken in meanwhile');
  });

  for (const payloadBytes of ENTRY_SIZES) {
    test(`a turn with both rings full of ${payloadBytes} bytes each fits the log's requests${fromThere(first)}`, () => {
      const bench = new Bench(payloadBytes, first);
      for (let n = 0; n < 6; n += 1) {
        bench.flood(payloadBytes);
        bench.proposeAll(payloadBytes);
        bench.turn();
      }
      const largest = Math.max(...bench.requests);
      const limit = requestBytesMax(LIMITS.segmentBytesMin) - 1024 * KIB;
      assert.ok(largest > payloadBytes, `only ${largest} bytes at once`);
      assert.ok(largest <= limit, `${largest} bytes, of which held proposals leave ${limit}`);
    });
  }
}

test('results that the main thread does not take make the machine wait, and none is lost', () => {
  const resultBytes = 500 * KIB;
  let applied = 0;
  const machine: StateMachine = {
    ...MACHINE,
    apply: (batch) => {
      while (batch.next()) {
        applied += 1;
        batch.reply(Buffer.alloc(resultBytes));
      }
    },
  };
  const bench = new Bench(LIMITS.entryBytesMaxDefault, FIRST_CURSORS[0], machine);
  bench.mainIsBusy = true;
  const batches = [bench.propose(100), bench.propose(1), bench.propose(99)];
  for (let n = 0; n < 100; n += 1) bench.turn(1);
  const ringBytes = bench.completionRingBytes;
  assert.ok(applied * resultBytes > ringBytes / 2, `only ${applied} were applied`);
  assert.ok(applied * resultBytes < ringBytes + 6 * KIB * KIB, `${applied} were applied`);
  assert.equal(bench.agent.runtime.raft.role, Role.leader);
  assert.ok(bench.agent.deadline < monotonicMs() + 1000, 'it is looked at again');
  const read = bench.read();
  bench.turn(1);
  bench.mainIsBusy = false;
  for (let n = 0; n < 1000 && applied < 200; n += 1) bench.turn(1);
  bench.turn(1);
  bench.turn(1);
  assert.equal(applied, 200);
  assert.deepEqual(
    batches.map((batch) => bench.results.get(batch)?.length),
    [100, 1, 99],
  );
  assert.ok([...bench.results.values()].flat().every((length) => length === resultBytes));
  assert.ok(bench.largestRecord < resultBytes + KIB, 'a large result travels alone');
  assert.deepEqual(bench.readsAnswered, [read]);
});
