/**
 * The links over real loopback TCP: large frames, bad input, and memory that stays bounded. Nothing
 * is timed; waiting is for conditions only.
 */

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { FrameKind, makeFrame } from '../../codec/frames/frame-format.js';
import { nodeId } from '../../engine/raft/types.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import type { PeerLinks } from '../../io/net/peer-links.js';
import { TcpAdapter } from '../../io/net/tcp-adapter.js';
import { slab } from '../codec/frame-samples.js';
import { append, heartbeat, linksOn, Recorder, voteReply } from './net-harness.js';

interface TcpNode {
  readonly adapter: TcpAdapter;
  readonly seen: Recorder;
  readonly links: PeerLinks;
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !condition(); i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(condition(), 'the condition came true');
}

async function startNode(id: number, peers: readonly TcpNode[]): Promise<TcpNode> {
  const adapter = new TcpAdapter();
  const seen = new Recorder(id);
  const addresses = peers.map((each) => ({
    id: nodeId(each.seen.self),
    address: each.seen.address,
  }));
  const later = [1, 2, 3].filter((each) => each > id);
  const unknown = later.map((each) => ({ id: nodeId(each), address: '127.0.0.1:1' }));
  const options = { peers: [...addresses, ...unknown] };
  const links = linksOn(adapter, id, seen, { name: '127.0.0.1:0', options });
  links.start();
  await until(() => seen.address !== '');
  return { adapter, seen, links };
}

async function startCluster(): Promise<TcpNode[]> {
  const nodes: TcpNode[] = [];
  for (const id of [1, 2, 3]) nodes.push(await startNode(id, nodes));
  const up = (node: TcpNode): number =>
    [1, 2, 3].filter((id) => node.links.isUp(nodeId(id))).length;
  await until(() => nodes.every((node) => up(node) === 2));
  return nodes;
}

function stop(nodes: readonly TcpNode[]): void {
  for (const node of nodes) node.links.close();
  for (const node of nodes) node.adapter.destroy();
}

test('on loopback every size of append arrives in order and its memory comes back', async () => {
  const nodes = await startCluster();
  const [one, two] = [nodes[0]!, nodes[1]!];
  const sizes = Array.from({ length: 60 }, (_, i) => [0, 16, 900, 5000, 65_536, 250_000][i % 6]!);
  const arena = new SharedArrayBuffer(1024 * 1024);
  sizes.forEach((bytes, i) => {
    const entries = new Uint8Array(arena, 8, bytes);
    const [a, b] = [entries.subarray(0, bytes >> 1), entries.subarray(bytes >> 1)];
    const sent = one.links.sendMessage(append(1, 2, bytes, i), 1, a, b, i + 1);
    assert.equal(sent, SendResult.queued);
    one.links.sendMessage(heartbeat(1, 2, i), 1);
    if (i % 4 === 0) one.links.flush();
  });
  one.links.flush();
  const appends = () => two.seen.frames.filter((each) => each.kind === FrameKind.append);
  await until(() => appends().length === sizes.length && one.seen.tokens.length === sizes.length);
  assert.deepEqual(
    appends().map((each) => each.body.length - 64),
    sizes,
  );
  assert.equal(one.links.dataBytes(nodeId(2)), 0);
  stop(nodes);
});

