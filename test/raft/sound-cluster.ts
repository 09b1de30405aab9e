/**
 * A small cluster at rest, for tests that tamper with sound states.
 *
 * It must break no rule by itself.
 */

import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import type { CoreState, RaftOptions } from '../../engine/raft/state.js';
import { logIndex, nodeId, term } from '../../engine/raft/types.js';
import { Cluster } from './network.js';

const BOOTSTRAP = bootstrapConfiguration(
  [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` })),
);

/** Replica 1 leads term 1; five entries are committed and applied on it and replica 2. */
export function soundCluster(options: Partial<RaftOptions> = {}): Cluster {
  const cluster = new Cluster(BOOTSTRAP, 1, options);
  cluster.startAll();
  const settle = (): void => {
    while (cluster.parcels[0] !== undefined) cluster.deliver(cluster.parcels[0]);
  };
  cluster.now = cluster.raft(1).deadline;
  cluster.tick(1);
  settle();
  cluster.propose(1, 4);
  settle();
  cluster.now = cluster.raft(1).deadline;
  cluster.tick(1);
  settle();
  return cluster;
}

export function stateOf(cluster: Cluster, id: number): CoreState {
  return cluster.raft(id).state;
}

export const point = (index: number, inTerm = 1) => ({
  index: logIndex(index),
  term: term(inTerm),
});
