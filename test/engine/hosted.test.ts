/**
 * Groups whose machine is an object of callbacks on the main thread, on three nodes: the same
 * promises as a module in a worker, exactly once and in order, and the same refusals.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, pause, TestCluster } from './cluster.js';
import { Engine, type HostedMachine, Reject } from './compiled.js';

interface Tally extends HostedMachine {
  readonly indexes: number[];
  readonly contexts: unknown[];
}

/** Adds numbers; `no` is rejected, `throw on N` throws on node N. */
function tally(): Tally {
  let total = 0;
  const indexes: number[] = [];
  const contexts: unknown[] = [];
  return {
    indexes,
    contexts,
    apply({ index, data, context }) {
      indexes.push(index);
      contexts.push(context);
      const [verb, , node] = Buffer.from(data).toString().split(' ');
      if (verb === 'no') throw new Reject('not today');
      if (verb === 'throw' && Number(node) === context.nodeId) throw new Error('told to throw');
      if (verb === 'throw') return undefined;
      total += Number(verb);
      return Buffer.from(String(total));
    },
    query: (query) => Buffer.from(`${query.length}:${total}`),
  };
}

async function start(durable = false): Promise<{ cluster: TestCluster; machines: Tally[] }> {
  const machines: Tally[] = [];
  const groups = (id: number) => {
    machines[id] = tally();
    return [{ name: 'ledger', machine: machines[id], machineOptions: { size: 1 } }];
  };
  return { cluster: await TestCluster.start({ groups, durable }), machines };
}

test('proposals and reads on every node see callbacks that ran in order, once per node', async () => {
  const { cluster, machines } = await start();
  await using _ = cluster;
  let expected = 0;
  for (const id of cluster.ids) {
    const results = await cluster
      .group(id)
      .proposeMany(Array.from({ length: 700 }, () => bytes('1')));
    expected += 700;
    const last = results.at(-1);
    assert.equal(last?.ok && String(last.value), String(expected));
    assert.equal(String(await cluster.group(id).read(bytes('four'))), `4:${expected}`);
  }
  await assert.rejects(cluster.group(2).propose(bytes('no')), {
    code: 'ERR_REJECTED',
    message: /not today/,
  });
  const { commitIndex } = cluster.group(2).status();
  for (const id of cluster.ids) {
    await cluster.group(id).waitForApplied(commitIndex);
    const { indexes, contexts } = machines[id] as Tally;
    assert.equal(indexes.length, 2101);
    assert.deepEqual(
      indexes,
      [...indexes].sort((a, b) => a - b),
    );
    assert.equal(new Set(indexes).size, 2101);
    const context = { groupName: 'ledger', groupId: 0, nodeId: id, options: { size: 1 } };
    assert.deepEqual(contexts[0], context);
    assert.equal(cluster.group(id).status().machine, 'main');
  }
});

test('an exception stops the group on that node with the index named; the others go on', async () => {
  const { cluster } = await start();
  await using _ = cluster;
  const victim = await cluster.leader();
  const [before, thrown, behind] = await cluster
    .group(victim)
    .proposeMany(['1', `throw on ${victim}`, '1'].map(bytes));
  assert.equal(before?.ok && String(before.value), '1');
  assert.ok(thrown !== undefined && !thrown.ok);
  assert.equal(thrown.error.code, 'ERR_STATE_MACHINE');
  assert.match(thrown.error.message, /apply of entry \d+ threw: .*told to throw/);
  assert.ok(behind !== undefined && !behind.ok);
  assert.equal(behind.error.code, 'ERR_OUTCOME_UNKNOWN');
  await assert.rejects(cluster.group(victim).read(bytes('')), { code: 'ERR_STATE_MACHINE' });
  const other = cluster.ids.find((id) => id !== victim) as number;
  await eventually('another leader', () => {
    const { leader } = cluster.group(other).status();
    return leader !== 0 && leader !== victim ? leader : null;
  });
  assert.equal(String(await cluster.group(other).propose(bytes('1'))), '3');
});

test('a restart replays the whole log into fresh objects, and used ones are refused', async () => {
  const { cluster, machines } = await start(true);
  await using _ = cluster;
  await cluster.group(1).proposeMany(Array.from({ length: 400 }, () => bytes('2')));
  const used = machines[1] as Tally;
  await cluster.closeAll();
  const groups = [{ name: 'ledger', machine: used }];
  await assert.rejects(Engine.open({ ...cluster.optionsOf(1), groups }), {
    code: 'ERR_INVALID_OPTIONS',
    message: /machine of group "ledger" served another engine/,
  });
  await Promise.all(cluster.ids.map((id) => cluster.open(id)));
  for (const id of cluster.ids) {
    assert.equal(String(await cluster.group(id).read(bytes(''))), '0:800');
  }
});

test('a blocked main thread delays the callbacks, and loses neither leadership nor entries', async () => {
  const { cluster, machines } = await start();
  await using _ = cluster;
  const leader = await cluster.leader();
  const { term } = cluster.group(leader).status();
  const proposals = cluster.ids.map((id) =>
    cluster.group(id).proposeMany(Array.from({ length: 500 }, () => bytes('1'))),
  );
  // Flushed, then nothing is drained for several election timeouts of every node.
  await pause(5);
  const end = Date.now() + 2500;
  while (Date.now() < end);
  for (const results of await Promise.all(proposals)) {
    assert.ok(results.every((result) => result.ok));
  }
  const status = cluster.group(leader).status();
  assert.deepEqual([status.role, status.term], ['leader', term]);
  assert.equal(String(await cluster.group(leader).read(bytes(''))), '0:1500');
  assert.equal(new Set(machines[leader]?.indexes).size, 1500);
});
