/**
 * The options of an engine: one table of fields with unit, default and rule, validated at once.
 *
 * Every problem is reported, with the value, the rule and the remedy; an unknown name is refused
 * with the nearest known one. Names and timing defaults are those of the kraft guides. Options of a
 * group must be equal on all its replicas; the others may differ from process to process.
 */

import { encodeConfiguration } from '../codec/configuration.js';
import {
  type GroupOptions,
  groupProblems,
  type ResolvedGroup,
  resolveGroup,
} from './config-groups.js';
import { REMEDIES, unknownNames } from './config-names.js';
import { unservedReads } from './config-reads.js';
import { type Rule, ruleProblem, withoutUndefined } from './config-rules.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { LIMITS } from './limits.js';
import { bootstrapConfiguration } from './raft/membership.js';
import { nodeId } from './raft/types.js';
import {
  type ResolvedSnapshot,
  resolveSnapshot,
  type SnapshotSettings,
  snapshotProblems,
} from './snapshot-settings.js';

interface Times {
  readonly heartbeatInterval: number;
  readonly electionTimeoutMin: number;
  readonly electionTimeoutMax: number;
}

/** Timing presets, in milliseconds. */
export const TIMING_PRESETS = {
  /** Same data centre, idle machines. */
  'low-latency': { heartbeatInterval: 10, electionTimeoutMin: 50, electionTimeoutMax: 100 },
  standard: { heartbeatInterval: 50, electionTimeoutMin: 150, electionTimeoutMax: 300 },
  /** Across data centres. */
  'wide-area': { heartbeatInterval: 100, electionTimeoutMin: 500, electionTimeoutMax: 1000 },
} as const;
export type TimingPreset = keyof typeof TIMING_PRESETS;

export type SyncMode = 'always' | 'batch' | 'none';

export interface EngineOptions {
  /** This node, 1-based; a member of `cluster`. */
  readonly nodeId: number;
  /** Keeps clusters apart that share a network. Default 1, with `join` that of the joined one. */
  readonly clusterId?: number;
  /** Where this node listens for peers, `host:port`. Default: its own entry of `cluster`. */
  readonly listen?: string;
  /**
   * Every member's id and peer address; two nodes may spell an address differently. Once the data
   * directory has members on record, those count, and this gives addresses only. With `join` this
   * node's own address at most.
   */
  readonly cluster?: Readonly<Record<number, string>>;
  /**
   * Instead of `cluster`: addresses of some members of a cluster that this node is to come into. It
   * has no members of its own and waits until the cluster adds it.
   */
  readonly join?: readonly string[];
  readonly groups: readonly GroupOptions[];
  /** Data directory; without it the node runs in memory and forgets everything when it ends. */
  readonly dataDir?: string;
  /** Another directory for the log, such as one on a faster disk. */
  readonly walDir?: string;
  /** When entries are synced. `always`: before they are acknowledged. Default `always`. */
  readonly syncMode?: SyncMode;
  /** In mode `batch`: milliseconds between syncs. Default 10. */
  readonly batchSyncInterval?: number;
  /** Size of a log segment in bytes, a multiple of 512. Default 64 MiB. */
  readonly segmentBytes?: number;
  /**
   * Size of the whole log in bytes at which writes are refused until snapshots have made it
   * shorter; from half of it on groups are asked for them. At least 4 × `segmentBytes`. Default 1
   * GiB, or that when it is more.
   */
  readonly maxLogBytes?: number;
  /** Memory for recent entries per group, in bytes. Default 32 MiB. */
  readonly arenaBytes?: number;
  /** A preset; single times override it. Default `standard`. */
  readonly timing?: TimingPreset;
  readonly electionTimeoutMin?: number;
  readonly electionTimeoutMax?: number;
  readonly heartbeatInterval?: number;
  /** Entries in one append. Default 16384 (the guides show 100: batches are what makes it fast). */
  readonly maxAppendBatchSize?: number;
  /** False: one append at a time, whatever `pipelineWindow` says. Default true. */
  readonly pipelineEnabled?: boolean;
  /** Appends in flight to one peer. Default 8 (the guides show 10). */
  readonly pipelineWindow?: number;
  readonly enablePreVote?: boolean;
  /** False: only `local` reads are served. Default true. */
  readonly enableReadIndex?: boolean;
  /**
   * True: reads with consistency `lease` are served, and a leader's heartbeats keep a lease. Such a
   * read is stale, without an error, where clocks of nodes differ in rate by more than
   * `leaseDriftPercent`, where a machine is suspended and neither of its clocks shows it, or where
   * a voter has a shorter `electionTimeoutMin` than the leader. Default false.
   */
  readonly leaseReads?: boolean;
  /** By how many percent the clocks of two nodes may differ in rate. Default 10. */
  readonly leaseDriftPercent?: number;
  /** False: a request of the leader to take over is ignored. Default true. */
  readonly enableLeadershipTransfer?: boolean;
  /** When snapshots are taken and what is kept; a group may have its own: snapshot-settings.ts. */
  readonly snapshot?: SnapshotSettings;
  /** Consensus threads; groups are spread over them. Default: one per group. */
  readonly workers?: number;
  /**
   * How long a proposal or read may take unless it says otherwise, in milliseconds. Default 5000.
   */
  readonly timeoutMs?: number;
}

