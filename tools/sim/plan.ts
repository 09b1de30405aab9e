/**
 * What one run is like, drawn from its seed before it starts: the cluster, its timing, the sizes of
 * its memory and log, its network, disks, clients and faults.
 *
 * Runs differ widely on purpose, and sizes are small so that arenas fill, segments end and entries
 * are read back from disk within seconds. Nothing is drawn from here once a run has begun.
 */

import { Prng } from '../../engine/raft/prng.js';
import type { RaftOptions } from '../../engine/raft/state.js';
import type { SnapshotOptions } from '../../engine/runtime/snapshot-policy.js';
import type { SyncMode } from '../../io/wal/group-commit.js';
import { type ClockPlan, drawClocks, leaseOf } from './clock-plan.js';
import {
  type Damage,
  drawDamages,
  drawReadErrors,
  drawRot,
  drawSnapshotDamages,
  drawSnapshotFaults,
  NO_SNAPSHOT_FAULTS,
  type SnapshotFaultShares,
} from './damage-plan.js';
import { FAMILY_OF, FAULT_FAMILIES, type FaultFamily, isEveryFamily } from './fault-families.js';
import { BREAKING_KINDS, type BreakingKind, type Fault, planFaults } from './faults.js';
import type { Latency } from './network.js';

/** Every stream of chance of a run has a generator of its own: seed × this + its number. */
const STREAMS = 4096;
const KIB = 1024;
const MONTH_MS = 30 * 24 * 3600 * 1000;

export const Stream = {
  plan: 0,
  network: 1,
  clients: 2,
  pipelines: 3,
  identities: 4,
  faults: 5,
  damage: 6,
  snapshotFaults: 7,
  brokenReadmissions: 8,
  readmissions: 9,
  lostSnapshots: 10,
  brokenInstalls: 11,
  installs: 12,
  rot: 13,
  readErrors: 14,
  unreadableSnapshots: 15,
  machineFailures: 16,
  machines: 17,
  transfers: 18,
  sessions: 19,
  sessionClients: 20,
  memberships: 21,
  memberChanges: 22,
  clocks: 23,
  clockFaults: 24,
  readTerms: 25,
  witnessModes: 26,
  /** Plus the node number. */
  disk: 100,
  life: 200,
  nodeDamage: 300,
  nodeSnapshots: 400,
  startLists: 500,
  nodeReadErrors: 600,
} as const;

export function streamSeed(seed: number, stream: number): number {
  return seed * STREAMS + stream;
}

