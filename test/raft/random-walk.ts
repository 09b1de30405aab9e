/**
 * A random walk of a small cluster: a seed draws how slow and lossy its network and disks are and
 * which faults happen; then the faults stop and the cluster must come to rest with all logs equal.
 *
 * A fault is never repaired by anything but the core. Damage that Raft does not survive is not
 * done: lost or wiped data stays a minority at any time.
 */

import assert from 'node:assert/strict';
import { describeState } from '../../engine/raft/describe.js';
import { isVoter, recordedIncarnation } from '../../engine/raft/membership.js';
import { Prng } from '../../engine/raft/prng.js';
import { Standing } from '../../engine/raft/state.js';
import { logIndex, type NodeId, Role } from '../../engine/raft/types.js';
import { Cluster } from './network.js';
import type { Parcel } from './parcel.js';
import { RandomMembership, randomStandbys } from './random-membership.js';
import { drawNature, type Nature, randomBootstrap, randomOptions } from './random-nature.js';
import { RandomSnapshots } from './random-snapshots.js';
import type { Replica } from './replica.js';

/** What a walk met, so that a test can show that its faults really happened. */
export interface WalkReport {
  readonly terms: number;
  readonly committed: number;
  readonly truncations: number;
  readonly reads: number;
  readonly leases: number;
  readonly crashes: number;
  readonly wipes: number;
  readonly readmissions: number;
  readonly tears: number;
  readonly outages: number;
  readonly snapshots: number;
  readonly compactions: number;
  readonly installs: number;
  readonly resets: number;
  readonly losses: number;
  readonly changes: number;
  readonly joints: number;
  readonly promotions: number;
  readonly removedLeaders: number;
  readonly refusedChanges: number;
  readonly transfers: number;
  readonly witnesses: number;
}

/** Within this virtual time after the last fault everything must be at rest. */
const REST_MAX_MS = 10_000;
/** What a voter that lost its data is until it is readmitted. */
const LACKING: readonly Standing[] = [Standing.aside, Standing.recovering];
/** How long a walk waits for its first leader. */
const CALM_MS = 1000;

