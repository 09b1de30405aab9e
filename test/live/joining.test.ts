/**
 * `ringraft server --join` on real processes: one address is all it is given, it says that it waits
 * for, it disturbs nobody, and it starts again by the same command.
 */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { freePorts, Node, Run, startCluster, temporaryDirectory } from './processes.js';
import { array, exchange } from './raw-client.js';

const WAITS = 'none yet; this node waits until the cluster adds it: ADD 4 HOST:PORT';

test('a node that joins needs one address, says that it waits, and starts again', async (t) => {
  const nodes = await startCluster(t, 3, { args: ['--cluster-id', '9'] });
  const [peerPort = 0, clientPort = 0] = await freePorts(2);
  const dataDir = join(temporaryDirectory(t), 'four');
  const seed = `127.0.0.1:${nodes[1]?.peerPort}`;
  const args = ['--timing', 'wide-area', '--join', seed];
  const node = new Node({ id: 4, peerPort, clientPort, dataDir, args });
  t.after(() => node.discard());
  await node.start();
  assert.ok(node.run.output.includes(WAITS), node.run.output);
  assert.match(node.run.output, /Cluster: +9\n/);
  await node.run.waitFor(/WARNING: this replica is a standby: no member of a cluster yet/);
  const [answer = ''] = await exchange(clientPort, array('CONFIG', 'GET', 'cluster-id'), 1);
  assert.match(answer, /cluster-id\r\n\$1\r\n9\r\n/);
  await node.stop();
  for (const each of nodes) await each.stop();
  await node.start();
  assert.ok(node.run.output.includes(WAITS));
});

test('what --join cannot be used with is refused', async () => {
  const [port] = await freePorts(1);
  const base = ['server', '--listen', `127.0.0.1:${port}`, '--node', '1'];
  const both = new Run([...base, '--join', '127.0.0.1:1', '--cluster', `127.0.0.1:${port}`]);
  const ended = await both.ended;
  assert.equal(ended.code, 2);
  assert.match(both.output, /--cluster and --join are both given: name all members by --cluster/);
});
