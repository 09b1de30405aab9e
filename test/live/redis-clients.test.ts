/**
 * The clients that people have, against three nodes as processes: redis-cli, redis-benchmark,
 * ioredis, node-redis. Each connects to a follower as well, where writes are forwarded.
 *
 * redis-cli and redis-benchmark come with Redis; where they are missing their tests are skipped.
 */

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { followersOf, leaderOf, type Node, startCluster } from './processes.js';

const run = promisify(execFile);
const nodes = await startCluster({ after }, 3);
const leader = await leaderOf(nodes);
const [follower] = (await followersOf(nodes)) as [Node];

const missing =
  spawnSync('redis-cli', ['--version']).status === 0 ? false : 'redis-cli is not installed';

async function cli(node: Node, ...args: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', String(node.clientPort), ...args]);
  return stdout.trimEnd();
}

test('redis-cli sets on every node and gets on every node', { skip: missing }, async () => {
  for (const writer of nodes) {
    assert.equal(await cli(writer, 'SET', 'cli', `by node ${writer.id}`), 'OK');
    for (const node of nodes) assert.equal(await cli(node, 'GET', 'cli'), `by node ${writer.id}`);
  }
  assert.equal(await cli(follower, 'INCR', 'cli.n'), '1');
  assert.equal(await cli(leader, 'DEL', 'cli.n', 'nothing'), '1');
  assert.match(await cli(follower, 'INFO'), /role:follower/);
});

test('redis-cli opens a session, repeats a write in it, and closes it', {
  skip: missing,
}, async () => {
  const session = await cli(follower, 'SESSION', 'OPEN', 'TTL', '60000');
  assert.match(session, /^\d+$/);
  for (const node of nodes) {
    assert.equal(await cli(node, 'SESSION', session, '1', 'INCR', 'cli.session'), '1');
    assert.equal(await cli(node, '-3', 'SESSION', session, '2', 'INCRBY', 'cli.session', '5'), '6');
  }
  assert.equal(await cli(leader, 'SESSION', 'CLOSE', session), '1');
});

test('ioredis pipelines writes in a session, and repeats them', async () => {
  const redis = new Redis({ host: '127.0.0.1', port: follower.clientPort });
  const session = Number(await redis.call('SESSION', 'OPEN'));
  for (let round = 0; round < 2; round += 1) {
    const writes = Array.from({ length: 50 }, (_, at) =>
      redis.call('SESSION', session, at + 1, 'INCR', 'ioredis.session'),
    );
    assert.deepEqual(
      await Promise.all(writes),
      Array.from({ length: 50 }, (_, at) => at + 1),
    );
  }
  assert.equal(await redis.get('ioredis.session'), '50');
  redis.disconnect();
});

test('redis-cli -3 speaks RESP3', { skip: missing }, async () => {
  assert.equal(await cli(follower, '-3', 'SET', 'three', '3'), 'OK');
  assert.equal(await cli(follower, '-3', 'GET', 'three'), '3');
  assert.match(await cli(follower, '-3', 'HELLO', '3'), /proto\s+3/);
  assert.match(await cli(follower, '-3', 'CONFIG', 'GET', 'reads'), /linearizable/);
});

test('redis-cli --scan finds every key once, and --bigkeys walks them', {
  skip: missing,
}, async () => {
  await cli(leader, 'FLUSHALL');
  const pairs = Array.from({ length: 500 }, (_, i) => [`scan:${i}`, 'v']).flat();
  assert.equal(await cli(leader, 'MSET', ...pairs), 'OK');
  const keys = (await cli(follower, '--scan', '--pattern', 'scan:*')).split('\n');
  assert.equal(keys.length, 500);
  assert.equal(new Set(keys).size, 500);
  assert.equal(await cli(follower, 'DBSIZE'), '500');
  assert.match(await cli(leader, '--bigkeys'), /Sampled 500 keys/);
});

