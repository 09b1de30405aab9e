/**
 * Bugs put into copies of the source are found by the simulator within 300 seeds. Those that every
 * test run hunts are here; `node --import tsx test/mutants/run.ts` hunts all.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hunt, SEEDS_MAX } from '../mutants/hunting.js';
import { MUTANTS } from '../mutants/mutants.js';
import { occurrences } from '../mutants/mutated-copy.js';

test('the pattern of every mutant is in the source exactly once, and is changed by it', () => {
  for (const mutant of MUTANTS) {
    assert.equal(occurrences(mutant), 1, `${mutant.name} in ${mutant.file}`);
    assert.notEqual(mutant.find, mutant.replace, mutant.name);
  }
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

describe(`within ${SEEDS_MAX} seeds it is found that`, { concurrency: 2 }, () => {
  for (const mutant of MUTANTS.filter(({ inTests }) => inTests === true)) {
    test(`${mutant.what} (${mutant.name})`, async () => {
      const { seeds } = await hunt(mutant);
      assert.notEqual(seeds, null, `no seed up to ${SEEDS_MAX} fails`);
    });
  }
});
