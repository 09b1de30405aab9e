/**
 * What a group does while its disk has no space: clients' entries are refused before they are in
 * its log, what keeps it a member gets through.
 *
 * Storage is a stub that says by hand whether it is full.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind } from '../../codec/entry.js';
import { ErrorNumber } from '../../engine/errors.js';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { incarnation, nodeId, Role, term } from '../../engine/raft/types.js';
import { createArena } from '../../engine/runtime/arena.js';
import { GroupRuntime } from '../../engine/runtime/group-runtime.js';
import { InWorkerHost } from '../../engine/runtime/machine-host.js';
import type { ForwardReply, Submission } from '../../engine/runtime/ports.js';
import { RuntimeFollower, slabOf } from '../regressions/runtime-follower.js';
import { NO_SNAPSHOT_PORT, WITHOUT_SNAPSHOTS } from './no-snapshots.js';

const SELF = nodeId(1);
const PEER = nodeId(2);
const STALL_MS = 1000;

const OPTIONS = {
  id: SELF,
  incarnation: incarnation(111),
  seed: 1,
  electionTimeoutMin: 150,
  electionTimeoutMax: 300,
  heartbeatInterval: 50,
  preVote: true,
  transfer: true,
  windowMessagesMax: 4,
  windowBytesMax: 1 << 20,
  appendEntriesMax: 1000,
  appendBytesMax: 1 << 16,
  diskStallMax: STALL_MS,
};

const machine = {
  apply: (batch: { next(): boolean; reply(bytes: Uint8Array): void }) => {
    while (batch.next()) batch.reply(new Uint8Array(0));
  },
  query: () => new Uint8Array(0),
  snapshot: () => [],
  restore: () => ({ chunk: () => {}, finish: () => {} }),
};

/** The only voter of its group, leading, with what it submitted and answered. */
class Leader {
  readonly runtime: GroupRuntime;
  readonly submissions: Submission[] = [];
  readonly answers: string[] = [];
  readonly events: string[] = [];
  readonly storage = {
    submit: (submission: Submission) => void this.submissions.push(submission),
    stopped: () => void this.answers.push('stopped'),
    isShort: false,
    isFull: false,
    waits: 0,
  };
  now = 1000;
  #stored = 0;
  #last = 0;

  constructor() {
    const recovered = {
      hardState: { term: term(0), vote: nodeId(0) },
      log: EMPTY_LOG,
      bootstrap: bootstrapConfiguration([{ id: SELF, address: 'node-1' }]),
      configurations: [],
      snapshot: null,
      inDoubt: false,
    };
    const options = {
      raft: OPTIONS,
      recovered,
      locations: [],
      arenaMemory: createArena(1 << 16),
      entryBytesMax: 1024,
      host: new InWorkerHost(machine),
      ...WITHOUT_SNAPSHOTS,
    };
    this.runtime = new GroupRuntime(options, this.#ports(), this.now);
    while (this.runtime.raft.role !== Role.leader) this.turn(50);
    this.turn();
  }

  #ports() {
    return {
      storage: this.storage,
      network: {
        send: () => {},
        sendAppend: () => {},
        sendLoaded: () => {},
        sendForward: () => {},
        configure: () => {},
        sendForwardReply: (_: number, { code }: ForwardReply) => {
          this.answers.push(`forward ${code}`);
        },
        mark: () => 0,
        isConsumed: () => true,
      },
      completions: {
        results: (batch: number) => void this.answers.push(`done ${batch}`),
        refused: (batch: number, _: number, _count: number, code: number) =>
          void this.answers.push(`refused ${batch} ${code}`),
        readResults: () => {},
        readRefused: () => {},
        readFailed: () => {},
        event: (event: { kind: string }) => void this.events.push(event.kind),
      },
      oldLog: { load: () => {} },
      snapshots: NO_SNAPSHOT_PORT,
      wallClock: () => 1,
      clock: () => 0,
      stopwatch: () => 0,
    };
  }

