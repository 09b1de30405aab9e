/**
 * What writes that wait for all are told: now and then the leader of a group is asked when every
 * voter has applied an entry, and what it says is held against what the voters did.
 *
 * It looks at their state machines, which the leader only hears of. A voter counts as soon as it
 * has applied the entry once, since it may die before the answer is given.
 */

import { isVoter } from '../../engine/raft/membership.js';
import type { Raft } from '../../engine/raft/raft.js';
import { type NodeId, nodeId, Role } from '../../engine/raft/types.js';
import type { AdminRequest } from '../../engine/runtime/administration.js';
import type { RuntimeEvent } from '../../engine/runtime/ports.js';
import { SimFailure } from './sim-failure.js';
import type { World } from './world.js';

/** One entry in so many is asked about. */
const ASKED_ONE_IN = 5;
const PATIENCE_MS = 300;

interface AllWatchParts {
  readonly world: World;
  readonly node: number;
  readonly group: number;
  /** Hands a request to the group's thread. */
  readonly ask: (request: (now: number) => AdminRequest) => void;
}

interface Asked {
  readonly index: number;
  readonly voters: readonly NodeId[];
}

export class AllWatch {
  readonly #parts: AllWatchParts;
  readonly #asked = new Map<number, Asked>();
  #nextId = 1;

  constructor(parts: AllWatchParts) {
    this.#parts = parts;
  }

  /** The results of entries up to `index` were given. */
  answered(index: number, raft: Raft): void {
    if (raft.role !== Role.leader || index % ASKED_ONE_IN !== 0) return;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#parts.ask((now) => {
      const { voters, outgoing } = raft.configuration;
      this.#asked.set(id, { index, voters: [...voters, ...outgoing] });
      return { id, deadline: now + PATIENCE_MS, kind: 'onAll', index };
    });
  }

  onAnswer({ id, missing }: Extract<RuntimeEvent, { kind: 'onAll' }>, raft: Raft): void {
    const { world, node, group } = this.#parts;
    const asked = this.#asked.get(id);
    if (asked === undefined) {
      throw new SimFailure(`node ${node}: nobody asked ${id}, who has applied what`);
    }
    this.#asked.delete(id);
    if (missing === null) return;
    world.counts[missing.length === 0 ? 'onAll' : 'notOnAll'] += 1;
    const witness = world.witnessOf(group);
    for (const voter of asked.voters) {
      const isMissing = missing.some((lagging) => lagging.id === voter);
      if (isMissing || voter === nodeId(node) || !isVoter(raft.configuration, voter)) continue;
      const applied = witness.appliedBy(voter);
      if (applied >= asked.index) continue;
      const says = `says that node ${voter} has applied ${asked.index}, which is at ${applied}`;
      throw new SimFailure(`group ${group}: node ${node} ${says}`);
    }
  }
}
