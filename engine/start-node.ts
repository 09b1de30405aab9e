/**
 * Brings up a node: data directory and lock, shared memory, threads in order, recovered groups.
 *
 * What recovery found on disk becomes what the core starts from here, and nowhere else. This file
 * must never answer a request: see engine.ts and group.ts.
 */

import { crc32c } from '../codec/checksum.js';
import { FRAME_HEADER_BYTES, PART_BYTES_MAX } from '../codec/frames/frame-format.js';
import { MESSAGE_HEADER_BYTES_MAX } from '../codec/frames/message-codec.js';
import { CHUNK_RAW_BYTES_MAX } from '../codec/frames/snapshot-frames.js';
import {
  confirmDataDirectory,
  type DataDirectory,
  openDataDirectory,
  recordedClusterId,
  recordFirstMembers,
} from '../io/data-directory.js';
import { DataDirectoryError } from '../io/data-directory-error.js';
import { type DataLock, DataLockedError } from '../io/data-lock.js';
import { NodeDisk } from '../io/disk/node-disk.js';
import { randomU48 } from '../io/identity.js';
import { openLocked } from '../io/locked-directory.js';
import { askCluster } from '../io/net/ask-cluster.js';
import { createNetFigures } from '../io/net/net-counters.js';
import { TcpAdapter } from '../io/net/tcp-adapter.js';
import { createIoFigures } from '../workers/io-figures.js';
import type { FoundSnapshots } from '../workers/snapshot-found.js';
import { createSpareWords } from '../workers/spare-words.js';
import { createStatusPage } from '../workers/status-page.js';
import {
  Supervisor,
  type SupervisorEvents,
  type ThreadName,
  ThreadRefused,
} from '../workers/supervisor.js';
import type {
  GroupThreadData,
  IoThreadData,
  ReadyRecovered,
  TransportThreadData,
} from '../workers/thread-data.js';
import { appendBytesMax, createNodeMemory, type NodeMemory } from '../workers/topology.js';
import { CLUSTER_ID_ASKED, type ResolvedOptions } from './config.js';
import type { ResolvedGroup } from './config-groups.js';
import { ErrorNumber, RingraftError } from './errors.js';
import { isHostedMachine } from './hosted-machine.js';
import { LIMITS } from './limits.js';
import type { RaftOptions } from './raft/state.js';
import { incarnation, nodeId } from './raft/types.js';
import { recoveredFrom } from './recovered.js';
import type { SnapshotOptions } from './runtime/snapshot-policy.js';
import {
  type GroupMembership,
  membershipAtStart,
  type StartMembership,
} from './start-membership.js';
import { WitnessRecord } from './witness-record.js';

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
  readonly witnesses: WitnessRecord;
  readonly bootId: number;
  /** Where peers reach this node, as bound. */
  readonly peerAddress: string;
  /** What recovery found: segments, blocks, cuts. */
  readonly recovery: unknown;
  /** The members on record are others than the given ones: both, for the operator. */
  readonly membershipWarning: string | null;
  /** Snapshots that were passed over at the start, and why. */
  readonly snapshotWarnings: readonly string[];
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

/** A node that joins and is not told which cluster looks at its data, else asks there. */
async function withClusterId(
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
): Promise<ResolvedOptions> {
  if (options.clusterId !== CLUSTER_ID_ASKED) return options;
  const recorded = clusterIdOnDisk(options);
  if (recorded !== null) return { ...options, clusterId: recorded };
  const told = await askCluster(new TcpAdapter(), options.join, signal);
  if (typeof told !== 'string') return { ...options, clusterId: told.clusterId };
  const text = `no node that this one is to join by has answered: ${told}`;
  throw new RingraftError(ErrorNumber.timeout, {
    text: `${text}. Start one of them, correct the address, or give the cluster id`,
  });
}

