/**
 * Brings up a node: data directory and lock, shared memory, threads in order, recovered groups.
 *
 * What recovery found on disk becomes what the core starts from here, and nowhere else. This file
 * must never answer a request: see engine.ts and group.ts.
 */

import { crc32c } from '../codec/checksum.js';
import { FRAME_HEADER_BYTES, PART_BYTES_MAX } from '../codec/frames/frame-format.js';
import { MESSAGE_HEADER_BYTES_MAX } from '../codec/frames/message-codec.js';
import {
  confirmDataDirectory,
  type DataDirectory,
  openDataDirectory,
  recordFirstMembers,
} from '../io/data-directory.js';
import { DataDirectoryError } from '../io/data-directory-error.js';
import { type DataLock, DataLockedError } from '../io/data-lock.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { randomU48 } from '../io/identity.js';
import { openLocked } from '../io/locked-directory.js';
import { createNetFigures } from '../io/net/net-counters.js';
import { raisedTo } from '../io/wal/term-floor.js';
import type { RecoveredGroup } from '../io/wal/wal-types.js';
import { createIoFigures } from '../workers/io-figures.js';
import { createSpareWords } from '../workers/spare-words.js';
import { createStatusPage } from '../workers/status-page.js';
import { Supervisor, type SupervisorEvents, ThreadRefused } from '../workers/supervisor.js';
import type {
  GroupThreadData,
  ReadyRecovered,
  TransportThreadData,
} from '../workers/thread-data.js';
import { appendBytesMax, createNodeMemory, type NodeMemory } from '../workers/topology.js';
import type { ResolvedOptions } from './config.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { isHostedMachine } from './hosted-machine.js';
import { LIMITS } from './limits.js';
import type { RaftOptions, Recovered } from './raft/state.js';
import { incarnation, logIndex, nodeId, term } from './raft/types.js';
import {
  type GroupMembership,
  membershipAtStart,
  type StartMembership,
} from './start-membership.js';

/** Memory mode keeps the log in segments of this size. */
const MEMORY_SEGMENT_BYTES = LIMITS.segmentBytesMin;
const FRAME_OVERHEAD_BYTES = 257 * 1024;
/** An append of several entries fits into one frame; parts are for single large entries. */
const APPEND_BYTES_MAX = PART_BYTES_MAX - FRAME_HEADER_BYTES - MESSAGE_HEADER_BYTES_MAX;
const WINDOW_BYTES_MAX = 2 * 1024 * 1024;
/** A leader whose disk is silent for this many election timeouts hands over. */
const DISK_STALL_TIMEOUTS = 10;
const PEER_IDLE_HEARTBEATS = 40;

export interface RunningNode {
  readonly memory: NodeMemory;
  readonly supervisor: Supervisor;
  readonly statusPages: readonly SharedArrayBuffer[];
  readonly figures: SharedArrayBuffer;
  readonly netFigures: SharedArrayBuffer;
  readonly spares: SharedArrayBuffer;
  readonly lock: DataLock | null;
  readonly incarnation: number;
  readonly bootId: number;
  /** Where peers reach this node, as bound. */
  readonly peerAddress: string;
  /** What recovery found: segments, blocks, cuts. */
  readonly recovery: unknown;
  /** The members on record are others than the given ones: both, for the operator. */
  readonly membershipWarning: string | null;
  /** The options, groups in the order of their numbers in the log, members as on record. */
  readonly options: ResolvedOptions;
}

interface Identity {
  readonly directory: DataDirectory | null;
  readonly lock: DataLock | null;
  readonly incarnation: number;
  readonly logId: number;
}

async function openIdentity(options: ResolvedOptions): Promise<Identity> {
  const { dataDir, walDir } = options;
  if (dataDir === null) {
    return { directory: null, lock: null, incarnation: randomU48(), logId: randomU48() };
  }
  try {
    const { lock, opened: directory } = await openLocked(dataDir, walDir, () =>
      openDataDirectory(new NodeDisk(), {
        path: dataDir,
        clusterId: options.clusterId,
        nodeId: options.nodeId,
        groups: options.groups.map(({ name }) => name),
        randomU48,
        nowMs: Date.now(),
        ...(walDir === null ? {} : { walDir }),
      }),
    );
    const { incarnation: life, logId } = directory.meta;
    return { directory, lock, incarnation: life, logId };
  } catch (cause) {
    throw asDataError(cause);
  }
}

