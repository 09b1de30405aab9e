/**
 * All simulated nodes of one run, as clients see them (`Service`) and as faults see them
 * (`FaultSubjects`), and the question whether they have come to rest.
 */

import { describeChange } from '../../engine/raft/describe-change.js';
import { findMember, isVoter } from '../../engine/raft/membership.js';
import type { Prng } from '../../engine/raft/prng.js';
import { Standing } from '../../engine/raft/state.js';
import { type NodeId, Role } from '../../engine/raft/types.js';
import type { Reply, Service } from './clients.js';
import { withinRates } from './clock-plan.js';
import type { SimGroup } from './group.js';
import type { Aftermath, FaultSubjects } from './inject.js';
import { drawChange } from './member-changes.js';
import {
  configurationOf,
  fewestVoters,
  isMajority,
  isSettled,
  isUncounted,
  stateOf,
} from './memberships.js';
import { type NodePeers, SimNode } from './node.js';
import type { Place, Request } from './operation.js';
import { SimFailure } from './sim-failure.js';
import type { World } from './world.js';

/** What a replica that lost its data is until it is readmitted. */
const LACKING: readonly Standing[] = [Standing.fresh, Standing.aside, Standing.recovering];
/** How long a write takes on the disk of an isolated leader. */
const SLOW_SYNC_US = 100_000;

export class SimCluster implements Service, FaultSubjects {
  readonly nodes: number;
  readonly members: readonly SimNode[];
  readonly #world: World;
  #asked = 0;

  constructor(world: World) {
    this.#world = world;
    this.nodes = world.plan.nodes + world.plan.standbys;
    const peers: NodePeers = {
      identityOf: (peer) => this.#member(peer).identity,
      died: () => {
        if (this.members.every((member) => !member.isUp)) world.counts.crashAlls += 1;
      },
      mayLose: (node: number) => this.mayLose(node),
    };
    this.members = Array.from({ length: this.nodes }, (_, at) => new SimNode(world, at + 1, peers));
  }

