/**
 * Entry of the transport thread: opens the peer port, keeps the links, runs the transport loop and
 * the traffic of snapshots on its event loop. Wiring only.
 */

import { parentPort } from 'node:worker_threads';
import { Feature } from '../codec/frames/handshake-check.js';
import { Prng } from '../engine/raft/prng.js';
import { incarnation, nodeId } from '../engine/raft/types.js';
import { PeerLinks } from '../io/net/peer-links.js';
import { TcpAdapter } from '../io/net/tcp-adapter.js';
import { CodecPool } from './codec-pool.js';
import { FatalWord, NOT_FATAL } from './fatal.js';
import { Doorbell, DoorbellSleeper } from './ring/doorbell.js';
import { SnapshotTraffic } from './snapshot-traffic.js';
import type { ThreadEvent, ThreadReady, TransportThreadData } from './thread-data.js';
import { Death, die } from './thread-death.js';
import { receiveData } from './thread-start.js';
import { Bell, StopStage } from './topology.js';
import { TransportLoop } from './transport-loop.js';

const data = await receiveData<TransportThreadData>();
const { memory, threadOfGroup } = data;

function say(message: ThreadReady | ThreadEvent): void {
  parentPort?.postMessage(message);
}

const peers = data.peers.map(({ id, address }) => ({ id: nodeId(id), address }));

const loop = new TransportLoop(
  nodeId(data.nodeId),
  memory.groups.map((groupMemory, group) => ({
    memory: groupMemory,
    bell: new Doorbell(memory.doorbells, Bell.consensus + (threadOfGroup[group] as number)),
  })),
  peers,
);

const adapter = new TcpAdapter();

const traffic = new SnapshotTraffic({
  memory: memory.snapshots,
  groups: memory.groups.length,
  bell: new Doorbell(memory.doorbells, data.memoryMode ? Bell.io : Bell.bulk),
  packer: new CodecPool({ slab: memory.snapshots.slab }),
  rateBytes: data.snapshotTransferRate,
  adapter,
});

const links = new PeerLinks(
  {
    adapter,
    identity: {
      clusterId: data.clusterId,
      nodeId: nodeId(data.nodeId),
      incarnation: incarnation(data.incarnation),
      bootId: data.bootId,
      address: data.address,
      required: Feature.forwardTerms | Feature.snapshots | (data.joins ? Feature.joins : 0),
      optional: Feature.forwarding | Feature.parts | Feature.bulk,
    },
    listenAddress: data.listen,
    peers,
    former: data.formerPeers.map(nodeId),
    groups: data.groups,
    random: new Prng(data.seed),
    figures: data.figures,
    limits: { frameBytesMax: data.frameBytesMax, idleMs: data.idleMs },
  },
  {
    up: (peer, hello, rebooted) => loop.onUp(peer, hello, rebooted),
    down: (peer) => loop.onDown(peer),
    left: (peer) => loop.onLeft(peer),
    frame: (peer, kind, bytes, view, offset, length) =>
      loop.onFrame(peer, kind, bytes, view, offset, length),
    released: (token) => loop.released(token),
    event: ({ remote, peer, reason, detail }) =>
      say({ kind: 'peer', remote, peer, reason, detail }),
    listening: (address) => say({ kind: 'listening', address }),
    listenFailed: (address, code) => {
      const text = `cannot listen on ${address} for peers: ${code}`;
      say({ kind: 'refused', code, text });
    },
  },
  { adapter, handlers: traffic },
);

const stop = new Int32Array(memory.stop);
const fatal = new FatalWord(memory.fatal);
const isEnding = (): boolean =>
  Atomics.load(stop, 0) >= StopStage.transport || fatal.code() !== NOT_FATAL;

/**
 * After more than these there is soon more: the sockets have their turn and the rings are looked at
 * again, which spares producers the ringing. After fewer, a turn for nothing would only cost.
 */
const FEW_RECORDS = 4;

async function run(): Promise<void> {
  const sleeper = new DoorbellSleeper(
    memory.doorbells,
    Bell.transport,
    () => loop.hasWork() || traffic.hasWork() || isEnding(),
  );
  loop.attach(links);
  if (links.bulk !== null) traffic.attach(links.bulk);
  links.start();
  // A pending wait keeps no thread alive: this handle does.
  const alive = setInterval(() => {}, 0x7fff_ffff);
  while (!isEnding()) {
    const taken = loop.doWork() + traffic.doWork();
    const ring = taken > FEW_RECORDS ? null : sleeper.parkAsync();
    if (ring === null) await new Promise((resolve) => setImmediate(resolve));
    else await ring;
  }
  clearInterval(alive);
  links.close();
  await traffic.close();
}

run().catch((cause: unknown) => {
  die(memory, Math.max(...threadOfGroup) + 1, Death.transport, cause);
});
