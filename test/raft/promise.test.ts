/**
 * Storage without space makes term and vote durable ahead of entries: what rests on them may go on,
 * and what rests on the entries waits.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import {
  incarnation,
  type LogIndex,
  logIndex,
  NO_TERM,
  nodeId,
  Role,
  term,
} from '../../engine/raft/types.js';

const life = (id: number) => incarnation(id * 100 + 1);
const DISK_STALL_MAX = 1000;

function replica(members: number): Raft {
  const all = Array.from({ length: members }, (_, at) => at + 1);
  const plain = bootstrapConfiguration(all.map((id) => ({ id: nodeId(id), address: `${id}` })));
  const bootstrap = {
    ...plain,
    members: plain.members.map((member) => ({ ...member, incarnation: life(member.id) })),
  };
  const options = {
    id: nodeId(1),
    incarnation: life(1),
    seed: 1,
    electionTimeoutMin: 150,
    electionTimeoutMax: 300,
    heartbeatInterval: 50,
    preVote: false,
    transfer: true,
    windowMessagesMax: 4,
    windowBytesMax: 1 << 20,
    appendEntriesMax: 100,
    appendBytesMax: 1 << 16,
    diskStallMax: DISK_STALL_MAX,
  };
  const hardState = { term: term(1), vote: nodeId(0) };
  const doubtless = { configurations: [], snapshot: null, inDoubt: false };
  return new Raft(options, { hardState, log: EMPTY_LOG, bootstrap, ...doubtless }, 0);
}

const LEADER = nodeId(2);
const CANDIDATE = nodeId(3);

/** An append of entries 1 to `last` of term 1. */
function append(raft: Raft, last: number, now: number): void {
  const message = {
    kind: MessageKind.append,
    from: LEADER,
    to: raft.id,
    term: term(1),
    prevIndex: logIndex(0),
    prevTerm: NO_TERM,
    lastIndex: logIndex(last),
    entriesTerm: term(1),
    commit: logIndex(0),
    round: 0,
    bytes: last * 100,
    configurations: [],
  };
  raft.receive(message, life(2), now);
}

test('a vote leaves when it is promised, the acknowledgement of entries before it does not', () => {
  const raft = replica(3);
  append(raft, 4, 200);
  assert.equal(raft.take().persist?.seq, 1);
  const vote = {
    kind: MessageKind.vote,
    from: CANDIDATE,
    to: raft.id,
    term: term(2),
    lastIndex: logIndex(9),
    lastTerm: term(1),
    recorded: life(1),
    transfer: false,
  };
  raft.receive(vote, life(3), 900);
  const { persist, messages } = raft.take();
  assert.deepEqual([persist?.seq, persist?.hardState?.vote, messages.length], [2, CANDIDATE, 0]);
  raft.promised(2, 901);
  const [reply, ...others] = raft.take().messages;
  assert.deepEqual([reply?.kind, others.length], [MessageKind.voteReply, 0]);
  assert.equal(raft.durableIndex, 0);
  const ack = { generation: 0, term: term(1), lastIndex: logIndex(4) as LogIndex };
  raft.stored({ ...ack, seq: 1 }, 902);
  raft.stored({ ...ack, seq: 2 }, 903);
  assert.equal(raft.durableIndex, 4);
  assert.ok(!raft.take().messages.some(({ kind }) => kind === MessageKind.voteReply), 'once');
});

test('a candidate whose vote is promised is elected while its entries wait', () => {
  const raft = replica(1);
  raft.tick(raft.deadline);
  assert.equal(raft.take().persist?.seq, 1);
  raft.promised(1, 400);
  assert.equal(raft.role, Role.leader);
});

test('a promise must be newer than the last one, and of something submitted', () => {
  const raft = replica(1);
  raft.tick(raft.deadline);
  raft.take();
  assert.throws(() => raft.promised(2, 400), /only what was submitted is promised/);
  raft.promised(1, 400);
  assert.throws(() => raft.promised(1, 401), /promises arrive in order/);
});

test('a leader whose storage waits for space leads on, one whose storage is silent does not', () => {
  for (const waits of [true, false]) {
    const raft = replica(1);
    raft.tick(raft.deadline);
    raft.take();
    const ack = { seq: 1, generation: 0, term: term(2), lastIndex: logIndex(0) };
    raft.stored(ack, 400);
    raft.takeCreated();
    raft.take();
    for (let now = 450; now < 400 + 3 * DISK_STALL_MAX; now += 50) {
      if (waits) raft.storageWaits(now);
      if (raft.deadline <= now) raft.tick(now);
      raft.take();
    }
    assert.equal(raft.role === Role.leader, waits, `storage waits: ${waits}`);
  }
});
