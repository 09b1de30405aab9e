/**
 * `node --import tsx test/mutants/run.ts [name…] [--seed S]`: hunts mutants, all by default, and
 * prints how many seeds each took. Exit code 1 when one was not found.
 */

import { parseArgs } from 'node:util';
import { alignColumns } from '../../tools/sim/trace.js';
import { hunt, SEEDS_MAX } from './hunting.js';
import { MUTANTS } from './mutants.js';

const FAILURE_SHOWN = 90;

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const wanted = MUTANTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (wanted.length === 0) {
  const names = MUTANTS.map(({ name }) => name).join(' ');
  process.stderr.write(`no mutant is called ${positionals.join(' ')}; there are ${names}\n`);
  process.exitCode = 1;
}
const rows: string[][] = [];
for (const mutant of wanted) {
  const { seeds, failure, elapsedMs } = await hunt(mutant, Number(values.seed));
  const runs = `${mutant.nodes ?? 3} nodes, ${mutant.faults?.join(',') ?? 'all'}`;
  const took = seeds === null ? `not in ${SEEDS_MAX}` : String(seeds);
  const shown = failure.split('\n')[0]?.slice(0, FAILURE_SHOWN) ?? '';
  rows.push([mutant.name, runs, took, `${(elapsedMs / 1000).toFixed(1)} s`, shown]);
  process.stderr.write(`${mutant.name}: ${took}\n`);
  if (seeds === null) process.exitCode = 1;
}
const table = alignColumns([['mutant', 'runs with faults', 'seeds', 'time', 'found as'], ...rows]);
process.stdout.write(`${table.join('\n')}\n`);
