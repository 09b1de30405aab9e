/**
 * Three cores in one thread that hear each other at once and whose disks are instant: what is left
 * is the cost of the core itself.
 *
 * It performs a Ready in the order its fields state. It must never lose or delay anything.
 */

import { EMPTY_LOG } from '../../engine/raft/log.js';
import { newMember } from '../../engine/raft/membership.js';
import { Raft } from '../../engine/raft/raft.js';
import type { Ready } from '../../engine/raft/ready.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  type Configuration,
  incarnation,
  type LogIndex,
  NO_TERM,
  NOBODY,
  type NodeId,
  nodeId,
  Role,
} from '../../engine/raft/types.js';

const IDS = [1, 2, 3].map(nodeId);

const CONFIGURATION: Configuration = {
  voters: IDS,
  outgoing: [],
  learners: [],
  learnersNext: [],
  members: IDS.map((id) => newMember({ id, address: `node${id}:1` })),
};

const MIB = 1024 * 1024;

function optionsOf(id: NodeId): RaftOptions {
  return {
    id,
    incarnation: incarnation(id),
    seed: id,
    electionTimeoutMin: 150,
    electionTimeoutMax: 300,
    heartbeatInterval: 50,
    preVote: true,
    transfer: true,
    windowMessagesMax: 8,
    windowBytesMax: 8 * MIB,
    appendEntriesMax: 16_384,
    appendBytesMax: 256 * 1024,
    diskStallMax: 1000,
  };
}

export class ThreeCores {
  readonly #cores: readonly Raft[];
  readonly leader: Raft;
  #now = 0;

  /** Three new replicas, one of which has been elected. */
  constructor() {
    const recovered = {
      hardState: { term: NO_TERM, vote: NOBODY },
      log: EMPTY_LOG,
      bootstrap: CONFIGURATION,
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    this.#cores = IDS.map((id) => new Raft(optionsOf(id), recovered, this.#now));
    for (const core of this.#cores) {
      for (const peer of IDS) {
        if (peer !== core.id) core.connected(peer, incarnation(peer), true);
      }
    }
    this.leader = this.#elect();
  }

  #elect(): Raft {
    for (; this.#now < 10_000; this.#now += 10) {
      for (const core of this.#cores) {
        if (core.deadline <= this.#now) core.tick(this.#now);
        core.takeCreated();
      }
      this.#settle();
      const leader = this.#cores.find(({ role }) => role === Role.leader);
      if (leader !== undefined) return leader;
    }
    throw new Error('nobody was elected');
  }

  /** Proposes entries and carries what follows to its end: all are applied everywhere. */
  commit(count: number, bytes: number): LogIndex {
    const proposed = this.leader.propose(count, bytes, this.#now);
    if ('refused' in proposed) throw new Error('the leader takes proposals');
    this.#settle();
    return this.leader.commitIndex;
  }

  #settle(): void {
    let busy = true;
    while (busy) {
      busy = false;
      for (const core of this.#cores) if (this.#perform(core, core.take())) busy = true;
    }
  }

  /** Whether there was anything to do. */
  #perform(core: Raft, { persist, messages, committed }: Ready): boolean {
    for (const message of messages) {
      const peer = this.#cores[message.to - 1] as Raft;
      peer.receive(message, incarnation(message.from), this.#now);
      peer.takeCreated();
    }
    if (persist !== null) {
      const { seq, generation, term } = persist;
      core.stored({ seq, generation, term, lastIndex: core.lastIndex }, this.#now);
      core.takeCreated();
    }
    if (committed !== null) core.applied(committed.last);
    return persist !== null || messages.length > 0 || committed !== null;
  }
}
