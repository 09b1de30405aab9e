/**
 * The membership of a random walk: leaders are asked for changes of every kind, some of them while
 * another one is under way, and replicas that were never members or are no longer wait to be added.
 *
 * It never decides whether a change is allowed, and repairs nothing: a change that was begun ends
 * by itself, under whatever leader.
 */

import { isVoter } from '../../engine/raft/membership.js';
import {
  hasPlans,
  isJoint,
  type MembershipChange,
  planChange,
  votersToBe,
} from '../../engine/raft/membership-change.js';
import type { Prng } from '../../engine/raft/prng.js';
import { type Configuration, type NodeId, nodeId } from '../../engine/raft/types.js';
import type { Cluster } from './network.js';

type Put = MembershipChange['put'][number];

export class RandomMembership {
  readonly count = { changes: 0, joints: 0, promotions: 0, removedLeaders: 0, refusedChanges: 0 };
  readonly #cluster: Cluster;
  readonly #prng: Prng;
  #seen: Configuration | null = null;

  constructor(cluster: Cluster, prng: Prng) {
    this.#cluster = cluster;
    this.#prng = prng;
  }

  /** How many voters the smallest configuration has that a replica may still go back to. */
  get fewestVoters(): number {
    const sizes = [...this.#cluster.replicas.values()].flatMap(({ life, records, bootstrap }) => {
      const known = life?.raft.state.membership.history.map((entry) => entry.configuration);
      const onDisk = records.recover(bootstrap).configurations.map((each) => each.configuration);
      return (known ?? [bootstrap, ...onDisk]).flatMap(({ voters, outgoing }) =>
        outgoing.length > 0 ? [voters.length, outgoing.length] : [voters.length],
      );
    });
    return Math.min(...sizes.filter((size) => size > 0));
  }

  /** The leader's configuration is committed, and nothing is left to be done. */
  get isSettled(): boolean {
    const state = this.#cluster.leader?.raft.state;
    if (state === undefined || state.membership.entry.index > state.log.committed) return false;
    const { configuration, id } = state;
    return !isJoint(configuration) && !hasPlans(configuration) && isVoter(configuration, id);
  }

  isMember(id: NodeId): boolean {
    const members = this.#cluster.leader?.raft.configuration.members ?? [];
    return members.some((member) => member.id === id);
  }

  /**
   * Asks the leader for a change that makes sense most of the time. None that takes as many voters
   * as have lost their data just now and the leader cannot know of yet.
   */
  ask(damaged: number): void {
    const { leader } = this.#cluster;
    if (leader === undefined) return;
    const { configuration } = leader.raft;
    const change = this.#draw(configuration, leader.id);
    const left = votersToBe(planChange(configuration, change)).length;
    if (damaged > 0 && damaged > Math.floor((left - 1) / 2)) return;
    const answer = this.#cluster.changeMembers(leader.id, change);
    if ('begun' in answer) this.count.changes += 1;
    else this.count.refusedChanges += 'refused' in answer ? 1 : 0;
  }

  #draw(configuration: Configuration, leader: NodeId): MembershipChange {
    const { voters, members, learners } = configuration;
    const outside = this.#cluster.ids.filter((id) => !members.some((member) => member.id === id));
    const nothing = { put: [], remove: [] };
    const [kind, many] = [this.#prng.below(8), voters.length > 1];
    if (kind === 0 && many) return { ...nothing, remove: [leader] };
    if (kind === 1 && many) return { ...nothing, remove: [this.#prng.pick(voters)] };
    if (kind === 2 && learners.length > 0) {
      const id = this.#prng.pick(learners);
      if (this.#prng.chance(0.5)) return { ...nothing, remove: [id] };
      return { ...nothing, put: [this.#put(id, 'voter')] };
    }
    if (kind === 3 && many)
      return { ...nothing, put: [this.#put(this.#prng.pick(voters), 'learner')] };
    if (kind === 4 && many && outside.length > 0) {
      return {
        put: [this.#put(this.#prng.pick(outside), 'voter')],
        remove: [this.#prng.pick(voters)],
      };
    }
    if (kind === 5)
      return { ...nothing, put: [this.#moved(this.#prng.pick(members).id, configuration)] };
    if (outside.length === 0)
      return { ...nothing, put: [this.#put(this.#prng.pick(voters), 'voter')] };
    const as = this.#prng.chance(0.3) ? 'learner' : 'voter';
    const put = outside.filter((_, at) => at === 0 || this.#prng.chance(0.3));
    return { ...nothing, put: put.map((id) => this.#put(id, as)) };
  }

  #put(id: NodeId, as: 'voter' | 'learner'): Put {
    return { id, address: this.#addressOf(id), as };
  }

  #addressOf(id: NodeId): string {
    const members = this.#cluster.leader?.raft.configuration.members ?? [];
    return members.find((member) => member.id === id)?.address ?? `node-${id}`;
  }

  #moved(id: NodeId, configuration: Configuration): Put {
    const as = configuration.voters.includes(id) ? 'voter' : 'learner';
    return { id, address: `node-${id}-${this.#prng.below(100)}`, as };
  }

  /** Books what the leader's configuration has become. */
  watch(): void {
    const { leader } = this.#cluster;
    if (leader === undefined) return;
    const { configuration } = leader.raft;
    const before = this.#seen;
    if (before === configuration) return;
    this.#seen = configuration;
    if (before === null) return;
    if (isJoint(configuration) && !isJoint(before)) this.count.joints += 1;
    const isNew = (id: NodeId): boolean => before.learners.includes(id);
    if (configuration.voters.some(isNew)) this.count.promotions += 1;
    if (!isVoter(configuration, leader.id)) this.count.removedLeaders += 1;
  }
}

/** Replicas beyond the first members, which wait to be added. */
export function randomStandbys(prng: Prng, members: number): NodeId[] {
  const count = prng.pick([0, 1, 1, 2]);
  return Array.from({ length: count }, (_, at) => nodeId(members + at + 1));
}
