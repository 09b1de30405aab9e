/**
 * A node that joins, on real threads: it learns the cluster's id, waits without a member, dials
 * nobody, serves nothing, and starts again by the same options.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { freePorts } from '../../tools/cluster/free-ports.js';
import { bytes, eventually, pause, TestCluster } from './cluster.js';
import { Engine, type EngineOptions, LEDGER } from './compiled.js';

async function joining(cluster: TestCluster, by: readonly string[], durable: boolean) {
  const [port] = await freePorts(1);
  const options: EngineOptions = {
    nodeId: 4,
    join: by,
    listen: `127.0.0.1:${port}`,
    groups: [{ name: 'ledger', machine: LEDGER }],
    timing: 'wide-area',
    segmentBytes: 8 * 1024 * 1024,
    arenaBytes: 1024 * 1024,
    ...(durable ? { dataDir: join(cluster.directory, 'joined') } : {}),
  };
  return options;
}

test('a node that joins learns which cluster it is, and waits until it is added', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, options: { clusterId: 77 } });
  const seed = cluster.members[1] as string;
  const options = await joining(cluster, ['127.0.0.1:9', seed], true);
  await using node = await Engine.open(options);
  assert.equal(node.status().clusterId, 77);
  assert.deepEqual(node.options.members, []);
  const group = node.group('ledger');
  await eventually('the standby', () => (group.status().standing === 'standby' ? true : null));
  const { standingText, members, role } = group.status();
  assert.deepEqual([members, role], [[], 'follower']);
  assert.match(
    standingText,
    /^a standby: no member of a cluster yet\. It takes no part .*ADD 4 HOST:PORT/,
  );
  // Far longer than an election takes.
  await pause(2500);
  assert.deepEqual([group.status().role, group.status().term], ['follower', 0]);
  const refused = group.propose(bytes('x'), { timeoutMs: 100 });
  await assert.rejects(refused, { code: 'ERR_NO_LEADER' });
  assert.equal(node.status().net.dials, 0, 'it dials nobody');
});

test('a node that joined starts again by the same options while nobody answers', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, options: { clusterId: 77 } });
  const options = await joining(cluster, [cluster.members[1] as string], true);
  await (await Engine.open(options)).close();
  await cluster.closeAll();
  await using again = await Engine.open(options);
  assert.equal(again.status().clusterId, 77);
  assert.equal(again.status().membershipWarning, null);
});

test('a node that joins by an address where nobody answers says so, and can be told the id', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1 });
  const options = await joining(cluster, [cluster.members[1] as string], false);
  const start = Engine.open(options, { timeoutMs: 700 });
  await assert.rejects(start, { code: 'ERR_TIMEOUT' });
  await using node = await Engine.open({ ...options, clusterId: 5 });
  assert.equal(node.status().clusterId, 5);
});

test('who founds alone leads at once, without a vote of anybody, and others are added', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, options: { clusterId: 77 } });
  const founder = cluster.group(1);
  assert.equal(await founder.waitForLeader(), 1);
  await founder.propose(bytes('before anybody came'));
  const options = await joining(cluster, [cluster.members[1] as string], true);
  await using node = await Engine.open(options);
  await founder.addMember({ id: 4, address: options.listen as string });
  await founder.transferLeadership(4);
  const { members } = node.group('ledger').status();
  assert.deepEqual(
    members.map(({ id, voter }) => [id, voter]),
    [
      [1, true],
      [4, true],
    ],
  );
  await founder.propose(bytes('under another leader'));
});

test('a node that joins is added, takes part, is removed and told, and is added again', async () => {
  await using cluster = await TestCluster.start({ nodes: 3, options: { clusterId: 77 } });
  const options = await joining(cluster, [cluster.members[2] as string], true);
  await using node = await Engine.open(options);
  const group = node.group('ledger');
  const leader = cluster.group(await cluster.leader());
  for (let each = 0; each < 20; each += 1) await leader.propose(bytes(`entry ${each}`));
  await leader.addMember({ id: 4, address: options.listen as string });
  await eventually('the new voter', () => (group.status().standing === 'full' ? true : null));
  await group.propose(bytes('from four'));
  await cluster.group(await cluster.leader()).removeMember(4);
  await eventually('the standby', () => (group.status().standing === 'standby' ? true : null));
  assert.match(group.status().standingText, /^a standby: the members are 1, 2, 3, and node 4 is/);
  const { term } = cluster.group(1).status();
  // Far longer than an election takes, and than its links are kept.
  await pause(7000);
  assert.equal(cluster.group(1).status().term, term, 'it disturbs nobody');
  await cluster
    .group(await cluster.leader())
    .addMember({ id: 4, address: options.listen as string });
  await eventually('the voter again', () => (group.status().standing === 'full' ? true : null));
  await group.propose(bytes('again from four'));
});
