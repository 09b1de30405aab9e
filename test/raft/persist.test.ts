/**
 * What one turn submits to the disk when several steps lie before it.
 *
 * Steps are made by hand on a bare core: only `take` ends a turn.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY_LOG } from '../../engine/raft/log.js';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { MessageKind } from '../../engine/raft/message.js';
import { Raft } from '../../engine/raft/raft.js';
import {
  type Configuration,
  incarnation,
  logIndex,
  nodeId,
  term,
} from '../../engine/raft/types.js';
import { DEFAULT_OPTIONS } from './network.js';

const BOOTSTRAP = bootstrapConfiguration(
  [1, 2, 3].map((id) => ({ id: nodeId(id), address: `node-${id}` })),
);

function freshRaft(): Raft {
  const identity = { id: nodeId(1), incarnation: incarnation(1), seed: 1 };
  const hardState = { term: term(0), vote: nodeId(0) };
  const nothing = { log: EMPTY_LOG, configurations: [], snapshot: null, inDoubt: false };
  const disk = { hardState, ...nothing };
  return new Raft({ ...DEFAULT_OPTIONS, ...identity }, { ...disk, bootstrap: BOOTSTRAP }, 0);
}

/** An append of `count` entries of the leader's own term; the first may be a configuration. */
function append(
  raft: Raft,
  inTerm: number,
  prev: readonly [number, number],
  count: number,
  configuration?: Configuration,
): void {
  const message = {
    kind: MessageKind.append,
    from: nodeId(2),
    to: nodeId(1),
    term: term(inTerm),
    prevTerm: term(prev[0]),
    prevIndex: logIndex(prev[1]),
    lastIndex: logIndex(prev[1] + count),
    entriesTerm: term(inTerm),
    commit: logIndex(0),
    round: 0,
    bytes: count * 10,
    configurations:
      configuration === undefined ? [] : [{ index: logIndex(prev[1] + 1), configuration }],
  } as const;
  raft.receive(message, incarnation(2), 0);
}

test('all steps of a turn become one submission, with runs of one term each', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 3);
  append(raft, 1, [1, 3], 2);
  append(raft, 2, [1, 5], 1);
  const { persist } = raft.take();
  assert.deepEqual(persist?.hardState, { term: 2, vote: 0 });
  assert.deepEqual(persist?.runs, [
    { term: 1, range: { first: 1, last: 5 } },
    { term: 2, range: { first: 6, last: 6 } },
  ]);
  assert.deepEqual([persist?.truncateAfter, persist?.generation, persist?.seq], [null, 0, 1]);
});

test('entries that are truncated within the turn are not submitted, nor is the truncation', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 5);
  append(raft, 2, [1, 2], 2);
  const { persist } = raft.take();
  assert.deepEqual(persist?.runs, [
    { term: 1, range: { first: 1, last: 2 } },
    { term: 2, range: { first: 3, last: 4 } },
  ]);
  assert.deepEqual([persist?.truncateAfter, persist?.generation], [null, 1]);
});

test('a truncation of new entries only keeps the one of older entries', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 5);
  raft.take();
  append(raft, 2, [1, 2], 3);
  append(raft, 3, [2, 4], 1);
  const { persist } = raft.take();
  assert.deepEqual([persist?.truncateAfter, persist?.generation], [2, 2]);
  assert.deepEqual(persist?.runs, [
    { term: 2, range: { first: 3, last: 4 } },
    { term: 3, range: { first: 5, last: 5 } },
  ]);
});

test('a later truncation reaches back to the earliest of the turn', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 5);
  raft.take();
  append(raft, 2, [1, 3], 1);
  append(raft, 3, [1, 1], 1);
  const { persist } = raft.take();
  assert.deepEqual([persist?.truncateAfter, persist?.generation], [1, 2]);
  assert.deepEqual(persist?.runs, [{ term: 3, range: { first: 2, last: 2 } }]);
});

test('a submission names the newest of its configurations that is still in the log', () => {
  const raft = freshRaft();
  const [older, newer] = [{ ...BOOTSTRAP }, { ...BOOTSTRAP }];
  append(raft, 1, [0, 0], 2, older);
  append(raft, 1, [1, 2], 2, newer);
  append(raft, 2, [1, 2], 1);
  const { persist, configuration } = raft.take();
  assert.equal(persist?.configuration?.configuration, older);
  assert.equal(configuration?.configuration, older);
});

test('a configuration that was submitted before is not named again', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 2, { ...BOOTSTRAP });
  assert.equal(raft.take().persist?.configuration?.index, 1);
  append(raft, 1, [1, 2], 2);
  assert.equal(raft.take().persist?.configuration, null);
});

test('a turn without anything new submits nothing', () => {
  const raft = freshRaft();
  append(raft, 1, [0, 0], 2);
  assert.ok(raft.take().persist !== null);
  append(raft, 1, [0, 0], 2);
  assert.equal(raft.take().persist, null);
});