function asDataError(cause: unknown): unknown {
  if (!(cause instanceof DataLockedError) && !(cause instanceof DataDirectoryError)) return cause;
  return new RingraftError(ErrorNumber.dataDirectory, { detail: cause.message, cause });
}

/** What the core is told of the options; `life` is the incarnation of this node's data. */
export function raftOptions(
  options: ResolvedOptions,
  life: number,
  entryBytesMax: number,
): RaftOptions {
  return {
    id: nodeId(options.nodeId),
    incarnation: incarnation(life),
    seed: randomU48(),
    electionTimeoutMin: options.electionTimeoutMin,
    electionTimeoutMax: options.electionTimeoutMax,
    heartbeatInterval: options.heartbeatInterval,
    preVote: options.enablePreVote,
    transfer: options.enableLeadershipTransfer,
    windowMessagesMax: options.pipelineEnabled ? options.pipelineWindow : 1,
    windowBytesMax: WINDOW_BYTES_MAX,
    appendEntriesMax: options.maxAppendBatchSize,
    appendBytesMax: Math.min(APPEND_BYTES_MAX, appendBytesMax(entryBytesMax)),
    diskStallMax: options.electionTimeoutMax * DISK_STALL_TIMEOUTS,
  };
}

/** What the core starts from: the group's part of the recovered log, or nothing. */
function recoveredFor(
  membership: GroupMembership,
  found: RecoveredGroup | undefined,
  inDoubt: boolean,
  termFloor: number,
  self: number,
): Recovered {
  if (found === undefined) {
    const nothing = { term: 0, vote: 0 };
    const start = inDoubt ? raisedTo(termFloor, self, nothing) : nothing;
    const log = { last: logIndex(0), generation: 0, termRuns: [], extents: [] };
    const hardState = { term: term(start.term), vote: nodeId(start.vote) };
    return { ...membership, hardState, log, inDoubt };
  }
  return {
    ...membership,
    hardState: { term: term(found.term), vote: nodeId(found.vote) },
    log: {
      last: logIndex(found.last),
      generation: found.generation,
      termRuns: found.termRuns.map((run) => ({ first: logIndex(run.first), term: term(run.term) })),
      extents: found.extents.map(({ last, bytes }) => ({ last: logIndex(last), bytes })),
    },
    inDoubt,
  };
}

const hashOf = (text: string): number => crc32c(Buffer.from(text));

/** Groups by the number that the log knows them by, not by their place in the options. */
function inLogOrder(options: ResolvedOptions, directory: DataDirectory | null): ResolvedOptions {
  if (directory === null) return options;
  const numberOf = (name: string): number => directory.meta.groups.indexOf(name);
  const groups = [...options.groups].sort((a, b) => numberOf(a.name) - numberOf(b.name));
  return { ...options, groups };
}

