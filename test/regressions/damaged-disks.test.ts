/**
 * Seeds of the simulator with damaged disks and broken transfers that once found something.
 *
 * Each says what it was; the run as a whole must be clean.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { runSeed } from '../../tools/sim/run.js';

const FAMILIES = ['disk', 'snapshot', 'wipe'] as const;

const SEEDS: readonly (readonly [seed: number, nodes: number, what: string])[] = [
  [58, 3, 'a process with a lost write ended after the faults had, in a cluster at rest'],
  [155, 5, 'at its bound the log kept back entries that the snapshot for its relief waited for'],
  [199, 7, 'an append that waited for the disk was of entries that were forgotten meanwhile'],
  [231, 3, 'a second damage on its way to a node forgot the first'],
  [278, 3, 'a replica whose readmission was half done counted as intact'],
];

for (const [seed, nodes, what] of SEEDS) {
  test(`seed ${seed}: ${what}`, () => {
    assert.equal(runSeed(seed, nodes, { families: FAMILIES }).failure, null);
  });
}

test('seed 209: one replica of three is wiped, another in doubt: the group waits, and says so', () => {
  const { failure, counts } = runSeed(209, 3, { families: FAMILIES });
  assert.deepEqual([failure, counts.stranded], [null, 2]);
});
