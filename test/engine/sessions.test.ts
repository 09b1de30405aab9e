/**
 * Client sessions on real threads: a command that is sent again, by any node and after whatever,
 * answers what it answered and is executed once.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, pause, TestCluster } from './cluster.js';
import { type Group, type HostedMachine, Reject } from './compiled.js';

const ADD = bytes('add 5');

async function total(group: Group, query = 'total'): Promise<number> {
  return Number(await group.read(bytes(query)));
}

test('a command that is sent again answers the same, on every node, and is executed once', async () => {
  await using cluster = await TestCluster.start();
  const follower = await cluster.follower();
  const { id, ttlMs } = await cluster.group(follower).openSession({ ttlMs: 60_000 });
  assert.equal(ttlMs, 60_000);
  const at = (sequence: number) => ({ session: { id, sequence } });
  for (const node of [follower, ...cluster.ids]) {
    assert.equal(String(await cluster.group(node).propose(ADD, at(1))), '5');
  }
  const refused = { code: 'ERR_REJECTED', message: /rejected the command: no/ };
  for (const node of cluster.ids) {
    await assert.rejects(cluster.group(node).propose(bytes('reject no'), at(2)), refused);
  }
  const many = [bytes('add 1'), bytes('add 2'), bytes('add 3')];
  for (const node of cluster.ids) {
    const results = await cluster.group(node).proposeMany(many, at(3));
    const values = results.map((result) => result.ok && String(result.value));
    assert.deepEqual(values, ['6', '8', '11']);
  }
  assert.equal(await total(cluster.group(follower)), 11);
  assert.equal(await total(cluster.group(follower), 'count'), 5);
  const group = cluster.group(follower);
  await assert.rejects(group.propose(ADD, { session: { id: id + 1, sequence: 1 } }), {
    code: 'ERR_SESSION_UNKNOWN',
    message: new RegExp(`not open .* Open another session; .*: session ${id + 1}, sequence 1`),
  });
  await group.propose(ADD, at(5000));
  await assert.rejects(group.propose(ADD, at(6)), {
    code: 'ERR_SESSION_FORGOTTEN',
    message: /may have been executed before, .* Read back: session \d+, sequence 6/,
  });
  await eventually('the session in the status', () => group.status().sessions || null);
  assert.equal(await group.closeSession(id), true);
  assert.equal(await cluster.group(await cluster.leader()).closeSession(id), false);
  await assert.rejects(group.propose(ADD, at(5000)), { code: 'ERR_SESSION_UNKNOWN' });
});

test('sessions go on under another leader, and over a restart of every node', async () => {
  await using cluster = await TestCluster.start({ durable: true });
  const first = await cluster.leader();
  const { id } = await cluster.group(first).openSession();
  const at = (sequence: number) => ({ session: { id, sequence } });
  assert.equal(String(await cluster.group(first).propose(ADD, at(1))), '5');
  await cluster.close(first);
  const [other] = cluster.ids.filter((node) => node !== first) as [number];
  const second = await eventually('another leader', () => {
    const { leader } = cluster.group(other).status();
    return leader !== 0 && leader !== first ? leader : null;
  });
  assert.equal(String(await cluster.group(second).propose(ADD, at(1))), '5');
  assert.equal(String(await cluster.group(second).propose(ADD, at(2))), '10');
  await cluster.closeAll();
  await Promise.all(cluster.ids.map((node) => cluster.open(node)));
  await cluster.settle();
  for (const node of cluster.ids) {
    assert.equal(String(await cluster.group(node).propose(ADD, at(2))), '10');
    assert.equal(String(await cluster.group(node).propose(ADD, at(1))), '5');
  }
  assert.equal(await total(cluster.group(second)), 10);
});

/** Adds numbers on the main thread; `no` is rejected. */
function tally(): HostedMachine {
  let sum = 0;
  return {
    apply({ data }) {
      const text = Buffer.from(data).toString().split(' ').at(-1);
      if (text === 'no') throw new Reject('no');
      sum += Number(text);
      return bytes(String(sum));
    },
    query: () => bytes(String(sum)),
    snapshot: () => [bytes(String(sum))],
    restore() {
      let text = '';
      return {
        chunk: (part) => {
          text += Buffer.from(part).toString();
        },
        finish: () => {
          sum = Number(text);
        },
      };
    },
  };
}

const BY_HAND = { retain: 1, trailingEntries: 0, threshold: 1_000_000 } as const;

