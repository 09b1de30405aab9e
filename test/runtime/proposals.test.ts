/**
 * What a follower does with proposals while its leader comes and goes: held, sent, or ended with an
 * error that says truthfully whether they can still be executed.
 *
 * The core and the ports are stubs: only who leads and who is connected matters here.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { ErrorNumber } from '../../engine/errors.js';
import type { Raft } from '../../engine/raft/raft.js';
import { NOBODY, type NodeId, nodeId, Role, type Term, term } from '../../engine/raft/types.js';
import type { GroupLog } from '../../engine/runtime/group-log.js';
import type { ForwardReply, RuntimePorts } from '../../engine/runtime/ports.js';
import { Proposals } from '../../engine/runtime/proposals.js';

const OLD = nodeId(2);
const NEW = nodeId(3);
const DEADLINE = 5000;
const SWEEP = 30;
const TERM = term(5);

/** One entry of one letter. */
function entry(command: string, kind: EntryKind = EntryKind.command): Buffer {
  const slab = Buffer.alloc(entryBytes(1));
  const at = writeEntryHeader(new DataView(slab.buffer, slab.byteOffset), 0, kind, 1, 0);
  slab.write(command, at);
  return slab;
}

/** A peer's first forward, of two entries. */
function forwardOf(slab: Buffer) {
  return { forwardId: 1, count: 2, term: TERM, slab, start: 0, end: slab.length };
}

function letter(slab: Uint8Array): string {
  return /[a-z]/.exec(Buffer.from(slab).toString('latin1'))?.[0] ?? '';
}

/**
 * A follower, with everything that left it: `2:a` is command `a`, forwarded to node 2. `seed` is
 * that of the life of its process.
 */
function follower(seed = 1, heldBytesPerTurn?: number) {
  const raft = {
    id: nodeId(1),
    role: Role.follower as Role,
    leader: OLD as NodeId,
    transferTarget: NOBODY as NodeId,
    term: TERM,
    state: { options: { seed } },
    propose: (count: number) => ({ first: log.push(...Array(count).fill('')), term: 5 }),
  };
  /** What was appended here while leading. */
  const log: string[] = [];
  const sent: string[] = [];
  const sendings: number[] = [];
  const replies: number[] = [];
  const refused: [batch: number, code: number][] = [];
  const ports = {
    wallClock: () => 1,
    network: {
      sendForwardReply: (_to: number, reply: ForwardReply) => replies.push(reply.code),
      sendForward: (to: number, sending: number, at: Term, _: number, slab: Uint8Array) => {
        assert.equal(at, TERM, 'a forward names the term of the leader it goes to');
        sendings.push(sending);
        sent.push(`${to}:${letter(slab)}`);
      },
    },
    completions: {
      refused: (batch: number, _offset: number, _count: number, code: number) => {
        refused.push([batch, code]);
      },
    },
  };
  const append = (slab: Buffer, start: number, end: number, first: number): void => {
    log[first - 1] = letter(slab.subarray(start, end));
  };
  const proposals = new Proposals({
    raft: raft as unknown as Raft,
    log: { append } as unknown as GroupLog,
    ports: ports as unknown as RuntimePorts,
    makeRoom: () => true,
    placed: () => {},
    forwardSettled: () => undefined,
    entryBytesMax: 1024,
    heldBytesPerTurn,
  });
  const propose = (id: number, command: string, now = 0): void => {
    const slab = entry(command);
    const batch = { id, count: 1, slab, start: 0, end: slab.length };
    proposals.propose({ ...batch, deadline: DEADLINE, mayForward: true }, now);
  };
  /** Sending `at` is answered: appended as `count` entries from `first` in term 5. */
  const appended = (at: number, first: number, count = 1): void => {
    const reply = {
      forwardId: sendings[at]!,
      code: 0 as const,
      first,
      count,
      term: 5,
      leader: OLD,
    };
    proposals.onForwardReply(OLD, reply, 1);
  };
  /** Sending `at` reached a node that does not lead. */
  const turnedAway = (at: number): void => {
    const { notLeader } = ErrorNumber;
    const reply = { forwardId: sendings[at]!, first: 0, count: 0, term: 0, leader: NOBODY };
    proposals.onForwardReply(OLD, { ...reply, code: notLeader }, 1);
  };
  const seen = { log, sent, sendings, replies, refused };
  return { raft, ...seen, proposals, propose, appended, turnedAway };
}