export interface ResolvedOptions
  extends Required<Omit<EngineOptions, 'dataDir' | 'walDir' | 'groups' | 'snapshot'>> {
  readonly dataDir: string | null;
  readonly walDir: string | null;
  readonly groups: readonly ResolvedGroup[];
  readonly snapshot: ResolvedSnapshot;
  /** As given; of a node that runs, as its data has them on record. None: it waits. */
  readonly members: readonly { readonly id: number; readonly address: string }[];
}

/** It is learned at the start, from the data directory or from a member of `join`. */
export const CLUSTER_ID_ASKED = 0;

const DEFAULTS = {
  clusterId: 1,
  syncMode: 'always',
  batchSyncInterval: 10,
  segmentBytes: 64 * 1024 * 1024,
  arenaBytes: 32 * 1024 * 1024,
  timing: 'standard',
  maxAppendBatchSize: 16_384,
  pipelineEnabled: true,
  pipelineWindow: 8,
  enablePreVote: true,
  enableReadIndex: true,
  leaseReads: false,
  leaseDriftPercent: 10,
  enableLeadershipTransfer: true,
  timeoutMs: 5000,
} as const;

const MIB = 1024 * 1024;
/** Of `maxLogBytes`, unless segments are so large that it is raised. */
export const MAX_LOG_BYTES_DEFAULT = 1024 * MIB;
/** Segments that a log must have room for: with fewer, none could be given back in time. */
const SEGMENTS_MIN = 4;
const TIME: Rule = { kind: 'integer', min: 1, max: 600_000 };

const RULES: { readonly [Name in keyof EngineOptions]-?: Rule } = {
  nodeId: { kind: 'integer', min: 1, max: LIMITS.nodeIdMax },
  clusterId: { kind: 'integer', min: 1, max: Number.MAX_SAFE_INTEGER },
  listen: { kind: 'string' },
  cluster: { kind: 'object' },
  join: { kind: 'list' },
  groups: { kind: 'list' },
  dataDir: { kind: 'string' },
  walDir: { kind: 'string' },
  syncMode: { kind: 'string', oneOf: ['always', 'batch', 'none'] },
  batchSyncInterval: { kind: 'integer', min: 1, max: 60_000 },
  segmentBytes: {
    kind: 'integer',
    min: LIMITS.segmentBytesMin,
    max: 1024 * MIB,
    multipleOf: LIMITS.segmentBytesUnit,
  },
  maxLogBytes: {
    kind: 'integer',
    min: SEGMENTS_MIN * LIMITS.segmentBytesMin,
    max: Number.MAX_SAFE_INTEGER,
  },
  arenaBytes: { kind: 'integer', min: MIB, max: 512 * MIB },
  timing: { kind: 'string', oneOf: Object.keys(TIMING_PRESETS) },
  electionTimeoutMin: TIME,
  electionTimeoutMax: TIME,
  heartbeatInterval: TIME,
  maxAppendBatchSize: { kind: 'integer', min: 1, max: 1_000_000 },
  pipelineEnabled: { kind: 'boolean' },
  pipelineWindow: { kind: 'integer', min: 1, max: 1024 },
  enablePreVote: { kind: 'boolean' },
  enableReadIndex: { kind: 'boolean' },
  leaseReads: { kind: 'boolean' },
  leaseDriftPercent: { kind: 'integer', min: 1, max: 50 },
  enableLeadershipTransfer: { kind: 'boolean' },
  snapshot: { kind: 'object' },
  workers: { kind: 'integer', min: 1, max: LIMITS.groupsMax },
  timeoutMs: TIME,
};

