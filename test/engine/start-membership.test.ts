/**
 * What a start takes for its members, decided without threads or disks: the log before the record
 * of the first start, that before the options; and what it says when they differ.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { bootstrapConfiguration, withIncarnations } from '../../engine/raft/membership.js';
import { incarnation, nodeId } from '../../engine/raft/types.js';
import { membershipAtStart, type Recorded } from '../../engine/start-membership.js';

type Members = readonly { readonly id: number; readonly address: string }[];

const THREE: Members = [1, 2, 3].map((id) => ({ id, address: `log-${id}:1` }));
const SELF: Members = [{ id: 2, address: 'flag-2:1' }];
const NOTHING: Recorded = { groups: [], inDoubt: [], firstMembers: [] };

function given(members: Members, names: readonly string[] = ['kv']) {
  return { nodeId: 2, members, groups: names.map((name) => ({ name, machine: '/' })) as never[] };
}

const bytesOf = (members: Members): Buffer => {
  const voters = members.map(({ id, address }) => ({ id: nodeId(id), address }));
  return encodeConfiguration(
    withIncarnations(bootstrapConfiguration(voters), () => incarnation(9)),
  );
};

/** Group `group` with a configuration of these members at each index. */
function logOf(group: number, ...at: readonly (readonly [number, Members])[]) {
  return { group, configurations: at.map(([index, list]) => ({ index, bytes: bytesOf(list) })) };
}

const show = (members: Members): string => members.map((m) => `${m.id}=${m.address}`).join(' ');

test('the members of the log count, with the addresses of the options where they name one', () => {
  const options = [...SELF, { id: 4, address: 'flag-4:1' }];
  const start = membershipAtStart(given(options), { ...NOTHING, groups: [logOf(0, [1, THREE])] });
  assert.equal(show(start.members), '1=log-1:1 2=flag-2:1 3=log-3:1');
  assert.deepEqual(start.groups[0]?.bootstrap.voters, [1, 2, 3]);
  assert.ok(start.groups[0]?.bootstrap.members.every((member) => member.incarnation === 0));
  assert.equal(
    start.warning,
    'the data of group kv names the members 1=log-1:1 2=log-2:1 3=log-3:1, this start names ' +
      '2=flag-2:1 4=flag-4:1: the data counts, and 4 is not dialled. Start this node with the ' +
      'members of the data',
  );
});

test('the same ids need no warning, however their addresses are spelled', () => {
  const options = THREE.map(({ id }) => ({ id, address: `flag-${id}:1` })).reverse();
  const start = membershipAtStart(given(options), { ...NOTHING, groups: [logOf(0, [1, THREE])] });
  assert.equal(start.warning, null);
  assert.equal(show(start.members), '1=flag-1:1 2=flag-2:1 3=flag-3:1');
});

test('a change of the members leaves what the group began with, and dials the newest', () => {
  const newest = [...THREE.slice(1), { id: 5, address: 'log-5:1' }];
  const groups = [logOf(0, [1, THREE], [40, newest])];
  const start = membershipAtStart(given(SELF), { ...NOTHING, groups });
  assert.deepEqual(start.groups[0]?.bootstrap.voters, [1, 2, 3]);
  assert.equal(show(start.members), '2=flag-2:1 3=log-3:1 5=log-5:1');
  // The log no longer holds its beginning: the data directory remembers it.
  const short = [logOf(0, [40, newest])];
  const firstMembers = [{ groups: [0], members: THREE }];
  const later = membershipAtStart(given(SELF), { ...NOTHING, groups: short, firstMembers });
  assert.deepEqual(later.groups[0]?.bootstrap.voters, [1, 2, 3]);
  assert.equal(show(later.members), show(start.members));
});

test('without an entry, the members of the first start stand in for a start that names none', () => {
  const firstMembers = [{ groups: [0], members: THREE }];
  const start = membershipAtStart(given(SELF), { ...NOTHING, firstMembers });
  assert.equal(show(start.members), '1=log-1:1 2=flag-2:1 3=log-3:1');
  assert.match(start.warning ?? '', /names the members 1=log-1:1 .* this start names 2=flag-2:1:/);
  // A list that names peers corrects a mistake of the first start, while nothing came of it.
  const two = [...SELF, { id: 1, address: 'flag-1:1' }];
  const corrected = membershipAtStart(given(two), { ...NOTHING, firstMembers });
  assert.equal(show(corrected.members), '1=flag-1:1 2=flag-2:1');
  assert.deepEqual(corrected.firstMembers, [{ groups: [0], members: [two[1], two[0]] }]);
  // A vote was cast, or a cut tail may have held anything: the record counts.
  const voted = { ...NOTHING, firstMembers, groups: [logOf(0)] };
  assert.deepEqual(membershipAtStart(given(two), voted).groups[0]?.bootstrap.voters, [1, 2, 3]);
  const inDoubt = { ...NOTHING, firstMembers, inDoubt: [0] };
  assert.deepEqual(membershipAtStart(given(two), inDoubt).groups[0]?.bootstrap.voters, [1, 2, 3]);
});

