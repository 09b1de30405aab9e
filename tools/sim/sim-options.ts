/**
 * The options of `ringraft sim`, as data, and what a range of cluster sizes means for one seed.
 *
 * This must import no code of the simulator: the command table reads it to print a help page.
 */

import { flag, type OptionValues, value } from '../cli/command.js';
import { integer, type ValueRule } from '../cli/value-rules.js';
import { FAULT_FAMILIES, type FaultFamily, isEveryFamily } from './fault-families.js';

export const NODES_MIN = 1;
export const NODES_MAX = 9;
export const SEED_MAX = 2 ** 36;
const RUNS_MAX = 10_000_000;

export interface NodesRange {
  readonly low: number;
  readonly high: number;
}

/** `5`, or `3..7`: then each seed has its own size in the range. */
export const nodesRange: ValueRule<NodesRange> = {
  placeholder: 'N',
  expects: `a number of nodes from ${NODES_MIN} to ${NODES_MAX}, or a range such as 3..7`,
  example: '3..7',
  parse: (given) => {
    const match = /^(\d)(?:\.\.(\d))?$/.exec(given);
    const low = Number(match?.[1]);
    const high = Number(match?.[2] ?? match?.[1]);
    return low >= NODES_MIN && high >= low && high <= NODES_MAX ? { low, high } : undefined;
  },
  print: ({ low, high }) => (low === high ? String(low) : `${low}..${high}`),
};

/** `disk,snapshot`, or `all`: from which families of faults a run draws. */
export const faultFamilies: ValueRule<readonly FaultFamily[]> = {
  placeholder: 'LIST',
  expects: `all, or families of faults, separated by commas, of ${FAULT_FAMILIES.join(', ')}`,
  example: 'disk,snapshot,wipe',
  parse: (given) => {
    if (given === 'all') return FAULT_FAMILIES;
    const names = given.split(',');
    const found = FAULT_FAMILIES.filter((family) => names.includes(family));
    return found.length === names.length ? found : undefined;
  },
  print: (families) => (isEveryFamily(families) ? 'all' : families.join(',')),
};

export const simOptions = {
  seed: value(integer(0, SEED_MAX, 1), 1, 'the first seed; each run takes the next one'),
  runs: value(integer(1, RUNS_MAX, 300), 300, 'how many seeds to run'),
  nodes: value(
    nodesRange,
    { low: 3, high: 7 },
    'nodes in the cluster; half of a range are of its least',
  ),
  faults: value(faultFamilies, FAULT_FAMILIES, 'families of faults that runs draw from'),
  failures: value(integer(1, 1000, 1), 1, 'end after this many failing runs'),
  trace: flag('print every event of every run'),
  quiet: flag('no progress lines'),
} as const;

export type SimCommandLine = OptionValues<typeof simOptions>;

/** The size of the cluster that a seed runs with: small ones are fast, so they come often. */
export function nodesOf(seed: number, { low, high }: NodesRange): number {
  if (low === high || seed % 2 === 0) return low;
  return low + (((seed - 1) / 2) % (high - low + 1));
}
