/**
 * From the server's command line to the engine's options, the client port's limits, and what CONFIG
 * GET shows. Mistakes that only the options together reveal are refused here.
 */

import {
  type EngineOptions,
  MAX_LOG_BYTES_DEFAULT,
  type TimeWords,
  timingProblems,
} from '../../engine/config.js';
import type { OptionValues } from '../cli/command.js';
import { CommandError, ExitCode } from '../cli/exit-codes.js';
import { type Address, printAddress } from '../cli/value-rules.js';
import type { Member } from './cluster-list.js';
import { serverLimits } from './limit-settings.js';
import { readMode } from './read-mode.js';
import type { serverOptions } from './server-options.js';
import { snapshotFlags, snapshotSettings } from './snapshot-flags.js';

type CommandLine = OptionValues<typeof serverOptions>;

export const GROUP_NAME = 'kv';

/**
 * What a command replies travels in one ring record: of the smallest rings 2 MiB with their
 * headers. It decides which commands are rejected, so it must be the same whenever a log is read.
 */
const VALUE_BYTES_MAX = 2 * 1024 * 1024 - 4096;

const MACHINE = `kv-machine.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;

function usage(problem: string): CommandError {
  return new CommandError(ExitCode.usage, problem);
}

/**
 * Every member with its address. `--advertise` replaces this node's own: what its log records if it
 * leads first, for peers whose own list does not name it.
 */
function membersOf({ listen, node, cluster, advertise, join }: CommandLine): readonly Member[] {
  if (cluster !== undefined && join !== undefined) {
    throw usage(
      '--cluster and --join are both given: name all members by --cluster to begin a cluster, or ' +
        'some by --join to come into one',
    );
  }
  const list = cluster ?? [{ id: node, address: advertise ?? listen }];
  const self = list.find(({ id }) => id === node);
  if (self === undefined) {
    const ids = list.map(({ id }) => id).join(', ');
    throw usage(
      `--node is ${node}, but --cluster names the nodes ${ids}: list every member, this one too`,
    );
  }
  const own = printAddress(listen);
  const other = list.find(({ id, address }) => id !== node && printAddress(address) === own);
  if (other !== undefined) {
    throw usage(
      `--listen is ${own}, which --cluster gives to node ${other.id}, and this is node ${node}: ` +
        'correct --node or --listen',
    );
  }
  if (advertise === undefined) return list;
  return list.map((member) => (member.id === node ? { id: node, address: advertise } : member));
}

function spelledOut(host: string): string {
  return host.toLowerCase() === 'localhost' ? '127.0.0.1' : host;
}

/** Whether two hosts, as they are spelled, would have one port of this machine between them. */
function overlaps(one: string, other: string): boolean {
  const a = spelledOut(one);
  const b = spelledOut(other);
  if (a === b || a === '::' || b === '::') return true;
  return (a === '0.0.0.0' && !b.includes(':')) || (b === '0.0.0.0' && !a.includes(':'));
}

/** Bound to one port, the node would be told that another process has it, which is itself. */
function checkPorts({ listen, client }: CommandLine): void {
  if (client?.port !== listen.port || !overlaps(listen.host, client.host)) return;
  throw usage(
    `--client is ${printAddress(client)} and --listen is ${printAddress(listen)}: peers and ` +
      'clients need a port each; change one of them',
  );
}

const TIME_FLAGS: TimeWords = {
  heartbeat: '--heartbeat',
  min: '--election-min',
  max: '--election-max',
  unit: 'ms',
};

/** The times that were given, which must fit to each other and to the preset's. */
function timesOf(options: CommandLine): Partial<EngineOptions> {
  const { timing, heartbeat, 'election-min': electionMin, 'election-max': electionMax } = options;
  const times = {
    timing,
    ...(heartbeat === undefined ? {} : { heartbeatInterval: heartbeat }),
    ...(electionMin === undefined ? {} : { electionTimeoutMin: electionMin }),
    ...(electionMax === undefined ? {} : { electionTimeoutMax: electionMax }),
  };
  const problems = timingProblems(times, TIME_FLAGS);
  if (problems.length === 0) return times;
  const whole = [heartbeat, electionMin, electionMax].every((time) => time !== undefined);
  const origin = `times that are not given are those of --timing ${timing}: give all three`;
  throw usage([...problems, ...(whole ? [] : [origin])].join('\n'));
}

/** Reads by lease are served where somebody may ask for one. */
function servesLeases(options: CommandLine): boolean {
  return options['lease-reads'] === 'on' || options.reads.consistency === 'lease';
}

export function engineOptions(options: CommandLine): EngineOptions {
  checkPorts(options);
  const members = membersOf(options);
  if (options['wal-dir'] !== undefined && options.data === undefined) {
    throw usage('--wal-dir needs --data: a node in memory has no log on disk');
  }
  const { 'max-log': maxLogBytes } = options;
  const { entryBytesMax, client } = serverLimits(options);
  const { answerBytesMax } = client;
  const machineOptions = { valueBytesMax: VALUE_BYTES_MAX, answerBytesMax };
  const machine = new URL(`../../engine/machines/kv/${MACHINE}`, import.meta.url);
  return {
    nodeId: options.node,
    ...(options['cluster-id'] === undefined ? {} : { clusterId: options['cluster-id'] }),
    ...(options.join === undefined ? {} : { join: options.join.map(printAddress) }),
    listen: printAddress(options.listen),
    cluster: Object.fromEntries(members.map(({ id, address }) => [id, printAddress(address)])),
    groups: [
      {
        name: GROUP_NAME,
        machine,
        machineOptions,
        entryBytesMax,
        replication: options.replication,
      },
    ],
    syncMode: options.sync,
    batchSyncInterval: options['sync-interval'],
    ...timesOf(options),
    timeoutMs: options.timeout,
    leaseReads: servesLeases(options),
    leaseDriftPercent: options['lease-drift'],
    snapshot: snapshotSettings(options),
    ...(maxLogBytes === undefined ? {} : { maxLogBytes }),
    ...(options.data === undefined ? {} : { dataDir: options.data }),
    ...(options['wal-dir'] === undefined ? {} : { walDir: options['wal-dir'] }),
  };
}

const SNAPSHOT_NAMES = Object.keys(snapshotFlags) as (keyof typeof snapshotFlags)[];

/**
 * What CONFIG GET shows: Redis's names where tools ask for them, and the server's own; times in
 * milliseconds, sizes in bytes.
 */
export function settings(options: CommandLine, clusterId: number): ReadonlyMap<string, string> {
  const client: Address | undefined = options.client;
  const fsync = { always: 'always', batch: 'everysec', none: 'no' } as const;
  const durable = options.data !== undefined;
  return new Map([
    ['save', ''],
    ['appendonly', durable ? 'yes' : 'no'],
    ['appendfsync', durable ? fsync[options.sync] : 'no'],
    ['databases', '1'],
    ['bind', client?.host ?? ''],
    ['port', String(client?.port ?? 0)],
    ['dir', options.data ?? ''],
    ['maxclients', String(options['max-clients'])],
    ['timeout', String(Math.floor(options['idle-timeout'] / 1000))],
    ['proto-max-bulk-len', String(serverLimits(options).client.bulkBytesMax)],
    ['cluster-id', String(clusterId)],
    ['node', String(options.node)],
    ['listen', printAddress(options.listen)],
    ['sync', options.sync],
    ['reads', readMode.print(options.reads)],
    ['replication', options.replication],
    ['lease-reads', servesLeases(options) ? 'on' : 'off'],
    ['lease-drift', String(options['lease-drift'])],
    ['on-follower', options['on-follower']],
    ['timing', options.timing],
    ['max-log', String(options['max-log'] ?? MAX_LOG_BYTES_DEFAULT)],
    ...SNAPSHOT_NAMES.map((name) => [name, String(options[name])] as const),
  ]);
}
