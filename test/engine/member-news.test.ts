/**
 * What is told of a change of the members: each step once, as it is in force on the node, by the
 * nodes that take part and by one that only catches up, and its opposite when it is taken back.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeConfiguration } from '../../codec/configuration.js';
import { type MemberEvent, MemberNews, memberEventInWords } from '../../engine/member-news.js';
import { enterJoint, leaveJoint, planChange } from '../../engine/raft/membership-change.js';
import { type Configuration, incarnation, nodeId } from '../../engine/raft/types.js';
import { recordedConfiguration } from '../paper/bench.js';
import { eventually, TestCluster } from './cluster.js';

const THREE = recordedConfiguration([1, 2, 3]);

/** From the first configuration on: the index of each, and what is told of it. */
function told(...steps: readonly (readonly [number, Configuration])[]): string[] {
  const news = new MemberNews();
  return steps.flatMap(([index, configuration]) => {
    const base64 = encodeConfiguration(configuration).toString('base64');
    return news.take(index, base64).map(short);
  });
}

function short({ kind, id, oldCount, newCount, index }: MemberEvent): string {
  return `${index} ${kind} ${id ?? '-'} ${oldCount}→${newCount}`;
}

/** The steps of putting node 4 and removing `gone`. */
function change(...gone: readonly number[]): [Configuration, Configuration, Configuration] {
  const put = [{ id: nodeId(4), address: 'n4', as: 'voter' as const }];
  const planned = planChange(THREE, { put, remove: gone.map(nodeId) });
  const joint = enterJoint(planned, (id) => incarnation(1000 + id));
  return [planned, joint, leaveJoint(joint)];
}

test('a voter is added as a learner, votes from the joint configuration on, and that ends', () => {
  const [planned, joint, done] = change();
  assert.deepEqual(told([0, THREE], [5, planned], [6, joint], [7, done]), [
    '5 added 4 3→3',
    '6 jointStarted - 3→4',
    '6 promoted 4 3→4',
    '7 jointCompleted - 3→4',
  ]);
});

test('a voter that goes is told once it votes in neither half, one that catches up is told the sum', () => {
  const [planned, joint, done] = change(1);
  const steps = ['5 added 4 3→3', '6 jointStarted - 3→3', '6 promoted 4 3→4'];
  const end = ['7 jointCompleted - 3→3', '7 removed 1 4→3'];
  assert.deepEqual(told([0, THREE], [5, planned], [6, joint], [7, done]), [...steps, ...end]);
  const sum = ['7 removed 1 3→3', '7 added 4 3→3', '7 promoted 4 3→3'];
  assert.deepEqual(told([0, THREE], [7, done]), sum);
});

test('the first configuration is no news, nor is one that changes nobody', () => {
  assert.deepEqual(told([9, change()[2]], [12, change()[2]]), []);
});

test('what is taken back is told as its opposite', () => {
  const [planned, joint] = change();
  assert.deepEqual(told([0, THREE], [5, planned], [6, joint], [5, planned], [0, THREE]), [
    '5 added 4 3→3',
    '6 jointStarted - 3→4',
    '6 promoted 4 3→4',
    '5 jointTakenBack - 3→4',
    '5 demoted 4 4→3',
    '0 removed 4 3→3',
  ]);
});

test('each kind has a line for the log', () => {
  const about = { oldCount: 1, newCount: 2, index: 7 };
  const line = (kind: MemberEvent['kind'], id: number | null): string =>
    memberEventInWords({ kind, id, ...about });
  assert.equal(line('added', 4), 'node 4 was added (entry 7)');
  assert.equal(line('removed', 4), 'node 4 was removed (1 voter, then 2; entry 7)');
  assert.equal(line('promoted', 4), 'node 4 votes (1 voter, then 2; entry 7)');
  assert.equal(line('demoted', 4), 'node 4 votes no more (1 voter, then 2; entry 7)');
  assert.match(line('jointStarted', null), /^a joint configuration began/);
  assert.match(line('jointCompleted', null), /^the joint configuration ended/);
  assert.match(line('jointTakenBack', null), /^the joint configuration was taken back/);
});

test('every node of a cluster tells what its leader changes', async () => {
  await using cluster = await TestCluster.start();
  const leader = await cluster.leader();
  const gone = await cluster.follower();
  const stays = cluster.ids.filter((id) => id !== gone);
  const heard = new Map<number, string[]>(stays.map((id) => [id, []]));
  for (const id of stays) {
    cluster
      .group(id)
      .on('member', ({ kind, id: about }) => heard.get(id)?.push(`${kind} ${about}`));
  }
  await cluster.group(leader).removeMember(gone);
  const steps = ['jointStarted null', 'jointCompleted null', `removed ${gone}`];
  for (const id of stays) {
    await eventually(`node ${id} to tell`, () => ((heard.get(id)?.length ?? 0) >= 3 ? true : null));
    assert.deepEqual(heard.get(id), steps, `node ${id}`);
  }
});
