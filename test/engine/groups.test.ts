/**
 * Several groups on shared threads: four groups on two workers per node, one log, one connection
 * per pair of nodes. What happens to one group is no business of the others.
 */

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { bytes, eventually, TestCluster } from './cluster.js';
import { LEDGER, RingraftError } from './compiled.js';

const NAMES = ['north', 'east', 'south', 'west'];

let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start({
    groups: NAMES.map((name) => ({ name, machine: LEDGER, machineOptions: { name } })),
    options: { workers: 2 },
  });
});
after(() => cluster.dispose());

test('four groups packed onto two workers keep four states', async () => {
  await Promise.all(
    NAMES.map(async (name, which) => {
      for (const id of cluster.ids) await cluster.group(id, name).propose(bytes(`add ${which}`));
    }),
  );
  for (const id of cluster.ids) {
    for (const [which, name] of NAMES.entries()) {
      assert.equal(Number(await cluster.group(id, name).read(bytes('total'))), which * 3);
    }
  }
});

test('each machine is made with the name, number and options of its own group', async () => {
  for (const [groupId, groupName] of NAMES.entries()) {
    const leader = await cluster.leader(groupName);
    const reply = await cluster.group(leader, groupName).propose(bytes('context'));
    const options = { name: groupName };
    assert.deepEqual(JSON.parse(String(reply)), { groupName, groupId, nodeId: leader, options });
  }
});

test('all groups share one log: its syncs are counted once per node', () => {
  const { log, groups } = cluster.engine(1).status();
  assert.ok(log.syncs > 0);
  assert.deepEqual(
    groups.map((group) => group.name),
    NAMES,
  );
});

test('an exception in apply stops that group on that node, names the index, and harms no other', async () => {
  const victim = await cluster.follower('east');
  const errors: string[] = [];
  cluster.group(victim, 'east').on('error', ({ code }) => errors.push(code));
  const leader = await cluster.leader('east');
  await cluster.group(leader, 'east').propose(bytes(`throw on ${victim}`));
  const { commitIndex } = cluster.group(leader, 'east').status();
  const failure = await eventually(
    'the group to stop',
    () => cluster.group(victim, 'east').status().failure,
  );
  assert.equal(failure.code, 'ERR_STATE_MACHINE');
  const threw = new RegExp(`apply of entry ${commitIndex} threw: Error: told to throw$`);
  assert.match(failure.message, threw);
  assert.deepEqual(errors, ['ERR_STATE_MACHINE']);
  for (const call of [
    () => cluster.group(victim, 'east').propose(bytes('add 1')),
    () => cluster.group(victim, 'east').read(bytes('total')),
    () => cluster.group(victim, 'east').waitForApplied(1e9),
  ]) {
    await assert.rejects(call, { code: 'ERR_STATE_MACHINE' });
  }
  assert.equal(cluster.engine(victim).status().failure, null);
  const before = Number(await cluster.group(leader, 'east').read(bytes('total')));
  const after = await cluster.group(leader, 'east').propose(bytes('add 1'));
  assert.equal(Number(after), before + 1, 'the group goes on with the majority');
  for (const name of NAMES.filter((each) => each !== 'east')) {
    await cluster.group(victim, name).propose(bytes('add 1'));
  }
});

test('of a batch around the entry that threw each command is told what became of it', async () => {
  const victim = await cluster.leader('west');
  const results = await cluster
    .group(victim, 'west')
    .proposeMany(['add 1', 'add 1', `throw on ${victim}`, 'add 1'].map(bytes));
  const outcomes = results.map((result) => (result.ok ? 'done' : result.error.code));
  assert.deepEqual(outcomes, ['done', 'done', 'ERR_STATE_MACHINE', 'ERR_OUTCOME_UNKNOWN']);
  const thrown = results[2];
  assert.ok(thrown !== undefined && !thrown.ok && thrown.error instanceof RingraftError);
  assert.match(thrown.error.message, /apply of entry \d+ threw: Error: told to throw$/);
  assert.match((thrown.error.cause as Error).stack ?? '', /told to throw\n\s+at .*ledger-machine/);
  const others = cluster.ids.filter((id) => id !== victim);
  const next = await eventually('another leader of west', () => {
    const { leader } = cluster.group(others[0] as number, 'west').status();
    return leader !== 0 && leader !== victim ? leader : null;
  });
  await cluster.group(next, 'west').propose(bytes('add 1'));
});