  /** Time passes; storage acknowledges everything unless it is to stay silent. */
  turn(ms = 1, acknowledges = true): void {
    this.now += ms;
    const { runtime } = this;
    runtime.tick(this.now);
    runtime.turn(this.now);
    for (; acknowledges && this.#stored < this.submissions.length; this.#stored += 1) {
      const { seq, generation, term: at, runs } = this.submissions[this.#stored]!;
      for (const { first, count } of runs) this.#last = first + count - 1;
      const ack = { seq, generation, term: at, lastIndex: this.#last, segment: 1, offset: 0 };
      runtime.onStored(ack, this.now);
    }
    runtime.turn(this.now);
  }

  propose(id: number): void {
    const slab = slabOf(['command']);
    const batch = { id, count: 1, slab, start: 0, end: slab.length };
    this.runtime.onProposals({ ...batch, deadline: 1e9, mayForward: true }, this.now);
  }

  /** One command that a follower forwards. */
  forward(forwardId: number, slab: Buffer): boolean {
    const { term: leads } = this.runtime.raft;
    const batch = { forwardId, count: 1, term: leads, slab, start: 0, end: slab.length };
    return this.runtime.onForward(PEER, batch, this.now);
  }
}

test('a leader on a full disk refuses proposals and forwards as busy, until there is space', () => {
  const leader = new Leader();
  const { runtime, storage, answers } = leader;
  const { lastIndex } = runtime.raft;
  storage.isShort = true;
  leader.propose(1);
  const slab = slabOf(['other']);
  assert.ok(leader.forward(7, slab));
  leader.turn();
  const { busy } = ErrorNumber;
  assert.deepEqual(answers.splice(0), [`refused 1 ${busy}`, `forward ${busy}`]);
  assert.equal(runtime.raft.lastIndex, lastIndex, 'neither is in the log');
  assert.equal(runtime.intake.fullRefusals, 2);
  storage.isShort = false;
  leader.propose(2);
  assert.ok(leader.forward(8, slab));
  leader.turn();
  leader.turn();
  assert.deepEqual(answers, ['forward 0', 'done 2']);
});

test('only what holds no proposal may use the reserve', () => {
  const leader = new Leader();
  assert.deepEqual(
    leader.submissions.map(({ usesReserve }) => usesReserve),
    leader.submissions.map(() => true),
    'vote, and the first entry of the term',
  );
  leader.propose(1);
  leader.turn();
  assert.equal(leader.submissions.at(-1)?.usesReserve, false);
});

test('an append that was not taken leaves the reserve to what follows it', async () => {
  const follower = new RuntimeFollower();
  const { submissions } = follower;
  follower.append(1, { term: 0, index: 0 }, 1, ['a'], 0);
  await follower.turn();
  follower.append(1, { term: 1, index: 7 }, 1, ['b'], 0);
  await follower.turn();
  follower.append(2, { term: 1, index: 1 }, 2, [], 0);
  await follower.turn();
  assert.equal(follower.runtime.raft.lastIndex, 1);
  assert.deepEqual(
    submissions.map(({ usesReserve }) => usesReserve),
    [false, true],
  );
});

test('a leader whose log looks for space in vain leads on; one whose log is silent does not', () => {
  for (const looks of [true, false]) {
    const leader = new Leader();
    leader.propose(1);
    for (let waited = 0; waited < 3 * STALL_MS; waited += 10) {
      if (looks) leader.storage.waits += 1;
      leader.turn(10, false);
    }
    assert.equal(leader.runtime.raft.role === Role.leader, looks);
  }
});

test('a follower on a full disk takes appends for lost ones, but not what leaders make', async () => {
  const follower = new RuntimeFollower();
  const { runtime, storage, submissions } = follower;
  follower.append(1, { term: 0, index: 0 }, 1, ['a'], 0);
  await follower.turn();
  assert.deepEqual([runtime.raft.lastIndex, submissions.at(-1)?.usesReserve], [1, false]);
  storage.isFull = true;
  storage.isShort = true;
  follower.append(1, { term: 1, index: 1 }, 1, ['b', 'c'], 1);
  await follower.turn();
  assert.deepEqual([runtime.raft.lastIndex, runtime.intake.fullRefusals], [1, 1]);
  follower.append(2, { term: 1, index: 1 }, 2, [''], 1, EntryKind.noop);
  await follower.turn();
  assert.equal(runtime.raft.lastIndex, 2, 'a new leader begins its term');
  assert.equal(runtime.raft.durableIndex, 2);
  assert.equal(submissions.at(-1)?.usesReserve, true);
  follower.append(2, { term: 2, index: 2 }, 2, [], 2);
  await follower.turn();
  assert.equal(runtime.raft.commitIndex, 2, 'appends without entries are heard');
  storage.isFull = false;
  follower.append(2, { term: 2, index: 2 }, 2, ['b', 'c'], 2);
  await follower.turn();
  assert.equal(runtime.raft.durableIndex, 4);
});

test('a group that stopped tells storage, and says once that it keeps the log long', () => {
  const leader = new Leader();
  const { runtime, answers, events } = leader;
  runtime.onMustSnapshot(true);
  assert.equal(runtime.keepsLog, false, 'one that runs takes a snapshot');
  runtime.fail(ErrorNumber.stateMachine, 'it threw');
  assert.equal(answers.at(-1), 'stopped');
  const before = events.length;
  for (let look = 0; look < 3; look += 1) runtime.onMustSnapshot(true);
  assert.deepEqual([runtime.keepsLog, events.slice(before)], [true, ['snapshotWarning']]);
});

test('a follower whose log is as long as it may be takes what its leader has in its log', async () => {
  const follower = new RuntimeFollower();
  const { runtime, storage } = follower;
  storage.isShort = true;
  follower.append(1, { term: 0, index: 0 }, 1, ['a'], 0);
  await follower.turn();
  assert.deepEqual([runtime.raft.durableIndex, runtime.intake.fullRefusals], [1, 0]);
});
