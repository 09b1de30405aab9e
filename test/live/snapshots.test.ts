/**
 * Snapshots of real nodes, as an operator meets them: the command SNAPSHOT inline and as an array,
 * `ringraft snapshot` against a cluster, flags, and restarts that begin from one.
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, type Node, Run, startCluster } from './processes.js';
import { array, bulk, exchange } from './raw-client.js';

const TAKEN = /^\$\d+\r\nsize:(\d+)\nlast_index:(\d+)\nlast_term:(\d+)\r\n$/;
/** As little log as possible is kept. */
const SHORT = ['--snapshot-retain', '1', '--snapshot-trailing', '0'];

async function fill(node: Node, count: number): Promise<void> {
  const writes = Array.from({ length: count }, (_, i) => array('SET', `k${i}`, `v${i}`));
  const replies = await exchange(node.clientPort, Buffer.concat(writes), count);
  assert.ok(replies.every((reply) => reply === '+OK\r\n'));
}

async function fieldOf(node: Node, name: string): Promise<number> {
  return Number((await node.status()).get(name));
}

test('SNAPSHOT waits in order, shortens the log, and a restart has everything', async (t) => {
  const [node] = (await startCluster(t, 1, { args: SHORT })) as [Node];
  await fill(node, 500);
  const pipeline = Buffer.concat([
    array('SET', 'before', '1'),
    array('SNAPSHOT'),
    array('GET', 'before'),
    array('SET', 'behind', '2'),
    array('GET', 'behind'),
  ]);
  const [set, taken, before, behind, after] = await exchange(node.clientPort, pipeline, 5);
  assert.deepEqual([set, before], ['+OK\r\n', bulk('1')]);
  assert.deepEqual([behind, after], ['+OK\r\n', bulk('2')]);
  const [, size, index, term] = (TAKEN.exec(taken as string) ?? []).map(Number);
  assert.ok((size ?? 0) > 0 && (index ?? 0) > 500 && (term ?? 0) > 0, taken);
  const [inline, ping] = await exchange(node.clientPort, 'SNAPSHOT\r\nPING\r\n', 2);
  assert.match(inline as string, TAKEN);
  assert.equal(ping, '+PONG\r\n');
  assert.equal(await fieldOf(node, 'snapshots_taken'), 2);
  assert.equal(await fieldOf(node, 'snapshots_failed'), 0);
  const compacted = await fieldOf(node, 'compacted_index');
  assert.ok(compacted > 500, String(compacted));
  await node.kill();
  await node.start();
  const reads = Buffer.concat([array('DBSIZE'), array('GET', 'k499'), array('GET', 'behind')]);
  assert.deepEqual(await afterElection(node, reads, 3), [':502\r\n', bulk('v499'), bulk('2')]);
  assert.equal(await fieldOf(node, 'snapshots_restored'), 1);
  assert.equal(await fieldOf(node, 'compacted_index'), compacted);
});

async function afterElection(node: Node, requests: Buffer, count: number): Promise<string[]> {
  for (;;) {
    const replies = await exchange(node.clientPort, requests, count);
    if (!replies.some((reply) => reply.startsWith('-ERR no leader'))) return replies;
    await sleep(20);
  }
}

test('a node whose only snapshot is damaged says in its output what to do, and its clients where', async (t) => {
  const [node] = (await startCluster(t, 1, { args: SHORT })) as [Node];
  await fill(node, 100);
  assert.match((await exchange(node.clientPort, array('SNAPSHOT'), 1))[0] as string, TAKEN);
  assert.ok((await fieldOf(node, 'compacted_index')) > 100);
  await node.stop();
  const directory = join(node.dataDir as string, 'snapshots');
  const names = readdirSync(directory).filter((name) => name.endsWith('.snapshot'));
  assert.equal(names.length, 1);
  const path = join(directory, names[0] as string);
  const file = readFileSync(path);
  file[file.length - 60]! ^= 1;
  writeFileSync(path, file);
  await node.start();
  await node.run.waitFor(/ERROR: group kv stopped .* Put the snapshot back from a copy/);
  assert.ok(node.run.output.includes(`the snapshot is damaged: ${path}`), node.run.output);
  const [refusal] = await exchange(node.clientPort, array('GET', 'k1'), 1);
  assert.match(refusal as string, /^-ERR this node stopped: .* Its own output says why/);
});

test('flags say when a node takes one by itself, and CONFIG GET shows them', async (t) => {
  const when = ['--snapshot-threshold', '100', '--snapshot-min-interval', '0'];
  const what = ['--snapshot-compression', 'off', '--snapshot-chunk', '64k', '--max-log', '512m'];
  const size = ['--snapshot-max-size', '1k'];
  const args = [...SHORT, ...when, ...what, ...size];
  const [node] = (await startCluster(t, 1, { args })) as [Node];
  await fill(node, 300);
  while ((await fieldOf(node, 'snapshots_taken')) === 0) await sleep(20);
  assert.match(
    node.run.output,
    /WARNING: the image has more than snapshot\.maxSize, 1024 bytes: it is/,
  );
  const [config] = await exchange(
    node.clientPort,
    array('CONFIG', 'GET', 'snapshot-*', 'max-log'),
    1,
  );
  for (const [name, value] of [
    ['snapshot-threshold', '100'],
    ['snapshot-min-interval', '0'],
    ['snapshot-max-size', '1024'],
    ['snapshot-retain', '1'],
    ['snapshot-trailing', '0'],
    ['snapshot-compression', 'off'],
    ['snapshot-chunk', '65536'],
    ['snapshot-rate', '0'],
    ['max-log', String(512 * 1024 * 1024)],
  ] as const) {
    assert.ok(config?.includes(`${name}\r\n$${value.length}\r\n${value}\r\n`), name);
  }
  const wrong = new Run(['server', '--listen', '127.0.0.1:1', '--node', '1', ...odd]);
  t.after(async () => void (await wrong.stop('SIGKILL')));
  assert.equal((await wrong.ended).code, 2);
  assert.match(
    wrong.output,
    /--snapshot-chunk is "70000": it must be a size from .*, a multiple of 4096, given/,
  );
});

const odd = ['--snapshot-chunk', '70000'];

test('"ringraft snapshot" asks every node, and fails by name when one does not answer', async (t) => {
  const nodes = await startCluster(t, 3, { args: SHORT });
  await fill(nodes[0] as Node, 50);
  const targets = nodes.map(({ clientPort }) => `127.0.0.1:${clientPort}`);
  const fine = new Run(['snapshot', ...targets]);
  assert.equal((await fine.ended).code, 0, fine.output);
  const lines = fine.output.trimEnd().split('\n');
  assert.match(lines[0] as string, /^ *node {2}last index {2}last term +size +took$/);
  assert.equal(lines.length, 4);
  for (const [at, line] of lines.slice(1).entries()) {
    assert.match(line, new RegExp(`^ +${at + 1} +\\d+ +\\d+ +[\\d.]+ K?i?B +[\\d.]+ m?s$`));
  }
  const [free] = (await freePorts(1)) as [number];
  const failing = new Run(['snapshot', String(nodes[0]?.clientPort), String(free)]);
  assert.equal((await failing.ended).code, 1);
  assert.match(failing.output, /\n +1 +\d+ +\d+ /);
  assert.match(failing.output, new RegExp(`127\\.0\\.0\\.1:${free} .*ECONNREFUSED`));
  const mistaken = new Run(['snapshot', 'node-1']);
  assert.equal((await mistaken.ended).code, 2);
  assert.match(mistaken.output, /"node-1" is no client port: it must be HOST:PORT or a port/);
});
