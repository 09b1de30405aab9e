/**
 * The text form of every core value: short, on one line, and for every kind of message.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import {
  describeConfiguration,
  describeConfigurationEntry,
  describeCoreEntry,
  describeHardState,
  describeMember,
  describeMessage,
  describeNode,
  describePendingRead,
  describePersist,
  describePlacement,
  describePoint,
  describeProgress,
  describeProposed,
  describeQuorum,
  describeRange,
  describeReadGrant,
  describeReady,
  describeRecovered,
  describeRuns,
  describeSnapshotWanted,
  describeState,
  describeStorageAck,
  describeTermRun,
  messageName,
} from '../../engine/raft/describe.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { type Message, MessageKind, VoteGrant } from '../../engine/raft/message.js';
import { Progress } from '../../engine/raft/progress.js';
import { Raft } from '../../engine/raft/raft.js';
import { CONTEXTS_OF_A_LIFE } from '../../engine/raft/read-index.js';
import type { Persist, Ready } from '../../engine/raft/ready.js';
import {
  incarnation,
  logIndex,
  MemberPlan,
  millis,
  nodeId,
  term,
} from '../../engine/raft/types.js';
import { ROOT } from '../../tools/house/tracked-files.js';

const at = { from: nodeId(1), to: nodeId(3), term: term(2) };
const vote = {
  ...at,
  lastIndex: logIndex(7),
  lastTerm: term(1),
  recorded: incarnation(9),
  transfer: false,
};
const append = {
  ...at,
  kind: MessageKind.append,
  prevIndex: logIndex(7),
  prevTerm: term(2),
  lastIndex: logIndex(11),
  entriesTerm: term(2),
  commit: logIndex(7),
  round: 0,
  bytes: 400,
  configurations: [],
} as const;
const answer = {
  ...at,
  kind: MessageKind.appendReply,
  accepted: true,
  match: logIndex(9),
  refusedIndex: logIndex(0),
  conflictIndex: logIndex(0),
  conflictTerm: term(0),
  round: 3,
} as const;
const { kind: _, ...refusal } = {
  ...answer,
  accepted: false,
  refusedIndex: logIndex(8),
  conflictIndex: logIndex(4),
  conflictTerm: term(1),
};
const context = 38 * CONTEXTS_OF_A_LIFE + 1;

const MESSAGES: Record<string, Message> = {
  '1->3 pre-vote term=2 last=1/7': { ...vote, kind: MessageKind.preVote },
  '1->3 vote term=2 last=1/7 unrecorded transfer': {
    ...vote,
    kind: MessageKind.vote,
    recorded: incarnation(0),
    transfer: true,
  },
  '1->3 pre-vote-reply term=2 granted': {
    ...at,
    kind: MessageKind.preVoteReply,
    grant: VoteGrant.full,
  },
  '1->3 vote-reply term=2 granted-if-unanimous': {
    ...at,
    kind: MessageKind.voteReply,
    grant: VoteGrant.unanimous,
  },
  '1->3 append term=2 prev=2/7 entries=[8..11]@2 commit=7': append,
  '1->3 append term=2 prev=2/7 commit=7 round=4': {
    ...append,
    lastIndex: logIndex(7),
    round: 4,
  },
  '1->3 append-reply term=2 match=9 round=3': answer,
  '1->3 append-reply term=2 refused=8 hint=1/4 round=3': {
    ...refusal,
    kind: MessageKind.appendReply,
  },
  '1->3 heartbeat term=2 commit=5 round=1': {
    ...at,
    kind: MessageKind.heartbeat,
    commit: logIndex(5),
    round: 1,
  },
  '1->3 heartbeat-reply term=2 durable=5 applied=4': {
    ...at,
    kind: MessageKind.heartbeatReply,
    round: 0,
    durable: logIndex(5),
    applied: logIndex(4),
    needsSnapshot: false,
  },
  '1->3 heartbeat-reply term=2 durable=5 applied=0 round=3 needs-snapshot': {
    ...at,
    kind: MessageKind.heartbeatReply,
    round: 3,
    durable: logIndex(5),
    applied: logIndex(0),
    needsSnapshot: true,
  },
  '1->3 read-index term=2 context=38.1': { ...at, kind: MessageKind.readIndex, context },
  '1->3 read-index-reply term=2 context=38.1 index=6': {
    ...at,
    kind: MessageKind.readIndexReply,
    context,
    index: logIndex(6),
  },
  '1->3 timeout-now term=2': { ...at, kind: MessageKind.timeoutNow },
  '1->3 snapshot term=2 last=1/50 round=4': {
    ...at,
    kind: MessageKind.snapshot,
    lastIndex: logIndex(50),
    lastTerm: term(1),
    round: 4,
  },
};

for (const [text, message] of Object.entries(MESSAGES)) {
  test(`a message prints as ${text}`, () => assert.equal(describeMessage(message), text));
}

test('every kind of message has a text', () => {
  const kinds = new Set(Object.values(MESSAGES).map((message) => message.kind));
  assert.deepEqual([...kinds].sort(), Object.values(MessageKind).sort());
});

const plain = bootstrapConfiguration(
  [1, 2, 3, 4].map((id) => ({ id: nodeId(id), address: `node-${id}` })),
);
const recorded = plain.members.map((member) => ({ ...member, incarnation: incarnation(1) }));
const joint = {
  voters: [nodeId(1), nodeId(2), nodeId(3)],
  outgoing: [nodeId(1), nodeId(2)],
  learners: [nodeId(4)],
  learnersNext: [nodeId(2)],
  members: recorded,
};

test('a configuration prints its joint sides, its learners and who is not on record', () => {
  assert.equal(describeConfiguration(joint), '(1 2 3)&&(1 2) learners=(4) next=(2)');
  assert.equal(describeConfiguration(plain), '(1 2 3 4) unrecorded=(1 2 3 4)');
});

const persist: Persist = {
  seq: 3,
  generation: 1,
  term: term(2),
  hardState: { term: term(2), vote: nodeId(0) },
  reset: null,
  truncateAfter: logIndex(5),
  runs: [{ term: term(2), range: { first: logIndex(6), last: logIndex(9) } }],
  compact: null,
  configuration: null,
  clearsDoubt: false,
};

test('a submission prints what becomes durable', () => {
  assert.equal(
    describePersist(persist),
    '#3@2 generation=1 term=2 vote=nobody truncate>5 [6..9]@2',
  );
});

test('a turn prints in the order it is performed, and an empty one says so', () => {
  const ready: Ready = {
    persist,
    messages: [append],
    committed: { first: logIndex(4), last: logIndex(5) },
    reads: [{ id: 8, index: logIndex(5) }],
    soft: { role: 'follower', term: term(2), leader: nodeId(3) },
    configuration: null,
    snapshotWanted: { from: nodeId(3), point: { index: logIndex(50), term: term(1) } },
  };
  const expected =
    'follower in term 2 of 3; persist #3@2 generation=1 term=2 vote=nobody truncate>5 [6..9]@2; ' +
    'send 1; apply [4..5]; read 8 at 5; wants snapshot 1/50 of 3';
  assert.equal(describeReady(ready), expected);
  assert.equal(describeReady(empty), 'nothing');
});

test('small values print on one line', () => {
  const progress = new Progress(nodeId(2), logIndex(8), millis(0), incarnation(1));
  progress.probeSent = true;
  assert.equal(describeProgress(progress), '2: probe paused match=0 next=8');
  progress.accepted(logIndex(7));
  progress.inflight.add(logIndex(9), 128);
  progress.next = logIndex(10);
  assert.equal(describeProgress(progress), '2: replicate match=7 next=10 inflight=1/128B');
  assert.equal(describeProposed({ first: logIndex(4), term: term(2) }), 'at 2/4');
  const refused = { refused: 'notLeader', leader: nodeId(3) } as const;
  assert.equal(describeProposed(refused), 'refused: notLeader, leader 3');
  const placement = { from: logIndex(3), last: logIndex(4), truncateAfter: logIndex(2) };
  assert.equal(describePlacement(placement), 'truncate>2 place [3..4]');
  assert.equal(describeRuns([], logIndex(0)), 'empty');
  const base = { index: logIndex(4), term: term(2) };
  const runs = [{ first: logIndex(5), term: term(2) }];
  assert.equal(describeRuns(runs, logIndex(7), base), 'base=2/4 [5..7]@2');
  assert.equal(describeRuns([], logIndex(4), base), 'base=2/4');
  progress.becomeSnapshot({ index: logIndex(50), term: term(1) });
  assert.equal(describeProgress(progress), '2: snapshot match=7 next=51 offered=1/50');
});

test('a quorum is a picture with a line for each voter', () => {
  const match = new Map([
    [1, 100],
    [2, 50],
    [3, 0],
  ]);
  const lines = describeQuorum(joint, (id) => match.get(id) ?? 0);
  assert.deepEqual(lines, [
    `1 ${'='.repeat(40)}>  100`,
    `2 ${'='.repeat(20)}>${' '.repeat(22)}50`,
    `3 >${' '.repeat(42)}0`,
    `quorum${' '.repeat(39)}50`,
  ]);
});

const ack = { seq: 3, generation: 1, term: term(2), lastIndex: logIndex(9) };
const grant = { id: 8, index: logIndex(5) };
const member = {
  id: nodeId(2),
  address: 'host:5002',
  incarnation: incarnation(77),
  plan: MemberPlan.stay,
};
const noop = { index: logIndex(7), configuration: null };
const wanted = { from: nodeId(3), point: { index: logIndex(50), term: term(1) } };
const placed = { from: logIndex(3), last: logIndex(4), truncateAfter: null };
const empty: Ready = {
  persist: null,
  messages: [],
  committed: null,
  reads: [],
  soft: null,
  configuration: null,
  snapshotWanted: null,
};
const byKind = (kind: MessageKind): Message =>
  Object.values(MESSAGES).find((message) => message.kind === kind) as Message;

/** A form for each type that the words of the core export; numbers and names print themselves. */
const FORMS: Record<'types' | 'message' | 'ready', Record<string, string>> = {
  types: {
    Term: String(term(2)),
    LogIndex: String(logIndex(7)),
    NodeId: describeNode(nodeId(3)),
    Millis: String(millis(150)),
    Incarnation: String(incarnation(77)),
    Role: 'preCandidate',
    HardState: describeHardState({ term: term(2), vote: nodeId(0) }),
    TermRun: describeTermRun({ first: logIndex(4), term: term(2) }),
    SnapshotPoint: describePoint({ index: logIndex(50), term: term(1) }),
    IndexRange: describeRange({ first: logIndex(4), last: logIndex(5) }),
    MemberPlan: describeMember({ ...member, plan: MemberPlan.promote }),
    Member: describeMember(member),
    Configuration: describeConfiguration(joint),
    ConfigurationEntry: describeConfigurationEntry({ index: logIndex(1), configuration: joint }),
  },
  message: {
    MessageKind: messageName(MessageKind.appendReply),
    VoteRequest: describeMessage(byKind(MessageKind.preVote)),
    VoteGrant: describeMessage(byKind(MessageKind.preVoteReply)),
    VoteReply: describeMessage(byKind(MessageKind.preVoteReply)),
    AppendRequest: describeMessage(append),
    AppendReply: describeMessage(answer),
    Heartbeat: describeMessage(byKind(MessageKind.heartbeat)),
    HeartbeatReply: describeMessage(byKind(MessageKind.heartbeatReply)),
    ReadIndexRequest: describeMessage(byKind(MessageKind.readIndex)),
    ReadIndexReply: describeMessage(byKind(MessageKind.readIndexReply)),
    TimeoutNow: describeMessage(byKind(MessageKind.timeoutNow)),
    SnapshotOffer: describeMessage(byKind(MessageKind.snapshot)),
    Message: describeMessage(append),
  },
  ready: {
    CoreEntry: describeCoreEntry(noop),
    Persist: describePersist(persist),
    StorageAck: describeStorageAck(ack),
    ReadGrant: describeReadGrant(grant),
    SnapshotWanted: describeSnapshotWanted(wanted),
    Proposed: describeProposed({ first: logIndex(4), term: term(2) }),
    Placement: describePlacement(placed),
    Ready: describeReady(empty),
  },
};

