/**
 * Raft §7, log compaction: what a snapshot stands for, who is sent one, what its receiver keeps.
 *
 * Each test quotes the rule it checks; init, act and check.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { logIndex, term } from '../../engine/raft/types.js';
import { Bench, recordedConfiguration, withLearners } from './bench.js';

/** The leader of term 3, with entries [1..6] committed and [1..5] forgotten. */
function compactedLeader(): Bench {
  const leader = new Bench({ log: [1, 1, 2, 2, 2] }).becomeLeader();
  leader.hearAppendReply(2, 6);
  leader.compact(5);
  leader.sent.length = 0;
  return leader;
}

test('the last included index and term serve the check of the first entry after the snapshot', () => {
  // "These are preserved to support the AppendEntries consistency check for the first log entry
  // following the snapshot, since that entry needs a previous log index and term."
  const follower = new Bench({ base: [2, 5] });
  follower.hearAppend([2, 5], 2, { term: term(3) });
  assert.deepEqual(follower.terms, [3, 3]);
  const other = new Bench({ base: [2, 5] });
  other.hearAppend([3, 6], 1, { term: term(3) });
  const [refusal] = other.takeSent(MessageKind.appendReply);
  assert.deepEqual([refusal?.accepted, refusal?.conflictIndex], [false, 5]);
  const leader = compactedLeader();
  leader.connect(3, false);
  leader.hearAppendReply(3, 0, {
    accepted: false,
    refusedIndex: logIndex(5),
    conflictIndex: logIndex(5),
    conflictTerm: term(2),
  });
  const appends = leader.takeSent(MessageKind.append).filter(({ to }) => to === 3);
  assert.deepEqual([appends.at(-1)?.prevTerm, appends.at(-1)?.prevIndex], [2, 5]);
});

test('a log that is all forgotten still counts in elections', () => {
  // §5.4.1 compares "the index and term of the last entries in the logs"; of an empty log after a
  // snapshot, that is the last included entry.
  const voter = new Bench({ base: [2, 5], term: 2 });
  voter.now = 1000;
  voter.hearVote({ term: term(3), lastIndex: logIndex(9), lastTerm: term(1) });
  assert.equal(voter.takeSent(MessageKind.voteReply)[0]?.grant, 0);
  voter.hearVote({ term: term(4), lastIndex: logIndex(5), lastTerm: term(2) });
  assert.equal(voter.takeSent(MessageKind.voteReply)[0]?.grant, 1);
});

test('a leader sends a snapshot when it has discarded the next entry that a follower needs', () => {
  // "... the leader must occasionally send snapshots to followers that lag behind. This happens
  // when the leader has already discarded the next log entry that it needs to send to a follower."
  const leader = compactedLeader();
  leader.hearAppendReply(3, 0, {
    accepted: false,
    refusedIndex: logIndex(5),
    conflictIndex: logIndex(2),
    conflictTerm: term(1),
  });
  const [offer] = leader.takeSent(MessageKind.snapshot);
  assert.deepEqual([offer?.to, offer?.lastTerm, offer?.lastIndex], [3, 3, 6]);
  leader.propose(1);
  assert.deepEqual(
    leader.takeSent(MessageKind.append).map(({ to }) => to),
    [2],
  );
  leader.hearAppendReply(3, 6);
  const [append] = leader.takeSent(MessageKind.append);
  assert.deepEqual([append?.to, append?.prevIndex, append?.lastIndex], [3, 6, 7]);
});

test('an offer of an earlier term is refused with the present one', () => {
  // "1. Reply immediately if term < currentTerm"
  const follower = new Bench({ log: [1], term: 5 });
  follower.hearSnapshot([1, 9], { term: term(4) });
  const [reply] = follower.takeSent(MessageKind.appendReply);
  assert.deepEqual([reply?.accepted, reply?.term, follower.wanted], [false, 5, null]);
});

test('a follower discards its entire log for a snapshot of more than it has', () => {
  // "Usually the snapshot will contain new information not already in the recipient's log. In this
  // case, the follower discards its entire log; it is all superseded by the snapshot and may
  // possibly have uncommitted entries that conflict with the snapshot."
  const follower = new Bench({ log: [1, 1, 2, 2, 2, 2, 2, 2], term: 4 });
  follower.hearSnapshot([3, 6]);
  assert.deepEqual(follower.wanted, { from: 2, point: { index: 6, term: 3 } });
  assert.equal(follower.install([3, 6]), true);
  assert.deepEqual([follower.terms, follower.raft.lastIndex], [[], 6]);
  assert.deepEqual([follower.raft.commitIndex, follower.raft.state.log.applied], [6, 6]);
  assert.deepEqual(follower.submitted.at(-1)?.reset, { index: 6, term: 3 });
  const reply = follower.takeSent(MessageKind.appendReply).at(-1);
  assert.deepEqual([reply?.accepted, reply?.match], [true, 6]);
});

