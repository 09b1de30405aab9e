/**
 * The transport follows the configurations that the groups tell: peers come, go and move while
 * frames are under way, the groups have different members, and nothing that is lent stays away.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { type AppendRequest, MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { logIndex, nodeId, term } from '../../engine/raft/types.js';
import { Arena } from '../../engine/runtime/arena.js';
import { ManualClock } from '../../io/net/manual-clock.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { MemoryNetwork } from '../../io/net/memory-network.js';
import { PeerLinks } from '../../io/net/peer-links.js';
import { PEER_LIMITS } from '../../io/net/peer-options.js';
import { RingNetworkPort } from '../../workers/ports/ring-ports.js';
import {
  membersBytes,
  PeerRecordKind,
  readMembers,
  readPeerHeader,
} from '../../workers/records/peer.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import { RECORD_TAKEN, RingConsumer, RingProducer } from '../../workers/ring/spsc-ring.js';
import { Bell, createGroupMemory } from '../../workers/topology.js';
import { TransportLoop } from '../../workers/transport-loop.js';
import { addressOf, declared, identityOf } from '../io/net-harness.js';

const MIB = 1024 * 1024;
const ENTRY_BYTES = 4096;

const memberOf = (id: number, address = addressOf(id)) => ({ id: nodeId(id), address });
const configurationOf = (...members: readonly ReturnType<typeof memberOf>[]): Buffer =>
  encodeConfiguration(bootstrapConfiguration(members));
const named = (...ids: readonly number[]): Buffer =>
  configurationOf(...ids.map((id) => memberOf(id)));

class Bench {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock, { latencyMs: () => 1 });
  readonly nodes = new Map<number, TransportNode>();

  start(id: number, peers: readonly number[], groups = 1, address = addressOf(id)): TransportNode {
    const node = new TransportNode(this.network, id, peers, groups, address);
    this.nodes.set(id, node);
    return node;
  }

  run(ms: number): void {
    for (let each = 0; each < ms; each += 1) {
      for (const node of this.nodes.values()) node.loop.doWork();
      for (const { links } of this.nodes.values()) links.flush();
      this.clock.advance(1);
    }
  }
}

class TransportNode {
  readonly id: number;
  readonly loop: TransportLoop;
  readonly links: PeerLinks;
  readonly adapter: MemoryAdapter;
  readonly groups: readonly { port: RingNetworkPort; arena: Arena; incoming: RingConsumer }[];
  /** Tokens of what the links read, or wait to read. */
  readonly lent = new Set<number>();
  readonly left: number[] = [];

  constructor(
    network: MemoryNetwork,
    id: number,
    peers: readonly number[],
    groups: number,
    address: string,
  ) {
    this.id = id;
    const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.consensus);
    const memories = Array.from({ length: groups }, () => createGroupMemory(64, MIB));
    this.groups = memories.map((memory, group) => ({
      port: new RingNetworkPort(group, new RingProducer(memory.toPeers)),
      arena: new Arena(memory.arena),
      incoming: new RingConsumer(memory.fromPeers),
    }));
    const start = peers.map((peer) => memberOf(peer));
    const withBells = memories.map((memory) => ({ memory, bell }));
    this.loop = new TransportLoop(nodeId(id), withBells, start);
    this.adapter = new MemoryAdapter(network, address);
    this.links = new PeerLinks(
      {
        adapter: this.adapter,
        identity: identityOf(id),
        listenAddress: address,
        peers: start,
        groups: memories.map((_, group) => declared(group)),
        random: new Prng(id),
      },
      {
        up: (peer, hello, rebooted) => this.loop.onUp(peer, hello, rebooted),
        down: (peer) => this.loop.onDown(peer),
        left: (peer) => {
          this.left.push(peer);
          this.loop.onLeft(peer);
        },
        frame: (...frame) => this.loop.onFrame(...frame),
        released: (token) => {
          assert.ok(this.lent.delete(token), 'what was lent comes back once');
          this.loop.released(token);
        },
        event: () => {},
        listening: () => {},
        listenFailed: () => {},
      },
    );
    const { links } = this;
    this.loop.attach(links);
    const send = links.send.bind(links);
    links.send = (to, kind, body, slabA, slabB, token = 0) => {
      const result = send(to, kind, body, slabA, slabB, token);
      if (result === 0 && token !== 0) this.lent.add(token);
      return result;
    };
    links.start();
  }

  isUp(peer: number): boolean {
    return this.links.isUp(nodeId(peer));
  }

  tell(group: number, configuration: Uint8Array): void {
    const { port } = this.groups[group]!;
    port.configure(configuration, false);
    port.publish();
  }

  append(group: number, to: number): void {
    const { port, arena } = this.groups[group]!;
    const position = arena.reserve(ENTRY_BYTES);
    assert.ok(position >= 0, 'the arena has room');
    const piece = { first: logIndex(1), last: logIndex(1), position, bytes: ENTRY_BYTES };
    port.sendAppend(appendOf(this.id, to), [piece]);
    port.publish();
  }

  /** What came for a group since: `up 2`, `down 2`, `frame 2`. */
  take(group: number): string[] {
    const { incoming } = this.groups[group]!;
    const { frame, up } = PeerRecordKind;
    const seen: string[] = [];
    incoming.drain((kind, at) => {
      const name = kind === frame ? 'frame' : kind === up ? 'up' : 'down';
      seen.push(`${name} ${readPeerHeader(incoming.view, at).peer}`);
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
    return seen;
  }
}

function appendOf(from: number, to: number): AppendRequest {
  return {
    kind: MessageKind.append,
    from: nodeId(from),
    to: nodeId(to),
    term: term(1),
    prevIndex: logIndex(0),
    prevTerm: term(0),
    lastIndex: logIndex(1),
    entriesTerm: term(1),
    commit: logIndex(0),
    round: 0,
    bytes: ENTRY_BYTES,
    configurations: [],
  };
}

/** The loop publishes what came in a microtask. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a peer that a configuration adds is linked to, and gets what the group sends it', async () => {
  const bench = new Bench();
  const one = bench.start(1, [2]);
  bench.start(2, [1]);
  const three = bench.start(3, [1, 2]);
  bench.run(50);
  assert.ok(!one.isUp(3));
  one.append(0, 3);
  bench.run(10);
  one.tell(0, named(1, 2, 3));
  one.append(0, 3);
  bench.run(2000);
  assert.ok(one.isUp(3));
  one.append(0, 3);
  bench.run(20);
  await settled();
  assert.deepEqual(
    three.take(0).filter((each) => each.endsWith('1')),
    ['up 1', 'frame 1'],
  );
  assert.equal(one.lent.size, 0);
});

test('a peer that is removed while it takes nothing gives back all it was lent', async () => {
  const bench = new Bench();
  const one = bench.start(1, [2, 3]);
  bench.start(2, [1, 3]);
  bench.start(3, [1, 2]);
  bench.run(50);
  bench.network.cut(addressOf(1), addressOf(3));
  for (let each = 0; each < 30; each += 1) {
    one.append(0, 3);
    one.append(0, 2);
    bench.run(1);
  }
  assert.ok(one.lent.size > 0);
  one.tell(0, named(1, 2));
  one.append(0, 3);
  bench.run(PEER_LIMITS.lingerMs + 20);
  await settled();
  assert.deepEqual([one.left, [...one.lent]], [[3], []]);
  assert.ok(one.take(0).includes('down 3'));
  assert.ok(one.isUp(2));
});

test('a peer that moved under way is followed, and what was under way is given back', () => {
  const bench = new Bench();
  const two = bench.start(2, [1]);
  const one = bench.start(1, [2]);
  two.tell(0, named(1, 2));
  bench.run(50);
  for (let each = 0; each < 20; each += 1) two.append(0, 1);
  bench.run(1);
  one.adapter.kill();
  bench.nodes.delete(1);
  const moved = bench.start(1, [2], 1, 'elsewhere');
  two.tell(0, configurationOf(memberOf(1, 'elsewhere'), memberOf(2)));
  bench.run(300);
  assert.ok(two.isUp(1) && moved.isUp(2));
  assert.equal(two.lent.size, 0);
});

test('groups have members of their own: a link lasts while one of them names the peer', () => {
  const bench = new Bench();
  const one = bench.start(1, [2, 3], 2);
  bench.start(2, [1], 2);
  bench.start(3, [1], 2);
  one.tell(0, named(1, 2, 3));
  one.tell(1, named(1, 3));
  bench.run(50);
  one.tell(0, named(1, 2));
  bench.run(2 * PEER_LIMITS.lingerMs);
  assert.ok(one.isUp(2) && one.isUp(3));
  one.tell(1, named(1, 2));
  bench.run(PEER_LIMITS.lingerMs - 100);
  assert.ok(one.isUp(3));
  bench.run(200);
  assert.ok(one.isUp(2) && !one.isUp(3));
  assert.deepEqual(one.left, [3]);
});

test('two groups that name different addresses of a node are no fault: the newer word counts', () => {
  const bench = new Bench();
  const two = bench.start(2, [1], 2);
  two.tell(0, configurationOf(memberOf(1, 'nowhere'), memberOf(2)));
  two.tell(1, configurationOf(memberOf(1, 'nowhere'), memberOf(2)));
  bench.start(1, [2], 2, 'elsewhere');
  bench.run(50);
  two.tell(1, configurationOf(memberOf(1, 'elsewhere'), memberOf(2)));
  two.tell(0, configurationOf(memberOf(1, 'nowhere'), memberOf(2), memberOf(3)));
  bench.run(50);
  assert.ok(two.isUp(1));
});

test('a ring without room for a configuration takes the newest one later', () => {
  const memory = createGroupMemory(64, MIB);
  const ring = new RingProducer(memory.toPeers);
  const port = new RingNetworkPort(0, ring);
  const read = new RingConsumer(memory.toPeers);
  while (ring.tryClaim(PeerRecordKind.send, 64) >= 0);
  port.configure(named(1, 2), true);
  port.configure(named(1, 2, 3), false);
  assert.ok(port.isWaiting);
  port.publish();
  read.drain(() => RECORD_TAKEN, Number.POSITIVE_INFINITY);
  const told: Buffer[] = [];
  port.publish();
  assert.ok(!port.isWaiting);
  read.drain((kind, at, bytes) => {
    assert.equal(kind, PeerRecordKind.members);
    const { configuration, isLost } = readMembers(read.bytes, read.view, at, bytes);
    assert.equal(isLost, false);
    told.push(Buffer.from(configuration));
    return RECORD_TAKEN;
  }, Number.POSITIVE_INFINITY);
  assert.deepEqual(told, [named(1, 2, 3)]);
});

test('the largest configuration fits into the smallest ring', () => {
  const memory = createGroupMemory(64, MIB);
  const ring = new RingProducer(memory.toPeers);
  const long = Array.from({ length: 90 }, (_, at) => memberOf(at + 1, 'h'.repeat(240)));
  const configuration = configurationOf(...long);
  assert.ok(configuration.length > 23 * 1024 && configuration.length <= 24 * 1024);
  assert.ok(membersBytes(configuration) <= ring.payloadBytesMax);
});