export class RandomWalk {
  readonly cluster: Cluster;
  readonly #prng: Prng;
  #nature: Nature;
  readonly #wiped = new Set<NodeId>();
  readonly #count = {
    terms: 0,
    truncations: 0,
    reads: 0,
    crashes: 0,
    wipes: 0,
    readmissions: 0,
    tears: 0,
    outages: 0,
    losses: 0,
    transfers: 0,
    witnesses: 0,
  };
  readonly #snapshots: RandomSnapshots;
  readonly #membership: RandomMembership;
  #asked = 0;
  /** When each parcel arrives; a parcel seen for the first time draws its delay. */
  readonly #arrivals = new WeakMap<Parcel, number>();
  /** When the disk of a replica finishes what it works on. */
  readonly #storedAt = new Map<NodeId, number>();
  readonly #turnChance: number;
  #healAt = Number.POSITIVE_INFINITY;

  constructor(seed: number) {
    const prng = new Prng(seed);
    this.#prng = prng;
    this.#nature = drawNature(prng);
    const bootstrap = randomBootstrap(prng);
    const standbys = randomStandbys(prng, bootstrap.members.length);
    this.cluster = new Cluster(bootstrap, seed, randomOptions(prng), standbys);
    // Some walks let several inputs share a turn, as a busy worker does.
    this.cluster.autoTurn = prng.chance(0.7);
    this.#turnChance = prng.between(3, 9) / 10;
    this.cluster.observer = {
      received: (_, placement) => {
        if (placement !== null && placement.truncateAfter !== null) this.#count.truncations += 1;
      },
    };
    this.#snapshots = new RandomSnapshots(this.cluster, prng);
    this.#membership = new RandomMembership(this.cluster, prng);
    for (const replica of this.cluster.replicas.values()) replica.holdsStorage = true;
    this.cluster.startAll();
  }

  run(steps: number): WalkReport {
    // The first election needs everybody: most walks let it pass before the faults begin.
    if (this.#prng.chance(0.8)) this.#calmUntil(CALM_MS, () => this.#isLed());
    for (let at = 0; at < steps; at += 1) {
      this.#next();
      this.#maybeFault();
    }
    this.comeToRest();
    const { leaseTurns: leases } = this.cluster;
    const { committed } = this.cluster.invariants;
    const counts = { ...this.#count, ...this.#snapshots.count, ...this.#membership.count };
    return { ...counts, committed, leases };
  }

  /**
   * Lets happen what happens next: an arrival, a disk write, the end of a fetch, a deadline, a wish
   * of a client.
   */
  #next(): void {
    const { cluster } = this;
    const parcel = this.#nextParcel();
    const writer = this.#nextWriter();
    const ticked = this.#nextTick();
    const arrival = parcel === undefined ? Number.POSITIVE_INFINITY : this.#arrivalOf(parcel);
    const write = writer === undefined ? Number.POSITIVE_INFINITY : this.#writeOf(writer);
    const tick = ticked?.raft.deadline ?? Number.POSITIVE_INFINITY;
    const wish = cluster.now + this.#prng.between(1, this.#nature.wishEveryMs);
    const fetch = this.#snapshots.nextEnd(this.#nature.fetchMs);
    const first = Math.min(arrival, write, fetch, tick, wish, this.#healAt);
    cluster.now = Math.max(cluster.now, first);
    if (first === this.#healAt) this.#heal();
    else if (parcel !== undefined && first === arrival) this.#arrive(parcel);
    else if (writer !== undefined && first === write) this.#write(writer);
    else if (first === fetch) this.#snapshots.endFetches((replica) => this.#crashOf(replica));
    else if (ticked !== undefined && first === tick) cluster.tick(ticked.id);
    else this.#wish();
    if (!cluster.autoTurn && this.#prng.chance(this.#turnChance)) this.#someoneTurns();
    this.#membership.watch();
  }

  #nextParcel(): Parcel | undefined {
    let next: Parcel | undefined;
    for (const parcel of this.cluster.parcels) {
      if (next === undefined || this.#arrivalOf(parcel) < this.#arrivalOf(next)) next = parcel;
    }
    return next;
  }

  #arrivalOf(parcel: Parcel): number {
    const known = this.#arrivals.get(parcel);
    if (known !== undefined) return known;
    const { latencyMs, slowChance, slowMs } = this.#nature;
    const isSlow = this.#prng.chance(slowChance);
    const arrival = this.cluster.now + this.#prng.between(0, isSlow ? slowMs : latencyMs);
    this.#arrivals.set(parcel, arrival);
    return arrival;
  }

  #nextWriter(): Replica | undefined {
    const writers = this.cluster.running.filter(({ alive }) => alive.pending.length > 0);
    return writers.sort((a, b) => this.#writeOf(a) - this.#writeOf(b))[0];
  }

  #writeOf({ id }: Replica): number {
    const known = this.#storedAt.get(id);
    if (known !== undefined) return known;
    const { diskMs, stallChance, stallMs } = this.#nature;
    const isSlow = this.#prng.chance(stallChance);
    const end = this.cluster.now + this.#prng.between(0, isSlow ? stallMs : diskMs);
    this.#storedAt.set(id, end);
    return end;
  }

  #nextTick(): Replica | undefined {
    return [...this.cluster.running].sort((a, b) => a.raft.deadline - b.raft.deadline)[0];
  }

  #arrive(parcel: Parcel): void {
    const fate = this.#prng.below(1000) / 1000;
    const { lossChance, repeatChance } = this.#nature;
    if (fate < lossChance) {
      this.cluster.parcels = this.cluster.parcels.filter((each) => each !== parcel);
    } else if (fate < lossChance + repeatChance) {
      this.#arrivals.delete(parcel);
      this.cluster.deliverCopy(parcel);
    } else {
      this.cluster.deliver(parcel);
    }
  }

  #write(replica: Replica): void {
    this.#storedAt.delete(replica.id);
    this.cluster.store(replica.id);
  }

  #someoneTurns(): void {
    const { running } = this.cluster;
    if (running.length > 0) this.cluster.turn(this.#prng.pick(running).id);
  }

  /** Clients also ask whoever still believes to lead. */
  #wish(): void {
    const { running } = this.cluster;
    if (running.length === 0) return;
    const leaders = running.filter(({ raft }) => raft.role === Role.leader);
    const asked = this.#prng.pick(leaders.length > 0 && this.#prng.chance(0.8) ? leaders : running);
    if (this.#prng.chance(0.3)) this.#read(asked.id);
    else this.cluster.propose(asked.id, this.#prng.between(1, 3));
  }

  #read(id: NodeId): void {
    this.#asked += 1;
    this.cluster.read(id, this.#asked, this.#prng.chance(0.5));
  }

  #maybeFault(): void {
    const { crash, wipe, tear, partition, restart, reconnect, transfer, outage, change, witness } =
      this.#nature.chances;
    this.#maybeSnapshot();
    if (this.#prng.chance(change)) this.#membership.ask(this.#damaged);
    if (this.#prng.chance(crash)) this.#crash();
    if (this.#prng.chance(wipe)) this.#wipe();
    if (this.#prng.chance(tear)) this.#tear();
    if (this.#prng.chance(partition)) this.#partition();
    if (this.#prng.chance(restart)) this.#restart();
    if (this.#prng.chance(reconnect)) this.#reconnect();
    if (this.#prng.chance(transfer)) this.#transfer();
    if (this.#prng.chance(witness)) this.#toggleWitness();
    if (this.#prng.chance(outage)) this.#outage();
  }

  #maybeSnapshot(): void {
    const { snapshot, compact, loseSnapshots } = this.#nature.chances;
    const { running } = this.cluster;
    if (running.length > 0) {
      if (this.#prng.chance(snapshot)) this.#snapshots.take(this.#prng.pick(running));
      if (this.#prng.chance(compact)) this.#snapshots.compact(this.#prng.pick(running));
    }
    if (this.#prng.chance(loseSnapshots)) this.#loseSnapshots();
  }

  /** Snapshots are damaged: where the log has forgotten what they held, state is missing. */
  #loseSnapshots(): void {
    const { running } = this.cluster;
    const victim = running.length === 0 ? undefined : this.#prng.pick(running);
    if (victim === undefined || this.#wiped.has(victim.id) || !this.#mayDamage()) return;
    const { records } = victim;
    if (records.inDoubt || records.entries.base.index === 0) return;
    this.#crashOf(victim);
    records.images = this.#prng.chance(0.5) ? [] : records.images.slice(0, -1);
    if (records.missesState) this.#count.losses += 1;
  }

  /** Leaders are hit more often than their share: most bugs need a change of leader. */
  #victim(): Replica | undefined {
    const { leader, running } = this.cluster;
    if (leader !== undefined && this.#prng.chance(0.7)) return leader;
    return running.length === 0 ? undefined : this.#prng.pick(running);
  }

  #crash(): void {
    const victim = this.#victim();
    if (victim === undefined) return;
    this.#count.crashes += 1;
    this.#crashOf(victim);
  }

  #crashOf({ id, alive }: Replica): void {
    this.cluster.crash(id, this.#prng.below(alive.pending.length + 1));
    this.#storedAt.delete(id);
  }

  /** The power fails everywhere; torn tails held nothing acknowledged, but nobody can know that. */
  #outage(): void {
    const mayDoubt = this.#wiped.size === 0 && this.#stateless.length === 0;
    for (const { id, alive } of this.cluster.running) {
      const survivors = this.#prng.below(alive.pending.length + 1);
      this.cluster.crash(id, survivors);
      this.#storedAt.delete(id);
      if (mayDoubt && this.#prng.chance(0.5)) this.cluster.replica(id).records.inDoubt = true;
    }
    this.#count.outages += 1;
    for (const id of this.cluster.ids) if (this.#prng.chance(0.8)) this.#startAgain(id);
  }

  #again(id: NodeId): void {
    this.cluster.crash(id);
    this.cluster.start(id);
  }

  #startAgain(id: NodeId): void {
    if (this.cluster.replica(id).life === null) this.cluster.start(id);
  }

  #restart(): void {
    const down = [...this.cluster.replicas.values()].filter(({ life }) => life === null);
    if (down.length > 0) this.cluster.start(this.#prng.pick(down).id);
  }

  #partition(): void {
    const { cluster } = this;
    if (this.#healAt < Number.POSITIVE_INFINITY) return;
    const victim = this.#victim();
    const side = cluster.ids.filter(() => this.#prng.chance(0.5));
    const isOneWay = this.#prng.chance(0.2);
    for (const from of cluster.ids) {
      for (const to of cluster.ids) {
        const apart = victim === undefined || this.#prng.chance(0.1);
        const isCut = apart ? side.includes(from) !== side.includes(to) : from === victim.id;
        if (from === to || !isCut) continue;
        cluster.cut(from, to);
        if (!isOneWay) cluster.cut(to, from);
      }
    }
    this.#healAt = cluster.now + this.#prng.between(100, 1500);
  }

  #heal(): void {
    this.cluster.heal();
    this.#healAt = Number.POSITIVE_INFINITY;
  }

  #reconnect(): void {
    const { running } = this.cluster;
    if (running.length < 2) return;
    const one = this.#prng.pick(running);
    const other = this.#prng.pick(running.filter((replica) => replica !== one));
    this.cluster.reconnect(one.id, other.id);
  }

  #transfer(): void {
    const { leader } = this.cluster;
    if (leader === undefined) return;
    const to = this.#prng.chance(0.3) ? 0 : this.#prng.pick(this.cluster.ids);
    const answer = this.cluster.transfer(leader.id, to);
    if ('to' in answer && answer.to !== leader.id) this.#count.transfers += 1;
  }

  #toggleWitness(): void {
    const victim = this.#victim();
    if (victim === undefined) return;
    const isWitness = !victim.raft.state.isWitness;
    this.cluster.setWitness(victim.id, isWitness);
    if (isWitness) this.#count.witnesses += 1;
  }

  get #damaged(): number {
    const doubtful = [...this.cluster.replicas.values()].filter(({ records }) => records.inDoubt);
    this.#forgetReadmitted();
    return this.#wiped.size + doubtful.length + this.#stateless.length;
  }

  /** Whether one more replica may lose data without a quorum of what was acknowledged going. */
  #mayDamage(): boolean {
    return this.#damaged < Math.floor((this.#membership.fewestVoters - 1) / 2);
  }

  /** Replicas whose new life is on record for good, or that vote no more, are as good as any. */
  #forgetReadmitted(): void {
    const state = this.cluster.leader?.raft.state;
    if (state === undefined || state.log.committed < state.termStart) return;
    const { configuration } = state.membership.at(state.log.committed);
    for (const id of this.#wiped) {
      if (this.#membership.isSettled && !isVoter(configuration, id)) this.#wiped.delete(id);
      const recorded = recordedIncarnation(configuration, id);
      if (recorded !== this.cluster.replica(id).incarnation) continue;
      if (recordedIncarnation(state.configuration, id) !== recorded) continue;
      this.#wiped.delete(id);
      this.#count.readmissions += 1;
    }
  }

  get #stateless(): Replica[] {
    return [...this.cluster.replicas.values()].filter(({ records }) => records.missesState);
  }

  #wipe(): void {
    const id = this.#prng.pick(this.cluster.ids);
    if (this.#wiped.has(id) || this.cluster.replica(id).records.inDoubt) return;
    // Who founded a group alone would found it again, were it cut off from those that joined later.
    if (!this.#mayDamage() || this.cluster.replica(id).bootstrap.voters.length === 1) return;
    this.#count.wipes += 1;
    this.#wiped.add(id);
    this.cluster.crashAndWipe(id);
    this.#storedAt.delete(id);
  }

  #tear(): void {
    const victim = this.#victim();
    if (victim === undefined || this.#wiped.has(victim.id) || !this.#mayDamage()) return;
    this.#count.tears += 1;
    this.cluster.crashAndTear(victim.id, this.#prng.between(1, 4));
    this.#storedAt.delete(victim.id);
  }

  /** The faults stop: a leader must emerge, commit, grant every read, and make all logs equal. */
  comeToRest(): void {
    const { cluster } = this;
    const calm = { lossChance: 0, repeatChance: 0, slowChance: 0, stallChance: 0 };
    this.#nature = { ...this.#nature, ...calm, latencyMs: 2, diskMs: 1, fetchMs: 2 };
    this.#heal();
    cluster.autoTurn = true;
    this.#storedAt.clear();
    for (const replica of cluster.replicas.values()) {
      if (replica.life === null) cluster.start(replica.id);
      cluster.setWitness(replica.id, false);
      cluster.turn(replica.id);
    }
    const end = cluster.now + REST_MAX_MS;
    this.#calmUntil(end, () => this.#isLed());
    const { leader } = cluster;
    assert.ok(leader !== undefined && this.#isLed(), this.#complaint('a leader emerges'));
    // Without anything new, heartbeats alone must make the commit index known.
    if (this.#prng.chance(0.5)) cluster.propose(leader.id, 3);
    for (const { id } of this.#members) this.#read(id);
    this.#calmUntil(end, () => this.#isAtRest());
    this.#forgetReadmitted();
    assert.ok(this.#isAtRest(), this.#complaint('all logs become equal and all reads are granted'));
    this.#checkRest();
  }

  #calmUntil(end: number, isDone: () => boolean): void {
    const { cluster } = this;
    while (cluster.now < end && !isDone()) {
      cluster.now += 1;
      for (const parcel of cluster.parcels) {
        if (this.#arrivalOf(parcel) <= cluster.now) cluster.deliver(parcel);
      }
      for (const replica of cluster.running) {
        if (replica.alive.pending.length > 0) cluster.store(replica.id);
        if (replica.raft.deadline <= cluster.now) cluster.tick(replica.id);
      }
      this.#snapshots.nextEnd(this.#nature.fetchMs);
      this.#snapshots.endFetches(({ id }) => this.#again(id));
      this.#snapshots.serveNeed();
    }
  }

  #isLed(): boolean {
    const { leader } = this.cluster;
    return leader !== undefined && leader.raft.commitIndex >= leader.raft.state.termStart;
  }

  /** Those that are not are left alone: they need not hear of anything. */
  get #members(): Replica[] {
    return this.cluster.running.filter(({ id }) => this.#membership.isMember(id));
  }

  #isAtRest(): boolean {
    const { leader } = this.cluster;
    if (leader === undefined || !this.#membership.isSettled) return false;
    const { lastIndex } = leader.raft;
    return this.#members.every(({ id, raft, alive }) => {
      const { standing, configuration } = raft;
      if (LACKING.includes(standing) && isVoter(configuration, id)) return false;
      const granted = [...alive.reads.values()].every((read) => read.grantedAt !== null);
      return granted && alive.applied === lastIndex && raft.durableIndex === lastIndex;
    });
  }

  #checkRest(): void {
    const { leader } = this.cluster;
    assert.ok(leader !== undefined, 'somebody leads');
    this.#count.terms += leader.raft.term;
    for (const { id, raft, alive, incarnation } of this.#members) {
      // What one of them has forgotten is compared by the state that it made.
      assert.equal(alive.digest, leader.alive.digest, `the state of ${id} is the leader’s`);
      const base = logIndex(Math.max(alive.entries.base.index, leader.alive.entries.base.index));
      const labels = alive.entries.labelsAfter(base);
      const leading = leader.alive.entries.labelsAfter(base);
      assert.deepEqual(labels, leading, `the log of ${id} is the leader’s`);
      for (const read of alive.reads.values()) this.#count.reads += read.grantedAt === null ? 0 : 1;
      const recorded = raft.configuration.members.find((member) => member.id === id);
      if (!this.#wiped.has(id) || recorded?.incarnation === incarnation) continue;
      assert.ok(!isVoter(raft.configuration, id), `voter ${id} is on record again`);
      assert.equal(raft.role, Role.follower, `wiped replica ${id} only follows`);
    }
  }

  #complaint(text: string): string {
    const states = this.cluster.running.map(({ raft }) => describeState(raft.state));
    return [text, ...states].join('\n  ');
  }
}
