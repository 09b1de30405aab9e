/**
 * Which configuration is in force while entries that hold one are appended, truncated, committed.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  bootstrapConfiguration,
  isVoter,
  Membership,
  recordedIncarnation,
  withIncarnations,
} from '../../engine/raft/membership.js';
import { type Configuration, incarnation, logIndex, nodeId } from '../../engine/raft/types.js';

const BOOTSTRAP = bootstrapConfiguration([
  { id: nodeId(3), address: 'c' },
  { id: nodeId(1), address: 'a' },
  { id: nodeId(2), address: 'b' },
]);

/** A configuration that can be told from others by its only voter. */
function marked(mark: number): Configuration {
  return bootstrapConfiguration([{ id: nodeId(mark), address: '' }]);
}

test('the bootstrap configuration is the same however its members are listed', () => {
  assert.deepEqual(BOOTSTRAP.voters, [1, 2, 3]);
  assert.deepEqual(
    BOOTSTRAP.members.map((member) => member.address),
    ['a', 'b', 'c'],
  );
});

test('voters of either side of a joint configuration vote, learners do not', () => {
  const joint = { ...BOOTSTRAP, voters: [nodeId(1)], outgoing: [nodeId(2)], learners: [nodeId(3)] };
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => isVoter(joint, nodeId(id))),
    [true, true, false, false],
  );
});

test('a recorded life is never replaced, an unknown one is filled in', () => {
  const first = withIncarnations(BOOTSTRAP, (id) => incarnation(id === 3 ? 0 : id * 10));
  const second = withIncarnations(first, (id) => incarnation(id * 100));
  assert.deepEqual(
    [1, 2, 3, 4].map((id) => recordedIncarnation(second, nodeId(id))),
    [10, 20, 300, 0],
  );
});

test('the configuration in force is the last one appended and not truncated', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('append' as const), gap: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('truncate' as const), by: fc.nat(8) }),
    fc.record({ kind: fc.constant('commit' as const), by: fc.nat(8) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const membership = new Membership(BOOTSTRAP, []);
      let plain: { index: number; mark: number }[] = [];
      let [last, committed, mark] = [0, 0, 100];
      for (const each of steps) {
        if (each.kind === 'append') {
          last += each.gap;
          mark += 1;
          plain.push({ index: last, mark });
          membership.append({ index: logIndex(last), configuration: marked(mark) });
        } else if (each.kind === 'truncate') {
          last = Math.max(committed, last - each.by);
          const kept = plain.filter(({ index }) => index <= last);
          const changed = membership.truncateAfter(logIndex(last));
          assert.equal(changed, kept.length !== plain.length);
          plain = kept;
        } else {
          committed = Math.max(committed, last - each.by);
          membership.applied(logIndex(committed));
        }
        const expected = plain[plain.length - 1];
        assert.equal(membership.entry.index, expected?.index ?? 0);
        if (expected !== undefined) assert.equal(membership.current.voters[0], expected.mark);
      }
    }),
  );
});

test('configurations are appended in index order', () => {
  const membership = new Membership(BOOTSTRAP, []);
  membership.append({ index: logIndex(5), configuration: marked(5) });
  const late = { index: logIndex(5), configuration: marked(6) };
  assert.throws(() => membership.append(late), /index order/);
});

test('a snapshot says what is in force at its point, and what follows it stays', () => {
  const membership = new Membership(BOOTSTRAP, []);
  for (const index of [3, 6, 9]) {
    membership.append({ index: logIndex(index), configuration: marked(index) });
  }
  const given = { index: logIndex(6), configuration: marked(66) };
  assert.equal(membership.restore(given, logIndex(8)), false);
  assert.deepEqual([membership.at(logIndex(8)), membership.entry.index], [given, 9]);
  assert.equal(membership.restore(given, logIndex(9)), true);
  assert.equal(membership.entry, given);
  assert.throws(() => membership.restore(given, logIndex(5)), /configuration of what it covers/);
});

test('the configuration in force at what is applied stays known', () => {
  const membership = new Membership(BOOTSTRAP, []);
  for (const index of [3, 6, 9]) {
    membership.append({ index: logIndex(index), configuration: marked(index) });
  }
  membership.applied(logIndex(7));
  assert.deepEqual(
    [7, 8, 9].map((index) => membership.at(logIndex(index)).index),
    [6, 6, 9],
  );
  assert.throws(() => membership.at(logIndex(5)), /is known/);
});
