/**
 * One suite for every adapter: the promises of io/net/adapter.ts, on real TCP and in memory. What
 * only one of them can show stands below the suite.
 */

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Connection, PausingAdapter } from '../../io/net/adapter.js';
import { ManualClock } from '../../io/net/manual-clock.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { MemoryNetwork } from '../../io/net/memory-network.js';
import { parseAddress, TcpAdapter } from '../../io/net/tcp-adapter.js';
import { concat, slab } from '../codec/frame-samples.js';

/** One implementation: where to listen, an address where nobody does, and how time passes. */
interface Subject {
  readonly name: string;
  readonly server: PausingAdapter;
  readonly client: PausingAdapter;
  readonly listenAddress: string;
  readonly deadAddress: string;
  step(): Promise<void>;
}

const STEPS_MAX = 20_000;

function memorySubject(): Subject {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock, { latencyMs: () => 2, chunkBytesMax: () => 1000 });
  return {
    name: 'memory',
    server: new MemoryAdapter(network, 'server'),
    client: new MemoryAdapter(network, 'client'),
    listenAddress: 'here',
    deadAddress: 'nowhere',
    step: async () => clock.advance(1),
  };
}

function tcpSubject(): Subject {
  return {
    name: 'tcp',
    server: new TcpAdapter({ lingerMs: 200 }),
    client: new TcpAdapter({ lingerMs: 200 }),
    listenAddress: '127.0.0.1:0',
    deadAddress: '127.0.0.1:1',
    step: () => new Promise((resolve) => setTimeout(resolve, 1)),
  };
}

async function until(subject: Subject, condition: () => boolean): Promise<void> {
  for (let i = 0; i < STEPS_MAX && !condition(); i += 1) await subject.step();
  assert.ok(condition(), 'the condition came true');
}

interface End {
  connection: Connection;
  readonly chunks: Uint8Array[];
  readonly closes: string[];
}

function watch(adapter: PausingAdapter, connection: Connection): End {
  const end: End = { connection, chunks: [], closes: [] };
  adapter.setReadCallback(connection, (bytes) => end.chunks.push(new Uint8Array(bytes)));
  adapter.setCloseCallback(connection, (code) => end.closes.push(code));
  return end;
}

/** A connected pair of stream ends. */
async function pair(subject: Subject): Promise<{ near: End; far: End }> {
  let address = '';
  let far: End | null = null;
  const listener = subject.server.listen(subject.listenAddress, {
    onConnection: (connection) => {
      far = watch(subject.server, connection);
    },
    onListening: (bound) => {
      address = bound;
    },
    onListenFailed: (code) => assert.fail(code),
  });
  await until(subject, () => address !== '');
  let connected = false;
  const connection = subject.client.connect(address, (failure) => {
    assert.equal(failure, null);
    connected = true;
  });
  const near = watch(subject.client, connection);
  await until(subject, () => connected && far !== null);
  listener.close();
  return { near, far: far! };
}

const received = (end: End): number => end.chunks.reduce((sum, chunk) => sum + chunk.length, 0);