test('a group that is added later begins with the members that the other groups have', () => {
  const groups = [logOf(0, [1, THREE])];
  const start = membershipAtStart(given(SELF, ['kv', 'more']), { ...NOTHING, groups });
  assert.deepEqual(start.groups[1]?.bootstrap.voters, [1, 2, 3]);
  assert.deepEqual(
    start.firstMembers.map((row) => row.groups),
    [[0, 1]],
    'groups that began alike share a row',
  );
});

test('a first start takes what it is given', () => {
  const start = membershipAtStart(given(SELF), NOTHING);
  assert.equal(show(start.members), '2=flag-2:1');
  assert.equal(start.warning, null);
});

test('a configuration of an unknown version in the log is refused by version, group and index', () => {
  const bytes = bytesOf(THREE);
  bytes.writeUInt16LE(3, 0);
  const groups = [{ group: 1, configurations: [{ index: 12, bytes }] }];
  assert.throws(() => membershipAtStart(given(SELF, ['kv', 'more']), { ...NOTHING, groups }), {
    code: 'ERR_STORAGE',
    message:
      'entry 12 of group "more" in the log cannot be read: configuration of format version 3, ' +
      'this build reads 2. Start the version of ringraft that wrote it',
  });
});

test('a node that joins begins with nobody, remembers that, and says what its data names since', () => {
  const joining = { ...given([]), join: ['seed:1'] };
  const first = membershipAtStart(joining, NOTHING);
  assert.deepEqual(first.members, []);
  assert.deepEqual(first.groups[0]?.bootstrap.voters, []);
  assert.deepEqual(first.firstMembers, [{ groups: [0], members: [] }]);
  assert.equal(first.warning, null);
  const { firstMembers } = first;
  const again = membershipAtStart(joining, { ...NOTHING, firstMembers });
  assert.deepEqual([again.members, again.warning], [[], null]);
  // It was added: the log names the members, whatever the start says.
  const groups = [logOf(0, [7, THREE])];
  const added = membershipAtStart(joining, { ...NOTHING, firstMembers, groups });
  assert.equal(show(added.members), '1=log-1:1 2=log-2:1 3=log-3:1');
  assert.equal(
    added.warning,
    'the data of group kv names the members 1=log-1:1 2=log-2:1 3=log-3:1, this start joins by ' +
      'seed:1: the data counts',
  );
});

test('what a node that joined began with stays nobody, also when it is started with a list', () => {
  const firstMembers = [{ groups: [0], members: [] }];
  const groups = [logOf(0, [7, THREE])];
  const start = membershipAtStart(given(THREE), { ...NOTHING, firstMembers, groups });
  assert.deepEqual(start.groups[0]?.bootstrap.voters, []);
  assert.equal(show(start.members), show(THREE));
  assert.deepEqual(start.firstMembers, firstMembers);
});

test('a start that joins takes nothing from a node that began with members', () => {
  const joining = { ...given([]), join: ['seed:1'] };
  const firstMembers = [{ groups: [0], members: [...THREE] }];
  const start = membershipAtStart(joining, { ...NOTHING, firstMembers });
  assert.deepEqual(start.groups[0]?.bootstrap.voters, [1, 2, 3]);
});

test('a node that its data does not name any more starts, and knows who was removed', () => {
  const others = THREE.filter(({ id }) => id !== 2);
  const groups = [logOf(0, [1, THREE], [40, others])];
  const start = membershipAtStart(given(THREE), { ...NOTHING, groups });
  assert.equal(show(start.members), '1=log-1:1 3=log-3:1');
  assert.deepEqual(start.former, [2]);
  assert.deepEqual(start.groups[0]?.bootstrap.voters, [1, 2, 3]);
  assert.match(
    start.warning ?? '',
    /names the members 1=log-1:1 3=log-3:1, this start names 1=log-1/,
  );
});
