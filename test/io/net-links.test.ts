/**
 * The links of a cluster on a memory network: who dials, who is let in, who is tried again when.
 * Time is manual: nothing here waits.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind, makeFrame } from '../../codec/frames/frame-format.js';
import { encodeHello } from '../../codec/frames/handshake.js';
import { helloTo } from '../../codec/frames/handshake-check.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, nodeId } from '../../engine/raft/types.js';
import type { Connection } from '../../io/net/adapter.js';
import { backoffMs } from '../../io/net/backoff.js';
import { describePeerEvent } from '../../io/net/close-reason.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import { PEER_LIMITS, peerLimitProblems } from '../../io/net/peer-options.js';
import {
  addressOf,
  Cluster,
  declared,
  identityOf,
  linksOn,
  membersOnly,
  Recorder,
  voteReply,
} from './net-harness.js';

const COLD = { latencyMs: () => 1 };

test('three nodes are linked by exactly one connection per pair, dialled by the larger id', () => {
  const cluster = new Cluster([1, 2, 3], COLD);
  cluster.run(100);
  assert.equal(cluster.network.connectionCount(), 2 * 3);
  for (const [id, others] of [
    [1, [2, 3]],
    [2, [1, 3]],
    [3, [1, 2]],
  ] as const) {
    for (const other of others) assert.ok(cluster.node(id).links.isUp(nodeId(other)));
  }
  const dials = [1, 2, 3].map((id) => cluster.node(id).links.counters.values.dials);
  assert.equal(dials[0], 0);
  assert.ok(dials[1]! >= 1 && dials[2]! >= 2);
});

test('idle links stay up by pings alone', () => {
  const cluster = new Cluster([1, 2, 3], COLD);
  cluster.run(60_000);
  for (const { seen } of cluster.nodes.values()) {
    assert.deepEqual(
      seen.log.filter((line) => line.startsWith('down')),
      [],
    );
    assert.equal(seen.frames.length, 0);
  }
});

test('the stream may be cut into chunks of any size', () => {
  const random = new Prng(8);
  const cluster = new Cluster([1, 2], { ...COLD, chunkBytesMax: () => random.between(1, 40) });
  cluster.run(100);
  cluster.node(1).links.sendMessage(voteReply(1, 2), 5);
  cluster.node(1).links.flush();
  cluster.run(10);
  assert.deepEqual(cluster.node(2).seen.frames[0]?.messages, [
    { group: 5, message: voteReply(1, 2) },
  ]);
});

test('sending to a peer that is not connected is a value and is counted', () => {
  const cluster = new Cluster([1], COLD);
  cluster.run(10);
  const { links } = cluster.node(1);
  assert.equal(links.sendMessage(voteReply(1, 2), 1), SendResult.notConnected);
  assert.equal(links.counters.values.droppedDown, 1);
});

test('pauses between dials double from 50 ms to 1 s, jittered by at most half', () => {
  const limits = { minMs: 50, maxMs: 1000 };
  const random = new Prng(1);
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const full = Math.min(1000, 50 * 2 ** attempt);
    const pauses = Array.from({ length: 50 }, () => backoffMs(attempt, limits, random));
    assert.ok(Math.min(...pauses) >= Math.floor(full / 2) && Math.max(...pauses) <= full);
    assert.ok(new Set(pauses).size > 5);
  }
});

test('an absent peer is dialled at a falling rate, logged once, and linked when it comes', () => {
  const cluster = new Cluster([2], COLD, membersOnly(1, 2));
  cluster.run(10_000);
  const { links, seen } = cluster.node(2);
  const dials = links.counters.values.dials;
  assert.ok(dials >= 40 && dials <= 85, `${dials} dials in 10 s`);
  assert.deepEqual(seen.reasons(), ['connectFailed']);
  assert.equal(links.counters.closes.connectFailed, dials);
  const one = cluster.start(1);
  cluster.run(300);
  assert.ok(links.isUp(nodeId(1)) && one.links.isUp(nodeId(2)));
});

test('a killed peer is reported at once, and its restart by its new boot id', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(5000);
  cluster.node(1).adapter.kill();
  cluster.run(200);
  assert.deepEqual(cluster.node(2).seen.log, ['up 1 boot 101', 'down 1 disconnected']);
  cluster.start(1, { identity: { bootId: 555 } });
  cluster.run(1100);
  assert.equal(cluster.node(2).seen.log[2], 'up 1 boot 555 rebooted');
  assert.equal(cluster.node(2).links.counters.values.reboots, 1);
});

test('a killed dialler comes back too, and the same boot id is no reboot', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  cluster.node(2).adapter.kill();
  cluster.run(10);
  cluster.start(2);
  cluster.run(1100);
  assert.deepEqual(cluster.node(1).seen.log, [
    'up 2 boot 102',
    'down 2 disconnected',
    'up 2 boot 102',
  ]);
});

test('a silent link is closed after the idle time and made again when the network heals', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(1000);
  cluster.network.cut('node1', 'node2');
  cluster.network.cut('node2', 'node1');
  cluster.run(2500);
  for (const id of [1, 2]) assert.match(cluster.node(id).seen.log.at(-1) ?? '', /^down \d idle$/);
  cluster.run(30_000);
  cluster.network.heal('node1', 'node2');
  cluster.network.heal('node2', 'node1');
  cluster.run(4000);
  assert.ok(cluster.node(1).links.isUp(nodeId(2)) && cluster.node(2).links.isUp(nodeId(1)));
  assert.equal(cluster.network.connectionCount(), 2);
});

test('a second node with the id of a living one is refused, the first keeps its link', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  const impostor = cluster.start(2, { name: 'elsewhere', identity: { bootId: 666 } });
  cluster.run(20_000);
  const one = cluster.node(1);
  assert.deepEqual(one.seen.log, ['up 2 boot 102']);
  assert.ok(one.links.counters.closes.duplicateNode > 5);
  assert.match(describePeerEvent(one.seen.events[0]!), /^peer 2 at elsewhere: duplicateNode \(/);
  const told = impostor.seen.events.find((each) => each.reason === 'refusedByPeer');
  assert.match(
    told?.detail ?? '',
    /^duplicateNode: node id 2 is in use by node2, heard \d+ ms ago/,
  );
});

test('a node that lost its machine is let in again although its old stream never ended', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  cluster.network.cut('node2', 'node1');
  cluster.node(2).adapter.kill();
  cluster.start(2, { name: 'node2b', identity: { bootId: 777, incarnation: incarnation(99) } });
  cluster.run(2300);
  assert.equal(cluster.node(1).seen.log.at(-1), 'up 2 boot 777 rebooted');
});

test('a newer connection of the same process replaces the older one', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  cluster.start(2, { name: 'node2b' });
  cluster.run(100);
  const { log } = cluster.node(1).seen;
  assert.deepEqual(log.slice(0, 3), ['up 2 boot 102', 'down 2 replaced', 'up 2 boot 102']);
});

test('each wrong identity is refused by name on both sides, and the others are unaffected', () => {
  const cases = [
    ['wrongCluster', { identity: { clusterId: 8 } }],
    ['configMismatch', { options: { groups: [{ ...declared(1), entryBytesMax: 4096 }] } }],
    ['feature', { identity: { required: 1 << 9 } }],
    ['unknownNode', { identity: { nodeId: nodeId(9) } }],
  ] as const;
  for (const [reason, change] of cases) {
    const cluster = new Cluster([1, 2], COLD);
    cluster.run(50);
    const bad = cluster.start(3, { ...change, name: 'stranger' });
    cluster.run(3000);
    const { counters } = cluster.node(1).links;
    assert.ok(counters.closes[reason] >= 3, reason);
    const told = bad.seen.events.find((each) => each.reason === 'refusedByPeer');
    assert.match(told?.detail ?? '', new RegExp(`^${reason}: `));
    assert.deepEqual(cluster.node(1).seen.log, ['up 2 boot 102']);
  }
});

test('an address that leads to the own node, or to another one, is refused by name', () => {
  const cluster = new Cluster([1], COLD);
  const peers = [
    { id: nodeId(1), address: addressOf(3) },
    { id: nodeId(2), address: addressOf(1) },
  ];
  const three = cluster.start(3, { options: { peers } });
  cluster.run(1000);
  assert.ok(three.links.counters.closes.ownId > 0);
  const reasons = three.seen.events.map((each) => each.detail.split(':')[0]);
  assert.ok(reasons.includes('wrongTarget'));
});

test('the side that must not dial is refused while the other one has a link', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  const adapter = new MemoryAdapter(cluster.network, 'elsewhere');
  const connection = adapter.connect('node2', () => {
    const hello = encodeHello(helloTo(nodeId(2), identityOf(1), new Map()));
    adapter.write(connection, [hello], () => {});
  });
  cluster.run(100);
  assert.equal(cluster.node(2).links.counters.closes.direction, 1);
});

function intrude(cluster: Cluster, count: number, bytes: Uint8Array | null): Connection[] {
  const adapter = new MemoryAdapter(cluster.network, 'intruder');
  return Array.from({ length: count }, () => {
    const connection = adapter.connect('node1', (failure) => {
      if (failure === null && bytes !== null) adapter.write(connection, [bytes], () => {});
    });
    return connection;
  });
}

test('HTTP, TLS and giant frames cost their own connection only, each with a logged reason', () => {
  const cluster = new Cluster([1, 2, 3], COLD);
  cluster.run(100);
  const { links, seen } = cluster.node(1);
  intrude(cluster, 3, Buffer.from('GET / HTTP/1.1\r\nHost: node1\r\n\r\n'));
  intrude(cluster, 2, Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0x55, 0x12]));
  intrude(cluster, 1, makeFrame(FrameKind.hello, new Uint8Array(5000)));
  cluster.run(100);
  assert.equal(links.counters.closes.badFrame, 5);
  assert.equal(links.counters.closes.oversized, 1);
  assert.match(
    describePeerEvent(seen.events[0]!),
    /^connection at intruder: badFrame \(HTTP bytes: .* clients use --client \(magic, after 47 45/,
  );
  assert.deepEqual(
    seen.log.filter((line) => line.startsWith('down')),
    [],
  );
  assert.equal(cluster.network.connectionCount('node1'), 2);
});

test('connections that never say HELLO are ended after 2 s, and pushed out when too many', () => {
  const cluster = new Cluster([1], COLD);
  cluster.run(10);
  intrude(cluster, 500, null);
  cluster.run(10);
  const { links } = cluster.node(1);
  const kept = PEER_LIMITS.greetingConnectionsMax;
  assert.equal(cluster.network.connectionCount('node1'), kept);
  assert.equal(links.counters.closes.evicted, 500 - kept);
  cluster.start(2);
  cluster.run(100);
  assert.ok(links.isUp(nodeId(2)), 'a peer is let in while others wait');
  cluster.run(2000);
  assert.equal(links.counters.closes.handshakeTimeout, kept - 1);
  assert.equal(cluster.network.connectionCount('node1'), 1);
});

test('a group that is declared later is compared on open links', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  cluster.node(1).links.declareGroup(declared(8));
  cluster.node(2).links.declareGroup(declared(8));
  cluster.run(100);
  assert.ok(cluster.node(1).links.isUp(nodeId(2)));
  cluster.node(1).links.declareGroup(declared(9));
  cluster.node(2).links.declareGroup({ ...declared(9), nameHash: 1 });
  cluster.run(10);
  const closes = [1, 2].map((id) => cluster.node(id).links.counters.closes.configMismatch);
  assert.ok(closes[0]! + closes[1]! > 0);
});

test('a link that the owner drops is made again; after close nothing is dialled any more', () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  cluster.node(1).links.drop(nodeId(2), 'badMessage', 'a test');
  cluster.run(200);
  assert.deepEqual(cluster.node(1).seen.log, [
    'up 2 boot 102',
    'down 2 badMessage',
    'up 2 boot 102',
  ]);
  cluster.node(2).links.close();
  cluster.run(5000);
  assert.equal(cluster.node(2).seen.log.at(-1), 'down 1 shutdown');
  assert.equal(cluster.network.connectionCount(), 0);
});

test('an address that is taken is reported', () => {
  const cluster = new Cluster([1], COLD);
  const second = cluster.start(1);
  cluster.run(1);
  assert.deepEqual(second.seen.log, ['listen node1 EADDRINUSE']);
});

test('impossible limits are all named at once', () => {
  const limits = { ...PEER_LIMITS, pingMs: 3000, redialMsMin: 0, batchBytesMax: 2 ** 40 };
  assert.equal(peerLimitProblems(limits).length, 3);
  assert.deepEqual(peerLimitProblems(PEER_LIMITS), []);
  const adapter = new MemoryAdapter(new Cluster([]).network, 'x');
  const change = { options: { limits: { idleMs: 1 } } };
  assert.throws(
    () => linksOn(adapter, 1, new Recorder(1), change),
    /pingMs is 500, must be at most/,
  );
});