/** How whoever gave the times knows them: a command has flags, with units. */
export interface TimeWords {
  readonly heartbeat: string;
  readonly min: string;
  readonly max: string;
  readonly unit: string;
}

type GivenTimes = Pick<EngineOptions, 'timing' | keyof Times>;

const OPTION_WORDS: TimeWords = {
  heartbeat: 'heartbeatInterval',
  min: 'electionTimeoutMin',
  max: 'electionTimeoutMax',
  unit: '',
};

/** What is wrong with the times, those of the preset filled in, as ratios between them. */
export function timingProblems(options: GivenTimes, words: TimeWords = OPTION_WORDS): string[] {
  const times = timesOf(options);
  const { heartbeatInterval: heartbeat, electionTimeoutMin: min, electionTimeoutMax: max } = times;
  const ms = (time: number): string => `${time}${words.unit}`;
  const problems: string[] = [];
  if (min < heartbeat * 3) {
    const need = `at least 3 × ${words.heartbeat} (${ms(heartbeat)}) = ${ms(heartbeat * 3)}`;
    problems.push(`${words.min} is ${ms(min)}, must be ${need}`);
  }
  if (max <= min) {
    problems.push(`${words.max} is ${ms(max)}, must be more than ${words.min} (${ms(min)})`);
  }
  if (max > min * 2) {
    const need = `at most 2 × ${words.min} (${ms(min)}) = ${ms(min * 2)}`;
    problems.push(`${words.max} is ${ms(max)}, must be ${need}`);
  }
  return problems;
}

const ADDRESS = /^(?:\[[^\]]+\]|[^:\s]*):(\d{1,5})$/;
const PORT_MAX = 65_535;

/** Port 0, any free one, is for a node without peers: others could not know which it became. */
/** What is wrong with an address of a member; null when nothing is. */
export function addressProblem(name: string, address: unknown, alone: boolean): string | null {
  const port = typeof address === 'string' ? ADDRESS.exec(address)?.[1] : undefined;
  if (port === undefined) return `${name} is "${String(address)}", must be host:port`;
  if (Number(port) > PORT_MAX) {
    return `${name} is "${String(address)}", its port must be from 1 to ${PORT_MAX}`;
  }
  if (Number(port) > 0 || alone) return null;
  const reason = 'peers must know it; 0, any free port, is for a cluster of one node';
  return `${name} is "${String(address)}", its port must be from 1 to ${PORT_MAX}: ${reason}`;
}

/** All members together, as every replica has them in its log and in its snapshots. */
function configurationProblems(cluster: Members): string[] {
  const members = Object.entries(cluster).map(([id, address]) => {
    return { id: nodeId(Number(id)), address };
  });
  const bytes = encodeConfiguration(bootstrapConfiguration(members)).length;
  const max = LIMITS.configurationBytesMax;
  if (bytes <= max) return [];
  const what = `cluster names ${members.length} members, ${bytes} bytes with their addresses`;
  return [`${what}, at most ${max} are allowed: name fewer, or give shorter addresses`];
}

function joinProblems({ join, listen, cluster, nodeId: self }: EngineOptions): string[] {
  if (join === undefined) return [];
  if (!Array.isArray(join)) return [];
  const problems = join.map((address, at) => addressProblem(`join[${at}]`, address, false));
  if (join.length === 0) problems.push('join is empty, must name a member of the cluster');
  const others = Object.keys(cluster ?? {}).filter((id) => Number(id) !== self);
  if (others.length > 0) {
    problems.push(`cluster names ${others.join(', ')} beside join: give one of the two`);
  }
  if (listen === undefined && cluster?.[self] === undefined) {
    problems.push('listen is missing: with join nothing else says where this node is reached');
  }
  return problems.filter((problem) => problem !== null);
}

type Members = Readonly<Record<number, string>>;

function memberProblems(options: EngineOptions, cluster: Members): string[] {
  const problems: string[] = [];
  const joins = options.join !== undefined;
  const ids = Object.keys(cluster);
  if (ids.length === 0 && !joins) problems.push('cluster is empty, must name at least this node');
  for (const [id, address] of Object.entries(cluster)) {
    const number = Number(id);
    if (!Number.isSafeInteger(number) || number < 1 || number > LIMITS.nodeIdMax) {
      problems.push(`cluster names node "${id}", ids are whole numbers from 1`);
    }
    const problem = addressProblem(`cluster[${id}]`, address, ids.length === 1 && !joins);
    if (problem !== null) problems.push(problem);
  }
  if (options.listen !== undefined) {
    const problem = addressProblem('listen', options.listen, ids.length === 1 && !joins);
    if (problem !== null) problems.push(problem);
  }
  if (problems.length === 0) problems.push(...configurationProblems(cluster));
  if (cluster[options.nodeId] === undefined && !joins) {
    problems.push(
      `nodeId ${options.nodeId} is not in cluster (${ids.join(', ')}): add its address`,
    );
  }
  return problems;
}

