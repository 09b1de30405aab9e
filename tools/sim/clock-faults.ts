/**
 * What befalls clocks and threads beyond the schedule, as the plan says: machines suspended, turns
 * that pause behind the reading of their clock, processes that stop for a while, wall clocks set.
 *
 * Most of it befalls a leader, which then gets visitors: they must not be answered by what it
 * believes. Sieges and broken hand-overs have the others elect a leader as early as they ever may.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { SimCluster } from './cluster.js';
import { Stream, streamSeed } from './plan.js';
import type { World } from './world.js';

const LEADER_SHARE = 0.7;
const CUT_OFF_SHARE = 0.5;
const WALL_JUMPS_MS = [5, 40, 300, 10_000];

export class ClockFaults {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #visit: (node: number, lastsUs: number) => void;
  readonly #prng: Prng;

  constructor(world: World, cluster: SimCluster, visit: (node: number, lastsUs: number) => void) {
    this.#world = world;
    this.#cluster = cluster;
    this.#visit = visit;
    this.#prng = new Prng(streamSeed(world.plan.seed, Stream.clockFaults));
  }

  schedule(): void {
    const { suspensions, stalls, stops, wallJumps } = this.#world.plan.clocks;
    const { sieges, handOvers } = this.#world.plan.clocks;
    this.#times(suspensions, (node) => this.#stop(node, () => this.#suspend(node)));
    this.#times(stops, (node) => this.#stop(node, () => this.#cluster.pause(node)));
    this.#times(stalls, (node) => this.#stall(node));
    this.#times(wallJumps, (node) => this.#jump(node));
    this.#times(sieges, () => this.#besiege());
    this.#times(handOvers, () => this.#handOver());
  }

  #times(count: number, strike: (node: number) => void): void {
    const { plan, scheduler } = this.#world;
    for (let each = 0; each < count; each += 1) {
      const atUs = this.#prng.between(Math.floor(plan.faultsEndUs / 4), plan.faultsEndUs - 1);
      scheduler.at(atUs, () => strike(this.#pickNode()));
    }
  }

  #pickNode(): number {
    const leader = this.#prng.chance(LEADER_SHARE) ? this.#cluster.leader() : 0;
    return leader > 0 ? leader : this.#prng.between(1, this.#world.plan.nodes);
  }

  get #timeoutUs(): number {
    return this.#world.plan.raft.electionTimeoutMin * 1000;
  }

  /** Long enough, most often, for the others to elect another leader. */
  #lastsUs(): number {
    return this.#prng.between(Math.floor(this.#timeoutUs / 4), this.#timeoutUs * 5);
  }

  #suspend(node: number): void {
    this.#world.counts.suspensions += 1;
    this.#cluster.suspend(node);
  }

  #stop(node: number, stop: () => void): void {
    if (!this.#cluster.isUp(node)) return;
    const lastsUs = this.#lastsUs();
    stop();
    this.#visit(node, lastsUs);
    this.#world.scheduler.after(lastsUs, () => this.#cluster.resume(node));
  }

  #stall(node: number): void {
    const isCutOff = this.#prng.chance(CUT_OFF_SHARE);
    // While nobody hears it, and it hears nobody, the others elect and commit.
    const drawnUs = isCutOff ? this.#prng.between(3, 7) * this.#timeoutUs : this.#lastsUs();
    const lastsUs = this.#beforeEnd(drawnUs);
    this.#cluster.stall(node, lastsUs);
    if (isCutOff) this.#cutOff(node, lastsUs * 2);
    this.#visit(node, lastsUs);
  }

  #others(node: number): number[] {
    return this.#cluster.members.map(({ id }) => id).filter((id) => id !== node);
  }

  #cutOff(node: number, lastsUs: number): void {
    const { network, scheduler } = this.#world;
    if (this.#beforeEnd(lastsUs) === 0) return;
    network.partition([node], this.#others(node));
    scheduler.after(lastsUs, () => network.heal());
  }

  /**
   * One peer does not hear the leader and asks for votes, which those that do hear it refuse. Then
   * nobody hears it any more, and these have just paused, or start anew: they must go on refusing
   * for as long as its lease lasts.
   */
  #besiege(): void {
    const leader = this.#cluster.leader();
    const others = this.#others(leader);
    if (leader === 0 || others.length < 2) return;
    const { network, plan, scheduler, counts } = this.#world;
    counts.sieges += 1;
    this.#cluster.setClockRate(leader, plan.clocks.rateMin);
    for (const other of others) this.#cluster.setClockRate(other, plan.clocks.rateMax);
    const shut = this.#prng.pick(others);
    network.partition([leader], [shut]);
    const lastsUs = this.#prng.between(2, 4) * this.#timeoutUs;
    const voters = others.filter((other) => other !== shut);
    const end = this.#prng.chance(0.5) ? this.#endByPause : this.#endByStart;
    scheduler.after(lastsUs, () => end(leader, voters));
    this.#visit(leader, lastsUs + 3 * this.#timeoutUs);
  }

  /** The leader is cut off as soon as it has heard from voters whose threads had paused. */
  readonly #endByPause = (leader: number, voters: readonly number[]): void => {
    const { plan, scheduler } = this.#world;
    const { turnUs, transportUs, latency } = plan;
    const pauseUs = this.#beforeEnd(this.#prng.between(this.#timeoutUs, 2 * this.#timeoutUs));
    for (const voter of voters) this.#cluster.stall(voter, pauseUs);
    const answerUs = 2 * (turnUs + transportUs + latency.typicalUs);
    scheduler.after(pauseUs + answerUs, () => this.#cutOff(leader, 3 * this.#timeoutUs));
  };

  /** The leader is cut off, and those that it last heard from start anew. */
  readonly #endByStart = (leader: number, voters: readonly number[]): void => {
    if (this.#beforeEnd(this.#timeoutUs) === 0) return;
    this.#cutOff(leader, 3 * this.#timeoutUs);
    for (const voter of voters) {
      if (!this.#cluster.isUp(voter)) continue;
      this.#cluster.crash(voter, 'kept');
      this.#cluster.restart(voter);
    }
  };

  /** Once the faults have ended nothing pauses, dies or is cut off any more. */
  #beforeEnd(lastsUs: number): number {
    const { plan, scheduler } = this.#world;
    return Math.max(0, Math.min(lastsUs, plan.faultsEndUs - scheduler.nowUs));
  }

  /** The successor need not wait for anybody, and the leader does not hear of it. */
  #handOver(): void {
    const { plan, scheduler } = this.#world;
    const leader = this.#cluster.leader();
    if (leader === 0) return;
    const to = this.#prng.pick(this.#others(leader));
    for (let group = 0; group < plan.groups; group += 1) {
      if (this.#cluster.leaderOf(group)?.id === leader) this.#cluster.transfer(group, to);
    }
    const lastsUs = 3 * this.#timeoutUs;
    const soonUs = plan.transportUs + this.#prng.between(1, 2 * plan.latency.typicalUs);
    scheduler.after(soonUs, () => this.#cutOff(leader, lastsUs));
    this.#visit(leader, lastsUs);
  }

  #jump(node: number): void {
    if (!this.#cluster.isUp(node)) return;
    this.#world.counts.wallJumps += 1;
    const isBack = this.#world.plan.clocks.jumpsBack && this.#prng.chance(0.5);
    const ms = this.#prng.pick(WALL_JUMPS_MS);
    this.#cluster.setWallClock(node, isBack ? -ms : ms);
  }
}