export interface RunPlan {
  readonly seed: number;
  readonly nodes: number;
  readonly groups: number;
  readonly raft: Omit<RaftOptions, 'id' | 'incarnation' | 'seed'>;
  readonly sync: SyncMode;
  readonly segmentBytes: number;
  readonly arenaBytes: number;
  /** Where arena positions start: just below the places where u32 and int32 wrap. */
  readonly arenaFirst: number;
  readonly entryBytesMax: number;
  /** Entry bytes that one turn of a group takes in. */
  readonly intakeBytesMax: number;
  /** Bytes of proposals held without a leader that one turn appends beside it. */
  readonly heldBytesPerTurn: number;
  /** How long a worker gathers what arrives before it looks: the longer, the larger a turn. */
  readonly turnUs: number;
  /** How long the transport leaves messages in their queues, at most. */
  readonly transportUs: number;
  /** Larger frames with entries travel in parts; the largest values are never reached. */
  readonly partBytesMax: number;
  /** The key-value machine that ships; it is slow to make, so most runs use a smaller one. */
  readonly shippedMachine: boolean;
  /** The state machine answers later, as one hosted by another thread does. */
  readonly deferredMachine: boolean;
  /** Whoever takes the answers of the machine has often no room: batches end early and go on. */
  readonly scarceRoom: boolean;
  readonly latency: Latency;
  /** An ordinary disk write takes up to this. */
  readonly writeUs: number;
  /** How long the router gathers what clients send. */
  readonly gatherUs: number;
  readonly clients: number;
  readonly pipelines: number;
  /** Clients with sessions, and after how long without a command those end. */
  readonly sessionClients: number;
  readonly sessionTtlMs: number;
  readonly thinkUs: number;
  readonly timeoutUs: number;
  /** Padding of written values, so that logs outgrow memory. */
  readonly paddingBytes: number;
  readonly operationsMin: number;
  /** Share of restarts that lose power again half-way. */
  readonly crashInRecovery: number;
  /** Share of starts at which the disk fails reads of the log. */
  readonly readErrors: number;
  /** How often a replica loses everything; as many at a time as a majority outlives. */
  readonly wipes: number;
  /** Share of readmissions in the middle of which the leader dies or is cut off. */
  readonly brokenReadmissions: number;
  /** Share of logs replaced by a snapshot of the leader whose process dies meanwhile. */
  readonly brokenInstalls: number;
  /** How many disks fill up, each until the faults end. */
  readonly fullDisks: number;
  readonly transfers: number;
  /** How often a replica enters witness mode, or leaves it. */
  readonly witnessModes: number;
  /** Nodes beyond the first members, which wait to be added; and how often members change. */
  readonly standbys: number;
  readonly memberChanges: number;
  /** How often the state machine of one group throws on one node. */
  readonly machineFailures: number;
  /** How often the leader is cut off with a slow clock: it learns late that it is deposed. */
  readonly isolations: number;
  /** How long the log may become, in segments. */
  readonly logSegmentsMax: number;
  readonly snapshots: SnapshotOptions;
  /** Bytes of an image in one chunk of its file. */
  readonly snapshotChunkBytes: number;
  readonly compressChunks: boolean;
  readonly faults: readonly Fault[];
  readonly faultsEndUs: number;
  /** What happens to the disk of one node at a time. */
  readonly damages: readonly Damage[];
  readonly snapshotFaults: SnapshotFaultShares;
  readonly clocks: ClockPlan;
}

/** Most runs take many small snapshots, some none by themselves. */
function drawSnapshots(prng: Prng): SnapshotOptions {
  return {
    threshold: prng.pick([8, 20, 60, 200, Number.MAX_SAFE_INTEGER]),
    logBytes: prng.pick([16 * KIB, Number.MAX_SAFE_INTEGER]),
    intervalMs: prng.pick([0, 0, 400]),
    minIntervalMs: prng.pick([0, 50, 300]),
    retain: prng.pick([1, 2, 2, 3]),
    trailingEntries: prng.pick([0, 3, 30]),
    bytesMax: 0,
  };
}

function drawRaft(prng: Prng): RunPlan['raft'] {
  const electionTimeoutMin = prng.pick([100, 150, 150, 200]);
  return {
    electionTimeoutMin,
    electionTimeoutMax: electionTimeoutMin * 2,
    heartbeatInterval: Math.floor(electionTimeoutMin / prng.pick([3, 4])),
    preVote: prng.chance(0.8),
    windowMessagesMax: prng.pick([1, 2, 4, 8]),
    windowBytesMax: prng.pick([8, 32, 256]) * KIB,
    appendEntriesMax: prng.pick([2, 8, 64, 1024]),
    appendBytesMax: prng.pick([2, 8, 16]) * KIB,
    diskStallMax: electionTimeoutMin * prng.pick([4, 8]),
    transfer: true,
  };
}

function drawLatency(prng: Prng): Latency {
  return {
    minUs: 50,
    typicalUs: prng.pick([300, 500, 2_000, 8_000]),
    maxUs: prng.pick([5_000, 20_000, 60_000]),
  };
}

/** Timeouts, and the clocks that measure them. */
function drawTiming(
  prng: Prng,
  seed: number,
  families: readonly FaultFamily[],
): Pick<RunPlan, 'raft' | 'clocks'> {
  const clocks = drawClocks(new Prng(streamSeed(seed, Stream.clocks)), families);
  return { raft: { ...drawRaft(prng), ...leaseOf(clocks) }, clocks };
}

/** Kinds that leave torn or lost bytes behind. */
const DATA_LOSS: readonly BreakingKind[] = ['powerLoss', 'tornWrite', 'syncError'];

