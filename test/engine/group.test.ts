/**
 * Three nodes in memory, one group: proposals, reads, forwarding, refusals, waiting and giving up,
 * events, status. One cluster serves all tests; the last ones take it apart.
 */

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { bytes, eventually, PATIENT_MS, TestCluster } from './cluster.js';
import { type GroupEvents, RingraftError } from './compiled.js';

let cluster: TestCluster;
let leader = 0;
let follower = 0;

before(async () => {
  cluster = await TestCluster.start();
  leader = await cluster.leader();
  follower = await cluster.follower();
});
after(() => cluster.dispose());

const total = async (id: number): Promise<number> =>
  Number(await cluster.group(id).read(bytes('total')));

test('a proposal on any node is answered by the state machine, and every node reads it', async () => {
  let expected = await total(leader);
  for (const id of cluster.ids) {
    expected += id;
    assert.equal(String(await cluster.group(id).propose(bytes(`add ${id}`))), String(expected));
    for (const reader of cluster.ids) assert.equal(await total(reader), expected);
  }
});

test('a batch is one promise, and its commands are executed in order', async () => {
  const start = await total(follower);
  const commands = Array.from({ length: 3000 }, () => bytes('add 1'));
  for (const id of [leader, follower]) {
    const results = await cluster.group(id).proposeMany(commands);
    const values = results.map((result) => result.ok && Number(result.value));
    const first = values[0] as number;
    assert.deepEqual(
      values,
      commands.map((_, i) => first + i),
    );
  }
  assert.equal(await total(follower), start + 6000);
  assert.deepEqual(await cluster.group(leader).proposeMany([]), []);
});

test('many concurrent proposals of all nodes are executed exactly once each', async () => {
  const start = await total(leader);
  const proposals = cluster.ids.flatMap((id) =>
    Array.from({ length: 300 }, () => cluster.group(id).propose(bytes('add 1'))),
  );
  const values = (await Promise.all(proposals)).map(Number).sort((a, b) => a - b);
  assert.deepEqual(
    values,
    proposals.map((_, i) => start + 1 + i),
  );
});

test('a follower that may not forward refuses with the leader as hint', async () => {
  const proposing = cluster.group(follower).propose(bytes('add 1'), { forward: false });
  await assert.rejects(proposing, (error: unknown) => {
    assert.ok(error instanceof RingraftError);
    assert.equal(error.code, 'ERR_NOT_LEADER');
    assert.equal(error.leaderHint, leader);
    assert.equal(error.retryable, true);
    assert.match(error.message, new RegExp(`leader: node ${leader}`));
    return true;
  });
});

test('a rejection carries the machine’s own words, is the same everywhere and stops nothing', async () => {
  const before = await total(leader);
  for (const id of cluster.ids) {
    await assert.rejects(cluster.group(id).propose(bytes('reject overdrawn')), (error: unknown) => {
      assert.ok(error instanceof RingraftError);
      assert.equal(error.code, 'ERR_REJECTED');
      assert.equal(String(error.data), 'overdrawn');
      return true;
    });
  }
  const mixed = ['add 1', 'reject x', 'add 1'].map(bytes);
  const results = await cluster.group(follower).proposeMany(mixed);
  assert.deepEqual(
    results.map((result) => (result.ok ? String(result.value) : result.error.code)),
    [String(before + 1), 'ERR_REJECTED', String(before + 2)],
  );
});

test('a query that throws fails alone', async () => {
  const group = cluster.group(follower);
  await assert.rejects(group.read(bytes('throw')), /told to throw in a query/);
  assert.equal(typeof (await total(follower)), 'number');
});

test('a local read is answered without asking anybody', async () => {
  const value = await cluster.group(follower).read(bytes('total'), { consistency: 'local' });
  assert.ok(Number(value) <= (await total(leader)));
});

test('the machine knows its group, its node and its options', async () => {
  const context = JSON.parse(String(await cluster.group(leader).propose(bytes('context'))));
  assert.deepEqual(context, { groupName: 'ledger', groupId: 0, nodeId: leader, options: null });
});

test('what is larger than entryBytesMax is refused at once, and its neighbours are not', async () => {
  const large = Buffer.alloc(1024 * 1024 + 1);
  await assert.rejects(cluster.group(leader).propose(large), { code: 'ERR_TOO_LARGE' });
  await assert.rejects(cluster.group(leader).read(large), { code: 'ERR_TOO_LARGE' });
  const results = await cluster.group(leader).proposeMany([large, bytes('add 0')]);
  assert.deepEqual(
    results.map((result) => result.ok),
    [false, true],
  );
});

test('the largest command passes, from a follower too', async () => {
  const command = Buffer.alloc(1024 * 1024, ' ');
  command.write('add 0');
  for (const id of [leader, follower]) {
    assert.equal(Number(await cluster.group(id).propose(command)), await total(leader));
  }
});

