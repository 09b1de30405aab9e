/**
 * The memory that all clients share: many bad ones at once are ended one by one, a good one is
 * served meanwhile, and the process stays small.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const MIB = 1024 * 1024;
const ARGS = ['--max-buffers', '16m', '--max-entry', '2m'];
const [node] = (await startCluster({ after }, 1, { args: ARGS })) as [Node];
const port = node.clientPort;
const noProc = process.platform === 'linux' ? false : 'memory is read from /proc';

function residentBytes(): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

/** Writes and reads 100 KiB over and over until told to stop; returns how often. */
async function goodClient(isOver: () => boolean): Promise<number> {
  const client = new RawClient(port);
  let rounds = 0;
  while (!isOver()) {
    const value = String.fromCharCode(97 + (rounds % 26)).repeat(100 * 1024);
    assert.equal(await client.ask(array('SET', 'good', value)), '+OK\r\n');
    assert.equal(await client.ask(array('GET', 'good')), bulk(value));
    rounds += 1;
  }
  client.close();
  return rounds;
}

/** Rings and arenas are touched by large commands for the first time: that is not the clients'. */
async function warmMemory(): Promise<number> {
  let rounds = 0;
  await goodClient(() => {
    rounds += 1;
    return rounds > 300;
  });
  return residentBytes();
}

test('two hundred requests that never end are given up, the largest first', {
  skip: noProc,
}, async () => {
  const before = await warmMemory();
  let isOver = false;
  const good = goodClient(() => isOver);
  const bad = Array.from({ length: 200 }, () => new RawClient(port));
  for (const client of bad) {
    client.send('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\n');
    client.send(Buffer.alloc(1_900_000));
  }
  let most = 0;
  for (let i = 0; i < 20; i += 1) {
    await sleep(50);
    most = Math.max(most, residentBytes() - before);
  }
  const ended = bad.filter((client) => client.closed);
  assert.ok(ended.length >= 190, `${ended.length} were ended`);
  const [error] = await (ended[0] as RawClient).untilClosed();
  assert.match(error as string, /^-ERR busy: clients hold \d+ bytes .* at most 16777216 .*largest/);
  for (const client of bad) client.close();
  isOver = true;
  assert.ok((await good) > 0, 'the good client was served');
  assert.ok(most < 300 * MIB, `grew by ${most} bytes`);
});

test('fifty clients that take no replies are ended, the others are served', {
  skip: noProc,
}, async () => {
  await exchange(port, array('SET', 'large', Buffer.alloc(900_000, 'x')), 1);
  const before = residentBytes();
  let isOver = false;
  const good = goodClient(() => isOver);
  const get = Buffer.concat(Array.from({ length: 50 }, () => array('GET', 'large')));
  const deaf = Array.from({ length: 50 }, () => new RawClient(port));
  for (const client of deaf) {
    client.socket.pause();
    client.send(get);
  }
  let most = 0;
  for (let i = 0; i < 30; i += 1) {
    await sleep(50);
    most = Math.max(most, residentBytes() - before);
  }
  for (const client of deaf) client.close();
  isOver = true;
  assert.ok((await good) > 0, 'the good client was served');
  assert.ok(most < 300 * MIB, `grew by ${most} bytes`);
});

test('--max-entry raises what one command may hold', async () => {
  const value = 'v'.repeat(1_900_000);
  const client = new RawClient(port);
  assert.equal(await client.ask(array('SET', 'entry', value)), '+OK\r\n');
  assert.equal(await client.ask(array('GET', 'entry')), bulk(value));
  const tooLarge = await client.ask(array('SET', 'entry', Buffer.alloc(2 * MIB)));
  assert.match(tooLarge, /^-ERR command of 2097\d+ bytes, at most 2097152 are allowed/);
  client.close();
});

test('idle connections that sent requests in pieces leave the budget to others', async (t) => {
  const args = ['--max-buffers', '4m', '--sync', 'none'];
  const [small] = (await startCluster(t, 1, { args })) as [Node];
  const request = array('SET', 'piece', 'v'.repeat(20_000));
  const idle: RawClient[] = [];
  for (let i = 0; i < 300; i += 1) {
    const client = new RawClient(small.clientPort);
    idle.push(client);
    client.send(request.subarray(0, 15_000));
    assert.equal(await client.ask(request.subarray(15_000)), '+OK\r\n');
  }
  const client = new RawClient(small.clientPort);
  for (let i = 0; i < 5; i += 1) {
    const value = String(i).repeat(900_000);
    assert.equal(await client.ask(array('SET', 'good', value)), '+OK\r\n');
    assert.equal(await client.ask(array('GET', 'good')), bulk(value));
  }
  assert.ok(idle.every((one) => !one.closed));
  for (const one of [...idle, client]) one.close();
});