/** Throws RingraftError, or the reason of `signal` when that ended the start. */
export async function startNode(
  given: ResolvedOptions,
  events: SupervisorEvents,
  signal?: AbortSignal,
): Promise<RunningNode> {
  signal?.throwIfAborted();
  const identity = await openIdentity(given);
  const options = inLogOrder(given, identity.directory);
  const threadOfGroup = options.groups.map((_, group) => group % options.workers);
  const memory = createNodeMemory(
    options.groups.map(({ entryBytesMax }) => ({
      entryBytesMax,
      arenaBytesMin: options.arenaBytes,
    })),
    options.workers,
  );
  const supervisor = new Supervisor(memory, options.workers, events);
  const onAbort = (): void => supervisor.abandonStart(signal?.reason);
  signal?.addEventListener('abort', onAbort);
  try {
    return await startThreads(options, identity, memory, threadOfGroup, supervisor);
  } catch (cause) {
    await supervisor.stop();
    await identity.lock?.release();
    signal?.throwIfAborted();
    throw cause instanceof ThreadRefused ? asStartError(cause) : asDataError(cause);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function asStartError(refused: ThreadRefused): RingraftError {
  const number = {
    io: ErrorNumber.storage,
    bulk: ErrorNumber.storage,
    consensus: ErrorNumber.stateMachine,
    transport: ErrorNumber.listen,
  }[refused.thread];
  return new RingraftError(number, { detail: refused.message, cause: refused });
}

function groupData(
  options: ResolvedOptions,
  life: number,
  membership: StartMembership,
  recovered: ReadyRecovered,
  statusPages: readonly SharedArrayBuffer[],
): GroupThreadData[] {
  return options.groups.map((group, number) => {
    const found = recovered.groups.find((each) => each.group === number);
    const inDoubt = recovered.inDoubt.includes(number);
    const began = membership.groups[number] as GroupMembership;
    return {
      group: number,
      name: group.name,
      raft: raftOptions(options, life, group.entryBytesMax),
      recovered: recoveredFor(began, found, inDoubt, recovered.termFloor, options.nodeId),
      locations: found?.locations ?? [],
      entryBytesMax: group.entryBytesMax,
      status: statusPages[number] as SharedArrayBuffer,
      machineUrl: isHostedMachine(group.machine) ? null : String(group.machine),
      machineOptions: group.machineOptions,
    };
  });
}

function transportData(
  options: ResolvedOptions,
  common: { readonly memory: NodeMemory; readonly threadOfGroup: readonly number[] },
  life: number,
  bootId: number,
  membership: StartMembership,
  figures: SharedArrayBuffer,
): TransportThreadData {
  const { clusterId, nodeId: self, groups } = options;
  return {
    kind: 'transport',
    ...common,
    clusterId,
    nodeId: self,
    incarnation: life,
    bootId,
    listen: options.listen,
    peers: membership.members.filter(({ id }) => id !== self),
    groups: groups.map((group, number) => ({
      group: number,
      nameHash: hashOf(group.name),
      entryBytesMax: group.entryBytesMax,
      // Of what the group began with: a change of its members must not part the two.
      configurationHash: hashOf(String(membership.groups[number]?.bootstrap.voters)),
    })),
    frameBytesMax: FRAME_OVERHEAD_BYTES + Math.max(...groups.map((group) => group.entryBytesMax)),
    idleMs: Math.max(2000, options.heartbeatInterval * PEER_IDLE_HEARTBEATS),
    seed: randomU48(),
    figures,
  };
}

async function startThreads(
  options: ResolvedOptions,
  identity: Identity,
  memory: NodeMemory,
  threadOfGroup: readonly number[],
  supervisor: Supervisor,
): Promise<RunningNode> {
  const { clusterId, nodeId: self, groups } = options;
  const { directory } = identity;
  const common = { memory, threadOfGroup };
  const spares = createSpareWords();
  const figures = createIoFigures();
  const segmentBytes = directory === null ? MEMORY_SEGMENT_BYTES : options.segmentBytes;
  const recovered = await supervisor.start({
    kind: 'io',
    ...common,
    walDirectory: directory?.paths.wal ?? null,
    clusterId,
    nodeId: self,
    logId: identity.logId,
    mustExist: directory !== null && !directory.fresh,
    segmentBytes,
    sync: { mode: options.syncMode, intervalMs: options.batchSyncInterval },
    spares,
    figures,
  });
  if (recovered.kind !== 'recovered') throw new Error('the io thread said nothing of its log');
  const firstMembers = directory?.meta.firstMembers ?? [];
  const membership = membershipAtStart(options, { ...recovered, firstMembers });
  if (directory !== null) {
    const disk = new NodeDisk();
    const confirmed = confirmDataDirectory(disk, directory);
    recordFirstMembers(disk, confirmed, membership.firstMembers);
    const { firstSpareNumber } = recovered;
    const walDirectory = directory.paths.wal;
    await supervisor.start({
      kind: 'bulk',
      ...common,
      walDirectory,
      segmentBytes,
      spares,
      firstSpareNumber,
    });
  }
  const statusPages = groups.map(() => createStatusPage());
  const threadData = groupData(options, identity.incarnation, membership, recovered, statusPages);
  for (let thread = 0; thread < options.workers; thread += 1) {
    await supervisor.start({
      kind: 'consensus',
      ...common,
      thread,
      nodeId: self,
      memoryMode: directory === null,
      spares,
      groups: threadData.filter(({ group }) => threadOfGroup[group] === thread),
    });
  }
  const bootId = randomU48();
  const netFigures = createNetFigures();
  const listening = await supervisor.start(
    transportData(options, common, identity.incarnation, bootId, membership, netFigures),
  );
  return {
    memory,
    supervisor,
    statusPages,
    figures,
    netFigures,
    spares,
    lock: identity.lock,
    incarnation: identity.incarnation,
    bootId,
    peerAddress: listening.kind === 'listening' ? listening.address : options.listen,
    recovery: recovered.report,
    membershipWarning: membership.warning,
    options: { ...options, members: membership.members },
  };
}
