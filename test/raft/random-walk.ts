/**
 * A random walk of a small cluster: a seed decides what is delivered, lost, repeated, stored,
 * crashed and when; then the faults stop and the cluster must come to rest with all logs equal.
 *
 * Damage that Raft does not survive is not done: lost or wiped data stays a minority at any time.
 */

import assert from 'node:assert/strict';
import { describeState } from '../../engine/raft/describe.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { Standing } from '../../engine/raft/state.js';
import { type Configuration, type NodeId, nodeId, Role } from '../../engine/raft/types.js';
import { Cluster } from './network.js';
import type { Replica } from './replica.js';

/** What a walk met, so that a test can show that its faults really happened. */
export interface WalkReport {
  readonly elections: number;
  readonly committed: number;
  readonly truncations: number;
  readonly reads: number;
  readonly crashes: number;
  readonly wipes: number;
  readonly tears: number;
}

type Action = readonly [weight: number, act: () => void];

/** Within this virtual time after the last fault everything must be at rest. */
const REST_MAX_MS = 10_000;
const PATIENCE_MS = 5;

export class RandomWalk {
  readonly cluster: Cluster;
  readonly #prng: Prng;
  readonly #wiped = new Set<NodeId>();
  readonly #count = { truncations: 0, reads: 0, crashes: 0, wipes: 0, tears: 0, asked: 0 };
  readonly #actions: readonly Action[];
  readonly #weights: number;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    const prng = this.#prng;
    this.cluster = new Cluster(randomBootstrap(prng), seed, {
      preVote: prng.chance(0.8),
      windowMessagesMax: prng.between(1, 4),
      appendEntriesMax: prng.between(1, 6),
      appendBytesMax: prng.between(100, 1000),
    });
    this.cluster.autoTurn = prng.chance(0.5);
    this.cluster.observer = {
      received: (_, placement) => {
        if (placement !== null && placement.truncateAfter !== null) this.#count.truncations += 1;
      },
    };
    // A walk is calm or rough: rough ones lose most of what they send, calm ones get far.
    const rough = prng.pick([1, 1, 4, 12]);
    this.#actions = this.#actionTable(rough);
    this.#weights = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
    this.cluster.startAll();
  }

  #actionTable(rough: number): Action[] {
    return [
      [220, () => this.#deliver()],
      [60, () => this.#store()],
      [80, () => this.#passTime()],
      [40, () => this.#turn()],
      [25, () => this.#propose()],
      [12, () => this.#read()],
      [4 * rough, () => this.#drop()],
      [4 * rough, () => this.#repeat()],
      [rough, () => this.#crash()],
      [3 + rough, () => this.#restart()],
      [0.5 * rough, () => this.#partition()],
      [2, () => this.cluster.heal()],
      [rough, () => this.#holdStorage()],
      [0.5 * rough, () => this.#reconnect()],
      [0.5, () => this.#transfer()],
      [0.2 * rough, () => this.#wipe()],
      [0.3 * rough, () => this.#tear()],
    ];
  }

  run(steps: number): WalkReport {
    for (let at = 0; at < steps; at += 1) this.#act();
    this.comeToRest();
    const { truncations, reads, crashes, wipes, tears } = this.#count;
    const elections = this.cluster.leader?.raft.term ?? 0;
    const committed = this.cluster.invariants.committed;
    return { elections, committed, truncations, reads, crashes, wipes, tears };
  }

  #act(): void {
    let at = this.#prng.below(0x1000000) / 0x1000000;
    at *= this.#weights;
    for (const [weight, act] of this.#actions) {
      at -= weight;
      if (at < 0) {
        act();
        return;
      }
    }
  }

  #someone(): Replica | undefined {
    const { running } = this.cluster;
    return running.length === 0 ? undefined : this.#prng.pick(running);
  }

  /** Mostly the oldest messages first, so that progress is made; sometimes anything. */
  #someParcel() {
    const { parcels } = this.cluster;
    if (parcels.length === 0) return undefined;
    const reach = this.#prng.chance(0.2) ? parcels.length : Math.min(4, parcels.length);
    return parcels[this.#prng.below(reach)];
  }

  #deliver(): void {
    const parcel = this.#someParcel();
    if (parcel !== undefined) this.cluster.deliver(parcel);
  }

  #repeat(): void {
    const parcel = this.#someParcel();
    if (parcel !== undefined) this.cluster.deliverCopy(parcel);
  }

  #drop(): void {
    const { cluster } = this;
    const count = this.#prng.between(1, 5);
    for (let at = 0; at < count && cluster.parcels.length > 0; at += 1) {
      cluster.parcels.splice(this.#prng.below(cluster.parcels.length), 1);
    }
  }

  #store(): void {
    const replica = this.#someone();
    if (replica !== undefined && replica.alive.pending.length > 0) this.cluster.store(replica.id);
  }

  #holdStorage(): void {
    const replica = this.#someone();
    if (replica !== undefined) replica.holdsStorage = this.#prng.chance(0.7);
  }

  #passTime(): void {
    this.cluster.now += this.#prng.chance(0.1) ? this.#prng.below(400) : this.#prng.below(30);
    for (const { id, raft } of this.cluster.running) {
      if (raft.deadline <= this.cluster.now && this.#prng.chance(0.8)) this.cluster.tick(id);
    }
  }

  #turn(): void {
    const replica = this.#someone();
    if (replica !== undefined) this.cluster.turn(replica.id);
  }

  #propose(): void {
    const replica = this.#prng.chance(0.8) ? this.cluster.leader : this.#someone();
    if (replica !== undefined) this.cluster.propose(replica.id, this.#prng.between(1, 8));
  }

  #read(): void {
    const replica = this.#someone();
    this.#count.asked += 1;
    if (replica !== undefined) this.cluster.read(replica.id, this.#count.asked);
  }

  #crash(): void {
    const replica = this.#someone();
    if (replica === undefined) return;
    this.#count.crashes += 1;
    this.cluster.crash(replica.id, this.#prng.below(replica.alive.pending.length + 1));
  }

  #restart(): void {
    const down = [...this.cluster.replicas.values()].filter(({ life }) => life === null);
    if (down.length > 0) this.cluster.start(this.#prng.pick(down).id);
  }

  #partition(): void {
    if (this.#prng.chance(0.5)) this.cluster.isolate(this.#prng.pick(this.cluster.ids));
    else this.cluster.cut(this.#prng.pick(this.cluster.ids), this.#prng.pick(this.cluster.ids));
  }

  #reconnect(): void {
    const [one, other] = [this.#someone(), this.#someone()];
    if (one === undefined || other === undefined || one === other) return;
    this.cluster.reconnect(one.id, other.id);
  }

  #transfer(): void {
    const { leader } = this.cluster;
    const to = this.#someone();
    if (leader === undefined || to === undefined || leader === to) return;
    const { id: from, raft } = leader;
    const kind = MessageKind.timeoutNow;
    this.cluster.post(leader, { kind, from, to: to.id, term: raft.term });
  }

  /** Whether one more replica may lose data without a quorum of what was acknowledged going. */
  #mayDamage(): boolean {
    const doubtful = [...this.cluster.replicas.values()].filter(({ life, records }) =>
      life === null ? records.inDoubt : life.raft.state.inDoubt,
    );
    const voters = this.cluster.replica(1).bootstrap.voters.length;
    return this.#wiped.size + doubtful.length < Math.floor((voters - 1) / 2);
  }

  #wipe(): void {
    if (!this.#mayDamage()) return;
    const id = this.#prng.pick(this.cluster.ids);
    if (this.#wiped.has(id)) return;
    this.#count.wipes += 1;
    this.#wiped.add(id);
    this.cluster.crashAndWipe(id);
  }

  #tear(): void {
    const replica = this.#someone();
    if (replica === undefined || this.#wiped.has(replica.id) || !this.#mayDamage()) return;
    this.#count.tears += 1;
    this.cluster.crashAndTear(replica.id, this.#prng.between(1, 4));
  }

  /** The faults stop: a leader must emerge, commit, grant every read, and make all logs equal. */
  comeToRest(): void {
    const { cluster } = this;
    cluster.heal();
    cluster.autoTurn = true;
    for (const replica of cluster.replicas.values()) {
      replica.holdsStorage = false;
      if (replica.life === null) cluster.start(replica.id);
      cluster.turn(replica.id);
    }
    const end = cluster.now + REST_MAX_MS;
    this.#runUntil(end, () => this.#mayPropose());
    assert.ok(cluster.leader !== undefined, this.#complaint('a leader emerges'));
    // Without anything new, heartbeats alone must make the commit index known.
    if (this.#prng.chance(0.5)) cluster.propose(cluster.leader.id, 3);
    for (const { id } of cluster.running) {
      this.#count.asked += 1;
      cluster.read(id, this.#count.asked);
    }
    this.#runUntil(end, () => this.#isAtRest());
    assert.ok(this.#isAtRest(), this.#complaint('all logs become equal and all reads are granted'));
    this.#checkRest();
  }

  #mayPropose(): boolean {
    const { leader } = this.cluster;
    return leader !== undefined && leader.raft.commitIndex >= leader.raft.state.termStart;
  }

  #isAtRest(): boolean {
    const { leader, running } = this.cluster;
    if (leader === undefined) return false;
    const { lastIndex } = leader.raft;
    return running.every(({ raft, alive }) => {
      const granted = [...alive.reads.values()].every((read) => read.grantedAt !== null);
      return granted && alive.applied === lastIndex && raft.durableIndex === lastIndex;
    });
  }

  /** Delivers everything within a few milliseconds and ticks in time. */
  #runUntil(end: number, isDone: () => boolean): void {
    const { cluster } = this;
    while (cluster.now < end && !isDone()) {
      for (const parcel of [...cluster.parcels]) cluster.deliver(parcel);
      if (isDone()) return;
      cluster.now += this.#prng.between(1, PATIENCE_MS);
      for (const { id, raft } of cluster.running) {
        if (raft.deadline <= cluster.now) cluster.tick(id);
      }
    }
  }

  #checkRest(): void {
    const { leader, running } = this.cluster;
    for (const { id, raft, alive } of running) {
      const labels = alive.entries.map((entry) => entry.label);
      const leading = leader?.alive.entries.map((entry) => entry.label);
      assert.deepEqual(labels, leading, `the log of ${id} is the leader’s`);
      for (const read of alive.reads.values()) this.#count.reads += read.grantedAt === null ? 0 : 1;
      if (!this.#wiped.has(id)) continue;
      const recorded = raft.configuration.members.find((member) => member.id === id);
      const isRecorded = recorded?.incarnation === this.cluster.replica(id).incarnation;
      assert.ok(isRecorded || raft.standing === Standing.aside, `wiped ${id} stays aside`);
      assert.ok(isRecorded || raft.role === Role.follower, `wiped ${id} only follows`);
    }
  }

  #complaint(text: string): string {
    const states = this.cluster.running.map(({ raft }) => describeState(raft.state));
    return [text, ...states].join('\n  ');
  }
}

function randomBootstrap(prng: Prng): Configuration {
  const size = prng.pick([1, 2, 3, 3, 3, 4, 5]);
  const ids = Array.from({ length: size }, (_, at) => nodeId(at + 1));
  const members = ids.map((id) => ({ id, address: `node-${id}` }));
  const plain = bootstrapConfiguration(members);
  if (size < 4 || prng.chance(0.5)) return plain;
  if (prng.chance(0.5)) {
    return { ...plain, voters: ids.slice(0, -1), learners: ids.slice(-1) };
  }
  return { ...plain, voters: ids.slice(0, -1), outgoing: ids.slice(1) };
}
