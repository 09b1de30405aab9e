/**
 * Features that options switch off: without ReadIndex, without a pipeline, without transfer.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageKind } from '../../engine/raft/message.js';
import { nodeId, Role, term } from '../../engine/raft/types.js';
import { Bench } from '../paper/bench.js';
import { bytes, TestCluster } from './cluster.js';

test('without ReadIndex linearizable reads are refused by name, local ones are served', async () => {
  const options = { enableReadIndex: false };
  await using cluster = await TestCluster.start({ nodes: 1, options });
  const group = cluster.group(1);
  await group.propose(bytes('add 4'));
  await assert.rejects(group.read(bytes('total')), {
    code: 'ERR_INVALID_OPTIONS',
    message: /enableReadIndex is false: only reads with consistency "local" are served/,
  });
  assert.equal(Number(await group.read(bytes('total'), { consistency: 'local' })), 4);
});

test('one append of one entry at a time, and no pre-vote, still replicate in order', async () => {
  const options = { pipelineEnabled: false, maxAppendBatchSize: 1, enablePreVote: false };
  await using cluster = await TestCluster.start({ options });
  const results = await cluster
    .group(await cluster.follower())
    .proposeMany(Array.from({ length: 100 }, () => bytes('add 1')));
  assert.deepEqual(
    results.map((result) => result.ok && Number(result.value)),
    results.map((_, at) => at + 1),
  );
  for (const id of cluster.ids) {
    assert.equal(Number(await cluster.group(id).read(bytes('total'))), 100);
  }
});

test('a request of the leader to take over is followed, or ignored without transfer', () => {
  for (const [transfer, role] of [
    [true, Role.candidate],
    [false, Role.follower],
  ] as const) {
    const bench = new Bench({ log: [1], options: { transfer } });
    bench.hearHeartbeat({ term: term(1) });
    const envelope = { from: nodeId(2), to: nodeId(1), term: term(1) };
    bench.hear({ kind: MessageKind.timeoutNow, ...envelope });
    assert.equal(bench.raft.role, role);
  }
});
