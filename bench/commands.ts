/**
 * The commands of the bench and their options, as data: help, parsing and suggestions follow, as
 * for `ringraft` itself.
 *
 * It must never import what measures: `load` does, when a command is called.
 */

import { type Command, command, commandGroup, optional, value } from '../tools/cli/command.js';
import { bytes, integer, text, type ValueRule } from '../tools/cli/value-rules.js';
import { ROW_IDS, type RowId } from './cluster/rows.js';
import { ROW_IDS as READ_ROW_IDS, type RowId as ReadRowId } from './reads/read-rows.js';
import { PARTS, type Part } from './snapshot/snapshot-rows.js';

/** Fewer or shorter runs are for trying things out: floors are meant for these. */
export const RUNS_DEFAULT = 3;
export const SECONDS_DEFAULT = 10;
const SECONDS_MIN = 3;
const SECONDS_MAX = 3600;

const rowIds: ValueRule<readonly RowId[]> = {
  placeholder: 'ID,…',
  expects: `rows, separated by commas, of: ${ROW_IDS.join(', ')}`,
  example: ROW_IDS.slice(0, 2).join(','),
  parse: (given) => {
    const wanted = given.split(',').map((part) => part.trim());
    const known = ROW_IDS.filter((id) => wanted.includes(id));
    return wanted.every((id) => ROW_IDS.some((one) => one === id)) ? known : undefined;
  },
  print: (ids) => ids.join(','),
};

const parts: ValueRule<readonly Part[]> = {
  placeholder: 'PART,…',
  expects: `parts, separated by commas, of: ${PARTS.join(', ')}`,
  example: PARTS.slice(0, 2).join(','),
  parse: (given) => {
    const wanted = given.split(',').map((part) => part.trim());
    const known = PARTS.filter((part) => wanted.includes(part));
    return wanted.every((one) => PARTS.some((part) => part === one)) ? known : undefined;
  },
  print: (list) => list.join(','),
};

const json = optional(
  text('FILE', 'a file to write, or - for the standard output', 'bench.json'),
  'write the result as JSON to FILE, or to the standard output',
  { bare: '-' },
);

export const clusterBenchOptions = {
  rows: value(rowIds, ROW_IDS, 'which rows to measure'),
  runs: value(integer(1, 100, 3), RUNS_DEFAULT, 'runs of each row; their median counts'),
  seconds: value(
    integer(SECONDS_MIN, SECONDS_MAX, 10),
    SECONDS_DEFAULT,
    'measured seconds of a run',
  ),
  warmup: value(integer(0, SECONDS_MAX, 3), 3, 'seconds of load before each measurement'),
  dir: value(
    text('PATH', 'a directory on a disk', './data/bench'),
    './data/bench',
    'where the nodes keep their data meanwhile; must not be in memory (tmpfs)',
  ),
  json,
  profile: optional(
    text('PATH', 'a directory', './profiles'),
    'let the nodes write CPU profiles there, one per thread; the figures suffer',
  ),
} as const;

export const snapshotBenchOptions = {
  parts: value(parts, PARTS, 'which rows to measure: those under load, or at rest'),
  keys: value(integer(1000, 100_000_000, 100_000), 1_000_000, 'keys of the state'),
  'value-size': value(bytes(1, 1024 * 1024, '256'), 256, 'bytes of each value'),
  entries: value(
    integer(1000, 100_000_000, 100_000),
    1_000_000,
    'entries in the log of the restart, with values of 16 bytes',
  ),
  runs: value(integer(1, 100, 3), RUNS_DEFAULT, 'turns of each row'),
  seconds: value(integer(SECONDS_MIN, SECONDS_MAX, 45), 45, 'measured seconds of a window'),
  warmup: value(integer(1, SECONDS_MAX, 3), 3, 'seconds of load before each window'),
  dir: clusterBenchOptions.dir,
  json,
  profile: clusterBenchOptions.profile,
} as const;

const readRows: ValueRule<readonly ReadRowId[]> = {
  placeholder: 'ROW,…',
  expects: `rows, separated by commas, of: ${READ_ROW_IDS.join(', ')}`,
  example: READ_ROW_IDS.slice(0, 2).join(','),
  parse: (given) => {
    const wanted = given.split(',').map((part) => part.trim());
    const known = READ_ROW_IDS.filter((id) => wanted.includes(id));
    return wanted.every((one) => READ_ROW_IDS.some((id) => id === one)) ? known : undefined;
  },
  print: (list) => list.join(','),
};

export const readBenchOptions = {
  rows: value(readRows, READ_ROW_IDS, 'which rows to measure'),
  runs: clusterBenchOptions.runs,
  seconds: clusterBenchOptions.seconds,
  warmup: clusterBenchOptions.warmup,
  dir: clusterBenchOptions.dir,
  json,
  profile: clusterBenchOptions.profile,
} as const;

export const microBenchOptions = {
  only: optional(
    text('TEXT', 'a part of a task’s name', 'ring'),
    'only the tasks whose name contains this',
  ),
  milliseconds: value(integer(10, 60_000, 500), 500, 'how long each task is measured'),
  dir: value(
    text('PATH', 'a directory on a disk', './data/bench'),
    './data/bench',
    'where the log of the tasks with a real file lies meanwhile',
  ),
  json,
} as const;

export const BENCH_COMMANDS: Command = commandGroup(
  'bench',
  'Measures ringraft: a whole cluster of processes, or its parts one by one',
  [
    command({
      name: 'cluster',
      summary: 'Three nodes, every write synced, driven over their client ports',
      details: [
        'Starts three nodes as processes for each row, measures, compares with the floors and ' +
          'ends with 1 when a row misses. The load generator is a process of its own.',
      ],
      options: clusterBenchOptions,
      examples: [
        'npm run bench -- cluster --json bench.json',
        'npm run bench -- cluster --rows w16-8192 --runs 1',
      ],
      load: () => import('./cluster/cluster-command.js'),
    }),
    command({
      name: 'reads',
      summary: 'Reads of each consistency over the client port, on three nodes',
      details: [
        'Starts three nodes as processes for each row, fills them, and drives GETs at the ' +
          'leader. Ends with 1 when linearizable reads miss their floor; the others have none.',
      ],
      options: readBenchOptions,
      examples: [
        'npm run bench -- reads --json reads.json',
        'npm run bench -- reads --rows linearizable,lease --runs 1',
      ],
      load: () => import('./reads/reads-command.js'),
    }),
    command({
      name: 'snapshot',
      summary: 'What snapshots of a large state cost while clients write, and what they give',
      details: [
        'Fills three nodes, drives them without and with snapshots in turns, and compares the ' +
          'windows of each turn; then files, catching up and a restart. Ends with 1 on a miss.',
      ],
      options: snapshotBenchOptions,
      examples: [
        'npm run bench -- snapshot --json snapshot.json',
        'npm run bench -- snapshot --keys 100000 --seconds 10 --runs 1',
        'npm run bench -- snapshot --parts image,catch-up',
      ],
      load: () => import('./snapshot/snapshot-command.js'),
    }),
    command({
      name: 'micro',
      summary: 'The parts of the data path, each alone in one thread',
      options: microBenchOptions,
      examples: ['npm run bench -- micro', 'npm run bench -- micro --only ring'],
      load: () => import('./micro/micro-command.js'),
    }),
  ],
  ['npm run bench -- cluster', 'npm run bench -- micro --only wal'],
);
