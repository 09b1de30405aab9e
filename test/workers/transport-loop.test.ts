/**
 * What the transport thread does when a group's ring is full: UP and DOWN wait for room and arrive
 * without anything else waking the thread.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Hello } from '../../codec/frames/handshake.js';
import { incarnation, nodeId } from '../../engine/raft/types.js';
import { PeerRecordKind, readPeerHeader } from '../../workers/records/peer.js';
import { Doorbell } from '../../workers/ring/doorbell.js';
import { createDoorbells } from '../../workers/ring/layout.js';
import {
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';
import { Bell, createGroupMemory, type GroupMemory } from '../../workers/topology.js';
import { TransportLoop } from '../../workers/transport-loop.js';

const SELF = nodeId(1);
const PEER = nodeId(2);
const HELLO: Hello = {
  version: 1,
  versionMin: 1,
  required: 0,
  optional: 0,
  clusterId: 1,
  from: PEER,
  target: SELF,
  incarnation: incarnation(77),
  bootId: 5,
  groups: [],
};

/** Fills the ring as the transport thread would have, before it begins. */
function fill(memory: GroupMemory): void {
  const ring = new RingProducer(memory.fromPeers);
  while (ring.tryClaim(PeerRecordKind.frame, 16) !== RING_FULL);
  ring.commit();
}

test('UP and DOWN that found no room arrive once there is some', async () => {
  const memory = createGroupMemory(64, 1024 * 1024);
  fill(memory);
  const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.consensus);
  const loop = new TransportLoop(SELF, [{ memory, bell }]);
  loop.onUp(PEER, HELLO, true);
  loop.onDown(PEER);
  await new Promise((resolve) => setImmediate(resolve));
  const ring = new RingConsumer(memory.fromPeers);
  ring.drain(() => RECORD_TAKEN, Number.POSITIVE_INFINITY);
  const seen: unknown[] = [];
  while (seen.length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    ring.drain((kind, at) => {
      seen.push({ kind, ...readPeerHeader(ring.view, at) });
      return RECORD_TAKEN;
    }, Number.POSITIVE_INFINITY);
  }
  assert.deepEqual(seen, [
    { kind: PeerRecordKind.up, peer: PEER, detail: 1, incarnation: 77 },
    { kind: PeerRecordKind.down, peer: PEER, detail: 0, incarnation: 0 },
  ]);
});
