/**
 * One node as a process: every reply form of the text protocol, the demo's session, program order,
 * start and stop, restart.
 */

import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, type Node, Run, startCluster, temporaryDirectory } from './processes.js';
import { array, bulk, exchange, oneShot, RawClient } from './raw-client.js';

const [node] = (await startCluster({ after }, 1)) as [Node];
const port = node.clientPort;

test('every reply form of the text protocol, as the demo shows them', async () => {
  const session = [
    ['SET mykey myvalue', '+OK\r\n'],
    ['GET mykey', bulk('myvalue')],
    ['GET missing', '$-1\r\n'],
    ['INCR counter', ':1\r\n'],
    ['INCR counter', ':2\r\n'],
    ['INCR counter 40', ':42\r\n'],
    ['DECR counter', ':41\r\n'],
    ['DEL mykey', '+OK\r\n'],
    ['DEL mykey', '+OK\r\n'],
    ['GET mykey', '$-1\r\n'],
    ['APPEND log one', ':3\r\n'],
    ['SET greeting "Hello, Raft!"', '+OK\r\n'],
    ['GET greeting', bulk('Hello, Raft!')],
    ['SET service.auth.addr "10.0.1.5:8080"', '+OK\r\n'],
    ['GET service.auth.addr', bulk('10.0.1.5:8080')],
    ['set lower case-insensitive', '+OK\r\n'],
  ] as const;
  const client = new RawClient(port);
  for (const [line, reply] of session) assert.equal(await client.ask(`${line}\r\n`), reply, line);
  client.close();
});

test('errors say what is wrong and leave the connection usable', async () => {
  const lines = 'NOSUCH x\r\nSET only\r\nINCR greeting\r\nSET a b c d\r\nEVAL x 0\r\nPING\r\n';
  const replies = await exchange(port, lines, 6);
  assert.match(replies[0] as string, /^-ERR unknown command 'NOSUCH'/);
  assert.match(replies[1] as string, /^-ERR wrong number of arguments for 'set' command/);
  assert.match(replies[2] as string, /^-ERR value is not an integer or out of range/);
  assert.match(replies[3] as string, /^-ERR syntax error/);
  assert.match(replies[4] as string, /^-ERR EVAL is refused/);
  assert.equal(replies[5], '+PONG\r\n');
});

test('one node has nobody to hand over to, and cannot be removed', async () => {
  const lines = 'TRANSFER 2\r\nTRANSFER\r\nREMOVE 1\r\nREMOVE 4\r\n';
  const replies = await exchange(port, lines, 4);
  assert.match(replies[0] as string, /^-ERR transfer: .*node 2 is no voter of the group/);
  assert.match(replies[1] as string, /^-ERR transfer: .*no other voter answers/);
  assert.match(replies[2] as string, /^-ERR membership: .*no voter would be left/);
  assert.equal(replies[3], '+OK\r\n', 'who is no member is removed already');
});

test('bare line feeds and one-shot pipes work as with netcat', async () => {
  assert.equal(await oneShot(port, 'SET foo bar\n'), '+OK\r\n');
  assert.equal(await oneShot(port, 'GET foo\n'), bulk('bar'));
  assert.equal(await oneShot(port, 'INCR visits\r\nINCR visits\r\n'), ':1\r\n:2\r\n');
  assert.equal(await oneShot(port, '\r\n\r\n'), '');
  assert.equal(await oneShot(port, 'QUIT\r\nGET foo\r\n'), '+OK\r\n');
});

test('STATUS has the ten fields of the demo in order, then ours, and knows the writes before it', async () => {
  const [, , reply] = await exchange(port, 'FLUSHALL\r\nSET a 1\r\nSTATUS\r\n', 3);
  const fields = (reply as string).split('\r\n')[1]?.split('\n') ?? [];
  const names = fields.map((field) => field.split(':')[0]);
  assert.deepEqual(names, [
    'node_id',
    'cluster_id',
    'role',
    'term',
    'leader_id',
    'commit_index',
    'last_applied',
    'is_leader',
    'kv_keys',
    'kv_memory',
    'durability',
    'snapshots_taken',
    'snapshots_failed',
    'snapshots_restored',
    'snapshots_installed',
    'snapshot_index',
    'compacted_index',
    'standing',
  ]);
  const status = await node.status();
  assert.equal(status.get('role'), 'leader');
  assert.equal(status.get('leader_id'), '1');
  assert.equal(status.get('is_leader'), '1');
  assert.equal(status.get('kv_keys'), '1');
  assert.ok(fields.includes('kv_keys:1'), String(fields));
  const meaning = 'an acknowledged entry is synced to the disks of a majority';
  assert.equal(fields[10], `durability:always: ${meaning}`);
});

