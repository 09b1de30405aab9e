/**
 * An application that blocks its event loop for ten seconds loses no leadership and no
 * follower. Three nodes in three processes; the leader's application spins.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { eventually, TestCluster } from './cluster.js';
import { NodeProcess, type Outcome } from './node-process.js';

const BLOCKED_MS = 10_000;
/** Several times shorter than the block, and long enough for a machine that runs other tests. */
const TIMES = { heartbeatInterval: 100, electionTimeoutMin: 1500, electionTimeoutMax: 3000 };

test('a leader whose application blocks for ten seconds stays leader, and serves the others', async () => {
  await using cluster = await TestCluster.plan({ options: TIMES });
  const nodes: NodeProcess[] = [];
  try {
    const opening = cluster.ids.map((id) => NodeProcess.open(cluster.optionsOf(id)));
    nodes.push(...(await Promise.all(opening)));
    const leader = await leaderOf(nodes);
    const blocked = nodes[leader - 1] as NodeProcess;
    const others = nodes.filter((node) => node !== blocked);
    const [term] = await termsOf(others);
    for (const node of nodes) await node.events();

    const queued = blocked.proposeAndBlock('add 1', 200, BLOCKED_MS);
    let answered = false;
    void queued.then(() => {
      answered = true;
    });
    let served = 0;
    while (!answered) {
      const outcomes = await Promise.all(others.map((node) => node.propose('add 1')));
      if (!answered) served += outcomes.filter(isDone).length;
      assert.deepEqual(
        outcomes.filter((outcome) => !isDone(outcome)),
        [],
      );
    }

    assert.ok(served > 100, `${served} proposals of the others were served meanwhile`);
    assert.deepEqual(
      (await queued).filter((outcome) => !isDone(outcome)),
      [],
      'none was lost',
    );
    assert.equal(await leaderOf(nodes), leader);
    assert.deepEqual(await termsOf(nodes), [term, term, term]);
    for (const node of nodes) assert.deepEqual(await node.events(), [], 'nobody saw an election');
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
  }
});

const isDone = (outcome: Outcome): boolean => 'value' in outcome;

async function termsOf(nodes: readonly NodeProcess[]): Promise<number[]> {
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.map((status) => status.groups[0]?.term ?? 0);
}

async function leaderOf(nodes: readonly NodeProcess[]): Promise<number> {
  let leaders = new Set<number>();
  const ask = async (): Promise<void> => {
    const statuses = await Promise.all(nodes.map((node) => node.status()));
    leaders = new Set(statuses.map((status) => status.groups[0]?.leader ?? 0));
  };
  await ask();
  return await eventually('one leader', () => {
    const [leader = 0] = leaders;
    if (leaders.size === 1 && leader !== 0) return leader;
    void ask();
    return null;
  });
}
