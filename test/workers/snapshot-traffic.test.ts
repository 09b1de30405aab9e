/**
 * The transport thread's part of snapshots, between rings and a memory network: the test is the
 * bulk thread of both nodes. Time is manual.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { SnapshotChunkHead } from '../../codec/frames/snapshot-frames.js';
import type { ChunkBody, SlabJob } from '../../codec/lz4-chunk.js';
import { nodeId } from '../../engine/raft/types.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import {
  type BulkToTransport,
  packRecord,
  type TransportToBulk,
  unpackRecord,
} from '../../workers/records/snapshot.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells, openDoorbell, WORD_SLEEPING } from '../../workers/ring/layout.js';
import {
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';
import { SendRate } from '../../workers/send-rate.js';
import { NO_SLOT, SnapshotSlab } from '../../workers/snapshot-slab.js';
import {
  type ChunkPacker,
  SNAPSHOT_RECORD,
  SnapshotTraffic,
} from '../../workers/snapshot-traffic.js';
import { createSnapshotMemory } from '../../workers/topology.js';
import { slab as bytesOf } from '../codec/frame-samples.js';
import { askFor, chunkOf, POINT } from '../codec/snapshot-samples.js';
import { withBulk } from '../io/bulk-harness.js';
import { addressOf, Cluster, linksOn, Recorder } from '../io/net-harness.js';
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

const CHUNK_BYTES = 64 * 1024;
const STORED_BYTES = 20_000;
/** Of those that files are sent from, and of those that chunks of peers land in. */
const SLOTS = 8;
const LANDING = 3;

interface Options {
  readonly packer?: ChunkPacker;
  readonly rateBytes?: number;
  readonly chunkBytes?: number;
  readonly first?: number;
}

/** One node: its traffic and links, and the bulk thread's ends of the rings. */
class TrafficNode {
  readonly id: number;
  readonly traffic: SnapshotTraffic;
  readonly slab: SnapshotSlab;
  readonly adapter: MemoryAdapter;
  readonly links: ReturnType<typeof linksOn>;
  readonly #bells = createDoorbells(1);
  readonly #orders: RingProducer;
  readonly #answers: RingConsumer;

