/**
 * One life of a simulated node: the process with its production log and runtimes, its transport and
 * router, made from what recovery found, the way a supervisor makes them.
 *
 * A life never survives its process: a restarted node is a new life on the old disk.
 */

import { decodeConfiguration } from '../../codec/configuration.js';
import type { Message } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { incarnation, nodeId, Role } from '../../engine/raft/types.js';
import { recoveredFrom } from '../../engine/recovered.js';
import { ARENA_POISON, createArena } from '../../engine/runtime/arena.js';
import { InWorkerHost, type MachineHost } from '../../engine/runtime/machine-host.js';
import type { NetworkPort as PeerPort } from '../../engine/runtime/ports.js';
import type { GroupMembership, StartMembership } from '../../engine/start-membership.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import type { OpenedWal, WalCounters } from '../../io/wal/wal.js';
import { PeerRoster } from '../../workers/peer-roster.js';
import type { SnapshotAnswer } from '../../workers/records/snapshot.js';
import type { FusedDisk } from './fused-disk.js';
import { SimGroup } from './group.js';
import { LogDevice } from './log-device.js';
import type { NetworkPort } from './network.js';
import { Stream, streamSeed } from './plan.js';
import type { SimProcess } from './process.js';
import { Router } from './router.js';
import { SimFailure } from './sim-failure.js';
import { DeferredHost, SimMachine, type Watch } from './sim-machine.js';
import { SnapshotDevice } from './snapshot-device.js';
import { SnapshotFaults } from './snapshot-faults.js';
import { Transport } from './transport.js';
import type { World } from './world.js';

/** Where room for answers is scarce: how often there is some. */
const ROOM_SHARE = 0.5;
/** What a query takes, as its host sees it: few of them fit into one turn. */
const QUERY_MS = 0.4;

/** What a handshake proves. */
export interface PeerIdentity {
  readonly incarnation: number;
  readonly bootId: number;
}

export interface LifeParts {
  readonly world: World;
  readonly node: number;
  /** The how manyth life of this node, from 1. */
  readonly number: number;
  readonly identity: PeerIdentity;
  /** Whether the group starts in witness mode. */
  isHeldBack(group: number): boolean;
  readonly process: SimProcess;
  readonly disk: FusedDisk;
  readonly opened: OpenedWal;
  readonly membership: StartMembership;
  readonly walDirectory: string;
  readonly snapshotDirectory: string;
  readonly clusterId: number;
  identityOf(peer: number): PeerIdentity;
  failed(cause: unknown): void;
  /** A group does not run here any more, as its machine threw. */
  stopped(group: number): void;
  /** Whether one of its snapshots may be damaged while it runs; the damage; and its end. */
  mayRot(): boolean;
  rot(path: string, group: number, index: number): void;
  replaced(group: number, index: number): void;
}

export class NodeLife implements NetworkPort {
  readonly groups: readonly SimGroup[];
  readonly device: LogDevice;
  readonly snapshots: SnapshotDevice;
  readonly router: Router;
  readonly #parts: LifeParts;
  readonly #transport: Transport;
  readonly #roster: PeerRoster;
  readonly #hasRoom: () => boolean;
  readonly #machines: SimMachine[] = [];
  readonly #hosts: InWorkerHost[] = [];
  /** By group: the applied index at which its sessions were compared last. */
  readonly #shown: number[] = [];
  readonly #doors: PeerPort[] = [];
  /** Boot ids seen in this life, and the incarnation that each open connection proved. */
  readonly #bootIds = new Map<number, number>();
  readonly #proved = new Map<number, number>();

