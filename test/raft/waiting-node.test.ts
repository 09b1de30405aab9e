/**
 * A replica that waits to be added: its bootstrap configuration names nobody. It never campaigns,
 * nobody's vote and nothing it holds decides anything, and it follows a leader that adds it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { mayCampaign } from '../../engine/raft/election.js';
import { bootstrapConfiguration, withRecord } from '../../engine/raft/membership.js';
import { MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { quorumValue, voteResult } from '../../engine/raft/quorum.js';
import { incarnation, logIndex, NO_INCARNATION, nodeId, term } from '../../engine/raft/types.js';
import { Bench, recordedConfiguration } from '../paper/bench.js';

const NOBODYS = bootstrapConfiguration([]);

test('a configuration without voters decides nothing', () => {
  assert.equal(
    quorumValue(NOBODYS, () => 7),
    Number.NEGATIVE_INFINITY,
  );
  assert.equal(
    voteResult(NOBODYS, () => true),
    'lost',
  );
  const leaving = { ...NOBODYS, outgoing: [nodeId(1)] };
  assert.equal(
    voteResult(leaving, () => true),
    'lost',
  );
});

test('a replica that waits never campaigns, by its timer or as a leader asks it to', () => {
  const bench = new Bench({ voters: [] });
  assert.equal(bench.raft.standing, 'standby');
  assert.ok(!mayCampaign(bench.raft.state));
  assert.equal(bench.raft.deadline, Number.POSITIVE_INFINITY);
  bench.hearHeartbeat({ term: term(4) });
  bench.hear({ kind: MessageKind.timeoutNow, from: nodeId(2), to: nodeId(1), term: term(4) });
  for (let each = 0; each < 5; each += 1) bench.timeOut();
  assert.equal(bench.raft.role, 'follower');
  assert.equal(bench.raft.term, 4);
  assert.deepEqual(bench.takeSent(MessageKind.preVote), []);
});

test('a replica that waits votes for who knows it as a voter, and else only says what it knows', () => {
  const bench = new Bench({ voters: [] });
  bench.pass(1000);
  bench.hearPreVote({ term: term(5), recorded: incarnation(9) });
  bench.hearPreVote({ term: term(5), recorded: NO_INCARNATION, lastIndex: logIndex(3) });
  bench.hearPreVote({ term: term(5), recorded: bench.raft.state.options.incarnation });
  const replies = [...bench.sent].map((message) => 'grant' in message && message.grant);
  assert.deepEqual(replies, [VoteGrant.refused, VoteGrant.unanimous, VoteGrant.full]);
});

test('a replica that waits takes entries, and belongs once one of them names it', () => {
  const bench = new Bench({ voters: [] });
  bench.hearAppend([0, 0], 3, { term: term(2), entriesTerm: term(2) });
  assert.equal(bench.raft.standing, 'standby');
  const [reply] = bench.takeSent(MessageKind.appendReply).slice(-1);
  assert.equal(reply?.match, 3);
  const entry = { index: logIndex(4), configuration: recordedConfiguration([1, 2]) };
  bench.hearAppend([2, 3], 1, { entriesTerm: term(2), configurations: [entry] });
  assert.equal(bench.raft.standing, 'full');
  assert.ok(mayCampaign(bench.raft.state));
  // An entry that was not committed is dropped: it waits again.
  bench.hearAppend([2, 3], 1, { term: term(3), entriesTerm: term(3) });
  assert.equal(bench.raft.standing, 'standby');
});

test('what a leader has committed is applied by a replica that waits', () => {
  const bench = new Bench({ voters: [] });
  bench.hearAppend([0, 0], 2, { term: term(2), entriesTerm: term(2), commit: logIndex(2) });
  assert.deepEqual(bench.applied, [1, 2]);
});

test('a replica that may not campaign forgets a leader that has fallen silent', () => {
  const members = recordedConfiguration([1, 2, 3]);
  const learner = { ...members, voters: [nodeId(2), nodeId(3)], learners: [nodeId(1)] };
  const aside = withRecord(members, nodeId(1), incarnation(77));
  for (const configuration of [learner, aside]) {
    const bench = new Bench({ voters: [] });
    const entry = { index: logIndex(1), configuration };
    bench.hearAppend([0, 0], 1, { term: term(2), configurations: [entry] });
    assert.ok(!mayCampaign(bench.raft.state));
    assert.equal(bench.raft.leader, 2);
    bench.pass(100);
    bench.hearHeartbeat();
    bench.pass(149);
    assert.equal(bench.raft.leader, 2, 'it was heard of late');
    bench.timeOut();
    assert.deepEqual([bench.raft.leader, bench.raft.role, bench.raft.term], [0, 'follower', 2]);
    assert.equal(bench.raft.deadline, Number.POSITIVE_INFINITY);
    bench.hearHeartbeat();
    assert.equal(bench.raft.leader, 2);
  }
});
