/**
 * A small cluster of cores in one place: time, messages, disks, snapshots and crashes move only by
 * hand.
 *
 * After every step the invariants of the replica and of the cluster are checked, committed entries
 * are looked for on a quorum's disks, reads are compared with what was committed before them, and
 * what is applied up to an index must be the same everywhere, snapshots included.
 * It must never repair anything by itself: what is not delivered, stored or ticked does not happen.
 */

import assert from 'node:assert/strict';
import {
  ClusterInvariants,
  checkState,
  checkTransition,
  type Snapshot,
  snapshotOf,
} from '../../engine/raft/invariants.js';
import type { Clocks } from '../../engine/raft/lease.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import type { MembershipChange } from '../../engine/raft/membership-change.js';
import { type Message, MessageKind } from '../../engine/raft/message.js';
import type { Raft } from '../../engine/raft/raft.js';
import type { Placement, Proposed, Ready, StorageAck } from '../../engine/raft/ready.js';
import type { ChangeAnswer } from '../../engine/raft/reconfigure.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import type { TransferAnswer } from '../../engine/raft/transfer.js';
import {
  type Configuration,
  type IndexRange,
  type LogIndex,
  logIndex,
  type NodeId,
  Role,
} from '../../engine/raft/types.js';
import { ENTRY_BYTES, type Image, type Submission } from './disk.js';
import type { Entry } from './entries.js';
import { checkPromise, type Parcel, withConfigurations } from './parcel.js';
import { Replica } from './replica.js';

export const DEFAULT_OPTIONS = {
  electionTimeoutMin: 150,
  electionTimeoutMax: 300,
  heartbeatInterval: 50,
  preVote: true,
  transfer: true,
  windowMessagesMax: 4,
  windowBytesMax: 1_000_000,
  appendEntriesMax: 1000,
  appendBytesMax: 100_000,
  diskStallMax: 1000,
} as const;

/** What happened, as it happens; scenarios print it, random walks ignore it. */
export interface Observer {
  received?(parcel: Parcel, placement: Placement | null): void;
  turned?(replica: Replica, ready: Ready): void;
  stored?(replica: Replica, ack: StorageAck): void;
}

