/**
 * What the simulator's witness must see: each way of breaking a promise, reported once it happens.
 *
 * The states are those of real cores, changed by hand where a sound core cannot go.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { snapshotOf } from '../../engine/raft/invariants.js';
import { bootstrapConfiguration, withRecord } from '../../engine/raft/membership.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import type { Recovered } from '../../engine/raft/state.js';
import {
  type Configuration,
  incarnation,
  type LogIndex,
  logIndex,
  NO_INDEX,
  NO_TERM,
  nodeId,
  term,
} from '../../engine/raft/types.js';
import { DurableRecord } from '../../tools/sim/durable-record.js';
import { SimFailure } from '../../tools/sim/sim-failure.js';
import { GroupWitness } from '../../tools/sim/witness.js';

const MEMBERS = [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` }));

/** A log of `last` entries of term 2, in term 3 with a vote for `vote`. */
function recoveredLog(last: number, vote = 2): Recovered {
  return {
    hardState: { term: term(3), vote: nodeId(vote) },
    log: {
      last: logIndex(last),
      generation: 0,
      compacted: NO_INDEX,
      compactedTerm: NO_TERM,
      termRuns: last === 0 ? [] : [{ first: logIndex(1), term: term(2) }],
      extents: last === 0 ? [] : [{ last: logIndex(last), bytes: last * 24 }],
    },
    bootstrap: bootstrapConfiguration(MEMBERS),
    configurations: [],
    snapshot: null,
    inDoubt: false,
  };
}

function raftOf(id: number, recovered: Recovered, life = id): Raft {
  const options = {
    id: nodeId(id),
    incarnation: incarnation(life),
    seed: 1,
    electionTimeoutMin: 150,
    electionTimeoutMax: 300,
    heartbeatInterval: 50,
    preVote: true,
    transfer: true,
    windowMessagesMax: 1,
    windowBytesMax: 1000,
    appendEntriesMax: 10,
    appendBytesMax: 1000,
    diskStallMax: 1000,
  };
  return new Raft(options, recovered, 0);
}

function begin(witness: GroupWitness, node: number, recovered: Recovered): void {
  witness.begin(node, raftOf(node, recovered).state, recovered);
}

const reports = (text: RegExp) => (error: unknown) =>
  error instanceof SimFailure && text.test(error.message);

test('a replica that recovers less than was durable has forgotten', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, recoveredLog(10));
  witness.end(1);
  assert.throws(
    () => begin(witness, 1, recoveredLog(9)),
    reports(/node 1 forgot: 2\/10 was durable, it recovered 2\/9/),
  );
});

test('a replica that recovers more than was durable is welcome', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, recoveredLog(10));
  witness.end(1);
  begin(witness, 1, recoveredLog(12));
});

test('a replica that recovers another vote of the same term has forgotten its own', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, recoveredLog(10, 2));
  witness.end(1);
  assert.throws(
    () => begin(witness, 1, recoveredLog(10, 3)),
    reports(/node 1 forgot term 3 vote 2: it recovered term 3 vote 3/),
  );
});

test('a wiped replica has nothing to remember', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, recoveredLog(10));
  witness.end(1);
  witness.wipe(1);
  begin(witness, 1, recoveredLog(0));
});

/** A witness of three replicas that hold `last` entries; `committed` of them are committed. */
function committedCluster(last: number, committed: number): GroupWitness {
  const witness = new GroupWitness(0);
  for (const node of [1, 2, 3]) begin(witness, node, recoveredLog(last));
  const { state } = raftOf(1, recoveredLog(last));
  state.log.committed = committed as LogIndex;
  assert.deepEqual(witness.invariants.observe(state), []);
  return witness;
}

test('a committed entry that only a minority holds is reported', () => {
  const witness = committedCluster(5, 5);
  witness.end(1);
  for (const node of [2, 3]) witness.wipe(node);
  const { state } = raftOf(1, recoveredLog(6));
  state.log.committed = 6 as LogIndex;
  witness.invariants.observe(state);
  assert.throws(() => begin(witness, 1, recoveredLog(6)), reports(/2\/6 is committed, 1 intact/));
});

/** Appends a configuration that records `life` for replica 3, and shows it to the witness. */
function record(witness: GroupWitness, { state }: Raft, life: number): void {
  const before = snapshotOf(state);
  const index = state.append(1, state.term, 1);
  const now = withRecord(state.configuration, nodeId(3), incarnation(life));
  state.membership.append({ index, configuration: now });
  state.submittedSeq += 1;
  state.promisedSeq += 1;
  state.storedSeq += 1;
  state.log.durable = index;
  witness.step(state.id, before, state);
}

/** Replica 1 of three, all on record; replica 3 was wiped and lives life 33. */
function wipedCluster(readmitted: number[]) {
  const witness = new GroupWitness(0, (node) => readmitted.push(node));
  const found = { ...recoveredLog(5), bootstrap: recordedBootstrap() };
  const [raft, second, third] = [raftOf(1, found), raftOf(2, found), raftOf(3, found)];
  for (const { id, state } of [raft, second, third]) witness.begin(id, state, found);
  witness.end(3);
  witness.wipe(3);
  const empty = { ...recoveredLog(0), bootstrap: found.bootstrap };
  witness.begin(3, raftOf(3, empty, 33).state, empty);
  return { witness, raft, second };
}

function recordedBootstrap(): Configuration {
  const plain = bootstrapConfiguration(MEMBERS);
  const members = plain.members.map((each) => ({ ...each, incarnation: incarnation(each.id) }));
  return { ...plain, members };
}