  constructor(parts: LifeParts) {
    this.#parts = parts;
    const { world, node, process, opened } = parts;
    const lifeSeed = streamSeed(world.plan.seed, Stream.life + node) * 64 + parts.number;
    const peers = parts.membership.members.map(({ id, address }) => ({ id: nodeId(id), address }));
    this.#roster = new PeerRoster(nodeId(node), world.plan.groups, peers);
    this.#transport = new Transport({
      self: node,
      process,
      prng: new Prng(lifeSeed * 4),
      network: world.network,
      transportUs: world.plan.transportUs,
      partBytesMax: world.plan.partBytesMax,
      counts: world.counts,
      configured: (...told) => this.#onConfigured(...told),
      message: (group, peer, message) => this.#onMessage(group, peer, message),
      snapshot: (peer, kind, body) => this.snapshots.frame(peer, kind, body),
      frame: (group, peer, kind, body) => {
        this.#group(group, peer).frame(peer, kind, body, this.#provedBy(peer));
      },
    });
    this.snapshots = new SnapshotDevice({
      process,
      prng: new Prng(lifeSeed * 4 + 1),
      disk: parts.disk,
      directory: parts.snapshotDirectory,
      clusterId: parts.clusterId,
      groups: world.plan.groups,
      chunkBytes: world.plan.snapshotChunkBytes,
      compress: world.plan.compressChunks,
      faults: new SnapshotFaults(
        world.plan.snapshotFaults,
        new Prng(streamSeed(world.plan.seed, Stream.nodeSnapshots + node) * 64 + parts.number),
        world.counts,
        () => world.scheduler.nowUs >= world.plan.faultsEndUs,
      ),
      cut: (peer) => world.network.cut(node, peer),
      mayRot: (group) => this.#leadsAtRest(group) && parts.mayRot(),
      rot: (path, group, index) => parts.rot(path, group, index),
      began: (group, { point }) =>
        world.witnessOf(group).takes(node, point.index, this.digest(group)),
      answer: (group, answer) => this.#onSnapshot(group, answer),
      send: (record) => this.#transport.sendBulk(record, this.snapshots),
    });
    const roomPrng = new Prng(lifeSeed * 4 + 3);
    const isScarce = world.plan.scarceRoom && !world.plan.deferredMachine;
    this.#hasRoom = () => !isScarce || roomPrng.chance(ROOM_SHARE);
    this.device = new LogDevice({
      process,
      prng: new Prng(lifeSeed * 4 + 1),
      disk: parts.disk,
      wal: opened.wal,
      directory: parts.walDirectory,
      writeUs: world.plan.writeUs,
      loadBytesMax: world.plan.intakeBytesMax,
      region: (group, position, bytes) => this.#region(group, position, bytes),
      stored: (ack, submission) => this.groups[ack.group]!.stored(ack, submission),
      promised: (ack, submission) => this.groups[ack.group]!.promised(ack, submission),
      moved: (moved) => this.groups[moved.group]!.moved(moved),
      mustSnapshot: (group, isUrgent) => this.groups[group]!.mustSnapshot(isUrgent),
      loaded: (group, entries) => this.groups[group]!.loaded(entries),
      failed: (cause) => parts.failed(cause),
    });
    this.groups = Array.from({ length: world.plan.groups }, (_, group) =>
      this.#makeGroup(group, lifeSeed * 64 + group),
    );
    this.router = new Router(world, process, new Prng(lifeSeed * 4 + 2), this.groups);
  }

  get process(): SimProcess {
    return this.#parts.process;
  }

  get forwarded(): number {
    return this.#transport.forwarded;
  }

  /** What the log has done in this life. */
  get wal(): WalCounters {
    return this.#parts.opened.wal.counters;
  }

  /** Proposals and appends that were refused because the disk had no space for them. */
  get fullRefusals(): number {
    return this.groups.reduce((total, { runtime }) => total + runtime.intake.fullRefusals, 0);
  }

  #makeGroup(group: number, seed: number): SimGroup {
    const { world, node, process, opened, identity } = this.#parts;
    const { plan } = world;
    const found = this.snapshots.found[group]?.snapshots ?? [];
    const recovered = recoveredFrom(
      opened.groups.find((each) => each.group === group),
      {
        membership: this.#parts.membership.groups[group] as GroupMembership,
        snapshot: found[0],
        inDoubt: isInDoubt(opened, group),
        termFloor: opened.report.termFloor,
        self: node,
      },
    );
    const memory = createArena(plan.arenaBytes);
    Buffer.from(memory).fill(ARENA_POISON);
    const watch: Watch = (index, _, timeMs, command) =>
      world.witnessOf(group).applies(node, index, timeMs, command);
    const machine = new SimMachine(watch, plan.shippedMachine, () => this.#onRestored(group));
    this.#machines.push(machine);
    const door = this.#transport.portOf(group, (position, bytes) =>
      this.#region(group, position, bytes),
    );
    this.#doors.push(door);
    const made = new SimGroup(
      {
        world,
        node,
        group,
        process,
        network: door,
        oldLog: { load: (request) => this.device.load(group, request) },
        snapshots: this.snapshots.portOf(group),
        wallOffsetMs: 1_700_000_000_000 + node * 1000,
        log: this.device,
        digest: () => this.digest(group),
        stepped: () => this.#showSessions(group),
        stopped: (reason) => this.#onStopped(group, reason),
      },
      {
        raft: {
          ...plan.raft,
          id: nodeId(node),
          incarnation: incarnation(identity.incarnation),
          seed,
          witness: this.#parts.isHeldBack(group),
        },
        recovered,
        locations: opened.groups.find((found) => found.group === group)?.locations ?? [],
        arenaMemory: memory,
        arena: { firstPosition: plan.arenaFirst, poison: true },
        entryBytesMax: plan.entryBytesMax,
        heldBytesPerTurn: plan.heldBytesPerTurn,
        host: this.#hostOf(machine, group),
        snapshots: plan.snapshots,
        foundSnapshots: found,
      },
    );
    world.witnessOf(group).begin(node, made.runtime.raft.state, recovered, made.clocks);
    if (recovered.inDoubt) world.counts.inDoubt += 1;
    return made;
  }

  /** The machine of the group throws at the next command. */
  failMachine(group: number): void {
    this.#machines[group]!.failNext();
  }

  #onStopped(group: number, reason: string): boolean {
    const { world, node } = this.#parts;
    const { failedAt } = this.#machines[group]!;
    if (failedAt === 0) return false;
    if (!reason.startsWith(`apply of entry ${failedAt} threw: `)) {
      throw new SimFailure(`node ${node}: entry ${failedAt} threw, and the reason is ${reason}`);
    }
    world.event(node, `g${group} stops: its machine threw at ${failedAt}`);
    world.counts.machineFailures += 1;
    this.#parts.stopped(group);
    return true;
  }

  #onRestored(group: number): void {
    const { world, node } = this.#parts;
    const point = this.groups[group]!.runtime.snapshots.restoring;
    world.counts.snapshotsRestored += 1;
    world.witnessOf(group).restored(node, point?.index ?? 0, this.digest(group));
  }

  #hostOf(machine: SimMachine, group: number): MachineHost {
    const { world, process } = this.#parts;
    if (!world.plan.deferredMachine) {
      let ms = 0;
      const inWorker = new InWorkerHost(machine, this.#hasRoom, undefined, () => {
        ms += QUERY_MS;
        return ms;
      });
      this.#hosts.push(inWorker);
      return inWorker;
    }
    const host = new InWorkerHost(machine, this.#hasRoom);
    this.#hosts.push(host);
    return new DeferredHost(host, (action) => {
      process.after(300, () => {
        this.groups[group]!.outside(action);
      });
    });
  }

  /** Bytes of an arena that somebody is about to copy: they must still be live. */
  #region(group: number, position: number, bytes: number): Uint8Array {
    const { arena } = this.groups[group]!.runtime.log;
    if (!arena.isLive(position, bytes)) {
      const { node } = this.#parts;
      throw new SimFailure(`node ${node} group ${group}: arena ${position}+${bytes} is not live`);
    }
    return arena.region(position, bytes);
  }

  start(): void {
    for (const group of this.groups) group.start();
  }

  #group(group: number, peer: number): SimGroup {
    const found = this.groups[group];
    if (found === undefined) throw new SimFailure(`node ${peer} names group ${group}`);
    return found;
  }

  /** It leads, and its machine is not being given the image of a file. */
  #leadsAtRest(group: number): boolean {
    const { raft, snapshots } = this.#group(group, this.#parts.node).runtime;
    return raft.role === Role.leader && !snapshots.isRestoring;
  }

  #onSnapshot(group: number, answer: SnapshotAnswer): void {
    const { slab } = this.snapshots;
    if (answer.kind === 'written' || answer.kind === 'fetched') {
      this.#parts.replaced(group, answer.stored.point.index);
    }
    if (answer.kind !== 'read') {
      this.groups[group]!.snapshotNews(answer, () => {});
      return;
    }
    const { slot, bytes, ...read } = answer;
    const news = { ...read, bytes: slab.raw(slot, bytes) };
    this.groups[group]!.snapshotNews(news, () => slab.give(slot));
  }

  #onConfigured(group: number, configuration: Uint8Array, isLost: boolean): void {
    this.#roster.learn(group, decodeConfiguration(configuration).members, isLost);
    this.#parts.world.network.followMembers(this.#parts.node);
  }

  links(peer: number): boolean {
    return this.#roster.peers.some(({ id }) => id === peer);
  }

  get isWaiting(): boolean {
    return this.#roster.letsStrangersIn;
  }

  #provedBy(peer: number) {
    return incarnation(this.#proved.get(peer) ?? 0);
  }

  #onMessage(group: number, peer: number, message: Message): void {
    this.#group(group, peer).message(message, this.#provedBy(peer));
  }

  connected(peer: number): void {
    // What the handshake says is of this moment, also when a paused process looks at it later.
    const identity = this.#parts.identityOf(peer);
    this.process.run(() => {
      const known = this.#bootIds.get(peer);
      const restarted = known !== undefined && known !== identity.bootId;
      this.#bootIds.set(peer, identity.bootId);
      this.#proved.set(peer, identity.incarnation);
      for (const group of this.groups) {
        group.peerUp(peer, incarnation(identity.incarnation), restarted);
      }
    });
  }

  frame(peer: number, bytes: Uint8Array): void {
    this.process.run(() => this.#transport.receive(peer, bytes));
  }

  reset(peer: number): void {
    this.process.run(() => {
      this.#transport.reset(peer);
      this.snapshots.down(peer);
      for (const group of this.groups) group.peerDown(peer);
    });
  }

  /** Says something in a group's name: what an operator's request would make the leader say. */
  say(group: number, message: Message): void {
    this.#doors[group]?.send(message);
  }

  /** Of everything that replicates: the machine's state and the table of sessions. */
  digest(group: number): string {
    return `${this.#machines[group]!.digest()} ${this.#hosts[group]!.sessionsDigest()}`;
  }

  /** The table of sessions, whenever it is that of another entry than before. */
  #showSessions(group: number): void {
    const host = this.#hosts[group]!;
    const { appliedIndex, snapshots, failed } = this.groups[group]!.runtime;
    if (appliedIndex === this.#shown[group] || failed) return;
    if (host.waitsForImage || snapshots.isRestoring) return;
    this.#shown[group] = appliedIndex;
    const { world, node } = this.#parts;
    world.witnessOf(group).sessions(node, appliedIndex, host.sessionsDigest());
  }

  /** The process is dead: whoever waited is told what its process can still say, or nothing. */
  end(): void {
    this.router.abandon();
    for (const group of this.groups) group.end();
  }
}
