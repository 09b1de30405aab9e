/**
 * Leadership is handed over, and members are removed and added again, on real threads and sockets.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, pause, TestCluster } from './cluster.js';

test('leadership goes where it is told, or to the best, and what is written meanwhile waits', async () => {
  await using cluster = await TestCluster.start();
  const first = await cluster.leader();
  const other = await cluster.follower();
  const group = cluster.group(first);
  const writes = Array.from({ length: 200 }, () => group.propose(bytes('add 1')));
  const handed = group.transferLeadership(other);
  const later = Array.from({ length: 200 }, () => group.propose(bytes('add 1')));
  assert.equal((await handed).leader, other);
  await Promise.all([...writes, ...later]);
  assert.equal(Number(await cluster.group(other).read(bytes('total'))), 400);
  const { leader, term } = await cluster.group(other).transferLeadership();
  assert.notEqual(leader, other);
  assert.ok(term > 1);
});

test('who does not lead says who does, and who cannot take over is not asked', async () => {
  await using cluster = await TestCluster.start();
  const leader = await cluster.leader();
  const follower = await cluster.follower();
  const refused = cluster.group(follower).transferLeadership(follower);
  await assert.rejects(refused, { code: 'ERR_NOT_LEADER', leaderHint: leader });
  const group = cluster.group(leader);
  await assert.rejects(group.transferLeadership(9), /ERR_TRANSFER|node 9 is no voter/);
  assert.deepEqual((await group.transferLeadership(leader)).leader, leader);
  await assert.rejects(group.transferLeadership(-1), /target is -1, must be the number of a node/);
  await cluster.close(follower);
  const isSilent = /node \d does not answer/;
  // Until the leader has noticed, it tries, and leads on when its time is up.
  await assert.rejects(group.transferLeadership(follower), /does not answer|did not take over/);
  await pause(2500);
  await assert.rejects(group.transferLeadership(follower), isSilent);
  assert.equal(Number(await group.propose(bytes('add 1'))), 1);
});

test('a removed member waits, and is let in again with what it lacks', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  const leader = await cluster.leader();
  const gone = await cluster.follower();
  const group = cluster.group(leader);
  await group.removeMember(gone);
  assert.deepEqual(await group.removeMember(gone), await group.removeMember(gone));
  await eventually('the removed member to know', () =>
    cluster.group(gone).status().standing === 'standby' ? true : null,
  );
  for (let n = 0; n < 50; n += 1) await group.propose(bytes('add 1'));
  const address = cluster.members[gone] as string;
  const plan = await group.planMembers({ put: [{ id: gone, address }] });
  assert.deepEqual([plan?.voters, plan?.needed], [[1, 2, 3], 2]);
  await group.addMember({ id: gone, address });
  await eventually('it to be a full member', () =>
    cluster.group(gone).status().standing === 'full' ? true : null,
  );
  assert.equal(Number(await cluster.group(gone).read(bytes('total'))), 50);
  assert.deepEqual(
    group.status().members.map(({ id, voter }) => [id, voter]),
    [
      [1, true],
      [2, true],
      [3, true],
    ],
  );
});

test('a leader that removes itself hands over, also where two are left, and writes go on', async () => {
  await using cluster = await TestCluster.start({ nodes: 2 });
  const leader = await cluster.leader();
  const other = await cluster.follower();
  await cluster.group(leader).propose(bytes('add 5'));
  await cluster.group(leader).removeMember(leader);
  await eventually('the other one to lead', () =>
    cluster.group(other).status().role === 'leader' ? true : null,
  );
  assert.equal(Number(await cluster.group(other).propose(bytes('add 1'))), 6);
  assert.equal(cluster.group(leader).status().standing, 'standby');
  await assert.rejects(cluster.group(other).removeMember(other), /no voter would be left/);
});

test('an address where nobody listens costs nothing, one change at a time, and it is taken back', async () => {
  await using cluster = await TestCluster.start();
  const group = cluster.group(await cluster.leader());
  const nobody = { id: 4, address: '127.0.0.1:1' };
  const added = group.addMember(nobody, { timeoutMs: 700 });
  const goesOn = /it was begun and goes on by itself: node 4 to become a voter once caught up/;
  await assert.rejects(added, goesOn);
  assert.equal(Number(await group.propose(bytes('add 1'))), 1);
  await assert.rejects(group.removeMember(1), /another change is under way \(node 4 to become/);
  await group.removeMember(4);
  assert.equal(group.status().members.length, 3);
});

test('who asked for a member that another call takes back is told so', async () => {
  await using cluster = await TestCluster.start();
  const group = cluster.group(await cluster.leader());
  const added = group.addMember({ id: 4, address: '127.0.0.1:1' });
  await eventually('the learner', () => (group.status().members.length === 4 ? true : null));
  await Promise.all([
    assert.rejects(added, { code: 'ERR_OUTCOME_UNKNOWN', message: /taken back/ }),
    group.removeMember(4),
  ]);
  assert.equal(group.status().members.length, 3);
});

test('what is asked in a wrong way is told by value, rule and remedy', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const group = cluster.group(1);
  const wrong = [
    [{}, /the change is empty; name members/],
    [{ put: [{ id: 0, address: 'h:1' }] }, /put\[0\]\.id is 0, must be the number of a node/],
    [{ put: [{ id: 2, address: 'h' }] }, /put\[0\]\.address is "h", must be host:port/],
    [
      { put: [{ id: 2, address: 'h:1', as: 'king' }] },
      /as is "king", must be "voter" or "learner"/,
    ],
    [{ put: [{ id: 2, address: 'h:1' }], remove: [2] }, /node 2 is named twice/],
    [{ put: [{ id: 2, address: cluster.members[1] }] }, /is the address of node 1 already/],
  ] as const;
  for (const [change, text] of wrong) {
    await assert.rejects(group.changeMembers(change as never), text);
  }
});
