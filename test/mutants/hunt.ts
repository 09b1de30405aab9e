/**
 * Runs inside a mutated copy: seeds until one fails. Arguments: first seed, seeds, nodes.
 *
 * Prints one line of JSON: how many seeds it took, null when none failed, and what was found.
 */

import { runSeed } from '../../tools/sim/run.js';

const [first = 1, seeds = 300, nodes = 3] = process.argv.slice(2).map(Number);
let found: { seeds: number | null; failure: string } = { seeds: null, failure: '' };
for (let at = 0; at < seeds && found.seeds === null; at += 1) {
  const { failure } = runSeed(first + at, nodes);
  if (failure !== null) found = { seeds: at + 1, failure };
}
process.stdout.write(`${JSON.stringify(found)}\n`);
