/**
 * Reads as they reach the core: those that nobody answers end by their deadline and leave nothing
 * behind, bounded ones share a read index, those by lease are judged by a clock read after them.
 *
 * The core is a real one whose peers answer as the test says; the state machine and the writes are
 * stubs.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Consistency } from '../../engine/config-reads.js';
import { type ErrorNumber, RingraftError } from '../../engine/errors.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import {
  incarnation,
  NO_INDEX,
  NO_TERM,
  NOBODY,
  type NodeId,
  nodeId,
  Role,
  type Term,
} from '../../engine/raft/types.js';
import type { MachineHost } from '../../engine/runtime/machine-host.js';
import type { ReadBatch } from '../../engine/runtime/pending-reads.js';
import type { CompletionPort } from '../../engine/runtime/ports.js';
import type { Proposals } from '../../engine/runtime/proposals.js';
import { type ReadRequest, Reads } from '../../engine/runtime/reads.js';

const SELF = nodeId(1);
const PEERS = [nodeId(2), nodeId(3)];
const READ_MS = 20;
const SWEEP_MS = 30;

function replica(given: Partial<RaftOptions> = {}): Raft {
  const members = [SELF, ...PEERS].map((id) => ({ id, address: `host${id}` }));
  const options = {
    id: SELF,
    incarnation: incarnation(1),
    seed: 1,
    electionTimeoutMin: 10_000,
    electionTimeoutMax: 20_000,
    heartbeatInterval: 1000,
    preVote: false,
    transfer: true,
    windowMessagesMax: 8,
    windowBytesMax: 1 << 20,
    appendEntriesMax: 100,
    appendBytesMax: 1 << 18,
    diskStallMax: 3000,
  };
  const recovered = {
    hardState: { term: NO_TERM, vote: NOBODY },
    log: EMPTY_LOG,
    bootstrap: bootstrapConfiguration(members),
    configurations: [],
    snapshot: null,
    inDoubt: false,
  };
  return new Raft({ ...options, ...given }, recovered, 0);
}

type Terms = Pick<ReadRequest, 'consistency' | 'maxStalenessMs'>;
const LINEARIZABLE = { consistency: Consistency.linearizable, maxStalenessMs: 0 };
const BY_LEASE = { consistency: Consistency.lease, maxStalenessMs: 0 };
const bounded = (maxStalenessMs: number) => ({
  consistency: Consistency.bounded,
  maxStalenessMs,
});

/** Reads, what was refused of them, by id, and with which code; and what was answered. */
function readsOf(raft: Raft, clocks = { clock: () => 0, wallClock: () => 0 }) {
  const answered: number[] = [];
  const refused: number[] = [];
  const codes = new Set<string>();
  const completions = {
    readRefused: (id: number, _: number, code: ErrorNumber) => {
      refused.push(id);
      codes.add(new RingraftError(code).code);
    },
  };
  const reads = new Reads(
    raft,
    { completions: completions as unknown as CompletionPort, ...clocks },
    { query: (batch: ReadBatch) => answered.push(batch.id) } as unknown as MachineHost,
    {} as Proposals,
  );
  const ask = (id: number, now: number, terms: Terms = LINEARIZABLE): void => {
    const buffer = Buffer.alloc(4);
    const range = { buffer, start: 0, end: 4 };
    const request = { id, count: 1, ...range, behindWrites: false, ...terms };
    reads.ask({ ...request, deadline: now + READ_MS }, now);
  };
  return { refused, codes, reads, ask, answered };
}

/** One that leads term 1, whose first entry is committed by all. */
function leader(options: Partial<RaftOptions> = {}): Raft {
  const raft = replica(options);
  const now = raft.deadline;
  raft.tick(now);
  const { persist } = raft.take();
  raft.stored({ ...persist!, lastIndex: raft.lastIndex }, now);
  for (const from of PEERS) {
    const reply = { kind: MessageKind.voteReply, from, to: SELF, term: raft.term };
    raft.receive({ ...reply, grant: VoteGrant.full }, incarnation(from), now);
  }
  raft.takeCreated();
  const first = raft.take().persist;
  raft.stored({ ...first!, lastIndex: raft.lastIndex }, now);
  for (const from of PEERS) hearFrom(raft, from, 0, now);
  raft.take();
  assert.equal(raft.commitIndex, 1);
  return raft;
}