function clusterIdOnDisk({ dataDir }: ResolvedOptions): number | null {
  try {
    return dataDir === null ? null : recordedClusterId(new NodeDisk(), dataDir);
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
    ...(options.leaseReads ? { leaseDrift: options.leaseDriftPercent / 100 } : {}),
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
  const known = await withClusterId(given, signal);
  const identity = await openIdentity(known);
  const options = inLogOrder(known, identity.directory);
  const threadOfGroup = options.groups.map((_, group) => group % options.workers);
  const memory = createNodeMemory(
    options.groups.map(({ entryBytesMax }) => ({
      entryBytesMax,
      arenaBytesMin: options.arenaBytes,
    })),
    options.workers,
    // Files of an earlier start, and of peers, may have larger chunks than those made here.
    CHUNK_RAW_BYTES_MAX,
  );
  const supervisor = new Supervisor(memory, options.workers, events);
  supervisor.prepare(threadKinds(options));
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

/** In the order of their start. In memory the io thread does the work of the bulk thread, too. */
function threadKinds({ dataDir, workers }: ResolvedOptions): ThreadName[] {
  const consensus = Array.from({ length: workers }, () => 'consensus' as const);
  return ['io', ...(dataDir === null ? [] : (['bulk'] as const)), ...consensus, 'transport'];
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

function snapshotOptions({ snapshot }: ResolvedGroup): SnapshotOptions {
  return {
    threshold: snapshot.threshold,
    logBytes: snapshot.logBytes,
    intervalMs: snapshot.interval,
    minIntervalMs: snapshot.minInterval,
    retain: snapshot.retain,
    trailingEntries: snapshot.trailingEntries,
    bytesMax: snapshot.maxSize,
  };
}

function groupData(
  options: ResolvedOptions,
  life: number,
  membership: StartMembership,
  recovered: ReadyRecovered,
  statusPages: readonly SharedArrayBuffer[],
  found: readonly FoundSnapshots[],
): GroupThreadData[] {
  return options.groups.map((group, number) => {
    const log = recovered.groups.find((each) => each.group === number);
    const snapshots = found.find((each) => each.group === number)?.snapshots ?? [];
    return {
      group: number,
      name: group.name,
      raft: raftOptions(options, life, group.entryBytesMax),
      recovered: recoveredFrom(log, {
        membership: membership.groups[number] as GroupMembership,
        snapshot: snapshots[0],
        inDoubt: recovered.inDoubt.includes(number),
        termFloor: recovered.termFloor,
        self: options.nodeId,
      }),
      locations: log?.locations ?? [],
      entryBytesMax: group.entryBytesMax,
      status: statusPages[number] as SharedArrayBuffer,
      machineUrl: isHostedMachine(group.machine) ? null : String(group.machine),
      machineOptions: group.machineOptions,
      snapshots: snapshotOptions(group),
      foundSnapshots: snapshots,
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
    address:
      membership.members.find(({ id }) => id === self)?.address ??
      options.cluster[self] ??
      options.listen,
    joins: membership.groups.some(({ bootstrap }) => bootstrap.members.length === 0),
    peers: membership.members.filter(({ id }) => id !== self),
    formerPeers: membership.former,
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
    memoryMode: options.dataDir === null,
    snapshotTransferRate: options.snapshot.transferRate,
  };
}

interface ThreadPlan {
  readonly options: ResolvedOptions;
  readonly identity: Identity;
  /** What every thread is told. */
  readonly common: { readonly memory: NodeMemory; readonly threadOfGroup: readonly number[] };
  readonly spares: SharedArrayBuffer;
  readonly figures: SharedArrayBuffer;
  readonly segmentBytes: number;
  readonly desk: IoThreadData['snapshots'];
}

/** The log is read here, before any other thread begins. */
async function startIo(supervisor: Supervisor, plan: ThreadPlan): Promise<ReadyRecovered> {
  const { options, identity, common, spares, figures, segmentBytes, desk } = plan;
  const { directory } = identity;
  const recovered = await supervisor.start({
    kind: 'io',
    ...common,
    walDirectory: directory?.paths.wal ?? null,
    clusterId: options.clusterId,
    nodeId: options.nodeId,
    logId: identity.logId,
    mustExist: directory !== null && !directory.fresh,
    segmentBytes,
    maxLogBytes: options.maxLogBytes,
    sync: { mode: options.syncMode, intervalMs: options.batchSyncInterval },
    spares,
    figures,
    snapshots: desk,
  });
  if (recovered.kind !== 'recovered') throw new Error('the io thread said nothing of its log');
  return recovered;
}

/** Snapshots that are whole, by group. In memory mode there is neither thread nor file. */
async function startBulk(
  supervisor: Supervisor,
  plan: ThreadPlan,
  { firstSpareNumber, oldestSegment, filesInUse }: ReadyRecovered,
): Promise<readonly FoundSnapshots[]> {
  const { identity, common, spares, segmentBytes, desk } = plan;
  const { directory } = identity;
  if (directory === null) return [];
  const ready = await supervisor.start({
    kind: 'bulk',
    ...common,
    walDirectory: directory.paths.wal,
    snapshotDirectory: directory.paths.snapshots,
    segmentBytes,
    spares,
    firstSpareNumber,
    snapshots: desk,
    oldestSegment,
    filesInUse,
  });
  return ready.kind === 'snapshots' ? ready.found : [];
}

async function startConsensus(
  supervisor: Supervisor,
  { options, identity, common, spares }: ThreadPlan,
  groups: readonly GroupThreadData[],
): Promise<void> {
  for (let thread = 0; thread < options.workers; thread += 1) {
    await supervisor.start({
      kind: 'consensus',
      ...common,
      thread,
      nodeId: options.nodeId,
      memoryMode: identity.directory === null,
      spares,
      snapshotChunkBytes: options.snapshot.chunkSize,
      groups: groups.filter(({ group }) => common.threadOfGroup[group] === thread),
    });
  }
}

/** What recovery found is sound: from now on the directory belongs to this node. */
function confirm(directory: DataDirectory, membership: StartMembership): DataDirectory {
  const disk = new NodeDisk();
  const confirmed = confirmDataDirectory(disk, directory);
  return recordFirstMembers(disk, confirmed, membership.firstMembers);
}

function deskOf({ clusterId, groups, snapshot }: ResolvedOptions): IoThreadData['snapshots'] {
  return {
    clusterId,
    groupNames: groups.map(({ name }) => name),
    chunkBytes: snapshot.chunkSize,
    compress: snapshot.compression,
  };
}

async function startThreads(
  options: ResolvedOptions,
  identity: Identity,
  memory: NodeMemory,
  threadOfGroup: readonly number[],
  supervisor: Supervisor,
): Promise<RunningNode> {
  const { directory, incarnation: life } = identity;
  const common = { memory, threadOfGroup };
  const plan: ThreadPlan = {
    options,
    identity,
    common,
    spares: createSpareWords(),
    figures: createIoFigures(),
    segmentBytes: directory === null ? MEMORY_SEGMENT_BYTES : options.segmentBytes,
    desk: deskOf(options),
  };
  const recovered = await startIo(supervisor, plan);
  const firstMembers = directory?.meta.firstMembers ?? [];
  const membership = membershipAtStart(options, { ...recovered, firstMembers });
  const confirmed = directory === null ? null : confirm(directory, membership);
  const witnesses = new WitnessRecord(confirmed);
  const found = await startBulk(supervisor, plan, recovered);
  const statusPages = options.groups.map(() => createStatusPage());
  const groups = groupData(options, life, membership, recovered, statusPages, found);
  const witnessing = groups.map((each) => ({
    ...each,
    raft: { ...each.raft, witness: witnesses.has(each.group) },
  }));
  await startConsensus(supervisor, plan, witnessing);
  const bootId = randomU48();
  const netFigures = createNetFigures();
  const listening = await supervisor.start(
    transportData(options, common, life, bootId, membership, netFigures),
  );
  return {
    memory,
    supervisor,
    statusPages,
    figures: plan.figures,
    netFigures,
    spares: plan.spares,
    lock: identity.lock,
    incarnation: life,
    witnesses,
    bootId,
    peerAddress: listening.kind === 'listening' ? listening.address : options.listen,
    recovery: recovered.report,
    membershipWarning: membership.warning,
    snapshotWarnings: found.flatMap(({ warnings }) => warnings),
    options: { ...options, members: membership.members },
  };
}