for (const [file, forms] of Object.entries(FORMS)) {
  test(`every type that ${file}.ts exports has a form of one line`, () => {
    const source = readFileSync(join(ROOT, 'engine', 'raft', `${file}.ts`), 'utf8');
    const exported = [...source.matchAll(/^export (?:interface|type) (\w+)/gm)].map(
      ([, name]) => name,
    );
    assert.deepEqual(exported.sort(), Object.keys(forms).sort());
    for (const [name, text] of Object.entries(forms)) assert.match(text, /^[^\n]+$/, name);
  });
}

const persists = (parts: Partial<Persist>) => describePersist({ ...persist, ...parts });
const acks = (parts: Partial<typeof ack>) => describeStorageAck({ ...ack, ...parts });

/** The whole value, then one change after the other: none may go unseen. */
const FIELDS: Record<string, readonly string[]> = {
  Persist: [
    persists({}),
    persists({ seq: 4 }),
    persists({ generation: 0 }),
    persists({ generation: 2 }),
    persists({ term: term(3) }),
    persists({ hardState: null }),
    persists({ hardState: { term: term(2), vote: nodeId(1) } }),
    persists({ truncateAfter: null }),
    persists({ reset: { index: logIndex(5), term: term(1) } }),
    persists({ compact: { index: logIndex(5), term: term(1) } }),
    persists({ runs: [] }),
    persists({ configuration: { index: logIndex(9), configuration: joint } }),
    persists({ clearsDoubt: true }),
  ],
  StorageAck: [
    acks({}),
    acks({ seq: 4 }),
    acks({ generation: 0 }),
    acks({ term: term(3) }),
    acks({ lastIndex: logIndex(8) }),
  ],
  CoreEntry: [
    describeCoreEntry(noop),
    describeCoreEntry({ ...noop, index: logIndex(8) }),
    describeCoreEntry({ ...noop, configuration: joint }),
  ],
  Member: [
    describeMember(member),
    describeMember({ ...member, id: nodeId(3) }),
    describeMember({ ...member, address: 'other:1' }),
    describeMember({ ...member, incarnation: incarnation(0) }),
    describeMember({ ...member, plan: MemberPlan.demote }),
  ],
};

