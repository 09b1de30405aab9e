/**
 * Thesis §10.2.1, writing to the leader's disk in parallel: each test quotes the rule it checks.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { logIndex, Role, term } from '../../engine/raft/types.js';
import { Bench } from './bench.js';

/**
 * A leader of term 1 whose first entry is committed, with a disk that does not answer from now on.
 */
function leaderWithSlowDisk(): Bench {
  const bench = new Bench().becomeLeader();
  for (const id of [2, 3]) bench.hearAppendReply(id, 1);
  bench.sent.length = 0;
  bench.holdsStorage = true;
  return bench;
}

test('appends leave before the leader has written the entries itself', () => {
  // "The leader can write to its disk in parallel with replicating to the followers and them
  // writing to their disks."
  const bench = leaderWithSlowDisk();
  bench.propose(1);
  assert.equal(bench.takeSent(MessageKind.append).length, 2);
  assert.equal(bench.raft.durableIndex, 1);
});

test('an entry may be committed before the leader has written it', () => {
  // "The leader may even commit an entry before it has been written to its own disk, if a majority
  // of followers have written it to their disks; this is still safe."
  const bench = leaderWithSlowDisk();
  bench.propose(1);
  bench.hearAppendReply(2, 2);
  assert.equal(bench.raft.commitIndex, 1);
  bench.hearAppendReply(3, 2);
  assert.equal(bench.raft.commitIndex, 2);
});

test('the leader counts itself once its disk is done', () => {
  // "... it must not count itself before": its own disk is one of the majority.
  const bench = leaderWithSlowDisk();
  bench.propose(1);
  bench.hearAppendReply(2, 2);
  assert.equal(bench.raft.commitIndex, 1);
  bench.store();
  assert.equal(bench.raft.commitIndex, 2);
});

test('an acknowledgement of entries that were replaced meanwhile is ignored', () => {
  // A storage acknowledgement speaks of the log at the time of the write, not of the log of today.
  const bench = new Bench({ term: 1 });
  bench.holdsStorage = true;
  bench.hearAppend([0, 0], 3);
  bench.now += 10;
  const { generation } = bench.raft.state.log;
  bench.hearAppend([0, 0], 3, { term: term(2), entriesTerm: term(2) });
  bench.raft.stored({ seq: 1, generation, term: term(1), lastIndex: logIndex(3) }, bench.now);
  assert.equal(bench.raft.durableIndex, 0);
});

test('a leader whose disk answers nothing for too long gives up, one that is slow does not', () => {
  // A leader that cannot write is of no use when the others can (overload is never a reason).
  const bench = leaderWithSlowDisk();
  bench.propose(1);
  for (let at = 0; at < 19; at += 1) {
    bench.hearHeartbeatReply(2);
    bench.pass(50);
  }
  assert.equal(bench.raft.role, Role.leader);
  for (let at = 0; at < 3; at += 1) {
    bench.hearHeartbeatReply(2);
    bench.pass(50);
  }
  assert.equal(bench.raft.role, Role.follower);
});