test('what was sent to a leader whose connection ends is unknown, and never sent again', () => {
  const { raft, sent, refused, proposals, propose } = follower();
  propose(1, 'a');
  assert.deepEqual(sent, ['2:a']);
  proposals.onPeerDown(OLD);
  assert.deepEqual(refused, [[1, ErrorNumber.outcomeUnknown]]);
  raft.leader = NEW;
  proposals.onLeaderKnown(1);
  assert.deepEqual(sent, ['2:a']);
});

test('a proposal for a leader that is not connected waits for the next leader', () => {
  const { raft, sent, refused, proposals, propose } = follower();
  proposals.onPeerDown(OLD);
  propose(1, 'a');
  propose(2, 'b');
  proposals.tick(SWEEP);
  assert.deepEqual(sent, [], 'nothing is sent into a void');
  raft.leader = NOBODY;
  proposals.tick(2 * SWEEP);
  raft.leader = NEW;
  proposals.onLeaderKnown(2 * SWEEP);
  assert.deepEqual(sent, ['3:a', '3:b']);
  assert.deepEqual(refused, []);
});

test('a leader that is connected again gets what waited, and in order', () => {
  const { sent, proposals, propose } = follower();
  proposals.onPeerDown(OLD);
  propose(1, 'a');
  proposals.onPeerUp(OLD);
  propose(2, 'b');
  assert.deepEqual(sent, [], 'the later one does not overtake the earlier one');
  proposals.tick(SWEEP);
  assert.deepEqual(sent, ['2:a', '2:b']);
});

test('what waited for a leader until its deadline was certainly not executed', () => {
  const { refused, sent, proposals, propose } = follower();
  proposals.onPeerDown(OLD);
  propose(1, 'a');
  proposals.tick(DEADLINE);
  assert.deepEqual(refused, [[1, ErrorNumber.noLeader]]);
  assert.deepEqual(sent, []);
});

test('an answer to a forward of an earlier life of the process acknowledges nothing', () => {
  const before = follower(1);
  const after = follower(2);
  before.propose(1, 'a');
  after.propose(2, 'b');
  const reply = { code: 0 as const, first: 7, count: 1, term: 5, leader: OLD };
  after.proposals.onForwardReply(OLD, { ...reply, forwardId: before.sendings[0]! }, 1);
  assert.equal(after.proposals.writes.lastIndex, 0, 'nothing is bound to the other index');
  after.appended(0, 8);
  assert.equal(after.proposals.writes.lastIndex, 8);
});

test('an answer that tells of more entries than were sent is no answer', () => {
  const { proposals, propose, appended } = follower();
  propose(1, 'a');
  appended(0, 7, 2);
  assert.equal(proposals.writes.lastIndex, 0);
  assert.deepEqual([...proposals.unansweredForwards], [1]);
  appended(0, 7);
  assert.equal(proposals.writes.lastIndex, 7);
});

test('a node that is elected appends what it held before what comes after', () => {
  const { raft, log, proposals, propose } = follower();
  raft.leader = NOBODY;
  propose(1, 'a');
  propose(2, 'b');
  raft.leader = raft.id;
  raft.role = Role.leader;
  propose(3, 'c');
  assert.deepEqual(log, ['a', 'b', 'c']);
  assert.deepEqual([...proposals.unansweredForwards], []);
});

test('batches that come back are sent again in the order of their proposal', () => {
  const { raft, sent, refused, proposals, propose, turnedAway } = follower();
  propose(1, 'a');
  propose(2, 'b');
  turnedAway(0);
  propose(3, 'c');
  raft.leader = NEW;
  proposals.onLeaderKnown(1);
  assert.deepEqual(sent, ['2:a', '2:b'], 'the answer to b is awaited');
  turnedAway(1);
  proposals.onLeaderKnown(1);
  assert.deepEqual(sent, ['2:a', '2:b', '3:a', '3:b', '3:c']);
  assert.deepEqual(refused, []);
});

