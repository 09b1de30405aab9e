/**
 * What the internet sends to an open port: every malformed, endless, foreign or oversized input
 * gets one clear error, or a limit, and everybody else is served on. Memory stays bounded.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Node, startCluster } from './processes.js';
import { array, bulk, exchange, RawClient } from './raw-client.js';

const LIMITS = [
  ...['--max-clients', '20', '--max-inline', '4k', '--max-bulk', '1m', '--max-request', '2m'],
  ...['--max-arguments', '64', '--max-pipeline', '256', '--max-output', '256k'],
  ...['--unread-timeout', '1s', '--request-timeout', '1s', '--idle-timeout', '3s'],
];
const [node] = (await startCluster({ after }, 1, { args: LIMITS })) as [Node];
const port = node.clientPort;

/** Sends bytes nobody should send; returns the replies until the server closes. */
async function abuse(bytes: string | Buffer): Promise<string[]> {
  const client = new RawClient(port);
  client.send(bytes);
  const replies = await client.untilClosed();
  client.close();
  assert.equal((await exchange(port, 'PING\r\n', 1))[0], '+PONG\r\n', 'others are served');
  return replies;
}

async function oneError(bytes: string | Buffer, pattern: RegExp): Promise<void> {
  const replies = await abuse(bytes);
  assert.equal(replies.length, 1, replies.join(''));
  assert.match(replies[0] as string, pattern);
}

test('malformed arrays get one protocol error and the end', async () => {
  await oneError('*-5\r\n', /^-ERR Protocol error: invalid multibulk length\r\n$/);
  await oneError('*-5x\r\n', /^-ERR Protocol error: invalid multibulk length\r\n$/);
  await oneError('*99999999999\r\n', /^-ERR Protocol error: invalid multibulk length/);
  await oneError('*1000\r\n', /^-ERR Protocol error: invalid multibulk length/);
  await oneError('*2\r\n$3\r\nGET\r\n$-7\r\n', /^-ERR Protocol error: invalid bulk length/);
  await oneError('*2\r\n$3\r\nGET\r\n$2000000\r\n', /^-ERR Protocol error: invalid bulk length/);
  await oneError('*2\r\n$3\r\nGET\r\n:5\r\n', /^-ERR Protocol error: expected '\$', got ':'/);
  await oneError('*1\r\n$4\r\nPINGxx', /^-ERR Protocol error: a bulk string is longer/);
  await oneError('*1\r\n$99999999999999999999\r\n', /^-ERR Protocol error: invalid bulk length/);
});

test('what was right before the mistake is answered before it', async () => {
  const bytes = Buffer.concat([
    array('SET', 'good', '1'),
    array('GET', 'good'),
    Buffer.from('*x\r\n'),
  ]);
  const replies = await abuse(bytes);
  assert.deepEqual(replies.slice(0, 2), ['+OK\r\n', bulk('1')]);
  assert.match(replies[2] as string, /^-ERR Protocol error/);
  assert.equal(replies.length, 3);
});

test('lines without end, HTTP, TLS and garbage get one clear error', async () => {
  await oneError('x'.repeat(10_000), /^-ERR Protocol error: too big inline request/);
  await oneError('GET / HTTP/1.1\r\nHost: x\r\n\r\n', /^-ERR Protocol error: this is not an HTTP/);
  await oneError('POST /a HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n', /not an HTTP port/);
  const hello = Buffer.concat([
    Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
    randomBytes(500),
  ]);
  await oneError(hello, /^-ERR Protocol error: this port does not speak TLS/);
  const binary = Buffer.concat([
    Buffer.from([0x80, 0, 1, 2, 3]),
    Buffer.from('\nmore\nand more\n'),
  ]);
  await oneError(binary, /^-ERR Protocol error: this is not a command/);
  await oneError('SET a "unbalanced\r\n', /^-ERR Protocol error: unbalanced quotes/);
});

test('random bytes never end the node', async () => {
  for (let i = 0; i < 30; i += 1) {
    const client = new RawClient(port);
    client.socket.end(randomBytes(2000));
    await client.untilClosed().catch(() => undefined);
    client.close();
  }
  assert.equal((await exchange(port, 'PING\r\n', 1))[0], '+PONG\r\n');
});

