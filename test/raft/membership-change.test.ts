/**
 * The arithmetic of membership changes: what a configuration becomes, step by step, and what is
 * said of a change that is asked for again.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { describeConfiguration } from '../../engine/raft/describe.js';
import { findMember, newMember } from '../../engine/raft/membership.js';
import {
  enterJoint,
  hasPlans,
  isFulfilled,
  isJoint,
  isUnderWay,
  isWithdrawal,
  leaveJoint,
  type MembershipChange,
  planChange,
  votersToBe,
} from '../../engine/raft/membership-change.js';
import {
  type Configuration,
  incarnation,
  NO_INCARNATION,
  nodeId,
} from '../../engine/raft/types.js';
import { recordedConfiguration, withLearners } from '../paper/bench.js';

const lifeOf = (id: number) => incarnation(1000 + id);
const ids = (...list: number[]) => list.map(nodeId);

function change(
  put: readonly (readonly [number, 'voter' | 'learner'])[],
  ...remove: number[]
): MembershipChange {
  const members = put.map(([id, as]) => ({ id: nodeId(id), address: `n${id}`, as }));
  return { put: members, remove: remove.map(nodeId) };
}

/** All steps of a change, as text. */
function steps(from: Configuration, asked: MembershipChange): string[] {
  const planned = planChange(from, asked);
  if (!hasPlans(planned)) return [describeConfiguration(planned)];
  const joint = enterJoint(planned, lifeOf);
  return [planned, joint, leaveJoint(joint)].map(describeConfiguration);
}

const THREE = recordedConfiguration([1, 2, 3]);

test('each kind of change goes through the steps it needs, and no more', () => {
  assert.deepEqual(steps(THREE, change([[4, 'voter']])), [
    '(1 2 3) learners=(4) promote=(4)',
    '(1 2 3 4)&&(1 2 3)',
    '(1 2 3 4)',
  ]);
  assert.deepEqual(steps(THREE, change([], 2)), ['(1 2 3) remove=(2)', '(1 3)&&(1 2 3)', '(1 3)']);
  assert.deepEqual(steps(THREE, change([[3, 'learner']])), [
    '(1 2 3) demote=(3)',
    '(1 2)&&(1 2 3) next=(3)',
    '(1 2) learners=(3)',
  ]);
  assert.deepEqual(steps(THREE, change([[5, 'voter']], 1)), [
    '(1 2 3) learners=(5) promote=(5) remove=(1)',
    '(2 3 5)&&(1 2 3)',
    '(2 3 5)',
  ]);
  assert.deepEqual(steps(THREE, change([[4, 'learner']])), ['(1 2 3) learners=(4)']);
  assert.deepEqual(steps(withLearners(THREE, 4), change([], 4)), ['(1 2 3)']);
});

test('a promoted member has the life on record that it proved, and a demoted one none', () => {
  const joint = enterJoint(
    planChange(
      THREE,
      change([
        [4, 'voter'],
        [2, 'learner'],
      ]),
    ),
    lifeOf,
  );
  assert.equal(findMember(joint, nodeId(4))?.incarnation, lifeOf(4));
  assert.equal(findMember(joint, nodeId(2))?.incarnation, 2);
  assert.equal(findMember(leaveJoint(joint), nodeId(2))?.incarnation, NO_INCARNATION);
});

test('an address is changed at once, whatever else is asked', () => {
  const moved = { put: [{ id: nodeId(2), address: 'there', as: 'voter' as const }], remove: [] };
  const planned = planChange(THREE, moved);
  assert.equal(findMember(planned, nodeId(2))?.address, 'there');
  assert.ok(!hasPlans(planned) && isFulfilled(planned, moved));
  assert.ok(!isFulfilled(THREE, moved) && !isUnderWay(THREE, moved));
});

