/**
 * Bulk connections on a memory network: chunks flow beside the ordinary links, and whatever goes
 * wrong with one costs the transfer and nothing else. Time is manual.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind, makeFrame } from '../../codec/frames/frame-format.js';
import { encodeHello } from '../../codec/frames/handshake.js';
import { bulkIdentity, Feature, helloTo } from '../../codec/frames/handshake-check.js';
import { encodeFetch } from '../../codec/frames/snapshot-frames.js';
import { incarnation, nodeId } from '../../engine/raft/types.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { PEER_LIMITS } from '../../io/net/peer-options.js';
import { askFor, chunkFrame, chunkOf, POINT } from '../codec/snapshot-samples.js';
import { type BulkNode, CHUNK_BYTES, idOf, startBulk } from './bulk-harness.js';
import {
  addressOf,
  Cluster,
  declared,
  heartbeat,
  identityOf,
  membersOnly,
  type NodeChange,
} from './net-harness.js';

const SLOW = { latencyMs: () => 1, chunkBytesMax: () => 1000 };

/** Microtasks of the network's callbacks run between the milliseconds. */
async function run(cluster: Cluster, ms: number): Promise<void> {
  for (let i = 0; i < ms; i += 1) {
    cluster.run(1);
    await Promise.resolve();
  }
}

async function start(
  ids: readonly number[],
  changes: Readonly<Record<number, NodeChange>> = {},
): Promise<{ cluster: Cluster; nodes: BulkNode[] }> {
  const cluster = new Cluster([], SLOW);
  const nodes = ids.map((id) => startBulk(cluster, id, changes[id]));
  await run(cluster, 300);
  return { cluster, nodes };
}

/** Node 1 and 2, linked. */
async function pair(): Promise<{ cluster: Cluster; one: BulkNode; two: BulkNode }> {
  const { cluster, nodes } = await start([1, 2]);
  return { cluster, one: nodes[0]!, two: nodes[1]! };
}

const numbers = (node: BulkNode): number[] => node.bulk.chunks.map(({ chunk }) => chunk);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const downs = (node: BulkNode): string[] => node.seen.log.filter((line) => line.startsWith('down'));

for (const fetcher of [1, 2]) {
  test(`node ${fetcher} dials to fetch, whoever dials the ordinary link`, async () => {
    const { cluster, one, two } = await pair();
    const [to, from] = fetcher === 1 ? [one, two] : [two, one];
    assert.equal(to.bulkLinks.fetch(idOf(from), askFor(1, 0, 12)), null);
    await run(cluster, 200);
    assert.deepEqual(numbers(to), upTo(12));
    assert.ok(to.bulk.chunks.every(({ isRight, peer }) => isRight && peer === from.id));
    assert.equal(from.bulk.tokens.length, 12, 'the memory of every chunk came back');
    assert.deepEqual(to.bulk.log, []);
    for (const node of [one, two]) {
      assert.equal(node.links.counters.values.bulkConnections, 1);
      assert.deepEqual(downs(node), []);
    }
    assert.equal(to.links.counters.values.snapshotBytesReceived, 12 * CHUNK_BYTES);
    assert.equal(from.links.counters.values.snapshotBytesSent, 12 * CHUNK_BYTES);
  });
}

test('heartbeats flow while chunks do', async () => {
  const { cluster, one, two } = await pair();
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 60));
  let beats = 0;
  while (two.bulk.chunks.length < 60) {
    beats += 1;
    one.links.sendMessage(heartbeat(1, 2, beats), 1);
    one.links.flush();
    await run(cluster, 1);
  }
  await run(cluster, 5);
  assert.ok(beats > 20);
  assert.equal(two.seen.frames.length, beats);
});