function shapeProblems(options: EngineOptions): string[] {
  const known = Object.keys(RULES);
  const problems = unknownNames(options, known, '', REMEDIES);
  for (const name of ['nodeId', 'cluster', 'groups'] as const) {
    const isNeeded = name !== 'cluster' || options.join === undefined;
    if (isNeeded && options[name] === undefined) problems.push(`${name} is missing`);
  }
  for (const [name, rule] of Object.entries(RULES)) {
    const value = options[name as keyof EngineOptions];
    if (value === undefined) continue;
    const problem = ruleProblem(name, value, rule);
    if (problem !== null) problems.push(problem);
  }
  if (options.walDir !== undefined && options.dataDir === undefined) {
    problems.push('walDir is given without dataDir: a node in memory has no log on disk');
  }
  return problems;
}

/** The preset's times, overridden one by one; what is no number is another rule's problem. */
function timesOf(options: GivenTimes): Times {
  const preset = TIMING_PRESETS[options.timing ?? DEFAULTS.timing] ?? TIMING_PRESETS.standard;
  return { ...preset, ...pickNumbers(options) };
}

function pickNumbers(options: GivenTimes): Partial<Times> {
  const names = ['heartbeatInterval', 'electionTimeoutMin', 'electionTimeoutMax'] as const;
  const given = names.filter((name) => Number.isFinite(options[name]));
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

function logBytesProblems({ maxLogBytes, segmentBytes }: EngineOptions): string[] {
  const segment = segmentBytes ?? DEFAULTS.segmentBytes;
  const least = SEGMENTS_MIN * segment;
  if (typeof maxLogBytes !== 'number' || !(maxLogBytes < least)) return [];
  const rule = `at least ${SEGMENTS_MIN} × segmentBytes (${segment}) = ${least}`;
  return [`maxLogBytes is ${maxLogBytes}, must be ${rule}`];
}

function allProblems(options: EngineOptions): string[] {
  if (typeof options !== 'object' || options === null) return ['the options are not an object'];
  const { groups, join } = options as Partial<EngineOptions>;
  const cluster = options.cluster ?? (join === undefined ? null : {});
  return [
    ...shapeProblems(options),
    ...timingProblems(options),
    ...logBytesProblems(options),
    ...(typeof cluster === 'object' && cluster !== null ? memberProblems(options, cluster) : []),
    ...joinProblems(options),
    ...(Array.isArray(groups) ? [...groupProblems(groups), ...unservedReads(options)] : []),
    ...snapshotProblems(options.snapshot),
  ];
}

/** The options with every default filled in; throws `ERR_INVALID_OPTIONS` naming all problems. */
export function resolveOptions(options: EngineOptions): ResolvedOptions {
  const problems = allProblems(options);
  if (problems.length > 0) throw invalid(problems);
  const times = timesOf(options);
  const snapshot = resolveSnapshot(options.snapshot);
  const groups = options.groups.map((group) => resolveGroup(group, snapshot));
  const segmentBytes = options.segmentBytes ?? DEFAULTS.segmentBytes;
  const { cluster = {}, join = [] } = options;
  return {
    ...DEFAULTS,
    clusterId: join.length > 0 ? CLUSTER_ID_ASKED : DEFAULTS.clusterId,
    cluster,
    join,
    maxLogBytes: Math.max(MAX_LOG_BYTES_DEFAULT, SEGMENTS_MIN * segmentBytes),
    listen: cluster[options.nodeId] as string,
    ...withoutUndefined(options),
    ...times,
    workers: Math.min(options.workers ?? groups.length, groups.length),
    groups,
    snapshot,
    dataDir: options.dataDir ?? null,
    walDir: options.walDir ?? null,
    members: join.length > 0 ? [] : membersIn(cluster),
  };
}

function membersIn(cluster: Members): ResolvedOptions['members'] {
  return Object.entries(cluster).map(([id, address]) => ({ id: Number(id), address }));
}

function invalid(problems: readonly string[]): RingraftError {
  return new RingraftError(ErrorNumber.invalidOptions, { detail: problems.join('; ') });
}
