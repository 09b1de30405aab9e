/**
 * A leader that closes hands over first: when the close has ended another one leads, and nobody had
 * to miss it. Whoever does miss a leader says so by a campaign that begins with pre-votes.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { bytes, eventually, pause, TestCluster } from './cluster.js';
import { LEDGER } from './compiled.js';

/** Patient enough for a machine that is busy with other tests. */
const PATIENT = { heartbeatInterval: 100, electionTimeoutMin: 1500, electionTimeoutMax: 3000 };

interface Watched {
  readonly roles: string[];
}

/** What the open nodes but `leader` go through from now on. */
function watch(cluster: TestCluster, leader: number, name = 'ledger'): Watched {
  const roles: string[] = [];
  for (const id of cluster.ids) {
    if (id !== leader) cluster.group(id, name).on('role', ({ role }) => roles.push(role));
  }
  return { roles };
}

/** Who leads now, by its own word. */
function leading(cluster: TestCluster, ids: readonly number[], name = 'ledger'): number | null {
  return ids.find((id) => cluster.group(id, name).status().role === 'leader') ?? null;
}

test('a leader that closes hands over every group: when it is gone others lead, of the next term', async () => {
  const names = ['a', 'b', 'c'];
  const groups = names.map((name) => ({ name, machine: LEDGER }));
  await using cluster = await TestCluster.start({ groups, options: PATIENT });
  const leader = await cluster.leader('a');
  const others = cluster.ids.filter((id) => id !== leader);
  for (const name of names) {
    const leads = await cluster.leader(name);
    if (leads !== leader) await cluster.group(leads, name).transferLeadership(leader);
    await cluster.group(leader, name).propose(bytes('add 1'));
  }
  const terms = names.map((name) => cluster.group(leader, name).status().term);
  const watched = names.map((name) => watch(cluster, leader, name));
  await cluster.close(leader);
  for (const [at, name] of names.entries()) {
    const next = leading(cluster, others, name);
    assert.ok(next !== null, `nobody leads ${name}`);
    assert.equal(cluster.group(next, name).status().term, (terms[at] as number) + 1);
    assert.equal(Number(await cluster.group(next, name).propose(bytes('add 1'))), 2);
    await pause(0);
    assert.ok(!watched[at]?.roles.includes('preCandidate'), `${name}: ${watched[at]?.roles}`);
  }
});

test('what others propose while the leader closes is answered, and applied once', async () => {
  await using cluster = await TestCluster.start({ options: PATIENT });
  const leader = await cluster.leader();
  const other = await cluster.follower();
  const group = cluster.group(other);
  const before = Array.from({ length: 100 }, () => group.propose(bytes('add 1')));
  const closing = cluster.close(leader);
  const during = Array.from({ length: 100 }, () => group.propose(bytes('add 1')));
  await closing;
  await Promise.all([...before, ...during]);
  assert.equal(Number(await group.read(bytes('total'))), 200);
});

for (const [why, options, bounds] of [
  ['transfers are switched off', { enableLeadershipTransfer: false }, {}],
  ['the close has no time', {}, { signal: AbortSignal.abort() }],
] as const) {
  test(`nothing is handed over when ${why}: the others miss their leader`, async () => {
    await using cluster = await TestCluster.start({ options });
    const leader = await cluster.leader();
    const { roles } = watch(cluster, leader);
    await cluster.engine(leader).close(bounds);
    await cluster.close(leader);
    await cluster.leader();
    await eventually('a campaign', () => (roles.includes('preCandidate') ? true : null));
  });
}

test('a node that is alone closes, and so does one whose peers are gone', async () => {
  await using alone = await TestCluster.start({ nodes: 1 });
  assert.deepEqual(await alone.engine(1).close(), { forced: [] });
  await using cluster = await TestCluster.start();
  const leader = await cluster.leader();
  for (const id of cluster.ids) if (id !== leader) await cluster.close(id);
  assert.deepEqual(await cluster.engine(leader).close(), { forced: [] });
});
