/**
 * What a node keeps on disk: restarts of all nodes, catching up, and a replica that lost
 * everything.
 */

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import test from 'node:test';
import { standingInWords } from '../../engine/status.js';
import { bytes, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';

const twoGroups = ['a', 'b'].map((name) => ({ name, machine: LEDGER }));

test('a restart of all nodes recovers term, log and machine state, and goes on from there', async () => {
  await using cluster = await TestCluster.start({ durable: true, groups: twoGroups });
  for (const name of ['a', 'b']) {
    const commands = Array.from({ length: 500 }, () => bytes('add 2'));
    await cluster.group(1, name).proposeMany(commands);
  }
  const terms = ['a', 'b'].map((name) => cluster.group(1, name).status().term);
  const incarnations = cluster.ids.map((id) => cluster.engine(id).status().incarnation);
  await cluster.closeAll();
  await Promise.all(cluster.ids.map((id) => cluster.open(id)));
  await cluster.settle();
  for (const [which, name] of ['a', 'b'].entries()) {
    for (const id of cluster.ids) {
      assert.equal(Number(await cluster.group(id, name).read(bytes('total'))), 1000);
      assert.equal(Number(await cluster.group(id, name).read(bytes('count'))), 500);
    }
    const status = cluster.group(1, name).status();
    assert.ok(status.term > (terms[which] as number), 'a new election is a new term');
    assert.equal(status.standing, 'full');
    assert.equal(Number(await cluster.group(2, name).propose(bytes('add 1'))), 1001);
  }
  assert.deepEqual(
    cluster.ids.map((id) => cluster.engine(id).status().incarnation),
    incarnations,
  );
});

test('one node that was away catches up, and a single node cluster needs nobody', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  const away = await cluster.follower();
  await cluster.close(away);
  const [one] = cluster.ids.filter((id) => id !== away) as [number];
  await cluster.group(one).proposeMany(Array.from({ length: 200 }, () => bytes('add 1')));
  await cluster.open(away);
  assert.equal(Number(await cluster.group(away).read(bytes('total'))), 200);
  await using alone = await TestCluster.start({ nodes: 1, durable: true });
  assert.equal(Number(await alone.group(1).propose(bytes('add 7'))), 7);
  await alone.close(1);
  await alone.open(1);
  assert.equal(Number(await alone.group(1).read(bytes('total'))), 7);
});

test('a replica whose data was wiped stays aside and says so while intact ones are no majority', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  await cluster.group(1).propose(bytes('add 5'));
  const wiped = await cluster.follower();
  await cluster.close(wiped);
  const leader = await cluster.leader();
  const other = cluster.ids.find((id) => id !== wiped && id !== leader) as number;
  await cluster.close(other);
  rmSync(cluster.dataDir(wiped), { recursive: true });
  await cluster.open(wiped);
  const alone = cluster.group(leader).propose(bytes('add 1'), { timeoutMs: 1500 });
  await assert.rejects(alone, /outcome unknown|no leader is known/);
  assert.notEqual(cluster.group(wiped).status().role, 'leader');
  assert.notEqual(cluster.group(wiped).status().standing, 'full');
});

test('the words for a replica that lost its data name both lives of it', () => {
  const aside = standingInWords('aside', 11, 22);
  assert.match(aside, /^aside: the cluster records incarnation 11 .* incarnation 22\. .*lost/);
  assert.match(standingInWords('recovering', 0, 22), /^recovering: .*erased.*incarnation 22 next/);
});

test('a restart with other members than the log names says both, and the log counts', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  assert.equal(cluster.engine(1).status().membershipWarning, null);
  await cluster.group(1).propose(bytes('add 1'));
  await cluster.close(1);
  const [address] = Object.values(cluster.members) as [string];
  const more = { 1: address, 2: '127.0.0.1:9' };
  const engine = await cluster.open(1, { cluster: more });
  const warning = engine.status().membershipWarning ?? '';
  assert.ok(warning.includes(`names the members 1=${address}, this start names`), warning);
  assert.ok(warning.includes(`1=${address} 2=127.0.0.1:9: the data counts`), warning);
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 2);
  await cluster.close(1);
  await cluster.open(1);
  assert.equal(cluster.engine(1).status().membershipWarning, null);
});
