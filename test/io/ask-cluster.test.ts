/**
 * A node that joins asks which cluster lives at an address, on a memory network: who answers, what
 * becomes of those that do not, and that the asked node is none the worse for it.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameKind, makeFrame } from '../../codec/frames/frame-format.js';
import { nodeId } from '../../engine/raft/types.js';
import { askCluster } from '../../io/net/ask-cluster.js';
import { MemoryAdapter } from '../../io/net/memory-adapter.js';
import { Cluster } from './net-harness.js';

const COLD = { latencyMs: () => 1 };
const TIMES = { answerMs: 500, pauseMs: 100, patienceMs: 3000 };

async function asked(
  cluster: Cluster,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<unknown> {
  const adapter = new MemoryAdapter(cluster.network, 'joiner');
  const answer = askCluster(adapter, addresses, signal, TIMES);
  const over = { is: false };
  const ended = answer.finally(() => {
    over.is = true;
  });
  ended.catch(() => {});
  while (!over.is) {
    cluster.run(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const told = await answer;
  return typeof told === 'string' ? told : { ...told };
}

test('any member tells which cluster it is, and goes on as before', async () => {
  const cluster = new Cluster([1, 2], COLD);
  cluster.run(100);
  const { clusterId } = (await asked(cluster, ['nowhere', 'node2'])) as { clusterId: number };
  assert.equal(clusterId, 7);
  const two = cluster.node(2);
  assert.equal(two.links.counters.closes.asked, 1);
  assert.ok(two.links.isUp(nodeId(1)));
  assert.equal(
    two.seen.log.some((line) => line.startsWith('down')),
    false,
  );
});

test('one that starts later is asked again; without any the reasons are named by address', async () => {
  const cluster = new Cluster([], COLD);
  cluster.clock.schedule(1000, () => cluster.start(1));
  assert.deepEqual(await asked(cluster, ['node1']), { nodeId: 1, clusterId: 7 });
  const text = await asked(new Cluster([], COLD), ['a', 'b']);
  assert.match(String(text), /^a: ECONNREFUSED; b: ECONNREFUSED$/);
});

test('what does not answer, or not with that, is named', async () => {
  const cluster = new Cluster([], COLD);
  const adapter = new MemoryAdapter(cluster.network, 'strange');
  const answers = new Map([
    ['http', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['older', makeFrame(FrameKind.ping, new Uint8Array(0))],
    ['mute', Buffer.alloc(0)],
  ]);
  for (const [address, bytes] of answers) {
    adapter.listen(address, {
      onConnection: (connection) => {
        adapter.setReadCallback(connection, () => {});
        adapter.setCloseCallback(connection, () => {});
        if (bytes.length > 0) adapter.write(connection, [bytes], () => {});
      },
      onListening: () => {},
      onListenFailed: () => {},
    });
  }
  const text = String(await asked(cluster, [...answers.keys()]));
  assert.match(text, /http: what answers is no ringraft node/);
  assert.match(text, /older: it knows no joining: upgrade it/);
  assert.match(text, /mute: no answer within 500 ms/);
});

test('the question is given up when the start is', async () => {
  const cluster = new Cluster([], COLD);
  const end = new AbortController();
  cluster.clock.schedule(500, () => end.abort(new Error('enough')));
  await assert.rejects(asked(cluster, ['nowhere'], end.signal), /enough/);
});