test('the connection ends a while after the last chunk, and the next request dials again', async () => {
  const { cluster, one, two } = await pair();
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 2));
  await run(cluster, 100);
  await run(cluster, PEER_LIMITS.bulkUnusedMs);
  for (const node of [one, two]) {
    assert.equal(node.links.counters.values.bulkConnections, 0);
    assert.deepEqual(node.seen.events, [], 'that is no news');
  }
  assert.deepEqual(two.bulk.log, [], 'nothing that was asked is lost');
  two.bulkLinks.fetch(idOf(one), askFor(1, 2, 2));
  await run(cluster, 100);
  assert.deepEqual(numbers(two), [0, 1, 2, 3]);
});

test('a request that is never answered ends the connection in time', async () => {
  const { cluster, one, two } = await pair();
  one.bulk.serves = false;
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 2));
  await run(cluster, PEER_LIMITS.bulkSilentMs - 100);
  assert.equal(two.links.counters.values.bulkConnections, 1);
  await run(cluster, 300);
  assert.deepEqual(two.bulk.log, ['down 1']);
  assert.equal(one.bulk.log.at(-1), 'left 2', 'who serves is told as well');
  assert.deepEqual(two.seen.reasons(), ['idle']);
});

/** Connections whose reader comes once `isSlow` is set have their bytes when the test says so. */
class SlowAdapter extends MemoryAdapter {
  isSlow = false;
  #held: Buffer = Buffer.alloc(0);
  #read: (bytes: Uint8Array) => void = () => {};

  override setReadCallback: MemoryAdapter['setReadCallback'] = (connection, callback) => {
    if (!this.isSlow) {
      MemoryAdapter.prototype.setReadCallback.call(this, connection, callback);
      return;
    }
    this.#read = callback as (bytes: Uint8Array) => void;
    MemoryAdapter.prototype.setReadCallback.call(this, connection, (bytes) => {
      this.#held = Buffer.concat([this.#held, bytes]);
    });
  };

  deliver(count: number): void {
    const bytes = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    if (bytes.length > 0) this.#read(bytes);
  }
}

test('a chunk may take longer than any silence while its bytes come', async () => {
  const cluster = new Cluster([], SLOW);
  const one = startBulk(cluster, 1);
  const slow = new SlowAdapter(cluster.network, 'node2');
  const two = startBulk(cluster, 2, membersOnly(1, 2), slow);
  await run(cluster, 300);
  slow.isSlow = true;
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 1));
  const counters = two.links.counters.values;
  for (let i = 0; i < 20 && counters.bulkConnections === 0; i += 1) {
    await run(cluster, 10);
    slow.deliver(1000);
  }
  const begun = cluster.clock.now();
  while (two.bulk.chunks.length === 0 && two.bulk.log.length === 0) {
    await run(cluster, 500);
    slow.deliver(100);
  }
  assert.deepEqual([two.bulk.log, numbers(two)], [[], [0]]);
  assert.ok(cluster.clock.now() - begun > PEER_LIMITS.bulkSilentMs);
});

test('a broken connection is told, gives its room back, and the next request dials again', async () => {
  const { cluster, one, two } = await pair();
  one.bulkLinks.fetch(idOf(two), askFor(1, 0, 200));
  await run(cluster, 20);
  two.adapter.kill();
  await run(cluster, 50);
  const landed = one.bulk.chunks.length;
  assert.ok(landed > 0 && landed < 200);
  assert.deepEqual(
    one.bulk.log.filter((line) => line.startsWith('down')),
    ['down 2'],
  );
  assert.equal(one.bulk.lent, 0);
  assert.ok(!one.bulk.log.includes('left 2'), 'nothing was fetched from here');
  const back = startBulk(cluster, 2, { identity: { bootId: 999 } });
  await run(cluster, 1500);
  one.bulkLinks.fetch(idOf(back), askFor(1, landed, 200 - landed));
  await run(cluster, 2000);
  assert.deepEqual(numbers(one), upTo(200));
});

