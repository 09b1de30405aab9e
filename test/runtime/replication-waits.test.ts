/**
 * Waits for every voter, against a real core whose peers answer as the test says: who is waited
 * for, what is asked of those that lag, and how a wait ends.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import {
  incarnation,
  type LogIndex,
  NO_INDEX,
  NO_TERM,
  NOBODY,
  type NodeId,
  nodeId,
  type Term,
} from '../../engine/raft/types.js';
import { type Lagging, ReplicationWaits } from '../../engine/runtime/replication-waits.js';

const SELF = nodeId(1);
const PEERS = [nodeId(2), nodeId(3)];
const HEARTBEAT_MS = 50;

const OPTIONS = {
  id: SELF,
  incarnation: incarnation(1),
  seed: 1,
  electionTimeoutMin: 10_000,
  electionTimeoutMax: 20_000,
  heartbeatInterval: HEARTBEAT_MS,
  preVote: false,
  transfer: true,
  windowMessagesMax: 8,
  windowBytesMax: 1 << 20,
  appendEntriesMax: 100,
  appendBytesMax: 1 << 18,
  diskStallMax: 3000,
};

/** Of three voters it leads term 1; the first entry, which records lives, is committed here. */
class Leader {
  readonly raft: Raft;
  readonly waits: ReplicationWaits;
  readonly ends: [number, readonly Lagging[] | null][] = [];
  now: number;

