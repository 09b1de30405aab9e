/**
 * Sync modes and memory mode, and what overload looks like: refused as busy, with a hint, and never
 * an election.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, PATIENT_MS, TestCluster } from './cluster.js';
import { RingraftError } from './compiled.js';

for (const syncMode of ['batch', 'none'] as const) {
  test(`mode ${syncMode} acknowledges before the sync, says so, and keeps all at a clean close`, async () => {
    const options = { syncMode, batchSyncInterval: 20 };
    await using cluster = await TestCluster.start({ durable: true, options });
    const results = await cluster
      .group(2)
      .proposeMany(Array.from({ length: 300 }, () => bytes('add 1')));
    assert.ok(results.every((result) => result.ok));
    const status = cluster.engine(1).status();
    assert.equal(status.syncMode, syncMode);
    assert.match(status.acknowledgement, syncMode === 'batch' ? /up to 20 ms later/ : /likes/);
    assert.match(status.acknowledgement, /a power failure of a majority can lose it/);
    await cluster.closeAll();
    await Promise.all(cluster.ids.map((id) => cluster.open(id)));
    assert.equal(Number(await cluster.group(3).read(bytes('total'))), 300);
  });
}

test('mode always says that a majority has synced what it acknowledges', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  const status = cluster.engine(1).status();
  assert.equal(
    status.acknowledgement,
    'an acknowledged entry is synced to the disks of a majority',
  );
  assert.equal(status.durable, true);
  assert.ok(status.log.logBytes > 0 && status.log.segments > 0);
});

test('more than fits is refused as busy with a time to try again; everything else is executed', async () => {
  const options = { arenaBytes: 1024 * 1024 };
  const machine = new URL('./ledger-machine.mjs', import.meta.url);
  const groups = [{ name: 'ledger', machine, entryBytesMax: 64 * 1024 }];
  await using cluster = await TestCluster.start({ groups, options });
  const leader = await cluster.leader();
  const { term } = cluster.group(leader).status();
  // The machine is slow, so the arena fills up behind it.
  const command = Buffer.alloc(8 * 1024, ' ');
  command.write('spin 2 ');
  const proposals = Array.from({ length: 800 }, () =>
    cluster
      .group(leader)
      .propose(command)
      .then(Number, (error: unknown) => error),
  );
  const outcomes = await Promise.all(proposals);
  const busy = outcomes.filter((outcome) => outcome instanceof RingraftError);
  const done = outcomes.filter((outcome) => typeof outcome === 'number');
  assert.ok(busy.length > 0, 'the arena is far smaller than what was proposed');
  for (const error of busy) {
    assert.equal(error.code, 'ERR_BUSY');
    assert.equal(error.retryable, true);
    assert.ok(error.retryAfterMs > 0);
  }
  assert.deepEqual(
    done,
    done.map((_, i) => i + 1),
    'what was taken is executed in order, once',
  );
  const retried = await cluster.group(leader).propose(command, { timeoutMs: PATIENT_MS });
  assert.equal(Number(retried), done.length + 1);
  const status = cluster.group(leader).status();
  assert.deepEqual([status.role, status.term], ['leader', term], 'busy is no reason to step down');
});

test('enableReadIndex: false refuses linearizable reads by name and serves local ones', async () => {
  const options = { enableReadIndex: false };
  await using cluster = await TestCluster.start({ nodes: 1, options });
  const group = cluster.group(1);
  assert.equal(Number(await group.propose(bytes('add 3'))), 3);
  const refused = { code: 'ERR_INVALID_OPTIONS', message: /enableReadIndex is false: only reads/ };
  await assert.rejects(group.read(bytes('total')), refused);
  await assert.rejects(group.read(bytes('total'), { consistency: 'linearizable' }), refused);
  const total = await group.read(bytes('total'), { consistency: 'local' });
  assert.equal(Number(total), 3);
});