test('a peer that cannot be reached is dialled no faster than the pauses allow', async () => {
  const change = { options: { limits: { dialAnywayMs: 20_000, refusedMsMax: 20_000 } } };
  const { cluster, nodes } = await start([1], { 1: change });
  const one = nodes[0]!;
  const dialsBefore = one.links.counters.values.dials;
  for (let i = 0; i < 3000; i += 1) {
    one.bulkLinks.fetch(nodeId(2), askFor(1));
    await run(cluster, 1);
  }
  const dials = one.links.counters.values.dials - dialsBefore;
  assert.ok(dials >= 3 && dials < 20, `${dials} dials`);
  assert.equal(one.bulk.log.length, dials, 'each is told');
  assert.deepEqual([...new Set(one.bulk.log)], ['down 2']);
  assert.equal(one.seen.events.length, 1, 'the same failure is logged once');
});

test('two followers fetch at once, and one fetches for two groups', async () => {
  const { cluster, nodes } = await start([1, 2, 3]);
  const [one, two, three] = nodes as [BulkNode, BulkNode, BulkNode];
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 20));
  three.bulkLinks.fetch(idOf(one), askFor(1, 0, 20));
  three.bulkLinks.fetch(idOf(one), askFor(9, 3, 2));
  await run(cluster, 400);
  assert.deepEqual(numbers(two), upTo(20));
  const ofGroup = (group: number): number[] =>
    three.bulk.chunks.filter((each) => each.group === group).map(({ chunk }) => chunk);
  assert.deepEqual(ofGroup(1), upTo(20));
  assert.deepEqual(ofGroup(9), [3, 4]);
  assert.equal(one.links.counters.values.bulkConnections, 2);
});

test('each may fetch from the other at the same time, by a connection each', async () => {
  const { cluster, one, two } = await pair();
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 20));
  one.bulkLinks.fetch(idOf(two), askFor(2, 0, 20));
  await run(cluster, 300);
  assert.deepEqual(numbers(one), upTo(20));
  assert.deepEqual(numbers(two), upTo(20));
  assert.equal(one.links.counters.values.bulkConnections, 2);
});

test('at most two chunks wait for one connection', async () => {
  const { cluster, one, two } = await pair();
  two.bulk.rooms = 0;
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 20));
  await run(cluster, 200);
  assert.equal(one.links.counters.values.snapshotBytesSent, 2 * CHUNK_BYTES);
  assert.equal(one.bulk.tokens.length, 0);
});

test('without room a connection waits as long as it takes, and goes on', async () => {
  const { cluster, one, two } = await pair();
  two.bulk.rooms = 3;
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 10));
  await run(cluster, 10 * PEER_LIMITS.idleMs);
  assert.deepEqual(numbers(two), [0, 1, 2]);
  assert.ok(two.bulkLinks.isPaused);
  two.bulkLinks.resume();
  assert.ok(two.bulkLinks.isPaused, 'there is still none');
  for (let i = 0; i < 7; i += 1) {
    two.bulk.rooms = 1;
    two.bulkLinks.resume();
    await run(cluster, 100);
  }
  assert.deepEqual(numbers(two), upTo(10));
  assert.equal(two.bulkLinks.isPaused, false);
  assert.deepEqual([two.bulk.log, two.seen.events, one.seen.events], [[], [], []]);
});

test('a chunk that cannot be taken ends the connection with the reason', async () => {
  const { cluster, one, two } = await pair();
  two.bulk.refusal = 'chunk of 20000 bytes there, at most 10 here';
  two.bulkLinks.fetch(idOf(one), askFor(1));
  await run(cluster, 100);
  assert.deepEqual(two.bulk.log, ['down 1']);
  const event = two.seen.events[0];
  assert.equal(event?.reason, 'badMessage');
  assert.equal(event?.detail, 'bulk connection: chunk of 20000 bytes there, at most 10 here');
  assert.deepEqual(downs(two), []);
});

test('who has no such snapshot says so in words', async () => {
  const { cluster, one, two } = await pair();
  one.bulk.serves = false;
  two.bulkLinks.fetch(idOf(one), askFor(1));
  await run(cluster, 50);
  one.bulkLinks.refuse(idOf(two), { group: 1, point: POINT, text: 'snapshot 1234 is gone' });
  await run(cluster, 50);
  assert.deepEqual(two.bulk.log, ['refused 1 group 1: snapshot 1234 is gone']);
});