test('entries that follow a snapshot of a prefix of the log are retained', () => {
  // "If instead the follower receives a snapshot that describes a prefix of its log (due to
  // retransmission or by mistake), then log entries covered by the snapshot are deleted but entries
  // following the snapshot are still valid and must be retained."
  const follower = new Bench({ log: [1, 1, 2, 2, 2], term: 2 });
  follower.hearSnapshot([3, 9], { term: term(3) });
  follower.hearAppend([2, 5], 2, { term: term(3) });
  assert.equal(follower.install([2, 4]), true);
  assert.deepEqual(follower.terms.slice(-3), [2, 3, 3]);
  assert.deepEqual([follower.raft.lastIndex, follower.raft.commitIndex], [7, 4]);
  assert.equal(
    follower.submitted.some(({ reset }) => reset !== null),
    false,
  );
});

test('an offer of what the log holds already needs no snapshot, only the commit index', () => {
  // "6. If existing log entry has same index and term as snapshot's last included entry, retain log
  // entries following it and reply"
  const follower = new Bench({ log: [1, 1, 2, 2, 2], term: 3 });
  follower.hearSnapshot([2, 4]);
  assert.equal(follower.wanted, null);
  assert.deepEqual(follower.applied, [1, 2, 3, 4]);
  assert.equal(follower.takeSent(MessageKind.appendReply)[0]?.match, 4);
});

test('an offer of what is committed here is acknowledged and never takes anything back', () => {
  // "... (due to retransmission or by mistake)": a late offer is no news.
  const follower = new Bench({ base: [2, 5], log: [2, 3], term: 3 });
  follower.hearAppend([3, 7], 0, { commit: logIndex(7) });
  follower.sent.length = 0;
  follower.hearSnapshot([2, 5]);
  follower.hearSnapshot([1, 2]);
  assert.equal(follower.wanted, null);
  const matches = follower.takeSent(MessageKind.appendReply).map(({ match }) => match);
  assert.deepEqual(matches, [7, 7]);
  assert.equal(follower.install([2, 5]), false);
  assert.equal(follower.raft.commitIndex, 7);
});

test('a snapshot brings the configuration in force at its end', () => {
  // "To enable cluster membership changes (Section 6), the snapshot also includes the latest
  // configuration in the log as of last included index."
  const follower = new Bench({ log: [1, 1], term: 3 });
  const configuration = withLearners(recordedConfiguration([2, 3, 4]), 1);
  follower.hearSnapshot([3, 6]);
  follower.install([3, 6], { index: logIndex(5), configuration });
  assert.deepEqual(follower.raft.configuration, configuration);
  assert.equal(follower.raft.standing, 'nonVoter');
  assert.equal(follower.submitted.at(-1)?.configuration?.index, 5);
});

test('an append that begins behind the snapshot adds what follows it', () => {
  // What the snapshot replaced was committed, and "if a log entry is committed in a given term,
  // then that entry will be present in the logs of the leaders for all higher-numbered terms".
  const follower = new Bench({ base: [2, 5], log: [2], term: 3 });
  const placement = follower.hearAppend([2, 3], 5, { entriesTerm: term(2) });
  assert.deepEqual(placement, { from: 7, last: 8, truncateAfter: null });
  assert.deepEqual(follower.terms, [2, 2, 2]);
  assert.equal(follower.takeSent(MessageKind.appendReply)[0]?.match, 8);
});

test('an append that ends behind the snapshot is acknowledged with all that is committed', () => {
  // As above: refusing it with a hint would send the leader back to entries it may not have.
  const follower = new Bench({ base: [2, 5], log: [2], term: 3 });
  assert.equal(follower.hearAppend([1, 1], 2, { entriesTerm: term(1) }), null);
  assert.equal(follower.hearAppend([1, 2], 0), null);
  for (const reply of follower.takeSent(MessageKind.appendReply)) {
    assert.deepEqual([reply.accepted, reply.match], [true, 5]);
  }
  assert.deepEqual(follower.terms, [2]);
});

test('a server restarts from its snapshot and applies what follows it', () => {
  // "... it may delete all log entries up through the last included index": what is applied begins
  // with the snapshot.
  const server = new Bench({ base: [2, 5], log: [2, 3, 3], snapshot: [2, 6], term: 3 });
  assert.deepEqual([server.raft.commitIndex, server.raft.state.log.applied], [6, 6]);
  server.hearAppend([3, 8], 0, { commit: logIndex(8) });
  assert.deepEqual(server.applied, [7, 8]);
});