test('what is under way is known again in each of its steps, and nothing else is', () => {
  const asked = change(
    [
      [4, 'voter'],
      [3, 'learner'],
    ],
    2,
  );
  const planned = planChange(THREE, asked);
  const joint = enterJoint(planned, lifeOf);
  for (const step of [planned, joint]) {
    assert.ok(isUnderWay(step, asked) && !isFulfilled(step, asked));
    assert.ok(isUnderWay(step, change([[4, 'voter']])), 'a part of it');
    assert.ok(!isUnderWay(step, change([[4, 'learner']])));
    assert.ok(!isUnderWay(step, change([], 1)));
  }
  const left = leaveJoint(joint);
  assert.ok(isFulfilled(left, asked) && !hasPlans(left) && !isJoint(left));
});

test('only members that were still to be promoted are taken back while a change is under way', () => {
  const planned = planChange(
    THREE,
    change(
      [
        [4, 'voter'],
        [5, 'voter'],
      ],
      2,
    ),
  );
  assert.ok(isWithdrawal(planned, change([], 4)));
  assert.ok(isWithdrawal(planned, change([], 4, 5)));
  assert.ok(!isWithdrawal(planned, change([], 2)));
  assert.ok(!isWithdrawal(planned, change([[6, 'voter']])));
  assert.ok(!isWithdrawal(enterJoint(planned, lifeOf), change([], 4)));
  const without = planChange(planned, change([], 4));
  assert.equal(describeConfiguration(without), '(1 2 3) learners=(5) promote=(5) remove=(2)');
});

test('who takes back all that were to come takes back the whole change', () => {
  const replaced = planChange(THREE, change([[4, 'voter']], 2));
  assert.deepEqual(planChange(replaced, change([], 4)), THREE);
  const asked = change([
    [4, 'voter'],
    [2, 'learner'],
  ]);
  assert.deepEqual(planChange(planChange(THREE, asked), change([], 4)), THREE);
});

test('any change of any configuration ends as it was asked for', () => {
  const roles = fc.array(fc.constantFrom('voter', 'learner', 'none'), {
    minLength: 6,
    maxLength: 6,
  });
  const wishes = fc.array(fc.constantFrom('voter', 'learner', 'removed', 'as it is'), {
    minLength: 6,
    maxLength: 6,
  });
  fc.assert(
    fc.property(roles, wishes, (is, wanted) => {
      const of = (role: string, from: readonly string[]) =>
        from.flatMap((each, at) => (each === role ? [at + 1] : []));
      const before = withLearners(recordedConfiguration(of('voter', is)), ...of('learner', is));
      const asked: MembershipChange = {
        put: wanted.flatMap((as, at) =>
          as === 'voter' || as === 'learner'
            ? [{ ...newMember({ id: nodeId(at + 1), address: `n${at + 1}` }), as }]
            : [],
        ),
        remove: of('removed', wanted).map(nodeId),
      };
      const planned = planChange(before, asked);
      const after = hasPlans(planned) ? leaveJoint(enterJoint(planned, lifeOf)) : planned;
      assert.ok(isFulfilled(after, asked), describeConfiguration(after));
      assert.deepEqual(after.voters, votersToBe(planned));
      const role = (id: number) =>
        after.voters.includes(nodeId(id))
          ? 'voter'
          : after.learners.includes(nodeId(id))
            ? 'learner'
            : 'none';
      for (const [at, wish] of wanted.entries()) {
        if (wish === 'as it is') assert.equal(role(at + 1), is[at], 'what is not named stays');
      }
      assert.deepEqual(
        after.members.map(({ id }) => id),
        [...after.voters, ...after.learners].sort((a, b) => a - b),
      );
    }),
  );
});

test('ids and order of a configuration do not depend on the order they were asked in', () => {
  const one = planChange(
    THREE,
    change([
      [9, 'learner'],
      [4, 'learner'],
    ]),
  );
  const other = planChange(
    THREE,
    change([
      [4, 'learner'],
      [9, 'learner'],
    ]),
  );
  assert.deepEqual(one, other);
  assert.deepEqual(one.learners, ids(4, 9));
});