  constructor() {
    const members = [SELF, ...PEERS].map((id) => ({ id, address: `host${id}` }));
    const recovered = {
      hardState: { term: NO_TERM, vote: NOBODY },
      log: EMPTY_LOG,
      bootstrap: bootstrapConfiguration(members),
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    this.raft = new Raft(OPTIONS, recovered, 0);
    this.waits = new ReplicationWaits(this.raft, (id, missing) => this.ends.push([id, missing]));
    this.now = this.raft.deadline;
    const { raft } = this;
    for (const peer of PEERS) raft.connected(peer, incarnation(peer), false);
    raft.tick(this.now);
    this.store();
    for (const from of PEERS) {
      const reply = { kind: MessageKind.voteReply, from, to: SELF, term: raft.term };
      raft.receive({ ...reply, grant: VoteGrant.full }, incarnation(from), this.now);
    }
    raft.takeCreated();
    this.store();
    for (const from of PEERS) this.hold(from);
    raft.take();
    assert.equal(raft.commitIndex, 1);
  }

  store(): void {
    const { persist } = this.raft.take();
    this.raft.stored({ ...persist!, lastIndex: this.raft.lastIndex }, this.now);
  }

  /** The peer has everything in its log. */
  hold(from: NodeId): void {
    const { term, lastIndex: match } = this.raft;
    const reply = { kind: MessageKind.appendReply, from, to: SELF, term, accepted: true, match };
    const nothing = { refusedIndex: NO_INDEX, conflictIndex: NO_INDEX, conflictTerm: NO_TERM };
    this.raft.receive({ ...reply, ...nothing, round: 0 }, incarnation(from), this.now);
  }

  /** The peer answers a heartbeat: its machine has applied so much. */
  hear(from: NodeId, applied: number, life: number = from): void {
    const { term } = this.raft;
    const reply = { kind: MessageKind.heartbeatReply, from, to: SELF, term, needsSnapshot: false };
    const log = { durable: 1 as LogIndex, applied: applied as LogIndex, round: 0 };
    this.raft.receive({ ...reply, ...log }, incarnation(life), this.now);
  }

  /** The peers that are asked in a turn `ms` later. */
  turn(ms = 0): number[] {
    this.now += ms;
    this.waits.turn(this.now);
    const { messages } = this.raft.take();
    return messages.filter(({ kind }) => kind === MessageKind.heartbeat).map(({ to }) => to);
  }

  ask(id: number, index = 1, patienceMs = 1000): void {
    this.waits.add({ id, index, deadline: this.now + patienceMs }, this.now);
  }
}

test('a wait ends once each voter has said that it has applied the entry', () => {
  const leader = new Leader();
  leader.ask(7);
  assert.deepEqual(leader.turn(), [2, 3], 'both are asked at once');
  leader.hear(PEERS[0]!, 1);
  leader.turn();
  assert.deepEqual(leader.ends, []);
  leader.hear(PEERS[1]!, 0);
  leader.turn();
  assert.deepEqual(leader.ends, [], 'to have it is not to have applied it');
  leader.hear(PEERS[1]!, 1);
  leader.turn();
  assert.deepEqual(leader.ends, [[7, []]]);
  assert.equal(leader.waits.deadline, Number.POSITIVE_INFINITY);
});

test('what all have applied already is answered in the first turn, and nobody is asked', () => {
  const leader = new Leader();
  for (const peer of PEERS) leader.hear(peer, 1);
  leader.ask(7);
  assert.deepEqual(leader.turn(), []);
  assert.deepEqual(leader.ends, [[7, []]]);
});

test('those that lag are asked at growing pauses, once for all that wait', () => {
  const leader = new Leader();
  leader.hear(PEERS[0]!, 1);
  leader.ask(1);
  leader.ask(2);
  assert.deepEqual(leader.turn(), [3]);
  assert.deepEqual(leader.turn(), [], 'not twice in a millisecond');
  const pauses: number[] = [];
  let pause = 0;
  for (let ms = 0; ms < 300; ms += 1) {
    pause += 1;
    if (leader.turn(1).length === 0) continue;
    pauses.push(pause);
    pause = 0;
  }
  assert.deepEqual(pauses.slice(0, 6), [1, 2, 4, 8, 16, 32]);
  assert.ok(pauses.slice(6).every((each) => each === HEARTBEAT_MS));
});

test('a wait that is over in time names who is missing, and how far each was', () => {
  const leader = new Leader();
  leader.hear(PEERS[0]!, 1);
  leader.ask(7, 1, 20);
  leader.turn();
  leader.turn(19);
  assert.deepEqual(leader.ends, []);
  assert.ok(leader.waits.deadline <= leader.now + 1);
  leader.turn(1);
  assert.deepEqual(leader.ends, [[7, [{ id: 3, applied: 0 }]]]);
});

test('what another life of a voter has said does not count', () => {
  const leader = new Leader();
  leader.hear(PEERS[0]!, 1);
  leader.hear(PEERS[1]!, 1, 99);
  leader.ask(1, 1, 10);
  leader.turn(10);
  assert.deepEqual(leader.ends, [[1, [{ id: 3, applied: 0 }]]]);
});

test('a voter that restarted has applied nothing until it says so', () => {
  const leader = new Leader();
  for (const peer of PEERS) leader.hear(peer, 1);
  leader.raft.connected(PEERS[1]!, incarnation(3), true);
  leader.ask(1);
  leader.turn();
  assert.deepEqual(leader.ends, []);
  leader.hear(PEERS[1]!, 1);
  leader.turn();
  assert.deepEqual(leader.ends, [[1, []]]);
});

test('a wait ends without an answer when leadership moves, and at once where nobody leads', () => {
  const leader = new Leader();
  leader.ask(1);
  leader.turn();
  const { raft } = leader;
  const term = (raft.term + 1) as Term;
  const heartbeat = { kind: MessageKind.heartbeat, from: PEERS[0]!, to: SELF, term };
  raft.receive({ ...heartbeat, commit: NO_INDEX, round: 0 }, incarnation(2), leader.now);
  leader.turn();
  leader.ask(2);
  leader.turn();
  assert.deepEqual(leader.ends, [
    [1, null],
    [2, null],
  ]);
});

test('the end of the group ends every wait', () => {
  const leader = new Leader();
  leader.ask(1);
  leader.ask(2);
  leader.waits.end();
  assert.deepEqual(leader.ends, [
    [1, null],
    [2, null],
  ]);
  assert.equal(leader.waits.deadline, Number.POSITIVE_INFINITY);
});
