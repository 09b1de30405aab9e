/**
 * `ringraft cluster rolling-restart` on real nodes, while a client counts in a session and sends
 * again what is not answered: everything is counted once, and every node has another process.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { NodeClient } from '../../tools/cluster/node-client.js';
import { startedCluster } from './local-cluster.js';
import { SessionCounting } from './session-counting.js';

const TRY_MS = 5000;

test('all nodes restart under a client in a session: nothing is lost or counted twice', async (t) => {
  const { cluster, command } = await startedCluster(t);
  const pids = (await cluster.views()).map(({ pid }) => pid);
  const counting = new SessionCounting(cluster.state().nodes.map(({ clientPort }) => clientPort));
  const { code, output } = await command('rolling-restart');
  await counting.stop();
  assert.equal(code, 0, output);
  const restarted = [...output.matchAll(/node (\d) restarted and caught up after /g)];
  assert.deepEqual(restarted.map(([, id]) => Number(id)).sort(), [1, 2, 3]);
  const [, last] = /node (\d) handed over: no write acknowledged for \d+ ms/.exec(output) ?? [];
  assert.equal(last, restarted.at(-1)?.[1], 'the leader comes last');
  assert.match(output, /3 nodes restarted in .*: \d+ writes in a session, none failed, /);
  for (const [at, { pid }] of (await cluster.views()).entries()) assert.notEqual(pid, pids[at]);
  assert.ok(counting.acknowledged > 10);
  const { clientPort } = cluster.node(1);
  const client = new NodeClient({ host: '127.0.0.1', port: clientPort });
  const left = await client.ask(['GET', 'ringraft:rolling-restart'], TRY_MS);
  client.close();
  assert.equal(left.kind, 'null', 'nothing is left behind');
});

test('it does not begin while a node is down', async (t) => {
  const { cluster, command } = await startedCluster(t);
  await command('kill 2');
  const pids = (await cluster.views()).map(({ pid }) => pid);
  const { code, output } = await command('rolling-restart');
  assert.equal(code, 1, output);
  assert.match(output, /node 2 is killed: nothing was restarted, since one more would be down/);
  assert.deepEqual(
    (await cluster.views()).map(({ pid }) => pid),
    pids,
  );
});
