/**
 * The options of `ringraft crash`, as data. The command table reads this to print a help page, so
 * it must import no code that does anything.
 */

import { flag, type OptionValues, optional, value } from '../cli/command.js';
import { integer, text } from '../cli/value-rules.js';
import { nodeFlags } from '../cluster/cluster-options.js';
import { NODES_MAX } from '../cluster/cluster-state.js';

const TRIALS_MAX = 100_000;
const CONNECTIONS_MAX = 256;
const IN_FLIGHT_MAX = 65_536;
const SEED_MAX = 0xffff_ffff;

export const crashOptions = {
  trials: value(integer(1, TRIALS_MAX, 20), 20, 'how many times nodes are killed'),
  nodes: value(integer(1, NODES_MAX, 3), 3, 'nodes of the cluster'),
  seed: optional(
    integer(0, SEED_MAX, 7),
    'decides who is killed and when; printed, so that a run can be tried again',
  ),
  damage: flag('in half of the trials, damage files of one dead node: it starts whole or refuses'),
  connections: value(integer(1, CONNECTIONS_MAX, 6), 6, 'writers, spread over the nodes'),
  'in-flight': value(
    integer(1, IN_FLIGHT_MAX, 96),
    96,
    'writes awaiting a reply, over all writers together',
  ),
  sync: nodeFlags.sync,
  timing: nodeFlags.timing,
  data: optional(
    text('DIR', 'a directory that is empty or missing', './crash-data'),
    'where the cluster is; default a new temporary directory',
  ),
  'base-port': optional(
    integer(1024, 65_000, 6001),
    'peer port of node 1, client ports are 100 higher; default ports that are free',
  ),
  keep: flag('keep the data directory also when nothing was lost'),
  json: optional(
    text('FILE', 'a file to write, or - for the standard output', 'crash.json'),
    'write the report as JSON to FILE, or to the standard output',
    { bare: '-' },
  ),
} as const;

export type CrashOptions = OptionValues<typeof crashOptions>;
