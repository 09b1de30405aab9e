/**
 * The end of an engine: what was taken is answered, what comes later is refused, nothing hangs, and
 * closing twice is closing once.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, PATIENT_MS, pause, TestCluster } from './cluster.js';
import { Engine } from './compiled.js';

test('proposals that are under way when the engine closes finish, later ones are refused', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  const group = cluster.group(1);
  const engine = cluster.engine(1);
  const under = group.proposeMany(Array.from({ length: 2000 }, () => bytes('add 1')));
  const reading = group.read(bytes('total'));
  const closing = engine.close();
  const refused = { code: 'ERR_CLOSED', retryable: false };
  await assert.rejects(group.propose(bytes('add 1')), refused);
  await assert.rejects(group.read(bytes('total')), refused);
  await assert.rejects(group.waitForApplied(1e9), refused);
  for (const [at, result] of (await under).entries()) {
    assert.equal(result.ok && Number(result.value), at + 1);
  }
  assert.equal(typeof Number(await reading), 'number');
  assert.deepEqual(await closing, { forced: [] });
  assert.equal(engine.close(), closing, 'a second close is the first');
  await assert.rejects(group.propose(bytes('add 1')), refused);
  assert.equal(group.status().inflight, 0);
  await cluster.open(1);
  assert.equal(Number(await cluster.group(1).read(bytes('total'))), 2000);
});

test('what cannot be committed ends as outcome unknown, and the close does not wait for it', async () => {
  await using cluster = await TestCluster.start();
  const leader = await cluster.leader();
  for (const id of cluster.ids) if (id !== leader) await cluster.close(id);
  const waiting = cluster.group(leader).propose(bytes('add 1'));
  await pause(50);
  const closing = cluster.close(leader);
  await assert.rejects(waiting, { code: 'ERR_OUTCOME_UNKNOWN', retryable: false });
  await closing;
});

test('an engine is disposed of at the end of its block, and its addresses are free again', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1, durable: true });
  for (let round = 1; round <= 2; round += 1) {
    await using engine = await Engine.open(cluster.optionsOf(1));
    const value = await engine.group('ledger').propose(bytes('add 1'), { timeoutMs: PATIENT_MS });
    assert.equal(Number(value), round);
  }
});

test('a close that is bounded by time or by a signal ends what is stuck when that is over', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  for (const bounds of [{ signal }, { timeoutMs: 50 }, { signal: AbortSignal.abort() }]) {
    await cluster.open(1);
    await cluster.leader();
    const stuck = cluster.group(1).propose(bytes('spin 600000'));
    const outcome = assert.rejects(stuck, { code: 'ERR_OUTCOME_UNKNOWN' });
    await pause(100);
    const closing = cluster.engine(1).close(bounds);
    controller.abort();
    assert.ok((await closing).forced.includes('consensus'), 'others may be late on a busy machine');
    await outcome;
  }
});

test('a later close may be in more of a hurry than the first, and bad bounds close nothing', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const engine = cluster.engine(1);
  const refused = { code: 'ERR_INVALID_OPTIONS' };
  await assert.rejects(engine.close({ timeoutMs: 0 }), refused);
  await assert.rejects(engine.close({ signal: 1 as unknown as AbortSignal }), refused);
  await assert.rejects(engine.close(5 as never), refused);
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 1);
  const stuck = cluster.group(1).propose(bytes('spin 600000'));
  const outcome = assert.rejects(stuck, { code: 'ERR_OUTCOME_UNKNOWN' });
  await pause(100);
  const closing = engine.close({ timeoutMs: PATIENT_MS });
  assert.equal(engine.close({ timeoutMs: 20 }), closing, 'a second close is the first');
  assert.ok((await closing).forced.includes('consensus'));
  await outcome;
});

test('a close that is not stuck needs no force, however little time it is given', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  await cluster.group(1).propose(bytes('add 1'));
  assert.deepEqual(await cluster.engine(1).close({ timeoutMs: PATIENT_MS }), { forced: [] });
});

test('a machine that never returns is ended by force, and close names its thread', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const stuck = cluster.group(1).propose(bytes('spin 600000'));
  const outcome = assert.rejects(stuck, { code: 'ERR_OUTCOME_UNKNOWN' });
  await pause(100);
  assert.deepEqual(await cluster.engine(1).close(), { forced: ['consensus'] });
  await outcome;
});