/** A peer holds all and has answered `round`. */
function hearFrom(raft: Raft, from: NodeId, round: number, now: number): void {
  const { term, lastIndex: match } = raft;
  const reply = {
    kind: MessageKind.appendReply,
    from,
    to: SELF,
    term,
    accepted: true,
    match,
    round,
  };
  const nothing = { refusedIndex: NO_INDEX, conflictIndex: NO_INDEX, conflictTerm: NO_TERM };
  raft.receive({ ...reply, ...nothing }, incarnation(from), now);
}

/** Takes a turn the way the runtime does; how many messages left. */
function turn(raft: Raft, reads: Reads): number {
  reads.readClocks();
  const ready = raft.take();
  for (const { id, index } of ready.reads) reads.grant(id, index);
  reads.serve(raft.commitIndex);
  return ready.messages.length;
}

test('expired reads leave nothing in the core while no leader is known', () => {
  const raft = replica();
  const { refused, codes, reads, ask } = readsOf(raft);
  for (let id = 1; id <= 50; id += 1) {
    ask(id, id * SWEEP_MS);
    raft.take();
    reads.tick((id + 1) * SWEEP_MS);
  }
  assert.equal(refused.length, 50);
  assert.deepEqual([...codes], ['ERR_NO_LEADER']);
  assert.equal(raft.state.reads.isWaiting, false);
});

test('expired reads leave nothing in the core while the leader does not answer', () => {
  const raft = replica();
  const { refused, codes, reads, ask } = readsOf(raft);
  raft.receive(
    {
      kind: MessageKind.heartbeat,
      from: PEERS[0]!,
      to: SELF,
      term: 1 as Term,
      commit: raft.commitIndex,
      round: 0,
    },
    incarnation(2),
    0,
  );
  ask(1, 1);
  raft.take();
  ask(2, 2);
  assert.notEqual(raft.state.reads.outstanding, null);
  reads.tick(2 + SWEEP_MS);
  assert.deepEqual(refused, [1, 2]);
  assert.deepEqual([...codes], ['ERR_TIMEOUT'], 'a leader is known, and silent');
  assert.equal(raft.state.reads.outstanding, null);
  assert.equal(raft.state.reads.isWaiting, false);
});

test('expired reads leave nothing in a leader that hears nobody', () => {
  const raft = replica();
  const { refused, codes, reads, ask } = readsOf(raft);
  const now = raft.deadline;
  raft.tick(now);
  const { persist } = raft.take();
  raft.stored({ ...persist!, lastIndex: raft.lastIndex }, now);
  for (const from of PEERS) {
    const reply = { kind: MessageKind.voteReply, from, to: SELF, term: raft.term };
    raft.receive({ ...reply, grant: VoteGrant.full }, incarnation(from), now);
  }
  assert.equal(raft.role, Role.leader);
  for (let id = 1; id <= 5; id += 1) ask(id, now);
  reads.tick(now + SWEEP_MS);
  assert.equal(refused.length, 5);
  assert.deepEqual([...codes], ['ERR_TIMEOUT']);
  assert.deepEqual(raft.state.leaderReads.drain(), []);
});

