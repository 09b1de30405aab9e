/**
 * The options of the `cluster` commands, as data, and what the words that follow them mean.
 *
 * The command table reads this to print help pages, so it must import no code that does anything.
 */

import { flag, optional, type ValueSpec, value } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { duration, integer, text } from '../cli/value-rules.js';
import { serverOptions } from '../server/server-options.js';
import { snapshotFlags } from '../server/snapshot-flags.js';
import { CLIENT_PORT_OFFSET, NODES_MAX } from './cluster-state.js';

const BASE_PORT_MAX = 65_535 - CLIENT_PORT_OFFSET - NODES_MAX;
const TIME_MS_MAX = 3_600_000;
const LINES_MAX = 100_000;
const basePort = integer(1024, BASE_PORT_MAX, 6001);

const data = value(
  text('DIR', 'a directory', './data'),
  './data',
  'where the cluster is: cluster.json, one directory and one log file per node',
);

const { sync, reads, 'on-follower': onFollower, timing, 'max-log': maxLog } = serverOptions;
const { 'lease-reads': leaseReads, 'lease-drift': leaseDrift, replication } = serverOptions;

/** Flags that are handed on to every node as they are. */
export const nodeFlags = handedOn({
  sync,
  reads,
  'lease-reads': leaseReads,
  'lease-drift': leaseDrift,
  replication,
  'on-follower': onFollower,
  timing,
  'max-log': maxLog,
  ...snapshotFlags,
});

type HandedOn<O> = {
  readonly [Name in keyof O]: O[Name] extends ValueSpec<infer T> ? ValueSpec<T> : never;
};

/** The server's own rules and help; what is left out stays the node's choice. */
function handedOn<const O extends Readonly<Record<string, ValueSpec<unknown>>>>(
  flags: O,
): HandedOn<O> {
  const entries = Object.entries(flags).map(([name, spec]) => {
    const { rule, help, default: chosen } = spec;
    const otherwise = chosen === undefined ? '' : ` (default ${rule.print(chosen)})`;
    return [name, optional(rule, `for every node: ${help}${otherwise}`)];
  });
  // Name by name the same rules, which is what the type says.
  return Object.fromEntries(entries) as HandedOn<O>;
}

export const dataOptions = { data } as const;

const timeout = value(
  duration(100, TIME_MS_MAX, '30s'),
  60_000,
  'give up when a node does not serve after this',
);

export const waitOptions = { data, timeout } as const;

const dryRun = flag('only say who would vote, how many must answer, and who does');

export const removeOptions = { data, timeout, 'dry-run': dryRun } as const;

export const addOptions = {
  data,
  timeout,
  learner: flag('as a learner: it gets the log and serves reads, and does not vote'),
  'dry-run': dryRun,
} as const;

export const startOptions = {
  data,
  'base-port': optional(
    basePort,
    'peer port of node 1; the others follow, client ports are 100 higher ' +
      '(default: RINGRAFT_BASE_PORT, else as before in this directory, else 5001)',
  ),
  timeout,
  ...nodeFlags,
} as const;

export const stopOptions = {
  data,
  timeout: value(
    duration(0, TIME_MS_MAX, '5s'),
    15_000,
    'kill a node that has not ended by itself after this',
  ),
} as const;

export const statusOptions = {
  data,
  json: flag('print one JSON object instead of the table'),
} as const;

export const logsOptions = {
  data,
  follow: flag('go on printing what is added, until Ctrl-C', 'f'),
  lines: value(integer(0, LINES_MAX, 20), 20, 'how many lines of the end to begin with', {
    short: 'n',
  }),
} as const;

type Given = { readonly [Name in keyof typeof nodeFlags]?: unknown };

/** The flags as they stand on a node's command line. */
export function flagsFor(given: Given): string[] {
  const table: Readonly<Record<string, ValueSpec<unknown>>> = nodeFlags;
  return Object.entries(table).flatMap(([name, { rule }]) => {
    const chosen = given[name as keyof Given];
    return chosen === undefined ? [] : [`--${name}`, rule.print(chosen)];
  });
}

/** `--base-port`, else the environment's; undefined leaves it to what is recorded. */
export function basePortFor(
  given: number | undefined,
  env: Readonly<Record<string, string | undefined>>,
): number | undefined {
  const named = env.RINGRAFT_BASE_PORT;
  if (given !== undefined || named === undefined || named === '') return given;
  const port = basePort.parse(named);
  if (port !== undefined) return port;
  throw new CommandError(
    ExitCode.usage,
    `RINGRAFT_BASE_PORT is "${named}": it must be ${basePort.expects}`,
  );
}

/** How many nodes: the word N of `start N`; undefined when it was left out. */
export function nodeCount(word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  const count = integer(1, NODES_MAX).parse(word);
  if (count !== undefined) return count;
  throw new CommandError(
    ExitCode.usage,
    `"${word}" nodes: it must be a whole number from 1 to ${NODES_MAX}`,
  );
}

/** `2` or `node2`; undefined for what names no node. */
export function nodeId(word: string): number | undefined {
  const match = /^(?:node-?)?(\d+)$/i.exec(word);
  return match === null ? undefined : Number(match[1]);
}

/** The id in the word, of a node that need not be one of this directory. */
export function memberId(word: string): number {
  const id = nodeId(word);
  if (id !== undefined && id >= 1 && Number.isSafeInteger(id)) return id;
  throw new CommandError(
    ExitCode.usage,
    `"${word}" is no node: it must be the number of one, from 1, such as 4`,
  );
}