test('INFO is STATUS inline, and what Redis tools expect as an array', async () => {
  const [inline, resp] = await exchange(port, `INFO\r\n${array('INFO', 'server')}`, 2);
  assert.match(inline as string, /^\$\d+\r\nnode_id:1\n/);
  assert.match(
    resp as string,
    /\r\nredis_version:[\d.]+\r\n[\s\S]*\r\nloading:0\r\n[\s\S]*role:leader/,
  );
});

test('STAT and KEYS work inline', async () => {
  const lines = 'FLUSHALL\r\nSET k1 v\r\nSET "k 2" v\r\nKEYS\r\nKEYS k?\r\nSTAT\r\n';
  const replies = await exchange(port, lines, 6);
  const all = (replies[3] as string).split('\r\n')[1]?.split('\n').sort();
  assert.deepEqual(all, ['"k 2"', 'k1']);
  assert.equal(replies[4], bulk('k1'));
  assert.match(replies[5] as string, /kv_keys:2\nkv_memory:\d+\nkv_ops:\d+/);
});

test('arrays get the replies of Redis', async () => {
  const dialogue: readonly (readonly [readonly string[], string])[] = [
    [['FLUSHALL'], '+OK\r\n'],
    [['DEL', 'nothing'], ':0\r\n'],
    [['MSET', 'a', '1', 'b', '2'], '+OK\r\n'],
    [['MGET', 'a', 'x', 'b'], '*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n'],
    [['EXISTS', 'a', 'b', 'x'], ':2\r\n'],
    [['SET', 'a', '5', 'NX'], '$-1\r\n'],
    [['SET', 'a', '5', 'XX', 'GET'], '$1\r\n1\r\n'],
    [['SETNX', 'a', '6'], ':0\r\n'],
    [['INCRBY', 'a', '10'], ':15\r\n'],
    [['DECRBY', 'a', '20'], ':-5\r\n'],
    [['STRLEN', 'a'], ':2\r\n'],
    [['TYPE', 'a'], '+string\r\n'],
    [['TYPE', 'x'], '+none\r\n'],
    [['GETDEL', 'b'], '$1\r\n2\r\n'],
    [['DBSIZE'], ':1\r\n'],
    [['KEYS', '*'], '*1\r\n$1\r\na\r\n'],
    [['SCAN', '0', 'COUNT', '100000'], '*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n'],
    [['ECHO', 'x y'], '$3\r\nx y\r\n'],
    [['SELECT', '0'], '+OK\r\n'],
    [['CONFIG', 'GET', 'save'], '*2\r\n$4\r\nsave\r\n$0\r\n\r\n'],
    [['SET', 'n', '9223372036854775807'], '+OK\r\n'],
    [['INCR', 'n'], '-ERR increment or decrement would overflow\r\n'],
    [['DEL', 'a', 'n', 'x'], ':2\r\n'],
  ];
  const client = new RawClient(port);
  for (const [words, reply] of dialogue) {
    assert.equal(await client.ask(array(...words)), reply, words.join(' '));
  }
  client.close();
});

test('a pipeline of writes, reads and local commands is answered in order', async () => {
  const client = new RawClient(port);
  const rounds = 500;
  const parts: Buffer[] = [];
  const expected: string[] = [];
  for (let i = 0; i < rounds; i += 1) {
    parts.push(array('SET', 'p', `v${i}`), array('GET', 'p'), array('PING'));
    parts.push(array('INCR', 'p.count'), array('GET', 'p.count'), array('ECHO', `e${i}`));
    expected.push('+OK\r\n', bulk(`v${i}`), '+PONG\r\n');
    expected.push(`:${i + 1}\r\n`, bulk(String(i + 1)), bulk(`e${i}`));
  }
  client.send(Buffer.concat(parts));
  assert.deepEqual(await client.replies(expected.length), expected);
  client.close();
});

test('a read never sees a write that was sent after it on its connection', async () => {
  const rounds = 200;
  const lines: string[] = ['FLUSHALL\r\n'];
  const expected = ['+OK\r\n'];
  for (let i = 0; i < rounds; i += 1) {
    lines.push(`GET q\r\nSTRLEN q\r\nSET q ${'x'.repeat(i + 1)}\r\nDBSIZE\r\nDEL q\r\n`);
    expected.push('$-1\r\n', ':0\r\n', '+OK\r\n', ':1\r\n', '+OK\r\n');
  }
  assert.deepEqual(await exchange(port, lines.join(''), expected.length), expected);
});

test('an empty key, an empty value, spaces, zero bytes and __proto__ are ordinary', async () => {
  const odd = [Buffer.alloc(0), Buffer.from([0, 255, 13, 10, 0]), '__proto__', 'constructor', ' '];
  const client = new RawClient(port);
  for (const key of odd) {
    const value = Buffer.concat([Buffer.from('v:'), Buffer.from(key)]);
    assert.equal(await client.ask(array('SET', key, value)), '+OK\r\n');
    assert.equal(
      await client.ask(array('GET', key)),
      bulk(value.toString('latin1')).replace(/^\$\d+/, `$${value.length}`),
    );
    assert.equal(await client.ask(array('DEL', key)), ':1\r\n');
  }
  client.close();
});