for (const [name, texts] of Object.entries(FIELDS)) {
  test(`no field of a ${name} is left out of its text`, () => {
    assert.deepEqual([...new Set(texts)], texts);
  });
}

const recovery = {
  hardState: { term: term(2), vote: nodeId(1) },
  log: {
    last: logIndex(9),
    generation: 1,
    compacted: logIndex(0),
    compactedTerm: term(0),
    termRuns: [
      { first: logIndex(1), term: term(1) },
      { first: logIndex(4), term: term(2) },
    ],
    extents: [{ last: logIndex(9), bytes: 900 }],
  },
  bootstrap: { ...joint, outgoing: [], learners: [], learnersNext: [] },
  configurations: [],
  snapshot: null,
  inDoubt: true,
};

test('what a restart found prints as hard state, log, configuration and doubt', () => {
  assert.equal(
    describeRecovered(recovery),
    'term=2 vote=1 [1..3]@1 [4..9]@2 generation=1 bootstrap=(1 2 3) in-doubt',
  );
  const configurations = [{ index: logIndex(3), configuration: joint }];
  assert.equal(
    describeRecovered({ ...recovery, configurations, inDoubt: false }),
    'term=2 vote=1 [1..3]@1 [4..9]@2 generation=1 ' +
      'configuration=@3 (1 2 3)&&(1 2) learners=(4) next=(2)',
  );
  const snapshot = {
    point: { index: logIndex(5), term: term(2) },
    configuration: { index: logIndex(0), configuration: recovery.bootstrap },
  };
  const base = { compacted: logIndex(4), compactedTerm: term(2) };
  const termRuns = [{ first: logIndex(5), term: term(2) }];
  const log = { ...recovery.log, ...base, termRuns };
  assert.equal(
    describeRecovered({ ...recovery, log, snapshot }),
    'term=2 vote=1 base=2/4 [5..9]@2 generation=1 snapshot=2/5 @0 (1 2 3) ' +
      'bootstrap=(1 2 3) in-doubt',
  );
});

