/**
 * Writes that wait for every voter, on real nodes: answered when all have executed them, and
 * truthfully otherwise.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, TestCluster } from './cluster.js';
import { LEDGER, RingraftError } from './compiled.js';

type Failure = InstanceType<typeof RingraftError>;

/** The error that this ends with. */
async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const outcome = await call.catch((error: unknown) => error);
  assert.ok(outcome instanceof RingraftError, 'it fails');
  return outcome;
}

const ALL = { replication: 'all' } as const;

test('a write that waits for all is on every node when it is answered', async () => {
  await using cluster = await TestCluster.start();
  const leader = cluster.group(await cluster.leader());
  for (let sum = 1; sum <= 20; sum += 1) {
    assert.equal(Number(await leader.propose(bytes('add 1'), ALL)), sum);
    for (const id of cluster.ids) {
      const total = await cluster.group(id).read(bytes('total'), { consistency: 'local' });
      assert.equal(Number(total), sum, `node ${id}`);
    }
  }
  assert.equal(leader.status().inflight, 0);
});

test('thousands that wait for all at once are all answered, and leave nothing behind', async () => {
  await using cluster = await TestCluster.start();
  const leader = cluster.group(await cluster.leader());
  const calls = Array.from({ length: 5000 }, () => leader.propose(bytes('add 1'), ALL));
  const sums = (await Promise.all(calls)).map(Number);
  assert.deepEqual(
    sums,
    [...sums.keys()].map((at) => at + 1),
  );
  assert.equal(leader.status().inflight, 0);
});

test('a batch that waits for all keeps its order, and a rejection waits as well', async () => {
  const groups = [{ name: 'ledger', machine: LEDGER, ...ALL }];
  await using cluster = await TestCluster.start({ groups });
  const leader = cluster.group(await cluster.leader());
  const results = await leader.proposeMany(['add 1', 'reject no', 'add 2'].map(bytes));
  assert.deepEqual(
    results.map((result) => (result.ok ? Number(result.value) : result.error.code)),
    [1, 'ERR_REJECTED', 3],
  );
  const session = await leader.openSession();
  const place = { id: session.id, sequence: 1 };
  assert.equal(Number(await leader.propose(bytes('add 4'), { session: place })), 7);
  assert.equal(Number(await leader.propose(bytes('add 4'), { session: place })), 7);
});

test('with a node down the write is there, and the error names index and node', async () => {
  await using cluster = await TestCluster.start();
  const id = await cluster.leader();
  const leader = cluster.group(id);
  await leader.propose(bytes('add 1'), ALL);
  const down = cluster.ids.find((each) => each !== id) as number;
  await cluster.close(down);
  const error = await failureOf(leader.propose(bytes('add 2'), { ...ALL, timeoutMs: 500 }));
  assert.equal(error.code, 'ERR_NOT_ON_ALL');
  assert.equal(error.retryable, false);
  assert.deepEqual(error.missingNodes, [down]);
  assert.match(
    error.message,
    new RegExp(`committed at ${error.committedIndex}, missing node ${down}`),
  );
  const { value, index } = await leader.readResult(bytes('total'));
  assert.deepEqual([Number(value), index], [3, error.committedIndex]);
  assert.equal(Number(await leader.propose(bytes('add 1'))), 4, 'others need a quorum alone');

  await leader.removeMember(down);
  assert.equal(Number(await leader.propose(bytes('add 1'), ALL)), 5, 'removed, not waited for');
});

test('a follower refuses to wait for all with the id of the leader', async () => {
  await using cluster = await TestCluster.start();
  const id = await cluster.leader();
  const follower = cluster.ids.find((each) => each !== id) as number;
  await assert.rejects(cluster.group(follower).propose(bytes('add 1'), ALL), {
    code: 'ERR_NOT_LEADER',
    leaderHint: id,
  });
});

test('what is neither quorum nor all is refused by name', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const group = cluster.group(1);
  assert.equal(Number(await group.propose(bytes('add 1'), ALL)), 1, 'alone it is all');
  await assert.rejects(group.propose(bytes('add 1'), { replication: 'some' as 'all' }), {
    code: 'ERR_INVALID_OPTIONS',
    message: /replication is "some", must be "quorum" or "all"/,
  });
});

test('an engine that closes says of what waits that it is committed', async () => {
  await using cluster = await TestCluster.start();
  const id = await cluster.leader();
  const down = cluster.ids.find((each) => each !== id) as number;
  await cluster.close(down);
  const write = cluster.group(id).propose(bytes('add 1'), { ...ALL, timeoutMs: 60_000 });
  const ended = failureOf(write);
  await cluster.group(id).propose(bytes('add 1'));
  await cluster.engine(id).close({ timeoutMs: 200 });
  const error = await ended;
  assert.equal(error.code, 'ERR_NOT_ON_ALL');
  assert.ok(error.committedIndex > 0);
});
