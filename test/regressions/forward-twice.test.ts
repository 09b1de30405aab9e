/**
 * A forwarded proposal is appended once, however often its frame comes; a new connection, and so
 * a restarted peer, counts its forwards anew.
 *
 * Found by the simulator, whose network repeats frames: a client's append was executed twice.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import type { Raft } from '../../engine/raft/raft.js';
import { NOBODY, nodeId, Role, term } from '../../engine/raft/types.js';
import type { GroupLog } from '../../engine/runtime/group-log.js';
import type { RuntimePorts } from '../../engine/runtime/ports.js';
import { Proposals } from '../../engine/runtime/proposals.js';
import { slabOf } from './runtime-follower.js';

const PEER = nodeId(3);
const TERM = term(4);

/** A leader that counts what it appends, and a peer that forwards to it. */
function leader() {
  let last = 0;
  const propose = (count: number) => {
    last += count;
    return { first: last - count + 1, term: TERM };
  };
  const state = { options: { seed: 1 } };
  const leading = { role: Role.leader, term: TERM, leader: nodeId(1), transferTarget: NOBODY };
  const raft = { id: nodeId(1), ...leading, state, propose };
  const ports = { wallClock: () => 1, network: { sendForwardReply: () => undefined } };
  const proposals = new Proposals({
    raft: raft as unknown as Raft,
    log: { append: () => 0 } as unknown as GroupLog,
    ports: ports as unknown as RuntimePorts,
    makeRoom: () => true,
    placed: () => {},
    forwardSettled: () => undefined,
    entryBytesMax: 1024,
  });
  const forward = (number: number): number => {
    const slab = slabOf(['append x']);
    const batch = { forwardId: number, count: 1, term: TERM, slab, start: 0, end: slab.length };
    proposals.onForward(PEER, batch, 1);
    return last;
  };
  return { proposals, forward };
}

test('a frame that comes again appends nothing', () => {
  const { forward } = leader();
  assert.equal(forward(1), 1);
  assert.equal(forward(1), 1);
  assert.equal(forward(2), 2);
  assert.equal(forward(1), 2, 'nor does one that was overtaken');
});

test('numbers go on over the end of their 32 bits', () => {
  const { forward } = leader();
  assert.equal(forward(0xffff_ffff), 1);
  assert.equal(forward(0), 2);
  assert.equal(forward(0xffff_ffff), 2);
});

test('a peer that connects anew counts anew', () => {
  const { proposals, forward } = leader();
  assert.equal(forward(40), 1);
  proposals.onPeerUp(PEER);
  assert.equal(forward(1), 2);
});
