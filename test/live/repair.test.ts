/**
 * A node whose data are damaged or gone, as an operator meets it: the start refuses and names the
 * command, the command sets aside, the usual start brings the node back, and it counts.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { shownBelow, wordsOf } from '../docs/transcripts.js';
import { followersOf, leaderOf, type Node, Run, startCluster } from './processes.js';
import { array, exchange } from './raw-client.js';

const PAGE = 'docs/repair.md';
/** The node's data directory in the transcripts of the page. */
const DATA_SHOWN = '/srv/kv/2';
const PATIENT_MS = 30_000;
const nodes = await startCluster({ after }, 3);

async function set(node: Node, key: string): Promise<void> {
  assert.equal((await exchange(node.clientPort, array('SET', key, 'v'), 1))[0], '+OK\r\n');
}

async function becomesFull(node: Node): Promise<void> {
  const deadline = Date.now() + PATIENT_MS;
  for (;;) {
    const standing = (await node.status()).get('standing');
    if (standing === 'full') return;
    assert.ok(Date.now() < deadline, `node ${node.id} is still ${standing}`);
    await sleep(50);
  }
}

/** Writes go on with `node` and one other, so that it has to count. */
async function counts(node: Node): Promise<void> {
  const other = nodes.find((each) => each !== node) as Node;
  await other.stop();
  const leader = await leaderOf(nodes);
  await set(leader, `with ${node.id}`);
  await other.start();
  await leaderOf(nodes);
}

test('a node whose directory was deleted comes back by the same command', async () => {
  const [node] = (await followersOf(nodes)) as [Node];
  await set(await leaderOf(nodes), 'before');
  await node.stop();
  rmSync(node.dataDir as string, { recursive: true });
  await node.start();
  await becomesFull(node);
  await counts(node);
});

test('a node with a damaged log is refused, repaired, and comes back by the same command', async () => {
  const [node] = (await followersOf(nodes)) as [Node];
  const data = node.dataDir as string;
  const running = new Run(['repair', data]);
  assert.equal((await running.ended).code, 1);
  assert.match(running.output, new RegExp(`is in use by process ${node.pid}`));
  await node.stop();
  const wal = join(data, 'wal');
  const first = readdirSync(wal).find((name) => name.endsWith('.wal')) as string;
  const bytes = readFileSync(join(wal, first));
  bytes[700] = (bytes[700] as number) ^ 1;
  writeFileSync(join(wal, first), bytes);
  await assert.rejects(node.start(), /the log is damaged: .*run "ringraft repair" on the data/s);
  await node.run.ended;
  const refused = node.run.output.slice(node.run.output.indexOf('ringraft: the node cannot'));
  const look = new Run(['repair', data, '--dry-run']);
  assert.equal((await look.ended).code, 0, look.output);
  const command = new Run(['repair', data]);
  assert.equal((await command.ended).code, 0, command.output);
  assert.match(command.output, /Next: start the node by its usual command/);
  // The page shows what an operator gets to see, word for word.
  const shown = ['ringraft server', 'ringraft repair'].flatMap((each) => shownBelow(PAGE, each));
  assert.deepEqual(
    shown.map((text) => wordsOf(text, DATA_SHOWN)),
    [refused, look.output, command.output].map((text) => wordsOf(text, data)),
  );
  await node.start();
  await becomesFull(node);
  await counts(node);
});