test('a reply that is too large to travel is an error of its own: the command was executed', async () => {
  const [fine, , also] = await cluster
    .group(leader)
    .proposeMany(['large 70000', 'large 9000000', 'large 70000'].map(bytes));
  assert.equal(fine?.ok && fine.value.length, 70_000);
  assert.equal(also?.ok && also.value.length, 70_000);
  await assert.rejects(cluster.group(leader).propose(bytes('large 9000000')), {
    code: 'ERR_REPLY_TOO_LARGE',
    retryable: false,
  });
  const answer = await cluster.group(follower).read(bytes('large 200000'));
  assert.equal(answer.length, 200_000);
});

test('a signal ends the wait: before the call, during it, and with its reason', async () => {
  const group = cluster.group(follower);
  const reason = new Error('the user left');
  for (const call of [
    () => group.propose(bytes('add 0'), { signal: AbortSignal.abort(reason) }),
    () => group.read(bytes('total'), { signal: AbortSignal.abort(reason) }),
    () => group.proposeMany([bytes('add 0')], { signal: AbortSignal.abort(reason) }),
    () => group.waitForApplied(1e9, { signal: AbortSignal.abort(reason) }),
    // What they wait for is there already.
    () => group.waitForApplied(0, { signal: AbortSignal.abort(reason) }),
    () => group.waitForLeader({ signal: AbortSignal.abort(reason) }),
  ]) {
    await assert.rejects(call, {
      code: 'ERR_ABORTED',
      cause: reason,
      message: /its signal(: nothing|$)/,
    });
  }
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = [
    [group.propose(bytes('spin 50'), { signal }), /what was sent may still be executed$/],
    [group.proposeMany(['add 0', 'add 0'].map(bytes), { signal }), /may still be executed$/],
    [group.read(bytes('total'), { signal }), /aborted by its signal$/],
    [group.waitForApplied(1e9, { signal }), /aborted by its signal$/],
  ] as const;
  controller.abort(reason);
  for (const [each, message] of waiting) {
    await assert.rejects(each, { code: 'ERR_ABORTED', cause: reason, message });
  }
  await eventually('the aborted call to end', () => (group.status().inflight === 0 ? true : null));
});