function kindsFor(
  families: readonly FaultFamily[],
  sync: SyncMode,
  losesReplicas: boolean,
): readonly BreakingKind[] {
  const kinds = BREAKING_KINDS.filter((kind) => families.includes(FAMILY_OF[kind]));
  // Relaxed modes promise to outlive the process, not the power. And beside a wiped replica, which
  // does not vote, one in doubt, whose vote needs everybody's, may rightly end the group.
  if (sync === 'always' && !losesReplicas) return kinds;
  return kinds.filter((kind) => !DATA_LOSS.includes(kind));
}

/** Damage may cost a replica its data, so it comes where wipes do; always where it is asked for. */
function damagesFor(
  seed: number,
  families: readonly FaultFamily[],
  run: { nodes: number; sync: SyncMode; wipes: number; startUs: number; endUs: number },
): readonly Damage[] {
  const prng = new Prng(streamSeed(seed, Stream.damage));
  const { nodes, sync, wipes, startUs, endUs } = run;
  if (nodes < 3 || sync !== 'always' || !families.includes('disk')) return [];
  if (isEveryFamily(families) ? wipes === 0 : prng.chance(0.2)) return [];
  const range = { nodes, fromUs: startUs + (endUs - startUs) / 4, endUs };
  const damages = drawDamages(prng, range);
  if (!families.includes('snapshot')) return damages;
  const kinds = ['lostSnapshots', 'unreadableSnapshots'] as const;
  const more = kinds.map((kind) =>
    drawSnapshotDamages(new Prng(streamSeed(seed, Stream[kind])), kind, range),
  );
  return [...damages, ...more.flat()];
}

function readErrorsFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.readErrors));
  return families.includes('disk') ? drawReadErrors(prng) : 0;
}

function snapshotFaultsFor(seed: number, families: readonly FaultFamily[]): SnapshotFaultShares {
  if (!families.includes('snapshot')) return NO_SNAPSHOT_FAULTS;
  const prng = new Prng(streamSeed(seed, Stream.snapshotFaults));
  const drawn = prng.chance(0.5) ? NO_SNAPSHOT_FAULTS : drawSnapshotFaults(prng);
  return { ...drawn, rot: drawRot(new Prng(streamSeed(seed, Stream.rot))) };
}

function brokenReadmissionsFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.brokenReadmissions));
  return families.includes('wipe') ? prng.pick([0, 0.3, 0.6]) : 0;
}

function brokenInstallsFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.brokenInstalls));
  return families.includes('snapshot') ? prng.pick([0, 0.3, 0.7]) : 0;
}

function transfersFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.transfers));
  return families.includes('transfer') ? prng.pick([0, 0, 2, 6]) : 0;
}

function witnessModesFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.witnessModes));
  return families.includes('transfer') ? prng.pick([0, 0, 3, 8]) : 0;
}

function membershipsFor(
  seed: number,
  families: readonly FaultFamily[],
): Pick<RunPlan, 'standbys' | 'memberChanges'> {
  const prng = new Prng(streamSeed(seed, Stream.memberships));
  const standbys = prng.pick([0, 1, 1, 2]);
  const memberChanges = prng.pick([0, 0, 3, 8]);
  const happen = families.includes('membership') && memberChanges > 0;
  return happen ? { standbys, memberChanges } : { standbys: 0, memberChanges: 0 };
}

function machineFailuresFor(seed: number, families: readonly FaultFamily[]): number {
  const prng = new Prng(streamSeed(seed, Stream.machineFailures));
  return families.includes('process') ? prng.pick([0, 0, 1, 2]) : 0;
}

/** Clocks of leaders differ by minutes: sessions that are short end when the leader changes. */
function sessionsFor(
  seed: number,
  families: readonly FaultFamily[],
): Pick<RunPlan, 'sessionClients' | 'sessionTtlMs'> {
  const prng = new Prng(streamSeed(seed, Stream.sessions));
  const sessionTtlMs = prng.pick([1000, 60_000, 600_000, MONTH_MS, MONTH_MS, MONTH_MS]);
  const sessionClients = families.includes('session') ? prng.between(1, 3) : 0;
  return { sessionClients, sessionTtlMs };
}

