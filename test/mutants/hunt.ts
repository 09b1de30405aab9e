/**
 * Runs inside a mutated copy: seeds until one fails. Arguments: first seed, seeds, nodes,
 * families of faults.
 *
 * Prints one line of JSON: how many seeds it took, null when none failed, and what was found.
 */

import { FAULT_FAMILIES } from '../../tools/sim/fault-families.js';
import { runSeed } from '../../tools/sim/run.js';

const [first = 1, seeds = 300, nodes = 3] = process.argv.slice(2, 5).map(Number);
const named = (process.argv[5] ?? '').split(',');
const families = FAULT_FAMILIES.filter((family) => named.includes(family));
let found: { seeds: number | null; failure: string } = { seeds: null, failure: '' };
for (let at = 0; at < seeds && found.seeds === null; at += 1) {
  const { failure } = runSeed(first + at, nodes, { families });
  if (failure !== null) found = { seeds: at + 1, failure };
}
process.stdout.write(`${JSON.stringify(found)}\n`);
