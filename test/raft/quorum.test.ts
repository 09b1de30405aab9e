/**
 * Quorum arithmetic against a dumb version that tries every subset of voters.
 *
 * A quorum is a set with more than half of the incoming and more than half of the outgoing voters;
 * the dumb version counts such sets instead of sorting anything.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { bootstrapConfiguration } from '../../engine/raft/membership.js';
import { allVoters, majority, quorumValue, voteResult } from '../../engine/raft/quorum.js';
import { type Configuration, type NodeId, nodeId } from '../../engine/raft/types.js';

const MEMBERS_MAX = 6;

function configurationOf(voters: readonly number[], outgoing: readonly number[]): Configuration {
  const plain = bootstrapConfiguration(voters.map((id) => ({ id: nodeId(id), address: '' })));
  return { ...plain, outgoing: outgoing.map(nodeId) };
}

function holdsMajority(set: ReadonlySet<NodeId>, of: readonly NodeId[]): boolean {
  return of.length === 0 || of.filter((id) => set.has(id)).length * 2 > of.length;
}

function isQuorum(set: ReadonlySet<NodeId>, configuration: Configuration): boolean {
  return holdsMajority(set, configuration.voters) && holdsMajority(set, configuration.outgoing);
}

/** Every subset of the ids. */
function subsetsOf(ids: readonly NodeId[]): Set<NodeId>[] {
  return Array.from(
    { length: 2 ** ids.length },
    (_, bits) => new Set(ids.filter((_, at) => (bits >> at) % 2 === 1)),
  );
}

const ids = fc.uniqueArray(fc.integer({ min: 1, max: MEMBERS_MAX }), { minLength: 1 });
const configurations = fc
  .tuple(ids, fc.oneof(fc.constant<number[]>([]), ids))
  .map(([voters, outgoing]) => configurationOf(voters, outgoing));

test('a majority is the smallest number that two disjoint sets cannot both reach', () => {
  for (let count = 1; count <= 9; count += 1) {
    assert.ok(majority(count) * 2 > count);
    assert.ok((majority(count) - 1) * 2 <= count);
  }
});

test('the quorum value is the best that the worst of some quorum has reached', () => {
  const values = fc.array(fc.integer({ min: 0, max: 9 }), {
    minLength: MEMBERS_MAX + 1,
    maxLength: MEMBERS_MAX + 1,
  });
  fc.assert(
    fc.property(configurations, values, (configuration, value) => {
      const valueFor = (id: NodeId): number => value[id] as number;
      const reached = subsetsOf(allVoters(configuration))
        .filter((set) => isQuorum(set, configuration))
        .map((set) => Math.min(...[...set].map(valueFor)));
      assert.equal(quorumValue(configuration, valueFor), Math.max(...reached));
    }),
  );
});

test('an election is won when the granted votes are a quorum, lost when they cannot be', () => {
  const votes = fc.array(fc.constantFrom(true, false, undefined), {
    minLength: MEMBERS_MAX + 1,
    maxLength: MEMBERS_MAX + 1,
  });
  fc.assert(
    fc.property(configurations, votes, (configuration, vote) => {
      const voters = allVoters(configuration);
      const granted = new Set(voters.filter((id) => vote[id] === true));
      const possible = new Set(voters.filter((id) => vote[id] !== false));
      const expected = isQuorum(granted, configuration)
        ? 'won'
        : isQuorum(possible, configuration)
          ? 'pending'
          : 'lost';
      assert.equal(
        voteResult(configuration, (id) => vote[id]),
        expected,
      );
    }),
  );
});

test('any two quorums of one configuration share a voter', () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      const quorums = subsetsOf(allVoters(configuration)).filter((set) =>
        isQuorum(set, configuration),
      );
      for (const one of quorums) {
        for (const other of quorums) assert.ok([...one].some((id) => other.has(id)));
      }
    }),
    { numRuns: 30 },
  );
});

test('all voters of a joint configuration are named once', () => {
  const joint = configurationOf([1, 2, 3], [2, 3, 4]);
  assert.deepEqual([...allVoters(joint)].sort(), [1, 2, 3, 4]);
});
