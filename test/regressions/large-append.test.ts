/**
 * An append that turns out larger than a frame may be leaves in parts, from memory and from disk,
 * and goes on after a load that brought only its beginning.
 *
 * Found by the simulator: after a restart the core knew sizes by block only, asked for a whole
 * block in one append, and the follower never caught up.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type AppendRequest, MessageKind } from '../../engine/raft/message.js';
import type { Raft } from '../../engine/raft/raft.js';
import { logIndex, nodeId, Role, term } from '../../engine/raft/types.js';
import { createArena } from '../../engine/runtime/arena.js';
import { BlockIndex } from '../../engine/runtime/block-index.js';
import { GroupLog } from '../../engine/runtime/group-log.js';
import { OldLog } from '../../engine/runtime/old-log.js';
import { PeerSender } from '../../engine/runtime/peer-sender.js';
import type { LoadRequest, NetworkPort } from '../../engine/runtime/ports.js';
import { slabOf } from './runtime-follower.js';

const APPEND_BYTES_MAX = 100;
const COMMANDS = Array.from({ length: 10 }, (_, at) => `command ${at}`.padEnd(20, '.'));
/** Header of 16 bytes, 20 of payload, padding. */
const ENTRY_BYTES = 40;

function leader(inMemory: boolean) {
  const state = { options: { appendBytesMax: APPEND_BYTES_MAX } };
  const raft = { role: Role.leader, term: term(3), state } as unknown as Raft;
  const log = new GroupLog(createArena(4096), logIndex(inMemory ? 0 : COMMANDS.length));
  if (inMemory) {
    const slab = slabOf(COMMANDS);
    log.append(slab, 0, slab.length, logIndex(1), null);
  }
  const loads: LoadRequest[] = [];
  const blocks = new BlockIndex([{ first: 1, segment: 1, offset: 0 }]);
  const oldLog = new OldLog(blocks, { load: (request) => loads.push(request) });
  const sent: string[] = [];
  const show = ({ prevTerm, prevIndex, lastIndex, bytes }: AppendRequest): number =>
    sent.push(`${prevTerm}/${prevIndex} … ${lastIndex} ${bytes}B`);
  const network = {
    sendAppend: show,
    sendLoaded: show,
    mark: () => 0,
    isConsumed: () => true,
  } as unknown as NetworkPort;
  return { sender: new PeerSender(raft, log, oldLog, network), oldLog, loads, sent };
}

const WHOLE: AppendRequest = {
  kind: MessageKind.append,
  from: nodeId(1),
  to: nodeId(2),
  term: term(3),
  prevIndex: logIndex(0),
  prevTerm: term(0),
  lastIndex: logIndex(COMMANDS.length),
  entriesTerm: term(2),
  commit: logIndex(0),
  round: 0,
  bytes: COMMANDS.length * ENTRY_BYTES,
  configurations: [],
};

const PARTS = ['0/0 … 2 80B', '2/2 … 4 80B', '2/4 … 6 80B', '2/6 … 8 80B', '2/8 … 10 80B'];

test('an append from memory leaves in parts that fit, each behind the one before', () => {
  const { sender, sent } = leader(true);
  sender.send(WHOLE);
  assert.deepEqual(sent, PARTS);
});

test('a load that brings only the beginning is sent, and the rest is loaded after it', () => {
  const { sender, oldLog, loads, sent } = leader(false);
  sender.send(WHOLE);
  sender.send({ ...WHOLE, prevIndex: WHOLE.lastIndex, prevTerm: term(2), entriesTerm: term(0) });
  for (let at = 0; at < PARTS.length; at += 1) {
    const { id, first, bytesMax } = loads[at]!;
    assert.equal(bytesMax, APPEND_BYTES_MAX);
    const slab = slabOf(COMMANDS.slice(first - 1, first + 1));
    oldLog.loaded({ id, first, count: 2, slab });
  }
  assert.equal(loads.length, PARTS.length);
  assert.deepEqual(sent, [...PARTS, '2/10 … 10 0B'], 'what waited behind it comes last');
});