test('a wiped replica counts again once its new life is recorded', () => {
  const readmitted: number[] = [];
  const { witness, raft, second } = wipedCluster(readmitted);
  for (const each of [raft, second]) record(witness, each, 0);
  raft.state.log.committed = raft.state.log.last;
  assert.ok(witness.isWiped(3));
  record(witness, raft, 33);
  assert.deepEqual([witness.isWiped(3), readmitted], [false, [3]]);
});

test('a wiped replica that counts before its former life was erased for good is reported', () => {
  const { witness, raft } = wipedCluster([]);
  record(witness, raft, 0);
  assert.throws(() => record(witness, raft, 33), reports(/Readmission: a life is recorded only/));
  const other = wipedCluster([]);
  other.witness.wipe(3);
  const { state } = raftOf(3, { ...recoveredLog(0), bootstrap: recordedBootstrap() });
  const found = { ...recoveredLog(0), bootstrap: recordedBootstrap() };
  assert.throws(() => other.witness.begin(3, state, found), reports(/counts wiped node 3/));
});

test('a wiped replica that seeks votes is reported', () => {
  const { witness } = wipedCluster([]);
  const { state } = raftOf(3, { ...recoveredLog(5), bootstrap: recordedBootstrap() }, 33);
  const before = snapshotOf(state);
  state.role = 'preCandidate';
  assert.throws(() => witness.step(3, before, state), reports(/Only a voter that lives|aside/));
});

test('commands are applied in order, once, the same ones everywhere, and committed', () => {
  const witness = committedCluster(9, 8);
  const command = Buffer.from('set x');
  witness.applies(1, 3, 1000, command);
  witness.applies(1, 4, 1000, command);
  assert.throws(() => witness.applies(1, 4, 1000, command), reports(/applies 4 after 4/));
  witness.applies(2, 3, 1000, command);
  const other = Buffer.from('set y');
  assert.throws(() => witness.applies(2, 4, 1000, other), reports(/another command/));
  assert.throws(() => witness.applies(3, 4, 1000, command), reports(/or after others, at 4/));
  assert.throws(() => witness.applies(1, 9, 1000, command), reports(/uncommitted 9/));
});

test('the time that a machine sees is part of what must be equal', () => {
  const witness = committedCluster(9, 9);
  const command = Buffer.from('set x');
  witness.applies(1, 3, 1000, command);
  assert.throws(() => witness.applies(2, 3, 1001, command), reports(/another command/));
});

/** A log that has forgotten its first four entries. */
function forgotten(snapshot: number): Recovered {
  const found = recoveredLog(6);
  const log = { ...found.log, compacted: logIndex(4), compactedTerm: term(2) };
  const point = { index: logIndex(snapshot), term: term(2) };
  const configuration = { index: NO_INDEX, configuration: found.bootstrap };
  return { ...found, log, snapshot: snapshot === 0 ? null : { point, configuration } };
}

test('a replica that has forgotten what no snapshot of it covers is reported', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, forgotten(4));
  assert.throws(() => begin(witness, 2, forgotten(0)), reports(/up to 4 and has no snapshot/));
  assert.throws(() => begin(witness, 3, forgotten(3)), reports(/and has a snapshot up to 3/));
});

test('a replica whose disk was damaged may have lost its snapshots', () => {
  const witness = new GroupWitness(0);
  begin(witness, 1, forgotten(4));
  witness.end(1);
  witness.damaged(1);
  begin(witness, 1, forgotten(0));
  witness.end(1);
  begin(witness, 1, forgotten(0));
});

/** A core that holds ten entries and believes that `durable` of them are on disk. */
function coreWith(durable: number): { raft: Raft; record: DurableRecord } {
  const raft = raftOf(1, recoveredLog(10));
  raft.state.log.durable = durable as LogIndex;
  return { raft, record: new DurableRecord(recoveredLog(4)) };
}

function says(raft: Raft, record: DurableRecord, message: object): string | null {
  const from = nodeId(1);
  const envelope = { from, to: nodeId(2), term: term(3), round: 0 };
  return record.brokenPromise({ ...envelope, ...message } as Message, raft.state);
}

test('an acknowledgement of entries that the disk has not is a broken promise', () => {
  const { raft, record } = coreWith(10);
  const reply = { kind: MessageKind.appendReply, accepted: true };
  assert.equal(says(raft, record, { ...reply, match: 4 }), null);
  assert.match(says(raft, record, { ...reply, match: 5 }) ?? '', /entry 2\/5, the disk has none/);
});

test('a vote that the disk does not know is a broken promise', () => {
  const { raft, record } = coreWith(10);
  const reply = { kind: MessageKind.voteReply, grant: VoteGrant.full };
  assert.equal(says(raft, record, { ...reply, to: nodeId(2) }), null);
  assert.match(says(raft, record, { ...reply, to: nodeId(3) }) ?? '', /the disk has vote 2/);
  assert.match(says(raft, record, { ...reply, term: term(4) }) ?? '', /in term 4, the disk/);
  assert.match(says(raft, record, { kind: MessageKind.vote }) ?? '', /vote 1 in term 3/);
});

test('what the log has acknowledged may be promised', () => {
  const { raft, record } = coreWith(10);
  record.persisted({
    seq: 1,
    generation: 0,
    term: 3,
    hardState: null,
    truncateAfter: null,
    runs: [{ term: 2, first: 5, count: 6, position: 0, bytes: 144 }],
    configuration: null,
    clearsDoubt: false,
    usesReserve: false,
  });
  const reply = { kind: MessageKind.appendReply, accepted: true };
  assert.equal(says(raft, record, { ...reply, match: 10 }), null);
});
