/**
 * Bulk connections over real loopback TCP: megabytes out of and into shared memory beside
 * heartbeats, a receiver without room, and a connection that is cut in the middle of a chunk.
 */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { nodeId } from '../../engine/raft/types.js';
import type { BulkLinks } from '../../io/net/bulk-links.js';
import type { PeerLinks } from '../../io/net/peer-links.js';
import { TcpAdapter } from '../../io/net/tcp-adapter.js';
import { askFor } from '../codec/snapshot-samples.js';
import { BulkRecorder, withBulk } from './bulk-harness.js';
import { heartbeat, linksOn, Recorder } from './net-harness.js';

const CHUNK_BYTES = 1024 * 1024;

interface TcpNode {
  readonly adapter: TcpAdapter;
  readonly seen: Recorder;
  readonly bulk: BulkRecorder;
  readonly links: PeerLinks;
  readonly bulkLinks: BulkLinks;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 10_000 && !condition(); i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition(), 'the condition came true');
}

async function startNode(id: number, addresses: ReadonlyMap<number, string>): Promise<TcpNode> {
  const adapter = new TcpAdapter();
  const seen = new Recorder(id);
  const bulk = new BulkRecorder(CHUNK_BYTES);
  const peers = [1, 2, 3].map((each) => ({
    id: nodeId(each),
    address: addresses.get(each) ?? '127.0.0.1:1',
  }));
  const change = { name: '127.0.0.1:0', options: { peers } };
  const links = linksOn(adapter, id, seen, withBulk(id, adapter, bulk, change));
  assert.ok(links.bulk !== null);
  bulk.links = links.bulk;
  links.start();
  await until(() => seen.address !== '');
  return { adapter, seen, bulk, links, bulkLinks: links.bulk };
}

/** Node 1, and others that dial it. */
async function startAround(others: readonly number[]): Promise<TcpNode[]> {
  const one = await startNode(1, new Map());
  const nodes = [one];
  for (const id of others) nodes.push(await startNode(id, new Map([[1, one.seen.address]])));
  await until(() => others.every((id) => one.links.isUp(nodeId(id))));
  return nodes;
}

function stop(nodes: readonly TcpNode[]): void {
  for (const node of nodes) node.links.close();
  for (const node of nodes) node.adapter.destroy();
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

test('two nodes fetch megabytes from one, beside heartbeats', async () => {
  const nodes = await startAround([2, 3]);
  const [one, two, three] = nodes as [TcpNode, TcpNode, TcpNode];
  const count = 24;
  for (const node of [two, three]) node.bulkLinks.fetch(nodeId(1), askFor(1, 0, count));
  let round = 0;
  await until(() => {
    round += 1;
    one.links.sendMessage(heartbeat(1, 2, round), 1);
    one.links.flush();
    return two.bulk.chunks.length === count && three.bulk.chunks.length === count;
  });
  for (const { bulk } of [two, three]) {
    assert.deepEqual(
      bulk.chunks.map(({ chunk }) => chunk),
      upTo(count),
    );
    assert.ok(bulk.chunks.every(({ isRight }) => isRight));
  }
  await until(() => one.bulk.tokens.length === 2 * count && two.seen.frames.length > 0);
  assert.deepEqual(one.seen.events, []);
  assert.deepEqual([two.bulk.log, three.bulk.log], [[], []]);
  stop(nodes);
});

test('a receiver without room lets the sender wait, and takes the rest when it has some', async () => {
  const nodes = await startAround([2]);
  const [one, two] = nodes as [TcpNode, TcpNode];
  two.bulk.rooms = 2;
  two.bulkLinks.fetch(nodeId(1), askFor(1, 0, 40));
  await until(() => two.bulk.chunks.length === 2 && two.bulkLinks.isPaused);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(two.bulk.chunks.length, 2);
  assert.ok(one.bulk.tokens.length < 40, 'the sender is held up');
  two.bulk.rooms = 38;
  two.bulkLinks.resume();
  await until(() => two.bulk.chunks.length === 40);
  assert.ok(two.bulk.chunks.every(({ isRight }) => isRight));
  assert.deepEqual(two.bulk.log, []);
  stop(nodes);
});

/** A way to `address` that lets so many bytes through per connection, and can be cut. */
async function relay(address: string, bytesMax: () => number) {
  const port = Number(address.split(':').at(-1));
  const held = new Set<net.Socket>();
  const sockets = new Set<net.Socket>();
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    let passed = 0;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      from.on('data', (bytes) => {
        passed += bytes.length;
        if (passed > bytesMax()) held.add(from.pause());
        else to.write(bytes);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of held) socket.destroy();
  };
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`, held, cut, end };
}

test('a connection that is cut within a chunk is told, and the next request dials again', async () => {
  const one = await startNode(1, new Map());
  let bytesMax = 3.5 * CHUNK_BYTES;
  const way = await relay(one.seen.address, () => bytesMax);
  const two = await startNode(2, new Map([[1, way.address]]));
  await until(() => one.links.isUp(nodeId(2)));
  two.bulkLinks.fetch(nodeId(1), askFor(1, 0, 8));
  await until(() => two.bulk.chunks.length === 3 && two.bulk.lent === 1 && way.held.size > 0);
  way.cut();
  await until(() => two.bulk.log.length === 2);
  assert.deepEqual(two.bulk.log, ['space lost 1', 'down 1']);
  await until(() => one.links.counters.values.bulkConnections === 0);
  bytesMax = Number.POSITIVE_INFINITY;
  two.bulkLinks.fetch(nodeId(1), askFor(1, 3, 5));
  await until(() => two.bulk.chunks.length === 8);
  assert.ok(two.bulk.chunks.every(({ isRight }) => isRight));
  assert.ok(two.links.isUp(nodeId(1)), 'the ordinary link goes on');
  const downs = two.seen.log.filter((line) => line.startsWith('down'));
  assert.deepEqual(downs, [], 'it was never touched');
  stop([one, two]);
  way.end();
});
