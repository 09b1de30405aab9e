/**
 * Random walks over a cluster of cores: the safety properties hold after every step whatever is
 * lost, repeated, reordered, crashed or held back, and once the faults stop the cluster comes to
 * rest.
 *
 * A failure names its seed; RINGRAFT_WALK_SEED walks that seed alone.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { RandomWalk, type WalkReport } from './random-walk.js';

const WALKS = 300;
const STEPS = 500;

function walk(seed: number): WalkReport {
  try {
    return new RandomWalk(seed).run(STEPS);
  } catch (cause) {
    const again = `RINGRAFT_WALK_SEED=${seed} node --import tsx --test test/raft/random.test.ts`;
    throw new Error(`random walk ${seed} failed; again: ${again}`, { cause });
  }
}

test('no random walk breaks an invariant, and every one comes to rest when its faults stop', () => {
  const only = process.env.RINGRAFT_WALK_SEED;
  if (only !== undefined) {
    walk(Number(only));
    return;
  }
  const total = {
    terms: 0,
    committed: 0,
    truncations: 0,
    reads: 0,
    leases: 0,
    crashes: 0,
    wipes: 0,
    readmissions: 0,
    tears: 0,
    outages: 0,
    snapshots: 0,
    compactions: 0,
    installs: 0,
    resets: 0,
    losses: 0,
    changes: 0,
    joints: 0,
    promotions: 0,
    removedLeaders: 0,
    refusedChanges: 0,
    transfers: 0,
    witnesses: 0,
  };
  for (let seed = 1; seed <= WALKS; seed += 1) {
    const report = walk(seed);
    for (const key of Object.keys(total) as (keyof WalkReport)[]) total[key] += report[key];
  }
  for (const [what, count] of Object.entries(total)) {
    assert.ok(count > WALKS / 30, `the walks met ${what} (${count})`);
  }
});
