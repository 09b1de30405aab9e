/**
 * Links that follow the members: peers that are added, removed and moved while the node runs, what
 * is said to those that left, and who dials when the side whose part it is cannot.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeId } from '../../engine/raft/types.js';
import { describePeerEvent } from '../../io/net/close-reason.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import { PEER_LIMITS } from '../../io/net/peer-options.js';
import { addressOf, append, Cluster, heartbeat, membersOnly, type Node } from './net-harness.js';

const COLD = { latencyMs: () => 1 };
const peer = (id: number, address = addressOf(id)) => ({ id: nodeId(id), address });
const isUp = (node: Node, id: number): boolean => node.links.isUp(nodeId(id));
const LINGER = PEER_LIMITS.lingerMs;

test('a peer that is no member any more keeps its link for a while, and is then told', () => {
  const cluster = new Cluster([1, 2, 3], COLD);
  cluster.run(100);
  const [one, three] = [cluster.node(1), cluster.node(3)];
  three.links.setPeers([peer(2), peer(3)]);
  cluster.run(LINGER - 100);
  assert.ok(isUp(three, 1));
  three.links.sendMessage(heartbeat(3, 1), 1);
  three.links.flush();
  cluster.run(50);
  assert.equal(one.seen.frames.length, 1, 'it can still be told what it is to know');
  cluster.run(100);
  assert.ok(!isUp(three, 1) && !isUp(one, 3));
  assert.deepEqual(three.seen.log.slice(-2), ['down 1 removed', 'left 1']);
  const said = one.seen.events.map(describePeerEvent).find((text) => text.includes('removed'));
  assert.match(
    said ?? '',
    /^peer 3 at \S+: refusedByPeer \(removed: node 1 was removed from the c/,
  );
  assert.ok(isUp(three, 2));
});

test('a node that was removed dials on at a falling rate, and is told each time', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  const [one, two] = [cluster.node(1), cluster.node(2)];
  one.links.setPeers([peer(1)]);
  cluster.run(LINGER + 10);
  const before = two.links.counters.values.dials;
  cluster.run(60_000);
  const dials = two.links.counters.values.dials - before;
  assert.ok(dials >= 10 && dials <= 30, `${dials} dials in a minute`);
  assert.equal(one.links.counters.closes.removed, dials + 1);
  assert.match(two.seen.events.at(-1)?.detail ?? '', /^removed: node 2 was removed/);
  assert.ok(two.seen.events.length <= 3, 'the same refusal is logged once');
  one.links.setPeers([peer(1), peer(2)]);
  cluster.run(50);
  assert.ok(isUp(one, 2), 'whoever adds it dials');
});

test('a peer that comes back before it is let go is as if it had never left', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  const one = cluster.node(1);
  one.links.setPeers([]);
  cluster.run(LINGER - 100);
  one.links.setPeers([peer(2)]);
  cluster.run(3 * LINGER);
  assert.deepEqual(one.seen.log, ['up 2 boot 102']);
});

test('who is removed while entries to it wait gives their memory back', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  const one = cluster.node(1);
  cluster.network.cut('node1', 'node2');
  const slab = new Uint8Array(2000);
  const limits = { sent: 0 };
  while (limits.sent < 100) {
    const token = limits.sent + 1;
    const result = one.links.sendMessage(append(1, 2, slab.length), 1, slab, null, token);
    if (result !== SendResult.queued) break;
    limits.sent = token;
    one.links.flush();
  }
  one.links.setPeers([]);
  cluster.run(LINGER + 10);
  const tokens = [...one.seen.tokens].sort((a, b) => a - b);
  assert.deepEqual(
    tokens,
    Array.from({ length: limits.sent }, (_, at) => at + 1),
  );
});

test('a node that is added is dialled at once by both sides, and linked once', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  // It knows nobody's address but its own, and has the larger id.
  const fresh = { options: { peers: [peer(1, 'nowhere'), peer(2, 'nowhere')] } };
  const three = cluster.start(3, fresh);
  cluster.node(1).links.setPeers([peer(2), peer(3)]);
  cluster.node(2).links.setPeers([peer(1), peer(3)]);
  cluster.run(1100);
  assert.ok(isUp(three, 1) && isUp(three, 2));
  three.links.setPeers([peer(1), peer(2)]);
  cluster.run(20_000);
  assert.deepEqual(
    three.seen.log.filter((line) => line.startsWith('down')),
    [],
  );
  assert.equal(cluster.network.connectionCount(), 6);
});

test('a peer that moved is dialled where it is, and an open link is left alone', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  const two = cluster.node(2);
  two.links.setPeers([peer(1, 'node1b')]);
  cluster.run(1000);
  assert.deepEqual(two.seen.log, ['up 1 boot 101']);
  cluster.node(1).adapter.kill();
  cluster.start(1, { name: 'node1b', identity: { bootId: 200 } });
  cluster.run(300);
  assert.equal(two.seen.log.at(-1), 'up 1 boot 200 rebooted');
});

test('what is being dialled at a former address is given up for the new one', () => {
  const cluster = new Cluster([2], COLD);
  cluster.network.cut('node2', 'node1');
  cluster.run(10);
  cluster.start(1, { name: 'node1b' });
  cluster.node(2).links.setPeers([peer(1, 'node1b')]);
  cluster.run(50);
  assert.ok(isUp(cluster.node(2), 1));
});

test('a peer that dials an address that is wrong is dialled by the other side', () => {
  const cluster = new Cluster([1], COLD);
  const lost = { options: { peers: [peer(1, 'nowhere')] } };
  const two = cluster.start(2, lost);
  cluster.run(10_000);
  assert.ok(isUp(cluster.node(1), 2) && isUp(two, 1));
  assert.equal(cluster.network.connectionCount(), 2);
  assert.deepEqual(cluster.node(1).seen.reasons(), []);
});

test('a node that waits lets in whoever dials it, and knows where that one is reached', () => {
  const cluster = new Cluster([2], COLD, membersOnly(2));
  const two = cluster.node(2);
  two.links.setPeers([], true);
  const known = [peer(2), peer(5)];
  const five = cluster.start(5, { options: { peers: known }, identity: { address: 'node5' } });
  cluster.run(100);
  assert.ok(isUp(two, 5) && isUp(five, 2));
  assert.equal(two.links.counters.values.dials, 0);
  // Even one that was removed may be the one that adds it.
  cluster.run(3 * LINGER);
  assert.deepEqual(two.seen.log, ['up 5 boot 105']);
  two.links.setPeers(known, false);
  cluster.run(3 * LINGER);
  assert.deepEqual(two.seen.log, ['up 5 boot 105']);
});

test('a node that waits dials nobody, and its guests are forgotten when they go', () => {
  const cluster = new Cluster([1], COLD, membersOnly(1));
  const one = cluster.node(1);
  one.links.setPeers([], true);
  const two = cluster.start(2, membersOnly(1, 2));
  cluster.run(100);
  two.links.close();
  cluster.run(LINGER + 10);
  assert.deepEqual(one.seen.log, ['up 2 boot 102', 'down 2 disconnected', 'left 2']);
  assert.equal(one.links.counters.values.dials, 0);
});

test('a stranger of another cluster is refused by a node that waits, too', () => {
  const cluster = new Cluster([1], COLD, membersOnly(1));
  const one = cluster.node(1);
  one.links.setPeers([], true);
  const stranger = cluster.start(2, { ...membersOnly(1, 2), identity: { clusterId: 8 } });
  cluster.run(1000);
  assert.ok(!isUp(one, 2) && one.links.counters.closes.wrongCluster > 0);
  assert.match(stranger.seen.events[0]?.detail ?? '', /^wrongCluster: cluster id 8 there, 7 here/);
});

test('a removed node keeps the link of a member that does not know, and is dialled again', () => {
  const cluster = new Cluster([1, 2], COLD, membersOnly(1, 2));
  cluster.run(100);
  const [one, two] = [cluster.node(1), cluster.node(2)];
  // It has the entry that removes it; node 1 never gets it, as it is rolled back.
  two.links.setPeers([], true);
  cluster.run(3 * LINGER);
  assert.ok(isUp(one, 2) && isUp(two, 1));
  one.links.drop(nodeId(2), 'badMessage', 'a test');
  cluster.run(20_000);
  assert.ok(isUp(one, 2), 'node 1 dials, though it is the part of node 2');
});

test('once a node waits no more, guests that are no members go', () => {
  const cluster = new Cluster([1], COLD, membersOnly(1));
  const one = cluster.node(1);
  one.links.setPeers([], true);
  const two = cluster.start(2, membersOnly(1, 2));
  cluster.start(3, membersOnly(1, 3));
  cluster.run(100);
  one.links.setPeers([peer(1), peer(3)], false);
  cluster.run(LINGER + 100);
  const told = two.seen.events.map(({ detail }) => detail);
  assert.ok(
    told.some((text) => /^unknownNode: node 2 is not a member/.test(text)),
    `${told}`,
  );
  assert.ok(!isUp(one, 2) && isUp(one, 3));
});

test('a node that waits keeps a bound on its guests', () => {
  const cluster = new Cluster([1], COLD, membersOnly(1));
  const one = cluster.node(1);
  one.links.setPeers([], true);
  for (let id = 2; id <= 300; id += 1) cluster.start(id, membersOnly(1, id));
  cluster.run(400);
  const up = Array.from({ length: 299 }, (_, at) => isUp(one, at + 2)).filter((each) => each);
  assert.equal(up.length, 256);
  assert.ok(one.links.counters.closes.unknownNode > 0);
});
