/**
 * Each invariant is broken once, by tampering with a sound state, and must be reported by its name.
 *
 * A rule without a row here fails the last test: a check that nobody has seen fail checks nothing.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  checkState,
  checkTransition,
  type Snapshot,
  STATE_SENTENCES,
  snapshotOf,
  TRANSITION_SENTENCES,
} from '../../engine/raft/invariants.js';
import { withRecord } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import type { CoreState } from '../../engine/raft/state.js';
import {
  type Configuration,
  incarnation,
  logIndex,
  nodeId,
  Role,
  type TermRun,
  term,
} from '../../engine/raft/types.js';
import { point, soundCluster, stateOf } from './sound-cluster.js';

/** What tampering may write although the core may not. */
type Tampered<T> = { -readonly [K in keyof T]: T[K] };

type Tamper = (leader: CoreState, follower: CoreState) => void;

/** Gives the configuration in force other voters, learners or members. */
function reconfigure(state: CoreState, change: Partial<Configuration>): void {
  const index = logIndex(state.membership.entry.index + 1);
  state.membership.append({ index, configuration: { ...state.configuration, ...change } });
}

/** Records another life for one member. */
function rerecord(state: CoreState, id: number, life: number): void {
  reconfigure(state, withRecord(state.configuration, nodeId(id), incarnation(life)));
}

const peerOf = (leader: CoreState) => {
  const peer = leader.progress.get(nodeId(2));
  assert.ok(peer !== undefined);
  return peer;
};