test('reads print as whose they are, and a state with its deadline, votes and reads', () => {
  assert.equal(describePendingRead({ local: [4, 5] }), '(4 5)');
  assert.equal(describePendingRead({ reader: nodeId(3), context }), '38.1 of 3');
  const options = {
    id: nodeId(1),
    incarnation: incarnation(1),
    seed: 1,
    electionTimeoutMin: 150,
    electionTimeoutMax: 150,
    heartbeatInterval: 50,
    preVote: false,
    transfer: true,
    windowMessagesMax: 4,
    windowBytesMax: 1000,
    appendEntriesMax: 10,
    appendBytesMax: 1000,
    diskStallMax: 1000,
  };
  const raft = new Raft(options, { ...recovery, inDoubt: false }, 0);
  const { state } = raft;
  const rest = 'last=2/9 committed=0 applied=0 durable=9 full';
  const idle = `1: follower of nobody term=2 vote=1 ${rest} election@150`;
  assert.equal(describeState(state), idle);
  state.snapshot = { index: logIndex(9), term: term(2) };
  const point = `last=2/9 committed=0 applied=0 durable=9 snapshot=2/9 full`;
  assert.equal(describeState(state), `1: follower of nobody term=2 vote=1 ${point} election@150`);
  state.snapshot = null;
  raft.read([4, 5], 10);
  assert.equal(describeState(state), `${idle} reads=(4 5)`);
  const asked = state.reads.open();
  raft.read([6], 10);
  assert.equal(asked, 0x10_0001);
  assert.equal(describeState(state), `${idle} asked=1.1(4 5) reads=(6)`);
  state.votes.set(nodeId(1), 'full');
  state.votes.set(nodeId(3), 'refused');
  assert.equal(describeState(state), `${idle} votes=1:full 3:refused asked=1.1(4 5) reads=(6)`);
  state.votes.clear();
  state.setRole('leader', nodeId(1));
  state.leaderReads.add({ local: state.reads.takeAll() });
  state.leaderReads.start(logIndex(3));
  state.leaderReads.add({ reader: nodeId(3), context });
  assert.equal(
    describeState(state),
    `1: leader term=2 vote=1 ${rest} heartbeat@0 round=1 confirms=(4 5 6) next=38.1 of 3`,
  );
});
