/**
 * Members as operators write them, on real processes: a restart with another list or none, lists
 * that spell addresses differently, an advertised address, and one node id used twice.
 */

import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import {
  freePorts,
  leaderOf,
  Node,
  type Owner,
  Run,
  startCluster,
  temporaryDirectory,
} from './processes.js';
import { array, bulk, exchange } from './raw-client.js';

const CALM = ['--timing', 'wide-area'];

/** The same node under other arguments; it ends with its owner. */
function changed(owner: Owner, node: Node, ...args: readonly string[]): Node {
  const { id, peerPort, clientPort, dataDir } = node;
  const fresh = new Node({ id, peerPort, clientPort, dataDir, args: [...CALM, ...args] });
  owner.after(() => fresh.discard());
  return fresh;
}

/** A write and a read through this node, asked again while nobody leads. */
async function serves(node: Node, value: string): Promise<void> {
  for (;;) {
    const [reply] = await exchange(node.clientPort, array('SET', 'served', value), 1);
    if (reply === '+OK\r\n') break;
    assert.match(reply ?? '', /^-ERR (?:no leader|not leader|outcome unknown)/);
  }
  assert.deepEqual(await exchange(node.clientPort, array('GET', 'served'), 1), [bulk(value)]);
}

const warningsOf = (node: Node): string[] =>
  node.run.output.split('\n').filter((line) => line.includes('[NODE] WARNING: '));

test('a node restarts without a list, or with one too few or too many, and one warning says so', async (t) => {
  const nodes = await startCluster(t, 3);
  const address = (id: number): string => `127.0.0.1:${nodes[id - 1]?.peerPort}`;
  const full = [1, 2, 3].map((id) => `${id}=${address(id)}`).join(' ');
  const lists: readonly (readonly [number, string | null])[] = [
    [1, null],
    [2, `2=${address(2)},3=${address(3)}`],
    [3, `${address(1)},${address(2)},${address(3)},127.0.0.1:9`],
  ];
  let running = nodes;
  for (const [id, list] of lists) {
    const node = running[id - 1] as Node;
    await node.stop();
    const again = changed(t, node, ...(list === null ? [] : ['--cluster', list]));
    await again.start();
    running = running.map((each) => (each.id === id ? again : each));
    await leaderOf(running);
    await serves(again, `by ${id}`);
    const [warning = '', ...more] = warningsOf(again);
    assert.deepEqual(more, []);
    const named = list === null ? `${id}=${address(id)}: ` : '';
    assert.ok(warning.includes(`names the members ${full}, this start names ${named}`), warning);
    assert.match(again.run.output, new RegExp(`Members: +${full}\n`));
  }
  assert.match(warningsOf(running[2] as Node)[0] ?? '', /4=127\.0\.0\.1:9: .*and 4 is not dialled/);
});

const listensOnBoth = Object.values(networkInterfaces()).some((each) =>
  each?.some(({ address }) => address === '::1'),
);

interface Place {
  readonly host?: string;
  /** Arguments beyond the port, the id and the data. */
  readonly args: (ports: readonly number[]) => readonly string[];
}

/** Three nodes that differ in more than their ids, not started yet. */
async function differing(owner: Owner, places: readonly Place[]): Promise<Node[]> {
  const directory = temporaryDirectory(owner);
  const ports = await freePorts(2 * places.length);
  const nodes = places.map(({ host, args }, at) => {
    const [peerPort, clientPort] = [ports[at] as number, ports[places.length + at] as number];
    const dataDir = join(directory, String(at + 1));
    const where = host === undefined ? {} : { host };
    return new Node({ id: at + 1, peerPort, clientPort, dataDir, ...where, args: args(ports) });
  });
  owner.after(async () => void (await Promise.all(nodes.map((node) => node.discard()))));
  return nodes;
}

/** A list that spells each member's host as told. */
const spelled =
  (...hosts: readonly string[]) =>
  (ports: readonly number[]): string[] => [
    '--cluster',
    hosts.map((host, at) => `${host}:${ports[at]}`).join(','),
  ];