export class Cluster {
  readonly replicas = new Map<NodeId, Replica>();
  /** Turns in which reads were answered under a lease. */
  leaseTurns = 0;
  /** By how much the wall clock of a replica has run ahead; absent: not at all. */
  readonly wallAhead = new Map<NodeId, number>();
  readonly invariants = new ClusterInvariants(({ id }) => this.#clocksOf(id));
  /** In flight, oldest first; reorder, copy or remove them at will. */
  parcels: Parcel[] = [];
  now = 0;
  /** Take a turn after every step; off, inputs pile up until `turn` is called. */
  autoTurn = true;
  observer: Observer = {};
  readonly #options: Partial<RaftOptions>;
  readonly #seed: number;
  readonly #cut = new Set<string>();
  /** `index/term` → label: what an entry is, wherever it is. */
  readonly #labels = new Map<string, string>();
  /** By index: what a state machine holds that has applied all up to there. */
  readonly #digests: number[] = [0];
  #parcelNumber = 0;
  #entryNumber = 0;

  /** `standbys` know of no member until they are added. */
  constructor(
    bootstrap: Configuration,
    seed: number,
    options: Partial<RaftOptions> = {},
    standbys: readonly NodeId[] = [],
  ) {
    this.#options = options;
    this.#seed = seed;
    for (const { id } of bootstrap.members) this.replicas.set(id, new Replica(id, bootstrap));
    const nobody = bootstrapConfiguration([]);
    for (const id of standbys) this.replicas.set(id, new Replica(id, nobody));
  }

  get ids(): NodeId[] {
    return [...this.replicas.keys()];
  }

  get running(): Replica[] {
    return [...this.replicas.values()].filter((replica) => replica.life !== null);
  }

  replica(id: number): Replica {
    const replica = this.replicas.get(id as NodeId);
    assert.ok(replica !== undefined, `replica ${id} exists`);
    return replica;
  }

  raft(id: number): Raft {
    return this.replica(id).raft;
  }

  /** Starts a replica from its records and connects it to all that run. */
  start(id: number): void {
    const replica = this.replica(id);
    const seed = this.#seed * 1000 + replica.id * 37 + replica.boot;
    const witness = replica.records.isWitness;
    const own = { id: replica.id, incarnation: replica.incarnation, seed, witness };
    replica.start({ ...DEFAULT_OPTIONS, ...this.#options, ...own }, this.now);
    this.#check(replica, null);
    for (const peer of this.running) {
      if (peer.id === replica.id) continue;
      this.step(peer.id, (raft) => raft.connected(replica.id, replica.incarnation, true));
      this.step(replica.id, (raft) => raft.connected(peer.id, peer.incarnation, false));
    }
  }

  startAll(): void {
    for (const id of this.ids) this.start(id);
  }

  /** Breaks and renews the connection between two running replicas; nothing in flight survives. */
  reconnect(a: number, b: number): void {
    const between = ({ from, to }: Message): boolean =>
      (from === a && to === b) || (from === b && to === a);
    this.parcels = this.parcels.filter((parcel) => !between(parcel.message));
    const [one, other] = [this.replica(a), this.replica(b)];
    this.step(one.id, (raft) => raft.connected(other.id, other.incarnation, false));
    this.step(other.id, (raft) => raft.connected(one.id, one.incarnation, false));
  }

  /** Ends a life; `survivors` pending submissions reach the disk although nobody hears of it. */
  crash(id: number, survivors = 0): void {
    const replica = this.replica(id);
    this.invariants.forget(replica.id);
    replica.crash(survivors);
  }

  /** Crash with loss of what was acknowledged; messages that vouch for it are lost as well. */
  crashAndTear(id: number, entries: number): void {
    this.crash(id);
    this.replica(id).tear(entries);
    this.#dropFrom(id);
  }

  crashAndWipe(id: number): void {
    if (this.replica(id).life !== null) this.crash(id);
    this.replica(id).wipe();
    this.#dropFrom(id);
  }

  #dropFrom(id: number): void {
    this.parcels = this.parcels.filter(({ message }) => message.from !== id);
  }

  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: number): void {
    for (const other of this.ids) {
      if (other === id) continue;
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  /** One input to one replica; checked, and followed by its turn unless turns are manual. */
  step<T>(id: number, input: (raft: Raft) => T): T {
    const replica = this.replica(id);
    const before = snapshotOf(replica.raft.state);
    replica.raft.noteWallClock(this.#clocksOf(replica.id).wallAhead);
    const result = input(replica.raft);
    const created = replica.raft.takeCreated();
    replica.placeCreated(created, replica.raft.term);
    for (const entry of created) this.#checkLabels(replica, entry.index, entry.index);
    this.#check(replica, before);
    if (this.autoTurn) this.turn(id);
    return result;
  }

  /** Performs one Ready: submits, sends, applies, grants. */
  turn(id: number): void {
    const replica = this.replica(id);
    const before = snapshotOf(replica.raft.state);
    if (replica.raft.waitsForLease) this.#serveByLease(replica);
    const ready = replica.raft.take();
    if (ready.persist !== null) replica.submit(ready.persist);
    for (const message of ready.messages) this.post(replica, message);
    if (ready.committed !== null) this.#apply(replica, ready.committed);
    if (ready.snapshotWanted !== null) replica.alive.wanted = ready.snapshotWanted;
    for (const grant of ready.reads) this.#grant(replica, grant.id, grant.index);
    this.#check(replica, before);
    this.observer.turned?.(replica, ready);
    while (!replica.holdsStorage && replica.alive.pending.length > 0) this.store(id);
  }

  /** Whether what is sent now gets under way: the link is whole and somebody is there. */
  reaches({ from, to }: Message): boolean {
    const receiver = this.replicas.get(to);
    return receiver?.life != null && !this.#cut.has(`${from}>${to}`);
  }

  /** Puts a message under way, unless its link is cut or nobody is there. */
  post(sender: Replica, message: Message): void {
    checkPromise(sender, message);
    if (!this.reaches(message)) return;
    const receiver = this.replica(message.to);
    this.#parcelNumber += 1;
    const entries =
      message.kind === MessageKind.append
        ? sender.alive.entries.slice({
            first: logIndex(message.prevIndex + 1),
            last: message.lastIndex,
          })
        : [];
    const { boot: fromBoot, incarnation } = sender;
    const toBoot = receiver.boot;
    const number = this.#parcelNumber;
    this.parcels.push({ number, message, entries, fromBoot, toBoot, incarnation });
  }

  /** Takes a parcel off the wire and hands it over; false when its connection is gone. */
  deliver(parcel: Parcel): boolean {
    this.parcels = this.parcels.filter((each) => each !== parcel);
    return this.deliverCopy(parcel);
  }

  /** Hands over a parcel and leaves it under way, as a duplicating network does. */
  deliverCopy(parcel: Parcel): boolean {
    const { message } = parcel;
    const receiver = this.replica(message.to);
    const sender = this.replica(message.from);
    if (receiver.life === null || receiver.boot !== parcel.toBoot) return false;
    if (sender.boot !== parcel.fromBoot || this.#cut.has(`${message.from}>${message.to}`)) {
      return false;
    }
    this.step(message.to, (raft) => {
      const placement = raft.receive(withConfigurations(parcel), parcel.incarnation, this.now);
      if (placement !== null) this.#place(receiver, parcel, placement);
      this.observer.received?.(parcel, placement);
    });
    return true;
  }

  #place(receiver: Replica, parcel: Parcel, placement: Placement): void {
    assert.ok(parcel.message.kind === MessageKind.append, 'only appends carry entries');
    const first = logIndex(parcel.message.prevIndex + 1);
    receiver.placeReceived(placement, parcel.entries, first);
    this.#checkLabels(receiver, placement.from, placement.last);
  }

  /** Makes the oldest pending submission durable and acknowledges it. */
  store(id: number): void {
    const replica = this.replica(id);
    const submission = replica.alive.pending.shift() as Submission;
    assert.ok(submission !== undefined, `replica ${id} waits for its disk`);
    const ack = replica.records.write(submission);
    this.observer.stored?.(replica, ack);
    this.step(id, (raft) => raft.stored(ack, this.now));
  }

  tick(id: number): void {
    this.step(id, (raft) => raft.tick(this.now));
  }

  propose(id: number, count: number, bytes = count * ENTRY_BYTES): Proposed {
    const replica = this.replica(id);
    return this.step(id, (raft) => {
      const proposed = raft.propose(count, bytes, this.now);
      if (!('first' in proposed)) return proposed;
      const entries = Array.from({ length: count }, () => this.#newEntry(raft));
      replica.place(proposed.first, entries);
      this.#checkLabels(replica, proposed.first, raft.lastIndex);
      return proposed;
    });
  }

  changeMembers(id: number, change: MembershipChange, dryRun = false): ChangeAnswer {
    return this.step(id, (raft) => raft.changeMembers(change, this.now, dryRun));
  }

  /** Leadership goes to `target`, 0 for the best one. */
  transfer(id: number, target: number): TransferAnswer {
    return this.step(id, (raft) => raft.transferLeadership(target as NodeId, this.now));
  }

  /** Durable before the core knows it. */
  setWitness(id: number, isWitness: boolean): void {
    this.replica(id).records.isWitness = isWitness;
    this.step(id, (raft) => raft.setWitness(isWitness, this.now));
  }

  #newEntry(raft: Raft): Entry {
    this.#entryNumber += 1;
    return { term: raft.term, label: `entry ${this.#entryNumber}`, configuration: null };
  }

  #serveByLease({ id, raft }: Replica): void {
    const clocks = this.#clocksOf(id);
    if (raft.leaseLeft(clocks) > 0) this.leaseTurns += 1;
    raft.serveByLease(clocks);
  }

  #clocksOf(id: NodeId): Clocks {
    return { now: this.now, wallAhead: this.wallAhead.get(id) ?? 0 };
  }

  /**
   * Asks for a linearizable read, which a lease may answer if `byLease`; its grant is compared with
   * what is committed now.
   */
  read(id: number, read: number, byLease = false): void {
    const { reads } = this.replica(id).alive;
    reads.set(read, { id: read, committedBefore: this.invariants.committed, grantedAt: null });
    this.step(id, (raft) => {
      if (byLease) raft.readByLease([read], this.now);
      else raft.read([read], this.now);
    });
  }

  /** The running leader of the highest term, if there is one. */
  get leader(): Replica | undefined {
    const leaders = this.running.filter((replica) => replica.raft.role === Role.leader);
    return leaders.sort((a, b) => b.raft.term - a.raft.term)[0];
  }

  #apply(replica: Replica, { first, last }: IndexRange): void {
    const { alive } = replica;
    assert.equal(first, alive.applied + 1, 'entries are applied in order, once');
    for (let at = first; at <= last; at = logIndex(at + 1)) {
      const entry = alive.entries.at(at);
      assert.ok(entry !== undefined, 'what is applied is in the log');
      alive.digest = digestAfter(alive.digest, entry.label);
      this.#digests[at] ??= alive.digest;
      assert.equal(alive.digest, this.#digests[at], `one state at ${at} on every replica`);
    }
    alive.applied = last;
    replica.raft.applied(last);
  }

  /** A snapshot of all that is applied becomes durable. */
  takeSnapshot(id: number): Image {
    const replica = this.replica(id);
    const { applied, digest, raft } = replica.alive;
    const term = raft.termAt(applied);
    assert.ok(term !== undefined, 'what is applied ends in the log');
    const point = { index: applied, term };
    const image = { point, configuration: raft.configurationAt(applied), digest };
    replica.records.keep(image);
    this.step(id, () => raft.snapshotTaken(point));
    return image;
  }

  compact(id: number, index: LogIndex): void {
    const { alive } = this.replica(id);
    this.step(id, (raft) => {
      raft.compact(index);
      const { compacted, compactedTerm } = raft.state.log;
      alive.entries.compact({ index: compacted, term: compactedTerm });
    });
  }

  /** A snapshot that was fetched is durable here; what it says of the state must be so. */
  install(id: number, image: Image): boolean {
    const replica = this.replica(id);
    assert.equal(image.digest, this.#digests[image.point.index], 'a snapshot holds one state');
    const { images } = replica.records;
    replica.records.keep(image);
    return this.step(id, (raft) => {
      const { generation } = raft.state.log;
      const isTaken = raft.install(image.point, image.configuration, this.now);
      if (isTaken) replica.restore(image, raft.state.log.generation > generation);
      else replica.records.images = images;
      return isTaken;
    });
  }

  #grant(replica: Replica, id: number, index: LogIndex): void {
    const read = replica.alive.reads.get(id);
    assert.ok(read !== undefined, 'only a read that was asked is granted');
    assert.equal(read.grantedAt, null, 'a read is granted once');
    assert.ok(
      index >= read.committedBefore,
      `read ${id} on ${replica.id} at ${index} misses ${read.committedBefore}, committed before it`,
    );
    read.grantedAt = index;
  }

  #check(replica: Replica, before: Snapshot | null): void {
    const { state } = replica.raft;
    const known = this.invariants.committed;
    const broken = checkState(state);
    if (before !== null) broken.push(...checkTransition(before, state));
    broken.push(...this.invariants.observe(state));
    if (broken.length > 0) {
      assert.fail(`replica ${replica.id} at ${this.now} ms: ${broken.join(' ')}`);
    }
    const { base, last } = replica.alive.entries;
    assert.deepEqual([base.index, last], [state.log.compacted, state.log.last], 'has its entries');
    this.#checkBelief(replica);
    // Who finds out leads, and counted before it went on to the next configuration, if it did.
    const { configuration } = before?.configuration ?? state.membership.entry;
    if (this.invariants.committed > known) this.#checkDurable(configuration);
  }

