/**
 * What the transport thread does when a group's ring is full: UP and DOWN wait for room and arrive
 * without anything else waking the thread.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Hello } from '../../codec/frames/handshake.js';
import { type AppendRequest, MessageKind } from '../../engine/raft/message.js';
import { incarnation, logIndex, nodeId, term } from '../../engine/raft/types.js';
import { Arena } from '../../engine/runtime/arena.js';
import type { LogPiece } from '../../engine/runtime/log-index.js';
import { SendResult } from '../../io/net/peer-handlers.js';
import type { PeerLinks } from '../../io/net/peer-links.js';
import { RingNetworkPort } from '../../workers/ports/ring-ports.js';
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
import { FIRST_CURSORS, fromThere } from './first-cursors.js';

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
  address: '',
  groups: [],
};

/** An append of the one entry at `index`. */
function appendOf(index: number): AppendRequest {
  return {
    kind: MessageKind.append,
    from: SELF,
    to: PEER,
    term: term(1),
    prevIndex: logIndex(index - 1),
    prevTerm: term(index === 1 ? 0 : 1),
    lastIndex: logIndex(index),
    entriesTerm: term(1),
    commit: logIndex(0),
    round: 0,
    bytes: 8,
    configurations: [],
  };
}

function piece(index: number, position: number): LogPiece {
  return { first: logIndex(index), last: logIndex(index), position, bytes: 8 };
}

/** Fills the ring as the transport thread would have, before it begins. */
function fill(memory: GroupMemory): void {
  const ring = new RingProducer(memory.fromPeers);
  while (ring.tryClaim(PeerRecordKind.frame, 16) !== RING_FULL);
  ring.commit();
}

for (const first of FIRST_CURSORS) {
  test(`UP and DOWN that found no room arrive once there is some${fromThere(first)}`, async () => {
    const memory = createGroupMemory(64, 1024 * 1024, first);
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

  test(`an append leaves with the bytes of its pieces${fromThere(first)}`, () => {
    const memory = createGroupMemory(64, 1024 * 1024, first);
    const bell = new Doorbell(createDoorbells(Bell.consensus + 1), Bell.consensus);
    const loop = new TransportLoop(SELF, [{ memory, bell }]);
    const sent: string[] = [];
    const send: PeerLinks['send'] = (_to, _kind, _body, slab) => {
      sent.push(Buffer.from(slab ?? []).toString());
      return SendResult.queued;
    };
    loop.attach({ send, flush: () => {} } as unknown as PeerLinks);
    const arena = new Arena(memory.arena, { firstPosition: first });
    const network = new RingNetworkPort(0, new RingProducer(memory.toPeers));
    for (let index = 1; index <= 20; index += 1) {
      const position = arena.reserve(8);
      arena.region(position, 8).write(String(index).padStart(8, '.'));
      const mark = network.mark();
      network.sendAppend(appendOf(index), [piece(index, position)]);
      network.publish();
      assert.ok(network.isConsumed(mark));
      assert.ok(!network.isConsumed(network.mark()));
      assert.equal(loop.doWork(), 1);
      assert.ok(network.isConsumed(network.mark()));
    }
    const expected = Array.from({ length: 20 }, (_, at) => String(at + 1).padStart(8, '.'));
    assert.deepEqual(sent, expected);
  });
}