test('the banner tells who and where, and stdin that ends does not end the server', async () => {
  node.run.child.stdin?.end();
  await sleep(200);
  assert.ok(node.run.isRunning);
  assert.match(node.run.output, /ringraft - Node 1\n=+\n\n\[NODE\] ringraft node 1 started\n/);
  assert.match(node.run.output, / {2}Cluster: +1\n {2}Listen: +127\.0\.0\.1:\d+\n/);
  assert.match(node.run.output, / {2}PreVote: +enabled\n {2}ReadIndex: +enabled\n/);
  const commands = 'SET key value | GET key | DEL key | INCR key | STAT | STATUS | QUIT';
  assert.ok(node.run.output.includes(`Commands: ${commands}\n`));
  assert.doesNotMatch(node.run.output, /WARNING/);
});

test('SIGTERM answers what is in flight, ends with code 0; a restart has all data', async () => {
  const client = new RawClient(port);
  const writes = 300;
  const parts = Array.from({ length: writes }, (_, i) => array('SET', `r${i}`, `v${i}`));
  client.send(Buffer.concat(parts));
  await client.replies(1);
  const [ended, rest] = await Promise.all([node.stop(), client.untilClosed()]);
  assert.deepEqual(ended, { code: 0, signal: null });
  assert.match(
    node.run.output,
    /Received SIGTERM\nShutting down\.\.\.\n[\s\S]*\[NODE\] Node stopped\n/,
  );
  const acknowledged = 1 + rest.filter((reply) => reply === '+OK\r\n').length;
  await node.start();
  const keys = Array.from({ length: acknowledged }, (_, i) => array('GET', `r${i}`));
  const found = await exchange(port, Buffer.concat(keys), acknowledged);
  for (const [i, reply] of found.entries()) assert.equal(reply, bulk(`v${i}`));
  assert.ok(acknowledged > 0);
});

test('kill -9 loses nothing that was acknowledged', async () => {
  const writes = Array.from({ length: 100 }, (_, i) => array('SET', `k${i}`, `v${i}`));
  await exchange(port, Buffer.concat(writes), 100);
  await node.kill();
  await node.start();
  const reads = Array.from({ length: 100 }, (_, i) => array('GET', `k${i}`));
  const found = await exchange(port, Buffer.concat(reads), 100);
  for (const [i, reply] of found.entries()) assert.equal(reply, bulk(`v${i}`));
});

/** From the port's first answer on, whatever it takes until somebody listens. */
async function untilAcknowledged(clientPort: number): Promise<void> {
  for (;;) {
    const replies = await exchange(clientPort, array('SET', 'first', 'write'), 1);
    if (replies[0] === '+OK\r\n') return;
    await sleep(10);
  }
}

test('a node serves within 5 s of its start, and of its restart', async (t) => {
  const [peerPort, clientPort] = (await freePorts(2)) as [number, number];
  const data = temporaryDirectory(t);
  const listen = ['--listen', `127.0.0.1:${peerPort}`, '--client', String(clientPort)];
  for (const start of ['first', 'second']) {
    const spawned = performance.now();
    const run = new Run(['server', ...listen, '--node', '1', '--data', data]);
    t.after(async () => void (await run.stop('SIGKILL')));
    await untilAcknowledged(clientPort);
    const ms = performance.now() - spawned;
    assert.ok(ms < 5000, `the ${start} start took ${ms} ms to the first acknowledged write`);
    assert.deepEqual(await run.stop(), { code: 0, signal: null });
  }
});

test('without --data a node says that it forgets; without --client it has no port', async (t) => {
  const [peerPort] = (await freePorts(1)) as [number];
  const run = new Run(['server', '--listen', `127.0.0.1:${peerPort}`, '--node', '1']);
  t.after(async () => void (await run.stop('SIGKILL')));
  await run.waitFor(/Commands: [\s\S]*WARNING: no --data: everything is kept in memory and lost/);
  assert.match(run.output, /Clients: +no port/);
  assert.deepEqual(await run.stop('SIGINT'), { code: 0, signal: null });
});

test('sync modes batch and none and another log directory start and serve', async (t) => {
  const directory = temporaryDirectory(t);
  for (const sync of ['batch', 'none']) {
    const args = ['--sync', sync, '--wal-dir', `${directory}/wal-${sync}`];
    const [other] = (await startCluster(t, 1, { args })) as [Node];
    const [set, config] = await exchange(
      other.clientPort,
      Buffer.concat([array('SET', 'a', '1'), array('CONFIG', 'GET', 'sync')]),
      2,
    );
    const [info] = await exchange(other.clientPort, array('INFO'), 1);
    assert.match(info as string, new RegExp(`\r\ndurability:${sync}: .* can lose it`));
    assert.equal(set, '+OK\r\n');
    assert.match(config as string, new RegExp(sync));
    await other.kill();
  }
});