test('a batch that comes back behind a younger one in the log is surely not executed', () => {
  const { raft, log, refused, propose, turnedAway } = follower();
  propose(1, 'a');
  raft.leader = raft.id;
  raft.role = Role.leader;
  propose(2, 'b');
  turnedAway(0);
  propose(3, 'c');
  assert.deepEqual(log, ['b', 'c']);
  assert.deepEqual(refused, [[1, ErrorNumber.notLeader]]);
});

test('a batch that came back is refused when a younger one turns out to be in the log', () => {
  const { sent, refused, proposals, propose, turnedAway, appended } = follower();
  propose(1, 'a');
  propose(2, 'b');
  turnedAway(0);
  appended(1, 7);
  assert.deepEqual(refused, [[1, ErrorNumber.notLeader]]);
  proposals.tick(SWEEP);
  assert.deepEqual(sent, ['2:a', '2:b']);
});

test('a batch that came back is refused when the fate of a younger one stays unknown', () => {
  const { refused, proposals, propose, turnedAway } = follower();
  propose(1, 'a');
  propose(2, 'b');
  turnedAway(0);
  propose(3, 'c');
  proposals.onPeerDown(OLD);
  assert.deepEqual(refused, [
    [2, ErrorNumber.outcomeUnknown],
    [1, ErrorNumber.notLeader],
  ]);
  assert.deepEqual([...proposals.unansweredForwards], [3]);
});

test('a forward that was meant for an earlier term is turned away, and may come again', () => {
  const { raft, log, replies, proposals } = follower();
  raft.leader = raft.id;
  raft.role = Role.leader;
  raft.term = term(TERM + 2);
  const slab = entry('a');
  const forward = { ...forwardOf(slab), count: 1 };
  assert.equal(proposals.onForward(OLD, forward, 1), true);
  assert.deepEqual([log, replies], [[], [ErrorNumber.notLeader]]);
  proposals.onForward(OLD, { ...forward, forwardId: 2, term: term(TERM + 2) }, 1);
  assert.deepEqual([log, replies], [['a'], [ErrorNumber.notLeader, 0]]);
});

test('a forward that holds anything but commands is malformed and leaves no trace', () => {
  const { raft, log, replies, proposals } = follower();
  raft.leader = raft.id;
  raft.role = Role.leader;
  const { command, ...others } = EntryKind;
  for (const kind of Object.values(others)) {
    const slab = Buffer.concat([entry('a'), entry('b', kind)]);
    assert.equal(proposals.onForward(OLD, forwardOf(slab), 1), false);
  }
  assert.deepEqual([log, replies], [[], []]);
  const slab = Buffer.concat([entry('a'), entry('b', command)]);
  assert.equal(proposals.onForward(OLD, forwardOf(slab), 1), true);
  assert.deepEqual([log.length, replies], [2, [0]]);
});

test('a new leader appends what was held a turn at a time, and in order with what comes then', () => {
  const { raft, log, refused, proposals, propose } = follower(1, 2 * entryBytes(1));
  raft.leader = NOBODY;
  for (const [n, command] of ['a', 'b', 'c', 'd', 'e'].entries()) propose(n, command);
  Object.assign(raft, { role: Role.leader, leader: raft.id });
  proposals.onLeaderKnown(1);
  assert.deepEqual(log, ['a', 'b']);
  propose(5, 'f', 1);
  assert.equal(proposals.deadline, 1, 'it goes on at once');
  proposals.tick(1);
  assert.deepEqual(log, ['a', 'b'], 'not before that is submitted');
  proposals.submitted();
  proposals.tick(1);
  assert.deepEqual(log, ['a', 'b', 'c', 'd']);
  proposals.submitted();
  propose(6, 'g', 1);
  assert.deepEqual([log.join(''), refused], ['abcdefg', []]);
});

test('a held batch that is larger than a turn appends is appended alone', () => {
  const { raft, log, proposals, propose } = follower(1, 1);
  raft.leader = NOBODY;
  propose(1, 'a');
  propose(2, 'b');
  Object.assign(raft, { role: Role.leader, leader: raft.id });
  proposals.onLeaderKnown(1);
  assert.deepEqual(log, ['a']);
  proposals.submitted();
  proposals.tick(1);
  assert.deepEqual(log, ['a', 'b']);
});