test('each node may spell the others differently', async (t) => {
  const [everywhere, loopback] = listensOnBoth ? ['[::]', '[::1]'] : ['0.0.0.0', '127.0.0.1'];
  const lists = [
    spelled('localhost', '127.0.0.1', 'localhost'),
    spelled('localhost', '127.0.0.1', '127.0.0.1'),
    spelled(loopback as string, 'localhost', '127.0.0.1'),
  ];
  const nodes = await differing(
    t,
    lists.map((list, at) => ({
      ...(at === 0 ? { host: everywhere as string } : {}),
      args: (ports) => [...CALM, ...list(ports)],
    })),
  );
  await Promise.all(nodes.map((node) => node.start()));
  await leaderOf(nodes);
  for (const node of nodes) await serves(node, `by ${node.id}`);
  for (const node of nodes) assert.deepEqual(warningsOf(node), []);
});

test('a node that leads first puts its advertised address on record, for who has no list', async (t) => {
  const list = spelled('127.0.0.1', '127.0.0.1', '127.0.0.1');
  const places = [0, 1, 2].map((at) => ({
    args: (ports: readonly number[]) => [
      ...[...CALM, ...list(ports)],
      ...['--advertise', `localhost:${ports[at]}`],
    ],
  }));
  const nodes = await differing(t, places);
  await Promise.all(nodes.map((node) => node.start()));
  const [first, second, third] = nodes as [Node, Node, Node];
  await leaderOf(nodes);
  await serves(third, 'before');
  const shown = (own: Node): string =>
    nodes
      .map((node) => `${node.id}=${node === own ? 'localhost' : '127.0.0.1'}:${node.peerPort}`)
      .join(' ');
  for (const node of nodes) {
    assert.ok(node.run.output.includes(`Members:   ${shown(node)}\n`), 'its own list, at first');
  }
  await third.stop();
  const again = changed(t, third, '--advertise', `localhost:${third.peerPort}`);
  await again.start();
  // Of its own address it knows better than the record.
  const recorded = nodes.map((leader) =>
    shown(leader).replace(/3=\S+/, `3=localhost:${third.peerPort}`),
  );
  const [, members = ''] = /Members: +(.*)/.exec(again.run.output) ?? [];
  assert.ok(recorded.includes(members), members);
  await leaderOf([first, second, again]);
  await serves(again, 'after');
});

test('a second process under a node id in use is refused by name, and the cluster goes on', async (t) => {
  const nodes = await startCluster(t, 3);
  const leader = await leaderOf(nodes);
  const term = (await leader.status()).get('term');
  const [port] = (await freePorts(1)) as [number];
  const list = nodes.map(({ peerPort }) => `127.0.0.1:${peerPort}`).join(',');
  const twin = new Run([
    'server',
    ...['--listen', `127.0.0.1:${port}`, '--node', '3', '--cluster', list],
    ...['--data', join(temporaryDirectory(t), 'twin'), ...CALM],
  ]);
  t.after(async () => void (await twin.stop('SIGKILL')));
  const address = '(127\\.0\\.0\\.1:\\d+)';
  const refusal =
    `node id 3 is in use by ${address}, heard \\d+ ms ago, and ${address} claims it too: ` +
    'two processes have this id';
  for (const node of nodes.slice(0, 2)) {
    const at = `127\\.0\\.0\\.1:${node.peerPort}`;
    const told = new RegExp(
      `\\[PEER\\] node ${node.id} at ${at}: refusedByPeer: duplicateNode: ${refusal}`,
    );
    await twin.waitFor(told);
    const said = new RegExp(`\\[PEER\\] node 3 at (\\S+): duplicateNode: ${refusal}`);
    await node.run.waitFor(said);
    const [, remote, holder, claimant] = said.exec(node.run.output) ?? [];
    assert.equal(remote, claimant);
    assert.notEqual(holder, claimant);
  }
  for (const node of nodes) await serves(node, `by ${node.id}`);
  assert.equal((await leader.status()).get('term'), term);
  await twin.stop();
  for (const node of nodes) assert.ok(node.run.isRunning);
});