  constructor(cluster: Cluster, id: number, options: Options = {}) {
    const memory = createSnapshotMemory(options.chunkBytes ?? CHUNK_BYTES, options.first);
    this.id = id;
    this.adapter = new MemoryAdapter(cluster.network, addressOf(id));
    this.slab = new SnapshotSlab(memory.slab);
    this.#orders = new RingProducer(memory.toTransport);
    this.#answers = new RingConsumer(memory.fromTransport);
    this.traffic = new SnapshotTraffic({
      memory,
      groups: 3,
      bell: new Doorbell(this.#bells, 0),
      packer: options.packer ?? new HalfPacker(),
      rateBytes: options.rateBytes ?? 0,
      adapter: this.adapter,
    });
    const change = withBulk(id, this.adapter, this.traffic);
    this.links = linksOn(this.adapter, id, new Recorder(id), change);
    assert.ok(this.links.bulk !== null);
    this.traffic.attach(this.links.bulk);
    this.links.start();
  }

  order(record: BulkToTransport): void {
    const bytes = packRecord(record);
    const at = this.#orders.tryClaim(SNAPSHOT_RECORD, bytes.length);
    assert.notEqual(at, RING_FULL);
    bytes.copy(this.#orders.bytes, at);
    this.#orders.commit();
  }

  /** Slots that are free, of those that this node uses: node 1 sends, node 2 receives. */
  get free(): number {
    return this.slab.free(this.id === 1 ? 'serving' : 'landing');
  }

  /** What the transport has said since the last call. */
  answers(): TransportToBulk[] {
    const taken: TransportToBulk[] = [];
    this.#answers.drain((_, at, bytes) => {
      taken.push(unpackRecord<TransportToBulk>(this.#answers.bytes, at, bytes));
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
    return taken;
  }

  /** A chunk of this size, in a slot, on its way to a peer. */
  sendChunk(peer: number, chunk: number, storedBytes = STORED_BYTES): void {
    const slot = this.slab.take('serving');
    assert.notEqual(slot, NO_SLOT);
    const { head, stored } = chunkOf(chunk, storedBytes);
    this.slab.packed(slot, storedBytes).set(stored);
    this.order({ kind: 'chunk', peer, slot, sent: head });
  }

  /** Whether the bulk thread, had it slept, would have been woken by what `act` does. */
  async wakes(act: () => Promise<void>): Promise<boolean> {
    const words = openDoorbell(this.#bells, 0);
    Atomics.store(words, WORD_SLEEPING, 1);
    await act();
    return Atomics.load(words, WORD_SLEEPING) === 0;
  }
}

async function run(cluster: Cluster, nodes: readonly TrafficNode[], ms: number): Promise<void> {
  for (let i = 0; i < ms; i += 1) {
    for (const { traffic } of nodes) if (traffic.hasWork()) traffic.doWork();
    cluster.run(1);
    for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
  }
}

async function start(one: Options = {}, two: Options = {}) {
  const cluster = new Cluster([], { latencyMs: () => 1, chunkBytesMax: () => 4096 });
  const nodes = [new TrafficNode(cluster, 1, one), new TrafficNode(cluster, 2, two)] as const;
  const pass = (ms: number): Promise<void> => run(cluster, nodes, ms);
  await pass(200);
  assert.ok(nodes[0].links.isUp(nodeId(2)));
  return { cluster, pass, one: nodes[0], two: nodes[1] };
}

/** Node 2 asks node 1, whose bulk thread is told. */
async function asked(options: { one?: Options; two?: Options } = {}) {
  const started = await start(options.one, options.two);
  const { one, two, pass } = started;
  two.order({ kind: 'fetch', peer: 1, asked: askFor(1, 0, 100) });
  await pass(20);
  assert.deepEqual(one.answers(), [{ kind: 'asked', peer: 2, asked: askFor(1, 0, 100) }]);
  return started;
}

type Arrived = Extract<TransportToBulk, { kind: 'chunk' }>;
const chunksIn = (answers: readonly TransportToBulk[]): Arrived[] =>
  answers.filter((each) => each.kind === 'chunk');

function assertArrived({ slab }: TrafficNode, arrived: Arrived, chunk: number): void {
  const { head, stored } = chunkOf(chunk, arrived.sent.packed.storedBytes);
  const plain = (sent: SnapshotChunkHead) => ({ ...sent, head: [...sent.head] });
  assert.deepEqual(plain(arrived.sent), plain(head));
  assert.ok(slab.packed(arrived.slot, stored.length).equals(stored));
}

for (const first of FIRST_CURSORS) {
  test(`chunks go from slot to slot, and slots come back${fromThere(first)}`, async () => {
    const { one, two, pass } = await asked({ one: { first }, two: { first } });
    for (let chunk = 0; chunk < 30; chunk += 1) {
      one.sendChunk(2, chunk, chunk === 29 ? 0 : STORED_BYTES - chunk);
      await pass(30);
      const [arrived] = chunksIn(two.answers());
      assert.ok(arrived !== undefined);
      assertArrived(two, arrived, chunk);
      two.slab.give(arrived.slot);
      assert.deepEqual([one.free, two.free], [SLOTS, LANDING]);
    }
    assert.equal(two.links.counters.values.bulkConnections, 1);
  });
}

test('whoever has the files is woken when something has come for it', async () => {
  const { one, two, pass } = await start();
  two.order({ kind: 'fetch', peer: 1, asked: askFor(1) });
  assert.equal(await one.wakes(() => pass(20)), true);
  one.answers();
  assert.equal(await one.wakes(() => pass(20)), false);
});

test('chunks to one peer wait in their slots and keep their order', async () => {
  const { one, two, pass } = await asked();
  for (let chunk = 0; chunk < SLOTS; chunk += 1) one.sendChunk(2, chunk);
  const seen: number[] = [];
  for (let i = 0; i < 100; i += 1) {
    await pass(2);
    for (const arrived of chunksIn(two.answers())) {
      seen.push(arrived.sent.packed.chunk);
      two.slab.give(arrived.slot);
    }
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.equal(one.free, SLOTS);
});

test('without a free slot the connection waits, and goes on when one is given back', async () => {
  const { one, two, pass } = await asked();
  for (let chunk = 0; chunk < SLOTS; chunk += 1) one.sendChunk(2, chunk);
  await pass(5000);
  const arrived = chunksIn(two.answers());
  assert.equal(arrived.length, LANDING);
  assert.equal(two.slab.take('landing'), NO_SLOT);
  assert.equal(two.slab.free('taking'), 4, 'what is taken here has slots of its own');
  assert.ok(one.free < SLOTS, 'what is not received has its slot at the sender still');
  const later: Arrived[] = [];
  for (let given = 0; given < SLOTS - LANDING; given += 1) {
    two.slab.give(([...arrived, ...later][given] as Arrived).slot);
    await pass(20);
    later.push(...chunksIn(two.answers()));
  }
  assert.deepEqual(
    [...arrived, ...later].map(({ sent }) => sent.packed.chunk),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  const last = later.slice(-LANDING);
  for (const [at, each] of last.entries()) assertArrived(two, each, SLOTS - LANDING + at);
  assert.equal(one.free, SLOTS);
});

test('without a free slot nothing is tried again before time has passed', async () => {
  const { one, two, pass } = await asked();
  let tries = 0;
  const { traffic } = two;
  const space = traffic.space.bind(traffic);
  traffic.space = (peer, head) => {
    tries += 1;
    return space(peer, head);
  };
  for (let chunk = 0; chunk < SLOTS; chunk += 1) one.sendChunk(2, chunk);
  await pass(50);
  const before = tries;
  for (let i = 0; i < 1000; i += 1) await Promise.resolve();
  assert.equal(tries, before);
  await pass(10);
  assert.ok(tries > before && tries <= before + 10);
});

test('the rate holds over all peers together, after a small burst', async () => {
  const rateBytes = 1_000_000;
  const { one, two, pass } = await asked({ one: { rateBytes } });
  let sent = 0;
  const received = (): number => two.links.counters.values.snapshotBytesReceived;
  const go = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i += 1) {
      while (one.free > 0) {
        one.sendChunk(2, sent);
        sent += 1;
      }
      await pass(1);
      for (const { slot } of chunksIn(two.answers())) two.slab.give(slot);
    }
  };
  await go(1000);
  const burst = rateBytes / 10 + STORED_BYTES;
  const inFirst = received();
  assert.ok(inFirst <= rateBytes + burst && inFirst >= rateBytes * 0.9, `${inFirst} bytes`);
  await go(1000);
  const inSecond = received() - inFirst;
  assert.ok(Math.abs(inSecond - rateBytes) <= 2 * STORED_BYTES, `${inSecond} bytes`);
});

test('a rate is waited off in bytes, and saves up a moment of silence only', () => {
  const rate = new SendRate(1000);
  assert.equal(rate.waitMs(0), 0);
  rate.took(600, 0);
  assert.equal(rate.waitMs(0), 500);
  assert.equal(rate.waitMs(450), 50);
  assert.equal(rate.waitMs(500), 0);
  rate.took(100, 10_000);
  assert.equal(rate.waitMs(10_000), 0, 'a tenth of a second was saved');
  rate.took(100, 10_000);
  assert.equal(rate.waitMs(10_000), 100);
  const none = new SendRate(0);
  none.took(2 ** 40, 0);
  assert.equal(none.waitMs(0), 0);
});

/** Packs by leaving out the second half. */
class HalfPacker implements ChunkPacker {
  readonly jobs: SlabJob[] = [];
  failure: Error | null = null;
  isClosed = false;

  async compress(job: SlabJob): Promise<ChunkBody> {
    this.jobs.push(job);
    if (this.failure !== null) throw this.failure;
    return { flags: 1, rawBytes: job.rawBytes, storedBytes: job.rawBytes / 2, storedCrc: 9 };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

test('what is to be packed goes to the packer, and the answer has the slot', async () => {
  const packer = new HalfPacker();
  const { one, pass } = await start({ packer });
  const order = { kind: 'pack', job: 7, slot: 3, rawBytes: 5000, compress: true } as const;
  one.order(order);
  await pass(3);
  const { slab } = one;
  const [rawAt, outAt, outBytesMax] = [slab.rawAt(3), slab.packedAt(3), slab.packedBytesMax];
  assert.deepEqual(packer.jobs, [{ rawAt, rawBytes: 5000, outAt, outBytesMax, compress: true }]);
  const packed = { flags: 1, rawBytes: 5000, storedBytes: 2500, storedCrc: 9 };
  assert.deepEqual(one.answers(), [{ kind: 'packed', job: 7, slot: 3, packed, problem: '' }]);
  one.order({ ...order, compress: false });
  await pass(3);
  const inPlace = { outAt: rawAt, outBytesMax: 5000 };
  assert.deepEqual(packer.jobs[1], { rawAt, rawBytes: 5000, ...inPlace, compress: false });
  one.answers();
  packer.failure = new Error('the thread died');
  one.order({ ...order, job: 8 });
  await pass(3);
  const problem = 'Error: the thread died';
  assert.deepEqual(one.answers(), [{ kind: 'packed', job: 8, slot: 3, packed: null, problem }]);
  one.order({ ...order, job: 9 });
  one.traffic.doWork();
  await one.traffic.close();
  await pass(3);
  assert.deepEqual(one.answers(), [], 'nothing is said after the end');
  assert.ok(packer.isClosed);
});

test('refusals travel, of the peer, of the transport there and of the one here', async () => {
  const { one, two, pass } = await asked();
  one.order({ kind: 'refuse', peer: 2, group: 1, point: POINT, text: 'gone' });
  two.order({ kind: 'fetch', peer: 1, asked: askFor(8) });
  two.order({ kind: 'fetch', peer: 77, asked: askFor(2) });
  await pass(20);
  const texts = two.answers().map((each) => (each.kind === 'refused' ? each.text : each.kind));
  assert.deepEqual(texts.sort(), [
    'gone',
    'group 8 is not here',
    'node 77 is not a member that node 2 knows',
  ]);
  assert.deepEqual(one.answers(), []);
});

test('a chunk larger than the slots here is refused with both sizes', async () => {
  const { one, two, pass } = await asked({ one: { chunkBytes: 1024 * 1024 } });
  one.sendChunk(2, 0, 100_000);
  await pass(100);
  const text = 'chunk of 100000 bytes there, at most 65536 here: upgrade this node';
  assert.deepEqual(two.answers(), [
    { kind: 'refused', peer: 1, group: 1, point: POINT, text },
    { kind: 'down', peer: 1 },
  ]);
  assert.deepEqual([one.free, two.free], [SLOTS, LANDING]);
});

test('chunks for a peer that has gone give their slots back', async () => {
  const { one, two, pass } = await asked();
  for (let chunk = 0; chunk < SLOTS; chunk += 1) one.sendChunk(2, chunk);
  one.traffic.doWork();
  two.adapter.kill();
  await pass(100);
  assert.equal(one.free, SLOTS);
  assert.deepEqual(one.answers(), [{ kind: 'left', peer: 2 }]);
  one.sendChunk(2, 8);
  await pass(5);
  assert.equal(one.free, SLOTS);
});

test('the slot of a chunk that will not be whole comes back', async () => {
  const { two } = await start();
  const { head } = chunkOf(0, 100);
  const space = two.traffic.space(nodeId(1), head);
  assert.ok(space instanceof Uint8Array && space.length === 100);
  assert.equal(two.slab.free('landing'), LANDING - 1);
  two.traffic.spaceLost(nodeId(1));
  assert.equal(two.slab.free('landing'), LANDING);
});

test('a turn takes a bounded number of orders', async () => {
  const { one } = await start();
  const refusal = { kind: 'refuse', peer: 2, group: 1, point: POINT, text: 'no' } as const;
  for (let i = 0; i < 40; i += 1) one.order(refusal);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => one.traffic.doWork()),
    [16, 16, 8, 0],
  );
});

test('while the bulk thread takes nothing, what it must know waits and requests are dropped', async () => {
  const { one, two, pass } = await asked();
  const rounds = 20_000;
  for (let i = 0; i < rounds; i += 1) one.traffic.down(nodeId(2));
  one.traffic.refused(nodeId(2), { group: 2, point: POINT, text: 'the last word' });
  two.order({ kind: 'fetch', peer: 1, asked: askFor(2) });
  for (let i = 0; i < 30_000; i += 1) one.traffic.down(nodeId(2));
  await pass(20);
  two.order({ kind: 'fetch', peer: 1, asked: askFor(2) });
  await pass(20);
  assert.deepEqual(two.answers(), [], 'a refusal would make the peer begin anew');
  let words = 0;
  let requests = 0;
  const hear = async (): Promise<void> => {
    for (let i = 0; i < 50; i += 1) {
      const answers = one.answers();
      words += answers.length;
      requests += answers.filter(({ kind }) => kind === 'asked').length;
      await pass(5);
    }
  };
  await hear();
  assert.ok(words >= rounds + 30_000 + 1, `${words} answers`);
  const before = requests;
  two.order({ kind: 'fetch', peer: 1, asked: askFor(2) });
  await hear();
  assert.equal(requests, before + 1, 'once there is room the same request is taken');
});

test('what lies in a slot is what the peer has read, even when slots are used again at once', async () => {
  const { one, two, pass } = await asked();
  let next = 0;
  const isRight: boolean[] = [];
  for (let i = 0; i < 400; i += 1) {
    for (; one.free > 0 && next < 100; next += 1) one.sendChunk(2, next, 3000 + next);
    await pass(1);
    for (const { slot, sent } of chunksIn(two.answers())) {
      const { chunk, storedBytes } = sent.packed;
      isRight.push(two.slab.packed(slot, storedBytes).equals(bytesOf(storedBytes, chunk + 1)));
      two.slab.give(slot);
    }
  }
  assert.equal(isRight.length, 100);
  assert.ok(isRight.every(Boolean));
});