test('a command larger than the log takes is refused and the connection lives', async () => {
  const client = new RawClient(port);
  const value = Buffer.alloc(1024 * 1024, 'x');
  assert.match(await client.ask(array('SET', 'big', value)), /^-ERR command of \d+ bytes, at most/);
  assert.equal(
    await client.ask(array('SET', 'k'.repeat(10), value.subarray(0, 900_000))),
    '+OK\r\n',
  );
  const longKey = Buffer.alloc(70_000, 'k');
  assert.match(await client.ask(array('SET', longKey, 'v')), /^-ERR key of 70000 bytes/);
  assert.equal(await client.ask('PING\r\n'), '+PONG\r\n');
  client.close();
});

test('one connection too many is told so; the others stay', async () => {
  const clients = Array.from({ length: 20 }, () => new RawClient(port));
  for (const client of clients) assert.equal(await client.ask('PING\r\n'), '+PONG\r\n');
  const extra = new RawClient(port);
  assert.deepEqual(await extra.untilClosed(), ['-ERR max number of clients reached\r\n']);
  for (const client of clients) assert.equal(await client.ask('PING\r\n'), '+PONG\r\n');
  for (const client of clients) client.close();
  await sleep(100);
});

test('a pipeline longer than the backlog is held back by TCP and answered whole', async () => {
  const client = new RawClient(port);
  const count = 20_000;
  const parts = Array.from({ length: count }, (_, i) => array('SET', `b${i % 50}`, String(i)));
  client.send(Buffer.concat(parts));
  const replies = await client.replies(count);
  assert.ok(replies.every((reply) => reply === '+OK\r\n'));
  assert.equal(await client.ask('GET b49\r\n'), bulk(String(count - 1)));
  client.close();
});

function residentBytes(): number {
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
}

const noProc = process.platform === 'linux' ? false : 'memory is read from /proc';

test('a client that never reads is stopped, then closed; memory stays', {
  skip: noProc,
}, async () => {
  await exchange(port, array('SET', 'large', Buffer.alloc(200_000, 'x')), 1);
  const before = residentBytes();
  const deaf = new RawClient(port);
  deaf.socket.pause();
  const request = array('GET', 'large');
  deaf.send(Buffer.concat(Array.from({ length: 5000 }, () => request)));
  await sleep(700);
  assert.equal((await exchange(port, 'PING\r\n', 1))[0], '+PONG\r\n');
  const grown = residentBytes() - before;
  assert.ok(grown < 200 * 1024 * 1024, `grew by ${grown} bytes`);
  await sleep(1500);
  deaf.socket.resume();
  await deaf.untilClosed();
  deaf.close();
});

test('small requests for large answers fill no memory', { skip: noProc }, async () => {
  const client = new RawClient(port);
  await client.ask(array('SET', 'huge', Buffer.alloc(900_000, 'x')));
  const small = array('EXISTS', 'huge');
  client.send(Buffer.concat(Array.from({ length: 200 }, () => small)));
  await client.replies(200);
  client.socket.pause();
  const before = residentBytes();
  const large = array('GET', 'huge');
  client.send(Buffer.concat(Array.from({ length: 1500 }, () => large)));
  let most = 0;
  for (let i = 0; i < 30; i += 1) {
    await sleep(50);
    most = Math.max(most, residentBytes() - before);
  }
  client.close();
  assert.ok(most < 300 * 1024 * 1024, `grew by ${most} bytes`);
  assert.equal((await exchange(port, 'PING\r\n', 1))[0], '+PONG\r\n');
});

test('a request that is never ended, and a silent client, are closed in time', async () => {
  const partial = new RawClient(port);
  partial.send('*2\r\n$3\r\nGET\r\n$5\r\nab');
  const silent = new RawClient(port);
  const [error] = await partial.untilClosed();
  assert.match(error as string, /^-ERR a request was begun and not ended within 1 s/);
  assert.deepEqual(await silent.untilClosed(), []);
});

test('many bad connections at once leave memory where it was', { skip: noProc }, async () => {
  const before = residentBytes();
  for (let round = 0; round < 20; round += 1) {
    const clients = Array.from({ length: 15 }, () => new RawClient(port));
    for (const client of clients) {
      client.send('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n');
      client.send(Buffer.alloc(500_000));
    }
    await sleep(20);
    for (const client of clients) client.close();
  }
  await sleep(300);
  assert.equal((await exchange(port, 'PING\r\n', 1))[0], '+PONG\r\n');
  const grown = residentBytes() - before;
  assert.ok(grown < 200 * 1024 * 1024, `grew by ${grown} bytes`);
});