test('redis-cli --stat shows keys and requests', { skip: missing }, async () => {
  // It writes through a buffer unless it sees a terminal, so it gets one.
  const stat = `timeout 1 redis-cli -p ${leader.clientPort} --stat -i 0.1`;
  const { stdout } = await run('script', ['-qec', `${stat} || true`, '/dev/null']);
  assert.match(stdout, /keys +mem +clients/);
  assert.match(stdout, /^\d+ +\S+ +\d+/m);
});

test('redis-cli reads commands from a pipe, and its prompt asks COMMAND DOCS', {
  skip: missing,
}, () => {
  const input = 'SET piped "a b"\nGET piped\nCOMMAND COUNT\n';
  const { stdout } = spawnSync('redis-cli', ['-p', String(leader.clientPort)], {
    input,
    encoding: 'utf8',
  });
  const [set, get, count] = stdout.trim().split('\n');
  assert.equal(set, 'OK');
  assert.equal(get, 'a b');
  assert.ok(Number(count) > 30, stdout);
});

test('redis-benchmark runs its set, get and incr', { skip: missing }, async () => {
  const args = ['-p', String(leader.clientPort), '-t', 'set,get,incr', '-n', '20000', '-P', '64'];
  const { stdout } = await run('redis-benchmark', [...args, '-c', '16', '-d', '16', '--csv']);
  for (const name of ['SET', 'GET', 'INCR']) {
    const row = stdout.split('\n').find((line) => line.startsWith(`"${name}"`));
    assert.ok(Number(row?.split(',')[1]?.replaceAll('"', '')) > 0, stdout);
  }
});

test('ioredis connects, pipelines and reconnects', async () => {
  const redis = new Redis({ host: '127.0.0.1', port: follower.clientPort });
  try {
    assert.equal(await redis.set('io', 'redis'), 'OK');
    assert.equal(await redis.get('io'), 'redis');
    assert.equal(await redis.get('nothing'), null);
    assert.deepEqual(await redis.mget('io', 'nothing'), ['redis', null]);
    assert.equal(await redis.incrby('io.n', 5), 5);
    assert.equal(await redis.set('io', 'again', 'NX'), null);
    const results = await redis.pipeline().set('p', '1').incr('p').get('p').del('p').exec();
    assert.deepEqual(results, [
      [null, 'OK'],
      [null, 2],
      [null, '2'],
      [null, 1],
    ]);
    const many = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => redis.set(`many:${i}`, String(i))),
    );
    assert.equal(many.filter((reply) => reply === 'OK').length, 1000);
    await assert.rejects(redis.call('SUBSTR', 'io', '0'), /unknown command/);
    assert.match(await redis.info(), /loading:0/);
  } finally {
    redis.disconnect();
  }
});

test('node-redis connects over RESP3, pipelines and scans', async () => {
  const client = createClient({ url: `redis://127.0.0.1:${follower.clientPort}` });
  client.on('error', () => undefined);
  await client.connect();
  try {
    assert.equal(await client.set('node', 'redis'), 'OK');
    assert.equal(await client.get('node'), 'redis');
    assert.equal(await client.get('nothing'), null);
    assert.equal(await client.del(['node', 'nothing']), 1);
    const [set, count, value] = await Promise.all([
      client.set('n', '41'),
      client.incr('n'),
      client.get('n'),
    ]);
    assert.deepEqual([set, count, value], ['OK', 42, '42']);
    const found = new Set<string>();
    for await (const keys of client.scanIterator({ MATCH: 'many:*', COUNT: 100 })) {
      for (const key of keys) found.add(key);
    }
    assert.equal(found.size, 1000);
    assert.equal(await client.ping(), 'PONG');
  } finally {
    client.destroy();
  }
});

test('CLIENT LIST shows who is connected', async () => {
  const redis = new Redis({ host: '127.0.0.1', port: leader.clientPort, connectionName: 'me' });
  try {
    await redis.ping();
    await sleep(50);
    assert.match(String(await redis.client('LIST')), /name=me .*lib-name=ioredis/);
  } finally {
    redis.disconnect();
  }
});