export function drawPlan(
  seed: number,
  nodes: number,
  families: readonly FaultFamily[] = FAULT_FAMILIES,
): RunPlan {
  const prng = new Prng(streamSeed(seed, Stream.plan));
  const groups = prng.pick([1, 1, 1, 2, 2, 4]);
  const sync = prng.pick<SyncMode>(['always', 'always', 'always', 'always', 'batch']);
  const has = (family: FaultFamily): boolean => families.includes(family);
  const drawnWipes = nodes >= 3 && prng.chance(0.3) ? prng.between(1, 4) : 0;
  const wipes = has('wipe') ? drawnWipes : 0;
  const drawnFull = prng.pick([0, 0, 0, 0, 1, 1, 1, 2]);
  const fullDisks = has('disk') ? drawnFull : 0;
  // A full disk is noticed only where segments end.
  const isBig = fullDisks > 0 || prng.chance(0.25);
  const startUs = prng.chance(0.8) ? 700_000 : 10_000;
  const faultsEndUs = startUs + prng.between(16, 28) * 100_000;
  const damages = damagesFor(seed, families, { nodes, sync, wipes, startUs, endUs: faultsEndUs });
  const kinds = kindsFor(families, sync, wipes > 0 || damages.length > 0);
  const faultsDrawn = prng.between(9, 18);
  const faults = planFaults(new Prng(streamSeed(seed, Stream.faults)), {
    nodes,
    startUs,
    endUs: faultsEndUs,
    faults: kinds.length === 0 ? 0 : faultsDrawn,
    kindsMin: Math.min(8, kinds.length),
    kinds,
  });
  return {
    seed,
    nodes,
    groups,
    ...drawTiming(prng, seed, families),
    sync,
    segmentBytes: (fullDisks > 0 ? 64 : prng.pick([64, 128, 256])) * KIB,
    arenaBytes: prng.pick([128, 128, 256]) * KIB,
    arenaFirst: prng.pick([0x1_0000_0000, 0x1_0000_0000, 0x8000_0000]) - prng.below(2048) * 8,
    entryBytesMax: 8 * KIB,
    intakeBytesMax: 16 * KIB,
    heldBytesPerTurn: 4 * KIB,
    turnUs: prng.pick([5, 100, 500, 3_000]),
    transportUs: prng.pick([10, 200, 2_000]),
    shippedMachine: prng.chance(0.15),
    deferredMachine: prng.chance(0.25),
    latency: drawLatency(prng),
    writeUs: prng.pick([200, 1_000, 1_000, 5_000, 5_000, 20_000, 60_000]),
    gatherUs: prng.pick([20, 500, 4_000]),
    clients: prng.between(4, 8),
    pipelines: prng.between(1, 2),
    ...sessionsFor(seed, families),
    thinkUs: prng.pick([60_000, 90_000, 140_000]),
    timeoutUs: prng.pick([300_000, 800_000, 1_500_000]),
    paddingBytes: isBig ? prng.pick([1_000, 3_000]) : prng.pick([0, 40, 300, 600]),
    operationsMin: 220,
    crashInRecovery: prng.pick([0, 0.1, 0.3]) * (has('process') ? 1 : 0),
    readErrors: readErrorsFor(seed, families),
    wipes,
    brokenReadmissions: brokenReadmissionsFor(seed, families),
    brokenInstalls: brokenInstallsFor(seed, families),
    fullDisks,
    transfers: prng.pick([0, 0, 1, 3]) * (has('process') ? 1 : 0) + transfersFor(seed, families),
    witnessModes: witnessModesFor(seed, families),
    ...membershipsFor(seed, families),
    machineFailures: machineFailuresFor(seed, families),
    isolations: prng.pick([0, 1, 3]) * (has('network') || has('clock') ? 1 : 0),
    faults,
    faultsEndUs,
    // A part that is lost ends its connection, so whole frames meet more of the other faults.
    partBytesMax: prng.pick([1, 4, 64, 64]) * KIB,
    scarceRoom: prng.chance(0.25),
    logSegmentsMax: prng.pick([4, 4, 6, 1_000]),
    snapshots: drawSnapshots(prng),
    snapshotChunkBytes: prng.pick([48, 200, 2_000]),
    compressChunks: prng.chance(0.7),
    damages,
    snapshotFaults: snapshotFaultsFor(seed, families),
  };
}