const STATES: Record<string, Tamper> = {
  'Only committed entries are applied.': (_, { log }) => {
    log.applied = logIndex(log.committed + 1);
  },
  'Only handed out entries are applied.': (_, follower) => {
    follower.handedOut = logIndex(0);
  },
  'Only committed entries are handed out.': (_, follower) => {
    follower.handedOut = logIndex(follower.log.committed + 1);
  },
  'The commit index lies within the log.': (_, { log }) => {
    log.committed = logIndex(log.last + 1);
  },
  'Nothing is durable that is not in the log.': (_, { log }) => {
    log.durable = logIndex(log.last + 1);
  },
  'No entry is of a later term than the replica.': (_, { log }) => {
    log.append(1, term(2), 1);
  },
  'Indexes and terms grow along the log.': (_, { log }) => {
    (log.termRuns as TermRun[]).push({ first: logIndex(1), term: term(1) });
  },
  'Storage acknowledges only what was submitted.': (_, follower) => {
    follower.storedSeq = follower.submittedSeq + 1;
  },
  'A log is equal to a leader’s only as far as it goes.': (_, follower) => {
    follower.equalUpTo = logIndex(follower.log.last + 1);
  },
  'Only committed entries are forgotten.': (_, { log }) => {
    log.compact(log.committed);
    log.committed = logIndex(log.committed - 1);
  },
  'Unless state is missing, only applied entries are forgotten.': (_, follower) => {
    follower.log.compact(logIndex(5));
    follower.snapshot = point(5);
    follower.log.applied = logIndex(4);
  },
  'A snapshot covers only what is applied.': (_, follower) => {
    follower.snapshot = point(6);
  },
  'A snapshot ends with an entry of the log, or before it.': (_, follower) => {
    follower.snapshot = point(5, 7);
  },
  'Nothing is handed out while state is missing.': (_, { log }) => {
    log.compact(logIndex(5));
  },
  'A replica that misses state neither leads nor seeks votes.': (leader) => {
    leader.log.compact(logIndex(3));
  },
  'No append carries entries that were forgotten.': (leader) => {
    leader.log.compact(logIndex(3));
    const to = { from: leader.id, to: nodeId(2), term: leader.term };
    const range = { prevIndex: logIndex(2), prevTerm: term(1), lastIndex: logIndex(4) };
    const rest = { entriesTerm: term(1), commit: logIndex(5), round: 0, bytes: 20 };
    leader.send({ kind: MessageKind.append, ...to, ...range, ...rest, configurations: [] });
  },
  'A vote belongs to a term.': (_, follower) => {
    follower.term = term(0);
  },
  'Whoever is leader, and nobody else, names itself.': (_, follower) => {
    follower.leader = follower.id;
  },
  'A leader voted for itself.': (leader) => {
    leader.vote = nodeId(2);
  },
  'A leader’s vote is durable.': (leader) => {
    leader.setHardState(term(2), leader.id);
  },
  'A leader’s term has an entry of its own.': (leader) => {
    leader.termStart = logIndex(0);
  },
  'A candidate voted for itself.': (_, follower) => {
    follower.role = Role.candidate;
  },
  'Whoever seeks votes knows no leader.': (_, follower) => {
    follower.role = Role.preCandidate;
  },
  'Only a voter that lives its recorded life, or is not removed for good, seeks votes.': (
    _,
    follower,
  ) => {
    follower.role = Role.preCandidate;
    reconfigure(follower, { voters: [nodeId(1), nodeId(2)] });
  },
  'A leader lives its recorded life.': (leader) => {
    rerecord(leader, 1, 102);
  },
  'No vote counts of a replica whose life was erased.': (_, follower) => {
    rerecord(follower, 2, 0);
    follower.votes.set(nodeId(2), 'unanimous');
  },
  'Only a replica that seeks votes counts them.': (_, follower) => {
    follower.votes.set(nodeId(1), 'full');
  },
  'Only a leader tracks progress.': (leader, follower) => {
    follower.progress.set(nodeId(2), peerOf(leader));
  },
  'Only a leader confirms reads.': (_, follower) => {
    follower.leaderReads.add({ local: [1] });
    follower.leaderReads.start(logIndex(1));
  },
  'A leader tracks every other member.': (leader) => {
    leader.progress.delete(nodeId(3));
  },
  'Whoever asks another replica to campaign has dropped its lease.': (leader) => {
    const to = { from: leader.id, to: nodeId(2), term: leader.term };
    leader.send({ kind: MessageKind.timeoutNow, ...to });
  },
  'The configuration in force is in the log.': (_, follower) => {
    const index = logIndex(follower.log.last + 1);
    follower.membership.append({ index, configuration: follower.configuration });
  },
  'Every voter and learner is a member, and no learner votes.': (_, follower) => {
    reconfigure(follower, { learners: [nodeId(3)] });
  },
  'A witness seeks no votes.': (_, follower) => {
    follower.isWitness = true;
    follower.role = Role.preCandidate;
  },
  'A witness leads only while it hands over.': (leader) => {
    leader.isWitness = true;
  },
  'Only a leader hands leadership over.': (_, follower) => {
    follower.transfer = { target: nodeId(1), deadline: 1000, isAsked: false };
  },
  'A peer matches only what the leader has.': (leader) => {
    peerOf(leader).match = logIndex(leader.log.last + 1);
  },
  'What matches is not sent again.': (leader) => {
    peerOf(leader).next = peerOf(leader).match;
  },
  'What is sent next follows the log at most directly.': (leader) => {
    peerOf(leader).next = logIndex(leader.log.last + 2);
  },
  'A probed peer has no window in flight.': (leader) => {
    peerOf(leader).inflight.add(logIndex(7), 1);
    peerOf(leader).state = 'probe';
  },
  'Only a probed peer waits for a probe.': (leader) => {
    peerOf(leader).probeSent = true;
  },
  'A peer that waits for a snapshot has nothing in flight.': (leader) => {
    peerOf(leader).match = logIndex(0);
    peerOf(leader).becomeSnapshot(point(5));
    peerOf(leader).inflight.add(logIndex(7), 1);
  },
  'A peer waits for a snapshot of more than it has.': (leader) => {
    peerOf(leader).match = logIndex(0);
    peerOf(leader).becomeSnapshot(point(5));
    peerOf(leader).match = logIndex(5);
  },
  'A peer that waits for a snapshot goes on after it.': (leader) => {
    peerOf(leader).match = logIndex(0);
    peerOf(leader).becomeSnapshot(point(5));
    peerOf(leader).next = logIndex(5);
  },
  'Only a snapshot of what is committed is offered.': (leader) => {
    peerOf(leader).pendingSnapshot = point(6);
  },
  'An empty window weighs nothing.': (leader) => {
    Object.defineProperty(peerOf(leader).inflight, 'bytes', { get: () => 1 });
  },
};

test('a sound cluster breaks no rule', () => {
  const cluster = soundCluster();
  assert.equal(cluster.raft(1).role, Role.leader);
  assert.equal(cluster.raft(2).state.log.applied, 5);
  for (const { raft } of cluster.running) assert.deepEqual(checkState(raft.state), []);
});

for (const [sentence, tamper] of Object.entries(STATES)) {
  test(`reports a state in which this is not so: ${sentence}`, () => {
    const cluster = soundCluster();
    const [leader, follower] = [stateOf(cluster, 1), stateOf(cluster, 3)];
    tamper(leader, follower);
    const broken = [...checkState(leader), ...checkState(follower)];
    assert.ok(broken.includes(sentence), `reported: ${broken.join(' ')}`);
  });
}