test('a timeout that makes no sense is refused by name', async () => {
  const group = cluster.group(leader);
  for (const timeoutMs of [0, -5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const refused = { code: 'ERR_INVALID_OPTIONS' };
    await assert.rejects(group.propose(bytes('add 0'), { timeoutMs }), refused);
    await assert.rejects(group.read(bytes('total'), { timeoutMs }), refused);
    await assert.rejects(group.waitForLeader({ timeoutMs }), refused);
  }
});

test('a wait for an index ends when it is applied, and with a timeout when it is not', async () => {
  const group = cluster.group(follower);
  await cluster.group(leader).propose(bytes('add 1'));
  const { commitIndex } = cluster.group(leader).status();
  await group.waitForApplied(commitIndex, { timeoutMs: PATIENT_MS });
  assert.ok(group.status().appliedIndex >= commitIndex);
  await assert.rejects(group.waitForApplied(1e9, { timeoutMs: 20 }), {
    code: 'ERR_TIMEOUT',
    message: /^entry 1000000000 was not applied here in time, entries up to \d+ are/,
  });
});

test('commit events carry the index and the term of its entry', async () => {
  const group = cluster.group(follower);
  const seen: { index: number; term: number }[] = [];
  const listener = (event: { index: number; term: number }): void => void seen.push(event);
  group.on('commit', listener);
  await cluster.group(leader).propose(bytes('add 1'));
  const { commitIndex, term } = cluster.group(leader).status();
  const event = await eventually(
    'the commit event',
    () => seen.find(({ index }) => index >= commitIndex) ?? null,
  );
  group.off('commit', listener);
  assert.deepEqual(event, { index: commitIndex, term });
  assert.deepEqual(
    seen.map(({ index }) => index),
    seen.map(({ index }) => index).sort((a, b) => a - b),
  );
});

test('status names leader, members with their incarnations, standing and what the log does', () => {
  const status = cluster.engine(follower).status();
  const [group] = status.groups;
  assert.equal(group?.role, 'follower');
  assert.equal(group?.leader, leader);
  assert.equal(group?.machine, 'worker');
  assert.equal(group?.failure, null);
  assert.equal(group?.standing, 'full');
  assert.match(group?.standingText ?? '', /it votes and counts/);
  assert.deepEqual(
    group?.members,
    cluster.ids.map((id) => ({
      id,
      address: cluster.members[id],
      incarnation: cluster.engine(id).status().incarnation,
      voter: true,
    })),
  );
  assert.deepEqual(status.snapshotWarnings, []);
  assert.equal(status.durable, false);
  assert.match(status.acknowledgement, /in memory: .* forgotten when the process ends/);
  assert.equal(cluster.engine(leader).status().groups[0]?.role, 'leader');
});

test('a call of the machine that takes longer than half a heartbeat is counted', async () => {
  const before = cluster.group(leader).status().slowCalls;
  await cluster.group(leader).propose(bytes('spin 80'));
  const { slowCalls, slowestCallMs } = await eventually('the slow call to be counted', () => {
    const status = cluster.group(leader).status();
    return status.slowCalls > before ? status : null;
  });
  assert.ok(slowCalls > before && slowestCallMs >= 79);
});

test('queries that take longer than an election, all together, cost no leadership', async () => {
  const [asked, other] = [cluster.group(leader), cluster.group(follower)];
  const { term } = asked.status();
  let areAnswered = false;
  const answers = Promise.all(Array.from({ length: 60 }, () => asked.read(bytes('spin 30'))));
  void answers.then(() => {
    areAnswered = true;
  });
  let served = 0;
  while (!areAnswered) {
    await other.propose(bytes('add 1'));
    if (!areAnswered) served += 1;
  }
  assert.equal((await answers).length, 60);
  assert.ok(served > 0, 'a proposal of another node is served meanwhile');
  for (const id of cluster.ids) {
    const status = cluster.group(id).status();
    assert.deepEqual([status.leader, status.term], [leader, term]);
  }
});

test('an unknown group is refused, and the known ones are named', () => {
  assert.throws(() => cluster.engine(1).group('ledgers'), {
    code: 'ERR_INVALID_OPTIONS',
    message: /^there is no group "ledgers"; this engine was opened with ledger$/,
  });
});

test('when the leader closes, the others elect another one and say so by events', async () => {
  const events: string[] = [];
  const roles: GroupEvents['role'][0][] = [];
  const leaders: GroupEvents['leader'][0][] = [];
  const other = cluster.group(follower);
  const { term } = other.status();
  other.on('leader', (event) => {
    leaders.push(event);
    events.push(`${event.previous}>${event.leader}`);
  });
  other.on('role', (event) => roles.push(event));
  const closed = cluster.group(leader);
  await cluster.close(leader);
  await assert.rejects(closed.waitForLeader(), { code: 'ERR_CLOSED' });
  const next = await eventually('another leader', () => {
    const { leader: now } = other.status();
    return now !== 0 && now !== leader ? now : null;
  });
  const old = leader;
  leader = next;
  await other.propose(bytes('add 1'));
  assert.ok(events.some((event) => event.startsWith(`${old}>`)));
  assert.ok(events.some((event) => event.endsWith(`>${next}`)));
  for (const [i, { role, previous, ...rest }] of roles.entries()) {
    assert.equal(previous, roles[i - 1]?.role ?? 'follower', 'each role follows on the one before');
    assert.ok(['follower', 'preCandidate', 'candidate', 'leader'].includes(role));
    assert.deepEqual(Object.keys(rest), ['term', 'leader']);
  }
  const last = { leader: next, term: other.status().term };
  assert.deepEqual({ leader: roles.at(-1)?.leader, term: roles.at(-1)?.term }, last);
  assert.ok(last.term > term);
  assert.deepEqual(
    leaders.map(({ previous }) => previous),
    [old, ...leaders.slice(0, -1).map((event) => event.leader)],
  );
  assert.deepEqual({ leader: leaders.at(-1)?.leader, term: leaders.at(-1)?.term }, last);
});

test('without a majority nothing is acknowledged: writes and reads end by their timeout', async () => {
  const survivor = leader;
  for (const id of cluster.ids) {
    if (id !== survivor) await cluster.close(id);
  }
  const group = cluster.group(survivor);
  await eventually('the leader to notice', () => (group.status().leader === 0 ? true : null));
  const timeoutMs = 100;
  await assert.rejects(group.propose(bytes('add 1'), { timeoutMs }), { code: 'ERR_NO_LEADER' });
  await assert.rejects(group.read(bytes('total'), { timeoutMs }), { code: 'ERR_NO_LEADER' });
  await assert.rejects(group.waitForLeader({ timeoutMs }), { code: 'ERR_NO_LEADER' });
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = assert.rejects(group.waitForLeader({ signal }), { code: 'ERR_ABORTED' });
  controller.abort();
  await aborted;
  const stale = await group.read(bytes('total'), { consistency: 'local' });
  assert.ok(Number(stale) > 0);
  const waiting = group.propose(bytes('add 1'));
  const closing = cluster.close(survivor);
  await assert.rejects(waiting, { code: 'ERR_CLOSED' });
  await closing;
  await assert.rejects(group.waitForLeader(), { code: 'ERR_CLOSED' });
});
