/**
 * Toggles and figures of the options reach the core and do there what they say. No engine is opened
 * here: the core is on the bench of the paper's tests.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type EngineOptions, resolveOptions } from '../../engine/config.js';
import { MessageKind } from '../../engine/raft/message.js';
import { nodeId, Role, term } from '../../engine/raft/types.js';
import { raftOptions } from '../../engine/start-node.js';
import { Bench } from '../paper/bench.js';

const MIB = 1024 * 1024;

function coreOptions(given: Partial<EngineOptions>) {
  const cluster = { 1: 'a:7001', 2: 'b:7001', 3: 'c:7001' };
  const groups = [{ name: 'g', machine: new URL('file:///m.js') }];
  return raftOptions(resolveOptions({ nodeId: 1, cluster, groups, ...given }), 77, MIB);
}

const benchWith = (given: Partial<EngineOptions>): Bench =>
  new Bench({ options: coreOptions(given) });

test('defaults and figures arrive under the names of the core', () => {
  const { seed, ...defaults } = coreOptions({});
  assert.ok(Number.isSafeInteger(seed));
  assert.deepEqual(defaults, {
    id: 1,
    incarnation: 77,
    electionTimeoutMin: 150,
    electionTimeoutMax: 300,
    heartbeatInterval: 50,
    preVote: true,
    transfer: true,
    windowMessagesMax: 8,
    windowBytesMax: 2 * MIB,
    appendEntriesMax: 16_384,
    // A full append, with its headers, is a frame of 256 KiB.
    appendBytesMax: 256 * 1024 - 76,
    diskStallMax: 3000,
  });
  const times = { heartbeatInterval: 20, electionTimeoutMin: 90, electionTimeoutMax: 170 };
  const given = coreOptions({ ...times, maxAppendBatchSize: 100, pipelineWindow: 10 });
  assert.deepEqual({ ...given, ...times }, given);
  assert.deepEqual([given.appendEntriesMax, given.windowMessagesMax], [100, 10]);
  assert.notEqual(coreOptions({}).seed, coreOptions({}).seed);
});

test('leaseReads: true keeps a lease that is shorter by leaseDriftPercent, false none', () => {
  assert.equal(coreOptions({ leaseDriftPercent: 20 }).leaseDrift, undefined);
  assert.equal(coreOptions({ leaseReads: true }).leaseDrift, 0.1);
  assert.equal(coreOptions({ leaseReads: true, leaseDriftPercent: 20 }).leaseDrift, 0.2);
});

test('enablePreVote: true asks first, false raises the term at once', () => {
  const asking = benchWith({ enablePreVote: true });
  asking.timeOut();
  assert.deepEqual([asking.raft.role, asking.raft.term], [Role.preCandidate, 0]);
  const raising = benchWith({ enablePreVote: false });
  raising.timeOut();
  assert.deepEqual([raising.raft.role, raising.raft.term], [Role.candidate, 1]);
});

test('enableLeadershipTransfer: true obeys the leader’s TimeoutNow, false ignores it', () => {
  for (const [enableLeadershipTransfer, role] of [
    [true, Role.candidate],
    [false, Role.follower],
  ] as const) {
    const bench = benchWith({ enableLeadershipTransfer });
    bench.hearHeartbeat({ term: term(4) });
    bench.hear({ kind: MessageKind.timeoutNow, from: nodeId(2), to: nodeId(1), term: term(4) });
    assert.equal(bench.raft.role, role);
    assert.equal(bench.raft.term, role === Role.candidate ? 5 : 4);
  }
});

/** Ranges of the appends that a leader has under way to node 2 after 20 proposals, as lengths. */
function underWay(given: Partial<EngineOptions>): number[] {
  const bench = benchWith(given).becomeLeader();
  bench.hearAppendReply(2, 1);
  bench.sent.length = 0;
  bench.propose(20);
  return bench
    .takeSent(MessageKind.append)
    .filter(({ to }) => to === 2)
    .map(({ prevIndex, lastIndex }) => lastIndex - prevIndex);
}

test('maxAppendBatchSize bounds the entries of one append, pipelineWindow the appends under way', () => {
  assert.deepEqual(underWay({}), [20]);
  assert.deepEqual(underWay({ maxAppendBatchSize: 7 }), [7, 7, 6]);
  assert.deepEqual(underWay({ maxAppendBatchSize: 3, pipelineWindow: 4 }), [3, 3, 3, 3]);
});

test('pipelineEnabled: false keeps one append under way, whatever the window says', () => {
  const given = { maxAppendBatchSize: 3, pipelineWindow: 4, pipelineEnabled: false };
  assert.deepEqual(underWay(given), [3]);
});
