/**
 * The four consistencies on a running cluster: every node serves each, and says at which index;
 * what a node cannot keep is refused by name.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';

const WORDS = ['linearizable', 'lease', 'bounded', 'local'] as const;

const optionsFor = (consistency: (typeof WORDS)[number]) =>
  consistency === 'bounded' ? { consistency, maxStalenessMs: 60_000 } : { consistency };

test('every node answers reads of every consistency, with the index and who served them', async () => {
  await using cluster = await TestCluster.start({ options: { leaseReads: true } });
  const group = cluster.group(1);
  assert.equal(Number(await group.propose(bytes('add 3'))), 3);
  const { index } = await group.readResult(bytes('total'));
  assert.ok(index >= 2, 'the first entry records lives');
  for (const id of cluster.ids) {
    await cluster.group(id).waitForApplied(index);
    for (const consistency of WORDS) {
      const options = optionsFor(consistency);
      const answer = await cluster.group(id).readResult(bytes('total'), options);
      assert.deepEqual([Number(answer.value), answer.servedBy], [3, id], consistency);
      assert.ok(answer.index >= index, consistency);
      assert.equal(Number(await cluster.group(id).read(bytes('total'), options)), 3);
    }
  }
});

test('a lease or a linearizable read sees what was acknowledged before it, on every node', async () => {
  await using cluster = await TestCluster.start({ options: { leaseReads: true } });
  for (let sum = 1; sum <= 30; sum += 1) {
    const writer = cluster.group((sum % 3) + 1);
    assert.equal(Number(await writer.propose(bytes('add 1'))), sum);
    const totals = await Promise.all(
      cluster.ids.map((id) => {
        const consistency = sum % 2 === 0 ? 'lease' : 'linearizable';
        return cluster.group(id).read(bytes('total'), { consistency });
      }),
    );
    assert.deepEqual(totals.map(Number), [sum, sum, sum]);
  }
});

test('a bounded read is answered without a leader while what it knows is young enough', async () => {
  await using cluster = await TestCluster.start({ nodes: 3 });
  const leader = await cluster.leader();
  const [follower, other] = cluster.ids.filter((id) => id !== leader) as [number, number];
  const group = cluster.group(follower);
  await group.propose(bytes('add 3'));
  assert.equal(Number(await group.read(bytes('total'))), 3);
  await Promise.all([cluster.close(leader), cluster.close(other)]);
  const answer = await group.read(bytes('total'), {
    consistency: 'bounded',
    maxStalenessMs: 600_000,
  });
  assert.equal(Number(answer), 3);
  const young = { consistency: 'bounded', maxStalenessMs: 0.001, timeoutMs: 300 } as const;
  await assert.rejects(group.read(bytes('total'), young), {
    code: /ERR_(NO_LEADER|TIMEOUT)/,
  });
});

test('without leases a read by lease is refused by name, with the remedy', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  await assert.rejects(cluster.group(1).read(bytes('total'), { consistency: 'lease' }), {
    code: 'ERR_INVALID_OPTIONS',
    message: /leaseReads is false: .*set leaseReads: true on every node, or .*"linearizable"/,
  });
});

test('a staleness that does not fit is refused with the rule', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const group = cluster.group(1);
  const refused = async (options: object, message: RegExp): Promise<void> => {
    await assert.rejects(group.read(bytes('total'), options), {
      code: 'ERR_INVALID_OPTIONS',
      message,
    });
  };
  await refused({ consistency: 'bounded' }, /without maxStalenessMs: say how old/);
  await refused({ consistency: 'bounded', maxStalenessMs: 0 }, /is 0, must be .* more than 0/);
  await refused({ consistency: 'bounded', maxStalenessMs: '5' }, /is "5", must be a number/);
  await refused({ consistency: 'local', maxStalenessMs: 5 }, /only consistency "bounded" has/);
  await refused({ maxStalenessMs: 5 }, /only consistency "bounded" has/);
});

test('a group has a consistency of its own, which a call may override', async () => {
  const reads = { consistency: 'bounded', maxStalenessMs: 600_000 } as const;
  const groups = [{ name: 'ledger', machine: LEDGER, reads }];
  await using cluster = await TestCluster.start({ nodes: 1, groups });
  const group = cluster.group(1);
  await group.propose(bytes('add 3'));
  assert.equal(Number(await group.read(bytes('total'), { consistency: 'linearizable' })), 3);
  for (const options of [{}, { consistency: 'bounded' }, { maxStalenessMs: 1 }] as const) {
    assert.equal(Number(await group.read(bytes('total'), options)), 3);
  }
});

test('a group whose reads are switched off is refused at the start', async () => {
  const groups = [{ name: 'ledger', machine: LEDGER, reads: { consistency: 'lease' } as const }];
  const message = /groups\[0\]\.reads\.consistency is "lease" without leaseReads: set leaseReads/;
  await assert.rejects(TestCluster.start({ nodes: 1, groups }), {
    code: 'ERR_INVALID_OPTIONS',
    message,
  });
});