test('one round answers all bounded reads of a window, and linearizable reads give them theirs', () => {
  const raft = leader();
  let now = raft.state.now;
  const clocks = { clock: () => now, wallClock: () => now };
  const { reads, ask, answered } = readsOf(raft, clocks);
  ask(1, now, bounded(100));
  assert.equal(turn(raft, reads), 2, 'a round begins');
  now += 40;
  hearFrom(raft, PEERS[0]!, 1, now);
  turn(raft, reads);
  assert.deepEqual(answered, [1]);
  now += 60;
  ask(2, now, bounded(100));
  assert.equal(turn(raft, reads), 0, 'asked 100 ms ago is young enough');
  assert.deepEqual(answered, [1, 2]);
  now += 1;
  ask(3, now, LINEARIZABLE);
  turn(raft, reads);
  hearFrom(raft, PEERS[0]!, 2, now);
  turn(raft, reads);
  now += 99;
  ask(4, now, bounded(100));
  assert.equal(turn(raft, reads), 0);
  assert.deepEqual(answered, [1, 2, 3, 4]);
  now += 2;
  ask(5, now, bounded(100));
  assert.equal(turn(raft, reads), 2, 'asked 101 ms ago is too old');
  assert.deepEqual(answered, [1, 2, 3, 4]);
});

test('a bounded read waits until what it may be answered by is applied here', () => {
  const raft = leader();
  const now = raft.state.now;
  const { reads, ask, answered } = readsOf(raft, { clock: () => now, wallClock: () => now });
  ask(1, now);
  turn(raft, reads);
  hearFrom(raft, PEERS[0]!, 1, now);
  turn(raft, reads);
  ask(2, now, bounded(100));
  reads.serve(NO_INDEX);
  assert.deepEqual(answered, [1]);
  reads.serve(raft.commitIndex);
  assert.deepEqual(answered, [1, 2]);
});

test('how old a read index is, is judged by a clock that is read after the question', () => {
  const raft = leader();
  const asked = raft.state.now;
  let clock = asked;
  const { reads, ask, answered } = readsOf(raft, { clock: () => clock, wallClock: () => clock });
  ask(1, asked);
  turn(raft, reads);
  hearFrom(raft, PEERS[0]!, 1, asked);
  turn(raft, reads);
  // The thread paused between reading the time it gives its inputs and looking what has come.
  clock += 101;
  ask(2, asked, bounded(100));
  turn(raft, reads);
  assert.deepEqual(answered, [1]);
});

test('a read index that a lease has granted answers no bounded read', () => {
  const raft = leader({ leaseDrift: 0.1 });
  let now = raft.state.now;
  const { reads, ask, answered } = readsOf(raft, { clock: () => now, wallClock: () => now });
  now = raft.deadline;
  raft.tick(now);
  hearFrom(raft, PEERS[0]!, raft.state.leaderReads.round, now);
  turn(raft, reads);
  ask(1, now, BY_LEASE);
  assert.equal(turn(raft, reads), 0);
  assert.deepEqual(answered, [1]);
  ask(2, now, bounded(100));
  assert.equal(turn(raft, reads), 2);
  assert.deepEqual(answered, [1]);
});

test('a read by lease is judged by clocks that are read after it came', () => {
  const raft = leader({ leaseDrift: 0.1 });
  let now = raft.deadline;
  let suspended = 0;
  const clocks = { clock: () => now, wallClock: () => now + suspended };
  const { reads, ask, answered } = readsOf(raft, clocks);
  raft.tick(now);
  hearFrom(raft, PEERS[0]!, raft.state.leaderReads.round, now);
  turn(raft, reads);
  const asked = now;
  ask(1, asked, BY_LEASE);
  turn(raft, reads);
  assert.deepEqual(answered, [1]);
  now += 9000;
  ask(2, asked, BY_LEASE);
  turn(raft, reads);
  assert.deepEqual(answered, [1], 'the thread paused for as long as the lease lasts');
  now = asked;
  suspended = 9000;
  ask(3, asked, BY_LEASE);
  turn(raft, reads);
  assert.deepEqual(answered, [1], 'the machine was suspended');
});

test('a voter that paused promises its patience from when it looked', () => {
  const raft = replica();
  let now = 0;
  const { reads } = readsOf(raft, { clock: () => now, wallClock: () => now });
  const heartbeat = { kind: MessageKind.heartbeat, from: PEERS[0]!, to: SELF, term: 1 as Term };
  raft.receive({ ...heartbeat, commit: NO_INDEX, round: 1 }, incarnation(2), 0);
  now = 4000;
  reads.readClocks();
  assert.equal(raft.state.leaderHeardAt, 4000);
});
