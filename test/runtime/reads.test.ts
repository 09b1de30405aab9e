/**
 * Reads that nobody answers: each ends by its deadline, and nothing of it stays behind in the core.
 *
 * The core is a real one without peers that answer; the state machine and the writes are stubs.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type ErrorNumber, RingraftError } from '../../engine/errors.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import { incarnation, NO_TERM, NOBODY, nodeId, Role, type Term } from '../../engine/raft/types.js';
import type { MachineHost } from '../../engine/runtime/machine-host.js';
import type { CompletionPort } from '../../engine/runtime/ports.js';
import type { Proposals } from '../../engine/runtime/proposals.js';
import { Consistency, Reads } from '../../engine/runtime/reads.js';

const SELF = nodeId(1);
const PEERS = [nodeId(2), nodeId(3)];
const READ_MS = 20;
const SWEEP_MS = 30;

function replica(): Raft {
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
  return new Raft(options, recovered, 0);
}

/** Reads of which none can be answered: what was refused, by id, and with which code. */
function readsOf(raft: Raft) {
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
    completions as unknown as CompletionPort,
    {} as MachineHost,
    {} as Proposals,
  );
  const ask = (id: number, now: number): void => {
    const buffer = Buffer.alloc(4);
    const request = { id, count: 1, buffer, start: 0, end: 4, behindWrites: false };
    const { linearizable } = Consistency;
    reads.ask({ ...request, deadline: now + READ_MS, consistency: linearizable }, now);
  };
  return { refused, codes, reads, ask };
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