test('a peer of an older version is known by its HELLO, or refuses by name', async () => {
  const { cluster, nodes } = await start([2]);
  const two = nodes[0]!;
  const old = cluster.start(1);
  two.bulkLinks.fetch(nodeId(1), askFor(1));
  await run(cluster, 100);
  const refusal = two.bulk.log.find((line) => line.startsWith('refused'));
  assert.match(refusal ?? '', /refused 1 group 1: no bulk connection to node 1: refusedByPeer/);
  assert.match(refusal ?? '', /node 2 requires bulk, unknown here/);
  await run(cluster, 1000);
  assert.ok(two.links.isUp(nodeId(1)), 'the ordinary link is none the worse');
  const text = two.bulkLinks.fetch(nodeId(1), askFor(1)) ?? '';
  assert.match(text, /node 1 runs a version without bulk connections/);
  assert.deepEqual(old.seen.log, ['up 2 boot 102']);
});

test('nobody is asked who is no peer', async () => {
  const { nodes } = await start([1]);
  const text = nodes[0]!.bulkLinks.fetch(nodeId(9), askFor(1));
  assert.equal(text, 'node 9 is not a member that node 1 knows');
});

test('another cluster and an unknown node are refused, as on ordinary connections', async () => {
  const { cluster, nodes } = await start([1, 2, 3], {
    2: { identity: { clusterId: 99 } },
    3: { options: { peers: [] } },
  });
  const [one, two, three] = nodes as [BulkNode, BulkNode, BulkNode];
  two.bulkLinks.fetch(idOf(one), askFor(1));
  one.bulkLinks.fetch(idOf(three), askFor(1));
  await run(cluster, 50);
  assert.match(two.bulk.log[0] ?? '', /wrongCluster: cluster id 99 there, 7 here/);
  assert.match(one.bulk.log[0] ?? '', /unknownNode: node 1 is not a member that node 3 knows/);
  assert.equal(one.links.counters.values.bulkConnections, 0);
});

/** A connection to node 1 that says what it is given, and what came back by it. */
function intrude(cluster: Cluster, bytes: readonly Uint8Array[]) {
  const adapter = new MemoryAdapter(cluster.network, 'intruder');
  const closes: string[] = [];
  const connection = adapter.connect('node1', () => {
    adapter.write(connection, bytes, () => {});
  });
  adapter.setCloseCallback(connection, (code) => closes.push(code));
  return { adapter, closes };
}

const bulkHello = (change: Partial<ReturnType<typeof identityOf>> = {}): Uint8Array => {
  const identity = { ...identityOf(2), optional: Feature.bulk, ...change };
  return encodeHello(helloTo(nodeId(1), bulkIdentity(identity), new Map([[1, declared(1)]])));
};

test('another boot id, or other data, is a second process while the first is heard', async () => {
  const { cluster, one, two } = await pair();
  for (const change of [{ bootId: 5 }, { incarnation: incarnation(5) }]) {
    intrude(cluster, [bulkHello(change)]);
    await run(cluster, 20);
    assert.equal(one.seen.events.at(-1)?.reason, 'duplicateNode');
  }
  intrude(cluster, [bulkHello()]);
  await run(cluster, 20);
  assert.equal(one.links.counters.values.bulkConnections, 1);
  assert.deepEqual([downs(one), downs(two)], [[], []]);
});

test('a second bulk connection of the same process takes the place of the first', async () => {
  const { cluster, one } = await pair();
  const first = intrude(cluster, [bulkHello()]);
  await run(cluster, 20);
  intrude(cluster, [bulkHello()]);
  await run(cluster, 20);
  assert.equal(first.closes.length, 1);
  assert.equal(one.links.counters.values.bulkConnections, 1);
  assert.deepEqual(one.seen.reasons(), ['replaced']);
});

