/**
 * Three real nodes that took snapshots, went on writing and were all killed in the middle of it:
 * started again they hold every write that was acknowledged, and the same state.
 *
 * It reads all of it back, from each node; it must never take a write without an answer for lost
 * or for there.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { leaderOf, type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const OK = '+OK\r\n';
const TAKEN = /^\$\d+\r\nsize:\d+\nlast_index:(\d+)\n/;
/** The log reaches back to the newest snapshot and no further: what it holds must be used. */
const SHORT = ['--snapshot-retain', '1', '--snapshot-trailing', '0'];

const contentOf = (key: string, round: number): string => `${key} of round ${round}`;

/** Sets all keys in one pipeline to values of this round, and awaits every answer. */
async function write(node: Node, keys: readonly string[], round: number): Promise<void> {
  const requests = keys.map((key) => array('SET', key, contentOf(key, round)));
  const replies = await exchange(node.clientPort, Buffer.concat(requests), keys.length);
  assert.ok(replies.every((reply) => reply === OK));
}

/** Writes until the node is killed; the keys whose writes were acknowledged. */
async function writeUntilKilled(node: Node, round: number, kill: () => Promise<unknown>) {
  const client = new RawClient(node.clientPort);
  const acknowledged: string[] = [];
  let sent = 0;
  const send = (): string => {
    const key = `last${sent}`;
    sent += 1;
    client.send(array('SET', key, contentOf(key, round)));
    return key;
  };
  const pending = Array.from({ length: 64 }, send);
  const killed = (async () => {
    while (acknowledged.length < 500) await new Promise((next) => setImmediate(next));
    await kill();
  })();
  for (;;) {
    const [reply] = await client.replies(1);
    if (reply === undefined) break;
    const key = pending.shift() as string;
    if (reply === OK) acknowledged.push(key);
    pending.push(send());
  }
  await killed;
  client.close();
  return { acknowledged, sent };
}

/** Everything that node holds, as it tells it. */
async function read(node: Node, keys: readonly string[]): Promise<string[]> {
  const requests = keys.map((key) => array('GET', key));
  return exchange(node.clientPort, Buffer.concat(requests), keys.length);
}

async function digestOf(node: Node): Promise<string> {
  const [reply] = await exchange(node.clientPort, array('DEBUG', 'DIGEST'), 1);
  return reply as string;
}

test('killed all at once after snapshots, three nodes hold every acknowledged write', async (t) => {
  const nodes = await startCluster(t, 3, { args: SHORT });
  const rounds = new Map<string, number>();
  const set = async (at: number, keys: readonly string[], round: number): Promise<void> => {
    await write(nodes[at] as Node, keys, round);
    for (const key of keys) rounds.set(key, round);
  };
  const names = (from: number, count: number): string[] =>
    Array.from({ length: count }, (_, n) => `k${from + n}`);
  await set(0, names(0, 2000), 1);
  for (const { clientPort } of nodes) {
    const [taken] = await exchange(clientPort, array('SNAPSHOT'), 1);
    assert.ok(Number(TAKEN.exec(taken as string)?.[1]) >= 2000, taken);
  }
  await set(1, names(1000, 2000), 2);
  const leader = await leaderOf(nodes);
  const kill = (): Promise<unknown> => Promise.all(nodes.map((node) => node.kill()));
  const { acknowledged, sent } = await writeUntilKilled(leader, 3, kill);
  for (const key of acknowledged) rounds.set(key, 3);

  await Promise.all(nodes.map((node) => node.start()));
  await leaderOf(nodes);
  const keys = [...rounds.keys()];
  assert.ok(keys.length >= 3500, `${keys.length} keys were acknowledged`);
  const expected = keys.map((key) => bulk(contentOf(key, rounds.get(key) as number)));
  for (const node of nodes) {
    assert.deepEqual(await read(node, keys), expected, `node ${node.id}`);
    assert.equal((await node.status()).get('snapshots_restored'), '1');
  }
  // Of writes without an answer some may be there, on all nodes or on none.
  const [size] = await exchange((nodes[0] as Node).clientPort, array('DBSIZE'), 1);
  assert.ok(Number(size?.slice(1)) <= 3000 + sent, size);
  const digests = await Promise.all(nodes.map(digestOf));
  assert.match(digests[0] as string, /[0-9a-f]{8}/);
  assert.equal(new Set(digests).size, 1, digests.join());
});
