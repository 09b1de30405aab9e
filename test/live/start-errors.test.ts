/**
 * Servers that must not start: each says why in words a person can act on, with the right exit
 * code, and disturbs nobody else.
 */

import assert from 'node:assert/strict';
import { type SpawnOptions, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import {
  freePorts,
  type Node,
  RINGRAFT,
  Run,
  startCluster,
  temporaryDirectory,
} from './processes.js';
import { array, exchange } from './raw-client.js';

async function refused(
  args: readonly string[],
  code: number,
  options: SpawnOptions = {},
): Promise<string> {
  const run = new Run(['server', ...args], options);
  const ended = await run.ended;
  assert.equal(ended.code, code, run.output);
  assert.doesNotMatch(run.output, /\n\s+at .*\.js:\d+/, 'no stack trace');
  return run.output;
}

test('wrong flags are all told at once, with remedies, and exit 2', async () => {
  const flags = ['--listen', '5001', '--node', '0', '--clinet', '5101', '--sync', 'sometimes'];
  const output = await refused(flags, 2);
  assert.match(output, /--listen is "5001": it must be a host and a port/);
  assert.match(output, /--node is "0": it must be a whole number from 1/);
  assert.match(output, /unknown option "--clinet" \(did you mean "--client"\?\)/);
  assert.match(output, /--sync is "sometimes": it must be one of always, batch, none/);
  assert.match(await refused([], 2), /--listen is missing[\s\S]*--node is missing/);
});

test('options that contradict each other are refused', async () => {
  const cluster = ['--cluster', '127.0.0.1:5001,127.0.0.1:5002'];
  const wrongNode = await refused(['--listen', '127.0.0.1:5003', '--node', '3', ...cluster], 2);
  assert.match(wrongNode, /--node is 3, but --cluster names the nodes 1, 2/);
  const wrongListen = await refused(['--listen', '127.0.0.1:5001', '--node', '2', ...cluster], 2);
  assert.match(wrongListen, /--listen is 127.0.0.1:5001, which --cluster gives to node 1/);
  const listen = ['--listen', '127.0.0.1:5001', '--node', '1'];
  assert.match(await refused([...listen, '--wal-dir', 'x'], 2), /--wal-dir needs --data/);
  assert.match(await refused([...listen, '--heartbeat', '100ms'], 2), /--election-min is 150ms/);
  assert.match(await refused([...listen, '--heartbeat', '50'], 2), /--heartbeat is "50": .* 50ms/);
  const onePort = await refused([...listen, '--client', '5001'], 2);
  assert.match(onePort, /--client is 127\.0\.0\.1:5001 and --listen is 127\.0\.0\.1:5001/);
  const twice = '127.0.0.1:5001,127.0.0.1:5001';
  assert.match(await refused([...listen, '--cluster', twice], 2), /none twice/);
});

test('a busy port is named, for peers and for clients', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await new Promise((resolve) => taken.once('listening', resolve));
  const bound = taken.address();
  assert(bound !== null && typeof bound === 'object');
  const [free] = (await freePorts(1)) as [number];
  const busy = `127.0.0.1:${bound.port}`;
  const client = ['--listen', `127.0.0.1:${free}`, '--node', '1', '--client', busy];
  const text = await refused(client, 1);
  assert.match(text, /cannot listen for clients on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/);
  assert.match(text, /another process listens there/);
  const peer = await refused(['--listen', busy, '--node', '1'], 1);
  assert.ok(peer.includes(busy) && /EADDRINUSE|in use/.test(peer), peer);
});

test('two processes on one data directory: the second names the pid of the first', async (t) => {
  const [node] = (await startCluster(t, 1)) as [Node];
  const [peer] = (await freePorts(1)) as [number];
  const args = ['--listen', `127.0.0.1:${peer}`, '--node', '1', '--data', node.dataDir as string];
  const text = await refused(args, 1);
  assert.ok(text.includes(`in use by process ${node.pid}`), text);
  assert.deepEqual(await exchange(node.clientPort, array('SET', 'still', 'here'), 1), ['+OK\r\n']);
});

test('a data directory of another node or cluster, or one that is none, is refused', async (t) => {
  const [node] = (await startCluster(t, 1)) as [Node];
  await node.stop();
  const listen = ['--listen', `127.0.0.1:${node.peerPort}`];
  const data = ['--data', node.dataDir as string];
  const otherNode = await refused([...listen, ...data, '--node', '2'], 1);
  assert.match(otherNode, /node/);
  assert.ok(otherNode.includes(node.dataDir as string), otherNode);
  const otherCluster = await refused([...listen, ...data, '--node', '1', '--cluster-id', '77'], 1);
  assert.match(otherCluster, /cluster/);
  assert.match(otherCluster, /77/);
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, 'not a directory');
  assert.ok((await refused([...listen, '--node', '1', '--data', file], 1)).includes(file));
});

/** Root may read everything: then the node runs as nobody. */
const NOBODY = 65_534;
const asUser = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const cannotRun =
  spawnSync(process.execPath, [RINGRAFT, '--version'], asUser).status === 0
    ? false
    : 'an unprivileged user cannot run the build from where it lies';

test('an unreadable data directory is named', { skip: cannotRun }, async (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  const path = join(directory, 'closed');
  mkdirSync(path);
  chmodSync(path, 0o000);
  const [port] = (await freePorts(1)) as [number];
  const args = ['--listen', `127.0.0.1:${port}`, '--node', '1', '--data', path];
  const text = await refused(args, 1, asUser);
  assert.match(text, /permission/);
  assert.ok(text.includes(path), text);
});

test('a node of another cluster is kept out, is told why, and disturbs nobody', async (t) => {
  const nodes = await startCluster(t, 3, { args: ['--cluster-id', '5'] });
  const [first, , third] = nodes as [Node, Node, Node];
  await third.kill();
  const list = nodes.map(({ peerPort }) => `127.0.0.1:${peerPort}`).join(',');
  const stranger = new Run([
    'server',
    ...['--listen', `127.0.0.1:${third.peerPort}`, '--node', '3', '--cluster', list],
    ...['--cluster-id', '6'],
  ]);
  t.after(async () => void (await stranger.stop('SIGKILL')));
  await stranger.waitFor(/\[PEER\] .*(?:wrongCluster|refusedByPeer|cluster)/);
  assert.deepEqual(await exchange(first.clientPort, array('SET', 'a', '1'), 1), ['+OK\r\n']);
  assert.match(first.run.output, /\[PEER\] .*wrongCluster/);
});
