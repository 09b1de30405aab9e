/**
 * What `Engine.open` refuses, by code and by name, leaving nothing behind: directories of others,
 * machines that do not load, ports that are taken, a start that is given up.
 */

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test from 'node:test';
import { bytes, PATIENT_MS, TestCluster } from './cluster.js';
import { Engine, LEDGER } from './compiled.js';

test('a data directory serves one engine at a time, and belongs to one node of one cluster', async () => {
  await using cluster = await TestCluster.start({ nodes: 1, durable: true });
  const options = cluster.optionsOf(1);
  const listen = '127.0.0.1:0';
  await assert.rejects(Engine.open({ ...options, listen }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'ERR_DATA_DIRECTORY');
    assert.match(error.message, /is in use by this process itself/);
    return true;
  });
  await cluster.close(1);
  await assert.rejects(Engine.open({ ...options, clusterId: 77 }), {
    code: 'ERR_DATA_DIRECTORY',
    message: /cluster.*77/s,
  });
  const others = { ...options.cluster, 9: '127.0.0.1:1' };
  await assert.rejects(Engine.open({ ...options, nodeId: 9, cluster: others }), {
    code: 'ERR_DATA_DIRECTORY',
    message: /node.*9/s,
  });
  await cluster.open(1);
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 1);
});

test('a machine that does not load, or is none, ends the start by name and frees everything', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1, durable: true });
  const source = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const refusals: [object, RegExp][] = [
    [{ machine: new URL('file:///nowhere/machine.js') }, /group "ledger".*does not load.*nowhere/s],
    [{ machine: source('export const x = 1;') }, /no default export that makes a state machine/],
    [{ machine: source('export default () => ({ apply() {} });') }, /has no query\(\)/],
    [{ machine: source('syntax error') }, /does not load: SyntaxError/],
    [{ machine: LEDGER, machineOptions: { refuse: true } }, /told to refuse its options/],
  ];
  for (const [machine, message] of refusals) {
    const groups = [{ name: 'ledger', ...machine }] as { name: string; machine: URL }[];
    const opening = Engine.open({ ...cluster.optionsOf(1), groups });
    await assert.rejects(opening, { code: 'ERR_STATE_MACHINE', message });
  }
  await cluster.open(1);
  await cluster.leader();
  assert.equal(Number(await cluster.group(1).propose(bytes('add 1'))), 1);
});

test('an address that is taken is refused by name', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1 });
  const port = Number((cluster.members[1] as string).split(':')[1]);
  const squatter = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => squatter.once('listening', resolve));
  await assert.rejects(cluster.open(1), {
    code: 'ERR_LISTEN',
    message: new RegExp(`${port}.*EADDRINUSE`),
  });
  await new Promise((resolve) => squatter.close(resolve));
  await cluster.open(1);
});

test('a start that hangs in a machine module is given up by its signal or its time limit', async () => {
  await using cluster = await TestCluster.plan({ nodes: 1, durable: true });
  const hanging = 'await new Promise((done) => setTimeout(done, 1e9)); export default () => ({});';
  const machine = new URL(`data:text/javascript,${encodeURIComponent(hanging)}`);
  const options = { ...cluster.optionsOf(1), groups: [{ name: 'ledger', machine }] };
  const opening = Engine.open(options, { signal: AbortSignal.timeout(300) });
  await assert.rejects(opening, { code: 'ERR_ABORTED' });
  await assert.rejects(Engine.open(options, { timeoutMs: 300 }), {
    code: 'ERR_TIMEOUT',
    message: /^the node did not start within 300 ms, the start was given up\. Raise timeoutMs/,
  });
  const reason = new Error('changed my mind');
  const signal = AbortSignal.abort(reason);
  await assert.rejects(Engine.open(options, { signal }), { code: 'ERR_ABORTED', cause: reason });
  for (const bounds of [{ timeoutMs: -1 }, { signal: {} as AbortSignal }]) {
    await assert.rejects(Engine.open(options, bounds), { code: 'ERR_INVALID_OPTIONS' });
  }
  const engine = await Engine.open(cluster.optionsOf(1), { timeoutMs: PATIENT_MS });
  await engine.close();
});