for (const where of ['in the worker', 'on the main thread'] as const) {
  const hosted = { groups: () => [{ name: 'ledger', machine: tally() }] };
  const options = {
    durable: true,
    options: { snapshot: BY_HAND },
    ...(where === 'in the worker' ? {} : hosted),
  };

  test(`${where}: a restart from a snapshot still knows what was executed`, async () => {
    await using cluster = await TestCluster.start({ ...options, nodes: 1 });
    const { id } = await cluster.group(1).openSession();
    const at = (sequence: number) => ({ session: { id, sequence } });
    for (const sequence of [1, 2, 3]) await cluster.group(1).propose(ADD, at(sequence));
    const { index } = await cluster.group(1).snapshot();
    await cluster.group(1).propose(ADD, at(4));
    assert.ok(cluster.group(1).status().compactedIndex >= index);
    await cluster.close(1);
    await cluster.open(1);
    for (const sequence of [4, 1, 3]) {
      const answer = await cluster.group(1).propose(ADD, at(sequence));
      assert.equal(String(answer), String(sequence * 5));
    }
    await assert.rejects(cluster.group(1).propose(bytes('reject no'), at(9)), /rejected .*no/);
    await assert.rejects(cluster.group(1).propose(bytes('reject no'), at(9)), /rejected .*no/);
    assert.equal(await total(cluster.group(1)), 20);
    await eventually('the session in the status', () => cluster.group(1).status().sessions || null);
  });

  test(`${where}: a follower that is sent a snapshot knows as much as the leader`, async () => {
    await using cluster = await TestCluster.start(options);
    const away = await cluster.follower();
    await cluster.close(away);
    const leader = cluster.group(await cluster.leader());
    const { id } = await leader.openSession();
    const at = (sequence: number) => ({ session: { id, sequence } });
    for (const sequence of [1, 2, 3]) await leader.propose(ADD, at(sequence));
    for (const node of cluster.ids.filter((each) => each !== away)) {
      await cluster.group(node).waitForApplied(leader.status().commitIndex);
      await cluster.group(node).snapshot();
    }
    await cluster.open(away);
    const group = cluster.group(away);
    await eventually('the snapshot to be installed', () => {
      const { snapshots, sessions } = group.status();
      return snapshots.installed === 1 && sessions === 1 ? true : null;
    });
    await cluster.settle();
    for (const sequence of [3, 1]) {
      assert.equal(String(await group.propose(ADD, at(sequence))), String(sequence * 5));
    }
    assert.equal(await total(group), 15);
  });
}

test('a session without a command for longer than its ttl is gone, others are not', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const group = cluster.group(1);
  const short = await group.openSession({ ttlMs: 1000 });
  const long = await group.openSession();
  const inSession = (id: number) => group.propose(ADD, { session: { id, sequence: 1 } });
  await inSession(short.id);
  await pause(1200);
  await assert.rejects(inSession(short.id), { code: 'ERR_SESSION_UNKNOWN' });
  assert.equal(String(await inSession(long.id)), '10');
});

test('arguments of sessions are refused with value, rule and remedy, and nothing is sent', async () => {
  await using cluster = await TestCluster.start({ nodes: 1 });
  const group = cluster.group(1);
  const refusal = (message: RegExp) => ({ code: 'ERR_INVALID_OPTIONS', message });
  for (const ttlMs of [0, 999, 1.5, Number.NaN, 31 * 24 * 3600 * 1000]) {
    const rule = /must be a whole number of milliseconds from 1000 to 2592000000 .*leave it out/;
    await assert.rejects(group.openSession({ ttlMs }), refusal(rule));
  }
  const propose = (session: unknown) => group.propose(ADD, { session } as never);
  await assert.rejects(propose(7), refusal(/session is 7, must be an object such as \{ id/));
  await assert.rejects(propose({ id: 0, sequence: 1 }), refusal(/session id is 0, must be the id/));
  await assert.rejects(propose({ id: 1 }), refusal(/sequence is undefined, .* from 1; count up/));
  await assert.rejects(propose({ id: 1, sequence: 0 }), refusal(/sequence is 0/));
  await assert.rejects(group.closeSession('x' as never), refusal(/session id is "x"/));
  const { lastIndex } = group.status();
  const large = Buffer.alloc(1024 * 1024);
  await assert.rejects(group.propose(large, { session: { id: 1, sequence: 1 } }), {
    code: 'ERR_TOO_LARGE',
    message: /larger than entryBytesMax.*: session 1, sequence 1; a session takes 16 bytes of it/,
  });
  assert.equal(group.status().lastIndex, lastIndex);
});
