/**
 * What a random walk draws from its seed before it starts: the cluster, its windows, and the nature
 * of its world. Walks differ widely on purpose: a world where everything fails at once finds
 * little.
 */

import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import type { Prng } from '../../engine/raft/prng.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import { type Configuration, nodeId } from '../../engine/raft/types.js';

export interface Nature {
  /** Ordinary and slow messages: how long they are under way at most. */
  readonly latencyMs: number;
  readonly slowMs: number;
  readonly slowChance: number;
  readonly lossChance: number;
  readonly repeatChance: number;
  /** Ordinary and stalled disk writes. */
  readonly diskMs: number;
  readonly stallMs: number;
  readonly stallChance: number;
  /** A snapshot is fetched within this time. */
  readonly fetchMs: number;
  /** Clients wish for something at least this often. */
  readonly wishEveryMs: number;
  /** Of each fault, at each step. */
  readonly chances: {
    readonly crash: number;
    readonly restart: number;
    readonly wipe: number;
    readonly tear: number;
    readonly partition: number;
    readonly reconnect: number;
    readonly transfer: number;
    readonly outage: number;
    readonly snapshot: number;
    readonly compact: number;
    readonly loseSnapshots: number;
    readonly change: number;
    readonly witness: number;
  };
}

export function drawNature(prng: Prng): Nature {
  const often = (chance: number): number => (prng.chance(0.5) ? 0 : chance * prng.between(1, 4));
  return {
    latencyMs: prng.pick([1, 3, 10, 40]),
    slowMs: prng.pick([100, 500, 2000]),
    slowChance: often(0.02),
    lossChance: often(0.03),
    repeatChance: often(0.05),
    diskMs: prng.pick([0, 1, 5, 30]),
    stallMs: prng.pick([100, 500, 2000]),
    stallChance: often(0.01),
    fetchMs: prng.pick([5, 100, 1000]),
    wishEveryMs: prng.pick([20, 80, 200]),
    chances: {
      crash: often(0.003),
      restart: 0.03 * prng.between(1, 4),
      wipe: often(0.002),
      tear: often(0.002),
      partition: often(0.006),
      reconnect: often(0.004),
      transfer: often(0.003),
      outage: often(0.001),
      snapshot: prng.pick([0, 0.02, 0.1, 0.3]),
      compact: prng.pick([0.02, 0.1, 0.3]),
      loseSnapshots: often(0.004),
      change: often(0.008),
      witness: often(0.004),
    },
  };
}

export function randomOptions(prng: Prng): Partial<RaftOptions> {
  return {
    preVote: prng.chance(0.6),
    windowMessagesMax: prng.between(1, 4),
    appendEntriesMax: prng.between(1, 6),
    appendBytesMax: prng.between(100, 1000),
    diskStallMax: prng.pick([400, 1000]),
    ...(prng.chance(0.6) ? { leaseDrift: prng.pick([0.05, 0.1, 0.3]) } : {}),
  };
}

/** One to five replicas; four or five may include a learner or be in a joint change. */
export function randomBootstrap(prng: Prng): Configuration {
  const size = prng.pick([1, 2, 3, 3, 3, 3, 4, 5, 5]);
  const ids = Array.from({ length: size }, (_, at) => nodeId(at + 1));
  const plain = bootstrapConfiguration(ids.map((id) => ({ id, address: `node-${id}` })));
  if (size < 4 || prng.chance(0.4)) return plain;
  if (prng.chance(0.4)) return { ...plain, voters: ids.slice(0, -1), learners: ids.slice(-1) };
  return { ...plain, voters: ids.slice(0, 3), outgoing: ids.slice(-3) };
}