  /**
   * A committed entry is on the disks of a quorum; counted here without the core's own counting.
   */
  #checkDurable({ voters, outgoing }: Configuration): void {
    const index = this.invariants.committed;
    const term = this.invariants.committedTermAt(index);
    for (const set of [voters, outgoing]) {
      const holders = set.filter((id) => {
        const replica = this.replica(id);
        return replica.hasLost || replica.records.holds(index, term);
      });
      const isMajority = set.length === 0 || holders.length * 2 > set.length;
      assert.ok(isMajority, `entry ${index}, just committed, is durable on a majority of ${set}`);
    }
  }

  /** What a core believes to be on its disk is there. */
  #checkBelief(replica: Replica): void {
    const { log } = replica.raft.state;
    const { records } = replica;
    assert.ok(log.durable <= records.last, 'what is durable is on disk');
    if (log.durable < log.compacted || log.durable < records.entries.base.index) return;
    assert.equal(records.termAt(log.durable), log.termAt(log.durable), 'as it is here');
  }

  #checkLabels(replica: Replica, first: LogIndex, last: LogIndex): void {
    for (let at = first; at <= last; at = logIndex(at + 1)) {
      const { term, label } = replica.alive.entries.at(at) as Entry;
      assert.equal(replica.raft.termAt(at), term, 'core and log agree on the term of an entry');
      const key = `${at}/${term}`;
      const known = this.#labels.get(key);
      if (known === undefined) this.#labels.set(key, label);
      else assert.equal(label, known, `one entry at index ${at} of term ${term}`);
    }
  }
}

function digestAfter(digest: number, label: string): number {
  let next = digest;
  for (let at = 0; at < label.length; at += 1) {
    next = Math.imul(next ^ label.charCodeAt(at), 0x0100_0193) >>> 0;
  }
  return next + 1;
}
