/**
 * A candidate hears of its last vote after a later term has elected and committed: it leads its old
 * term for a moment, harmlessly. The invariants once took it for a leader that lacks committed
 * entries; leader completeness speaks only of what was committed in earlier terms.
 *
 * Found by the simulator: a replica was paused between its vote requests and the answers.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { nodeId, Role } from '../../engine/raft/types.js';
import { Cluster } from '../raft/network.js';
import type { Parcel } from '../raft/parcel.js';

function threeReplicas(): Cluster {
  const members = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));
  const cluster = new Cluster(bootstrapConfiguration(members), 1, { preVote: false });
  cluster.startAll();
  return cluster;
}

/** Delivers everything but what `holds` keeps back, until nothing else is under way. */
function settle(cluster: Cluster, holds: (parcel: Parcel) => boolean = () => false): void {
  for (;;) {
    const next = cluster.parcels.find((parcel) => !holds(parcel));
    if (next === undefined) return;
    cluster.deliver(next);
  }
}

/** Lets a replica's election timer run out, long after everybody has heard a leader. */
function campaign(cluster: Cluster, id: number): void {
  cluster.now += 1000;
  cluster.tick(id);
}

test('a leader of an old term owes nothing of what later terms committed', () => {
  const cluster = threeReplicas();
  campaign(cluster, 1);
  settle(cluster);
  cluster.propose(1, 1);
  settle(cluster);

  const isLate = ({ message }: Parcel): boolean => message.to === 2 || message.from === 2;
  campaign(cluster, 2);
  const requests = cluster.parcels.filter(({ message }) => message.from === 2);
  for (const request of requests) cluster.deliver(request);
  const { term } = cluster.raft(2);
  assert.ok(cluster.parcels.some(({ message }) => message.kind === MessageKind.voteReply));

  campaign(cluster, 3);
  settle(cluster, isLate);
  cluster.propose(3, 2);
  settle(cluster, isLate);
  assert.equal(cluster.raft(3).role, Role.leader);
  assert.ok(cluster.invariants.committed > cluster.raft(2).lastIndex);

  const late = cluster.parcels.filter(
    ({ message }) => message.to === 2 && message.kind === MessageKind.voteReply,
  );
  for (const reply of late) cluster.deliver(reply);
  assert.equal(cluster.raft(2).role, Role.leader, 'it leads, and no invariant is broken');
  assert.equal(cluster.raft(2).term, term);
  settle(cluster);
  assert.equal(cluster.raft(2).role, Role.follower);
  assert.equal(cluster.raft(2).lastIndex, cluster.raft(3).lastIndex);
});