for (const subject of [memorySubject(), tcpSubject()]) {
  const { name } = subject;

  after(() => {
    subject.server.destroy();
    subject.client.destroy();
  });

  test(`${name}: pieces arrive in order, both ways, and each write completes once`, async () => {
    const { near, far } = await pair(subject);
    const sizes = [1, 0, 5000, 200_000, 3];
    const pieces = sizes.map((size, i) => slab(size, i));
    const done: boolean[] = [];
    subject.client.write(near.connection, pieces, (ok) => done.push(ok));
    subject.client.write(near.connection, [slab(7)], (ok) => done.push(ok));
    subject.server.write(far.connection, pieces, (ok) => done.push(ok));
    assert.deepEqual(done, [], 'no completion inside the call');
    const total = sizes.reduce((a, b) => a + b);
    await until(subject, () => received(far) === total + 7 && received(near) === total);
    await until(subject, () => done.length === 3);
    assert.deepEqual(done, [true, true, true]);
    assert.deepEqual(concat(far.chunks), concat([...pieces, slab(7)]));
    assert.deepEqual(concat(near.chunks), concat(pieces));
  });

  test(`${name}: a flushing close delivers what was written, then ends both sides`, async () => {
    const { near, far } = await pair(subject);
    subject.client.write(near.connection, [slab(100_000)], () => {});
    subject.client.close(near.connection, 'flush');
    await until(subject, () => near.closes.length === 1 && far.closes.length === 1);
    assert.equal(received(far), 100_000);
    subject.client.close(near.connection, 'flush');
    subject.client.close(near.connection, 'abort');
    for (let i = 0; i < 10; i += 1) await subject.step();
    assert.equal(near.closes.length + far.closes.length, 2);
  });

  test(`${name}: an aborting close fails the writes before the close callback`, async () => {
    const { near, far } = await pair(subject);
    const order: string[] = [];
    subject.client.setCloseCallback(near.connection, () => order.push('closed'));
    subject.client.write(near.connection, [new Uint8Array(30_000_000)], (ok) =>
      order.push(`write ${ok}`),
    );
    subject.client.close(near.connection, 'abort');
    await until(subject, () => order.includes('closed') && far.closes.length === 1);
    assert.deepEqual(order, ['write false', 'closed']);
  });

  test(`${name}: a write after the end completes with failure`, async () => {
    const { near, far } = await pair(subject);
    subject.server.close(far.connection, 'abort');
    await until(subject, () => near.closes.length === 1);
    const done: boolean[] = [];
    subject.client.write(near.connection, [slab(10)], (ok) => done.push(ok));
    await until(subject, () => done.length === 1);
    assert.deepEqual(done, [false]);
  });

  test(`${name}: a refused connection is told once, by a code`, async () => {
    const failures: (string | null)[] = [];
    const connection = subject.client.connect(subject.deadAddress, (code) => failures.push(code));
    const end = watch(subject.client, connection);
    await until(subject, () => failures.length === 1);
    for (let i = 0; i < 5; i += 1) await subject.step();
    assert.deepEqual(failures, ['ECONNREFUSED']);
    assert.deepEqual(end.closes, []);
  });

  test(`${name}: who does not read makes the other side wait, and loses nothing`, async () => {
    const { near, far } = await pair(subject);
    const [bytes, count] = [slab(1_000_000), 20];
    for (const [adapter, end, other] of [
      [subject.client, near, far],
      [subject.server, far, near],
    ] as const) {
      let taken = 0;
      const seen: Uint8Array[] = [];
      adapter.setReadCallback(end.connection, (chunk) => {
        seen.push(new Uint8Array(chunk));
        if (seen.length === 1) adapter.setReading(end.connection, false);
      });
      const sender = adapter === subject.client ? subject.server : subject.client;
      for (let i = 0; i < count; i += 1) {
        sender.write(other.connection, [bytes], () => (taken += 1));
      }
      await until(subject, () => seen.length === 1);
      for (let i = 0; i < 20; i += 1) await subject.step();
      assert.equal(seen.length, 1, 'nothing comes while nobody reads');
      assert.ok(taken < count, 'and what is sent waits');
      adapter.setReading(end.connection, true);
      await until(subject, () => taken === count);
      const total = (): number => seen.reduce((sum, chunk) => sum + chunk.length, 0);
      await until(subject, () => total() === count * bytes.length);
      assert.ok(Buffer.concat(seen).subarray(-bytes.length).equals(bytes));
    }
    assert.deepEqual([near.closes, far.closes], [[], []]);
  });

  test(`${name}: timers fire once or again and again until they are stopped`, async () => {
    const fired = { once: 0, often: 0, never: 0 };
    const { client } = subject;
    const once = client.timerCreate(() => (fired.once += 1));
    const often = client.timerCreate(() => (fired.often += 1));
    const never = client.timerCreate(() => (fired.never += 1));
    const start = client.now();
    client.timerStart(once, 3, false);
    client.timerStart(often, 2, true);
    client.timerStart(never, 2, false);
    client.timerStop(never);
    await until(subject, () => fired.often >= 4);
    client.timerDestroy(often);
    await until(subject, () => client.now() >= start + 20);
    const often4 = fired.often;
    for (let i = 0; i < 10; i += 1) await subject.step();
    assert.deepEqual(fired, { once: 1, often: often4, never: 0 });
  });
}

test('addresses are host:port, with IPv6 in brackets', () => {
  assert.deepEqual(parseAddress('10.0.0.1:5001'), { host: '10.0.0.1', port: 5001 });
  assert.deepEqual(parseAddress('[::1]:80'), { host: '::1', port: 80 });
  assert.deepEqual(parseAddress(':5001'), { host: '', port: 5001 });
  for (const bad of ['', 'host', 'host:', 'host:x', 'host:65536', '::1:80', 'a:1:2']) {
    assert.equal(parseAddress(bad), null, bad);
  }
});

test('tcp: an impossible address and a taken port are codes, not exceptions', async () => {
  const subject = tcpSubject();
  const codes: (string | null)[] = [];
  subject.client.connect('no port', (code) => codes.push(code));
  let address = '';
  const callbacks = {
    onConnection: () => {},
    onListening: (bound: string) => {
      address = bound;
    },
    onListenFailed: (code: string) => codes.push(code),
  };
  subject.server.listen('127.0.0.1:0', callbacks);
  await until(subject, () => address !== '');
  subject.client.listen(address, callbacks);
  subject.client.listen('nonsense', callbacks);
  await until(subject, () => codes.length === 3);
  assert.deepEqual(codes.sort(), ['EADDRINUSE', 'EINVAL', 'EINVAL']);
  subject.server.destroy();
  subject.client.destroy();
});