  #member(node: number): SimNode {
    const member = this.members[node - 1];
    if (member === undefined) throw new SimFailure(`there is no node ${node}`);
    return member;
  }

  start(): void {
    for (const member of this.members) member.start();
  }

  submit(node: number, request: Request, reply: (reply: Reply) => void, place?: Place): void {
    const { life } = this.#member(node);
    if (life === null) reply({ kind: 'fail', why: 'the node is down', leader: 0 });
    else life.router.submit({ operation: request, reply, place });
  }

  /** A different group each time, so that with several groups several leaders are hit. */
  leader(): number {
    this.#asked += 1;
    return this.leaderOf(this.#asked % this.#world.plan.groups)?.id ?? 0;
  }

  leaderOf(group: number): SimNode | null {
    let found: SimNode | null = null;
    let term = 0;
    for (const member of this.members) {
      const raft = member.life?.groups[group]?.runtime.raft;
      if (raft === undefined || raft.role !== Role.leader || raft.term <= term) continue;
      found = member;
      term = raft.term;
    }
    return found;
  }

  isUp(node: number): boolean {
    return this.#member(node).isUp;
  }

  crash(node: number, aftermath: Aftermath): void {
    const { counts } = this.#world;
    if (aftermath === 'kept') counts.kills += 1;
    else counts.powerLosses += 1;
    if (aftermath === 'torn') this.#member(node).crashWriting();
    else this.#member(node).crash(aftermath);
  }

  restart(node: number): void {
    this.#member(node).restart();
  }

  pause(node: number): void {
    this.#member(node).life?.process.pause();
  }

  resume(node: number): void {
    this.#member(node).life?.process.resume();
  }

  setSyncTime(node: number, syncUs: number | null): void {
    this.#member(node).setSyncTime(syncUs);
  }

  armDisk(node: number, kind: 'shortWrite' | 'syncError'): void {
    this.#member(node).disk.arm({ kind, path: '.wal' });
  }

  disarmDisk(node: number): void {
    this.#member(node).disk.disarm();
  }

  /** As fast or slow as the plan allows. */
  setClockRate(node: number, rate: number): void {
    this.#member(node).life?.process.setClockRate(withinRates(this.#world.plan.clocks, rate));
  }

  suspend(node: number): void {
    this.#world.event(node, 'its machine is suspended');
    this.#member(node).life?.process.suspend();
  }

  setWallClock(node: number, byMs: number): void {
    this.#world.event(node, `its wall clock is set by ${byMs} ms`);
    this.#member(node).life?.process.setWallClock(byMs * 1000);
  }

  /** The thread of every group pauses in its next turn, after it has read the clock. */
  stall(node: number, lastsUs: number): void {
    for (const group of this.groupsOf(node)) group.stallNextTurn(lastsUs);
  }

  /** There is no space for anything new; `syncUs`: and the disk is slow for a while. */
  fillDisk(node: number, syncUs: number | null): void {
    this.#member(node).disk.setCapacity(0);
    if (syncUs === null) return;
    this.setSyncTime(node, syncUs);
    this.#world.scheduler.after(4 * syncUs, () => this.setSyncTime(node, null));
  }

  freeDisks(): void {
    for (const { disk } of this.members) disk.setCapacity(Number.POSITIVE_INFINITY);
  }

  /**
   * Cuts the leader off, with a slow disk and a clock at half speed: the others elect another one
   * long before it notices. Returns the node, 0 when nobody leads.
   */
  isolateLeader(lastsUs: number): number {
    const node = this.leader();
    if (node === 0) return node;
    const { counts, network, scheduler } = this.#world;
    counts.isolations += 1;
    this.#world.event(node, 'is cut off, its clock runs slow');
    this.setClockRate(node, 0.5);
    this.setSyncTime(node, SLOW_SYNC_US);
    const others = this.members.map(({ id }) => id).filter((id) => id !== node);
    network.partition([node], others);
    scheduler.after(lastsUs, () => {
      network.heal();
      this.setClockRate(node, 1);
      // What the slow disk still writes when the new leader is heard is about to be truncated.
      scheduler.after(2 * SLOW_SYNC_US, () => this.setSyncTime(node, null));
    });
    return node;
  }

  wipe(node: number): void {
    this.#member(node).wipe();
    this.#member(node).restart();
  }

  /**
   * Nodes whose present life some group does not count, or not for sure; null where that cannot be
   * told, as a group has no leader or no record yet, or its membership is changing.
   */
  lackingData(): Set<number> | null {
    const lacking = new Set<number>();
    for (let group = 0; group < this.#world.plan.groups; group += 1) {
      const leader = this.leaderOf(group);
      const state = leader === null ? undefined : stateOf(leader, group);
      if (state === undefined || state.log.committed < state.termStart) return null;
      for (const member of this.members) {
        if (isUncounted(state, member)) lacking.add(member.id);
        const its = stateOf(member, group);
        const isHalf = its?.inDoubt === true || its?.missingState === true;
        if (member.isDamaged || isHalf) lacking.add(member.id);
      }
    }
    return lacking;
  }

  /**
   * Whether a majority of intact replicas is left when this one loses its data; and it must be told
   * from its former life, so the groups must have recorded whose data may vote.
   */
  mayLose(node: number): boolean {
    const lacking = this.lackingData();
    if (lacking === null) return false;
    const { groups } = this.#world.plan;
    for (let group = 0; group < groups; group += 1) {
      const leader = this.leaderOf(group);
      const state = leader === null ? undefined : stateOf(leader, group);
      // In a change, majorities are of others than the configuration of a moment says.
      if (this.#world.plan.memberChanges > 0 && (state === undefined || !isSettled(state))) {
        return false;
      }
    }
    const voters = Math.min(
      ...Array.from({ length: groups }, (_, group) => fewestVoters(this.members, group)),
    );
    return lacking.add(node).size <= Math.floor((voters - 1) / 2);
  }

  /** An operator asks the leader of a group for a change of the membership. */
  changeMembers(group: number, prng: Prng): void {
    const leader = this.leaderOf(group);
    const lacking = this.lackingData();
    if (leader === null || lacking === null) return;
    const state = stateOf(leader, group)!;
    const nodes = this.members.map(({ id }) => id);
    const id = leader.id as NodeId;
    const change = drawChange(prng, state.configuration, id, nodes, lacking.size);
    if (change === null) return;
    this.#world.counts.memberChanges += 1;
    this.#world.event(leader.id, `g${group} is to ${describeChange(change)}`);
    leader.life!.groups[group]!.changeMembers(change);
  }

  /** The machine of a group throws on one node, at the next command that it is given. */
  failMachine(group: number, node: number): void {
    const { life } = this.#member(node);
    if (life === null) return;
    this.#world.event(node, `g${group} its machine is about to throw`);
    life.failMachine(group);
  }

  /** An operator asks the leader of a group to hand over to a node, 0 for the best one. */
  transfer(group: number, to: number): void {
    const leader = this.leaderOf(group);
    if (leader === null || leader.id === to) return;
    this.#world.counts.transfers += 1;
    this.#world.event(leader.id, `g${group} is to hand over to ${to === 0 ? 'the best' : to}`);
    leader.life!.groups[group]!.transfer(to);
  }

  /** An operator has a replica enter witness mode, or leave it: recorded first, then told. */
  toggleWitnessMode(group: number, node: number): void {
    const { life, heldBack } = this.#member(node);
    if (life === null) return;
    const isWitness = !heldBack.has(group);
    this.#world.event(node, `g${group} is to ${isWitness ? 'enter' : 'leave'} witness mode`);
    if (isWitness) {
      this.#world.counts.witnessModes += 1;
      if (this.leaderOf(group)?.id === node) this.#world.counts.leadingWitnesses += 1;
      heldBack.add(group);
    } else heldBack.delete(group);
    life.groups[group]!.ask((own) => ({ ...own, kind: 'witness', isWitness }));
  }

  /** Only voters that take part elect the leader that must emerge. */
  endWitnessModes(): void {
    for (const { life, heldBack } of this.members) {
      for (const group of heldBack) {
        life?.groups[group]?.ask((own) => ({ ...own, kind: 'witness', isWitness: false }));
      }
      heldBack.clear();
    }
  }

  /** Why the cluster is not at rest: the first thing that is still to happen; null when it is. */
  unrest(): string | null {
    for (const member of this.members) if (!member.isUp) return `node ${member.id} is down`;
    for (let group = 0; group < this.#world.plan.groups; group += 1) {
      const text = this.isStranded(group) ? null : this.#unrestOf(group);
      if (text !== null) return `group ${group}: ${text}`;
    }
    return null;
  }

  /**
   * Whether a group waits for intact data that nobody can bring back: one replica has lost all of
   * its own, or its state, and others may have lost what they had acknowledged, so that neither a
   * majority nor everybody can vouch for what is committed. It must not go on then.
   */
  isStranded(group: number): boolean {
    if (this.leaderOf(group) !== null || this.members.some(({ isUp }) => !isUp)) return false;
    const configuration = configurationOf(this.members, null, group);
    if (configuration === null) return false;
    const hasLost = (member: SimNode): boolean =>
      this.#world.witnessOf(group).isWiped(member.id) || stateOf(member, group)!.missingState;
    const isIntact = (id: NodeId): boolean => {
      const member = this.#member(id);
      return stateOf(member, group)!.standing === Standing.full && !hasLost(member);
    };
    const voters = this.members.filter(({ id }) => isVoter(configuration, id as NodeId));
    return !isMajority(configuration, isIntact) && voters.some(hasLost);
  }

  /** Nodes that are members of every group: what is read there is answered. */
  get membersOfAll(): readonly number[] {
    const groups = Array.from({ length: this.#world.plan.groups }, (_, group) => group);
    return this.members
      .map(({ id }) => id)
      .filter((id) => groups.every((group) => this.#isMember(group, id)));
  }

  #isMember(group: number, id: number): boolean {
    const configuration = configurationOf(this.members, this.leaderOf(group), group);
    return configuration !== null && findMember(configuration, id as NodeId) !== undefined;
  }

  #unrestOf(group: number): string | null {
    const leader = this.leaderOf(group);
    if (leader === null) return 'nobody leads';
    const { raft } = leader.life!.groups[group]!.runtime;
    if (raft.commitIndex < raft.state.termStart) return `leader ${leader.id} has not committed`;
    if (!isSettled(raft.state)) return 'its membership is changing';
    if (!isVoter(raft.configuration, raft.id)) return `leader ${leader.id} is no voter`;
    for (const { id, life } of this.members) {
      if (!this.#isMember(group, id)) continue;
      const { runtime } = life!.groups[group]!;
      const { standing } = runtime.raft;
      if (LACKING.includes(standing)) return `node ${id} is ${standing}`;
      if (runtime.raft.term !== raft.term) return `node ${id} is in another term`;
      if (runtime.raft.lastIndex !== raft.lastIndex) return `the log of node ${id} differs`;
      if (runtime.raft.durableIndex !== raft.lastIndex) return `the disk of node ${id} lags`;
      if (runtime.appliedIndex !== raft.lastIndex) return `node ${id} has not applied everything`;
    }
    return null;
  }

  /** Equal machines at equal applied index: asked when the cluster is at rest. */
  checkDigests(): void {
    for (let group = 0; group < this.#world.plan.groups; group += 1) {
      if (this.isStranded(group)) continue;
      const members = this.members.filter(({ id }) => this.#isMember(group, id));
      const digests = members.map(({ life }) => life!.digest(group));
      if (new Set(digests).size === 1) continue;
      throw new SimFailure(`group ${group}: the machines differ at rest: ${digests.join(' ')}`);
    }
  }

  groupsOf(node: number): readonly SimGroup[] {
    return this.#member(node).life?.groups ?? [];
  }
}