test('what has no place on a bulk connection ends it alone, by name', async () => {
  const { cluster, one } = await pair();
  const { head, stored } = chunkOf(1, 100);
  const fetch = encodeFetch(askFor(1));
  const zeroed = fetch.slice().fill(0, 4, 8);
  const cases: readonly [Uint8Array, string, RegExp][] = [
    [makeFrame(FrameKind.vote, new Uint8Array(40)), 'unexpectedFrame', /kind 3 on a bulk/],
    [makeFrame(FrameKind.part, new Uint8Array(40)), 'unexpectedFrame', /kind 50/],
    [chunkFrame(head, stored), 'badMessage', /kind 52 of 180 bytes/],
    [makeFrame(FrameKind.snapshotFetch, fetch.subarray(1)), 'badMessage', /kind 51 of 31 bytes/],
    [makeFrame(FrameKind.snapshotFetch, zeroed), 'badMessage', /kind 51, malformed/],
    [makeFrame(FrameKind.snapshotFetch, new Uint8Array(70_000)), 'oversized', /length/],
  ];
  for (const [frame, reason, detail] of cases) {
    const { closes } = intrude(cluster, [bulkHello(), frame]);
    await run(cluster, 100);
    assert.equal(closes.length, 1);
    assert.equal(one.seen.events.at(-1)?.reason, reason);
    assert.match(one.seen.events.at(-1)?.detail ?? '', detail);
  }
  assert.deepEqual(downs(one), []);
});

test('frames of snapshots on an ordinary connection end it', async () => {
  const cluster = new Cluster([], SLOW);
  const one = startBulk(cluster, 1);
  const { head, stored } = chunkOf(1, 100);
  const hello = encodeHello(helloTo(nodeId(1), identityOf(2), new Map([[1, declared(1)]])));
  const fetch = makeFrame(FrameKind.snapshotFetch, encodeFetch(askFor(1)));
  for (const frame of [chunkFrame(head, stored), fetch]) {
    intrude(cluster, [hello, frame]);
    await run(cluster, 50);
    assert.equal(one.seen.events.at(-1)?.reason, 'unexpectedFrame');
    assert.match(one.seen.events.at(-1)?.detail ?? '', /kind 5[12] on an ordinary connection/);
  }
  assert.deepEqual(one.bulk.log, []);
});

test('a removed peer and the end of the node end bulk connections', async () => {
  const { cluster, one, two } = await pair();
  two.bulkLinks.fetch(idOf(one), askFor(1, 0, 2));
  one.bulkLinks.fetch(idOf(two), askFor(1, 0, 2));
  await run(cluster, 100);
  one.links.setPeers([]);
  await run(cluster, 4000);
  assert.equal(one.links.counters.values.bulkConnections, 2, 'what is under way may end');
  await run(cluster, 1500);
  assert.equal(one.links.counters.values.bulkConnections, 0);
  assert.equal(two.links.counters.values.bulkConnections, 0);
  const again = await pair();
  again.two.bulkLinks.fetch(idOf(again.one), askFor(1, 0, 2));
  await run(again.cluster, 100);
  again.two.links.close();
  await run(again.cluster, 50);
  assert.equal(again.one.links.counters.values.bulkConnections, 0);
  assert.match(again.two.bulkLinks.fetch(idOf(again.one), askFor(1)) ?? '', /not a member/);
});

test('a node that waits fetches where the one that adds it says that it is reached', async () => {
  for (const address of [addressOf(1), undefined]) {
    const cluster = new Cluster([], SLOW);
    const said = address === undefined ? {} : { identity: { address } };
    const one = startBulk(cluster, 1, { ...membersOnly(1, 2), ...said });
    const two = startBulk(cluster, 2, membersOnly(2));
    two.links.setPeers([], true);
    await run(cluster, 1500);
    assert.ok(two.links.isUp(nodeId(1)));
    const refused = two.bulkLinks.fetch(idOf(one), askFor(1, 0, 2));
    if (address === undefined) {
      assert.match(refused ?? '', /node 1 has not said where it is reached/);
      continue;
    }
    await run(cluster, 200);
    assert.deepEqual(numbers(two), [0, 1]);
  }
});