/** Changes what was before the step instead of the step: the comparison cannot tell. */
type Before = (before: Tampered<Snapshot>, after: CoreState) => void;

const TRANSITIONS: Record<string, Before> = {
  'Time never runs backwards.': (before) => {
    before.now += 1000;
  },
  'The term never shrinks.': (before) => {
    before.term = term(9);
  },
  'Within a term the vote is set at most once.': (before) => {
    before.vote = nodeId(2);
  },
  'A witness votes for nobody.': (before, after) => {
    before.isWitness = true;
    after.isWitness = true;
    before.vote = nodeId(0);
  },
  'Within a term the leader does not change.': (before) => {
    before.leader = nodeId(2);
  },
  'A leader was a candidate of its term before.': (before) => {
    before.role = Role.follower;
  },
  'A candidate’s term is new.': (before, after) => {
    before.role = Role.follower;
    after.role = Role.candidate;
  },
  'A leader only appends to its log.': (before) => {
    before.last = logIndex(before.last + 1);
    before.generation -= 1;
  },
  'Without a truncation the log only grows.': (before, after) => {
    before.last = logIndex(before.last + 1);
    after.role = Role.follower;
  },
  'The truncation generation never shrinks.': (before) => {
    before.generation += 1;
  },
  'The commit index never shrinks.': (before) => {
    before.committed = logIndex(before.committed + 1);
  },
  'A committed entry is never truncated.': (before) => {
    before.committedTerm = term(7);
  },
  'The base never shrinks.': (before) => {
    before.compacted = logIndex(1);
  },
  'The newest snapshot never gets older.': (before) => {
    before.snapshot = logIndex(1);
  },
  'State that is here never goes missing.': (_, after) => {
    after.log.compact(logIndex(3));
  },
  'A leader commits by counting only entries of its own term.': (before, after) => {
    before.committed = logIndex(before.committed - 1);
    after.term = term(2);
  },
  'Reads are confirmed only by replicas that live their recorded lives.': (before, after) => {
    before.readRound = 9;
    after.grants.push({ id: 1, index: logIndex(5) });
  },
  'The applied index never shrinks.': (before) => {
    before.applied = logIndex(before.applied + 1);
  },
  'Entries are handed out once.': (before) => {
    before.handedOut = logIndex(before.handedOut + 1);
  },
  'Without a truncation what is durable stays durable.': (before) => {
    before.durable = logIndex(before.durable + 1);
  },
  'Only what storage acknowledges becomes durable.': (before) => {
    before.durable = logIndex(before.durable - 1);
  },
  'A leader changes the configuration only when the one before is committed.': (before, after) => {
    before.configuration = { ...before.configuration, index: logIndex(6) };
    rerecord(after, 3, 0);
  },
  'Who hands leadership over appends nothing.': (before, after) => {
    before.successor = nodeId(2);
    after.transfer = { target: nodeId(2), deadline: 1000, isAsked: false };
    after.append(1, after.term, 10);
  },
  'A leader changes the configuration only once its own term has committed.': (_, after) => {
    after.termStart = logIndex(9);
    rerecord(after, 3, 0);
  },
  'Who votes changes only into a joint configuration, and out of it.': (_, after) => {
    reconfigure(after, { voters: [nodeId(1), nodeId(2)] });
  },
  'A leader erases the life of a member before it records another one.': (_, after) => {
    rerecord(after, 3, 302);
  },
  'Submissions are numbered upwards.': (before) => {
    before.storedSeq += 1;
  },
};

test('a step that changes nothing breaks no rule', () => {
  const { state } = soundCluster().raft(1);
  assert.deepEqual(checkTransition(snapshotOf(state), state), []);
});

for (const [sentence, tamper] of Object.entries(TRANSITIONS)) {
  test(`reports a step in which this is not so: ${sentence}`, () => {
    const after = stateOf(soundCluster(), 1);
    const before = { ...snapshotOf(after) };
    tamper(before, after);
    const broken = checkTransition(before, after);
    assert.ok(broken.includes(sentence), `reported: ${broken.join(' ')}`);
  });
}

test('every rule of one replica has been seen to report', () => {
  assert.deepEqual([...STATE_SENTENCES].sort(), Object.keys(STATES).sort());
  assert.deepEqual([...TRANSITION_SENTENCES].sort(), Object.keys(TRANSITIONS).sort());
});