test('entries of 1 MiB travel in parts, both ways at once, with heartbeats between them', async () => {
  const nodes = await startCluster();
  const [one, two] = [nodes[0]!, nodes[1]!];
  const arena = new SharedArrayBuffer(1024 * 1024);
  const entries = new Uint8Array(arena);
  entries.set(slab(entries.length, 9));
  const count = 7;
  for (let i = 0; i < count; i += 1) {
    const [a, b] = [entries.subarray(0, 300_001), entries.subarray(300_001)];
    const there = one.links.sendMessage(append(1, 2, entries.length, i), 1, a, b, i + 1);
    const back = two.links.sendMessage(append(2, 1, entries.length, i), 1, entries, null, i + 1);
    assert.deepEqual([there, back], [SendResult.queued, SendResult.queued]);
  }
  const isDone = ({ seen }: TcpNode): boolean =>
    seen.frames.filter(({ kind }) => kind === FrameKind.append).length === count &&
    seen.tokens.length === count;
  let round = 0;
  await until(() => {
    round += 1;
    one.links.sendMessage(heartbeat(1, 2, round), 1);
    for (const { links } of [one, two]) links.flush();
    return isDone(one) && isDone(two);
  });
  for (const { seen, links } of [one, two]) {
    const appends = seen.frames.filter(({ kind }) => kind === FrameKind.append);
    for (const { body } of appends) assert.ok(Buffer.from(body.subarray(64)).equals(entries));
    assert.equal(links.counters.values.framesSplit, count);
    assert.deepEqual(seen.events, []);
  }
  const place = two.seen.frames.findLastIndex(({ kind }) => kind === FrameKind.append);
  assert.ok(place >= count, 'heartbeats came before the last of them');
  stop(nodes);
});

test('a frame is answered over the same link', async () => {
  const nodes = await startCluster();
  const [one, three] = [nodes[0]!, nodes[2]!];
  one.links.sendMessage(voteReply(1, 3), 4);
  one.links.flush();
  await until(() => three.seen.frames.length === 1);
  three.links.sendMessage(voteReply(3, 1), 4);
  three.links.flush();
  await until(() => one.seen.frames.length === 1);
  assert.equal(one.seen.frames[0]?.from, 3);
  stop(nodes);
});

function intrude(address: string, bytes: Uint8Array): Promise<string> {
  const port = Number(address.split(':').at(-1));
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', () => {});
    socket.on('close', () => resolve('closed'));
    socket.resume();
  });
}

test('HTTP, TLS, garbage and giant lengths are closed at once, links keep working', async () => {
  const nodes = await startCluster();
  const [one, two] = [nodes[0]!, nodes[1]!];
  const bad = [
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0x55]),
    slab(1_000_000, 5),
    makeFrame(FrameKind.hello, new Uint8Array(2000)),
    makeFrame(FrameKind.vote, new Uint8Array(40)),
  ];
  const closed = await Promise.all(bad.map((bytes) => intrude(one.seen.address, bytes)));
  assert.deepEqual(
    closed,
    bad.map(() => 'closed'),
  );
  await until(() => one.seen.events.length === bad.length);
  const counted = one.links.counters.closes;
  assert.deepEqual([counted.badFrame, counted.oversized, counted.unexpectedFrame], [3, 1, 1]);
  two.links.sendMessage(voteReply(2, 1), 1);
  two.links.flush();
  await until(() => one.seen.frames.length === 1);
  stop(nodes);
});

test('a refused handshake reaches the refused side as text', async () => {
  const one = await startNode(1, []);
  const adapter = new TcpAdapter();
  const seen = new Recorder(2);
  const links = linksOn(adapter, 2, seen, {
    name: '127.0.0.1:0',
    identity: { clusterId: 99 },
    options: { peers: [{ id: nodeId(1), address: one.seen.address }] },
  });
  links.start();
  await until(() => seen.events.length > 0);
  assert.equal(seen.events[0]?.reason, 'refusedByPeer');
  assert.equal(seen.events[0]?.detail, 'wrongCluster: cluster id 99 there, 7 here');
  stop([one, { adapter, seen, links }]);
});

test('a peer that dies is noticed at once and linked again when it is back', async () => {
  const nodes = await startCluster();
  const [one, two, three] = [nodes[0]!, nodes[1]!, nodes[2]!];
  three.adapter.destroy();
  await until(() => !one.links.isUp(nodeId(3)) && !two.links.isUp(nodeId(3)));
  const back = await startNode(3, [one, two]);
  await until(() => one.links.isUp(nodeId(3)) && two.links.isUp(nodeId(3)));
  stop([one, two, back]);
});
