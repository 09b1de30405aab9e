/**
 * One simulated node: a disk that stays, and one life after the other on it.
 *
 * Starting is full recovery by production code: data directory, log, groups. It may lose power
 * half-way and is then tried again. This file must never repair a disk.
 */

import { ErrorNumber } from '../../engine/errors.js';
import { Prng } from '../../engine/raft/prng.js';
import { membershipAtStart, type StartMembership } from '../../engine/start-membership.js';
import {
  confirmDataDirectory,
  type DataDirectory,
  openDataDirectory,
  recordFirstMembers,
} from '../../io/data-directory.js';
import { SimulatedDisk } from '../../io/disk/simulated-disk.js';
import { isInDoubt } from '../../io/wal/recovery.js';
import { InlineSegmentSupply } from '../../io/wal/segment-supply.js';
import { type OpenedWal, Wal } from '../../io/wal/wal.js';
import type { DamagedPart } from './damage-plan.js';
import { FusedDisk } from './fused-disk.js';
import type { Aftermath } from './inject.js';
import { NodeLife, type PeerIdentity } from './life.js';
import { type LossState, NodeDamage } from './node-damage.js';
import { Stream, streamSeed } from './plan.js';
import { SimProcess } from './process.js';
import { ReadErrors } from './read-errors.js';
import { SimFailure } from './sim-failure.js';
import { SlowSupply } from './slow-supply.js';
import { StartLists } from './start-list.js';
import type { World } from './world.js';

const DATA = '/data';
const CLUSTER_ID = 77;
/** About as many changes as an ordinary recovery makes; the first start makes more. */
const RECOVERY_CHANGES_MAX = 10;
/** Changes that still reach the disk when the power ends: most often a write without its sync. */
const LAST_CHANGES = [0, 1, 1, 1, 2, 2, 3, 4, 6] as const;
/** A node that is to die while it writes dies by then at the latest. */
const TORN_WITHIN_US = 60_000;
const RETRY_US = 100_000;
/** How long a group that stopped is left so. */
const STOPPED_MAX_US = 400_000;

/** A refusal names the file, what is wrong with it, and what to do. */
const REFUSAL = /\/data\/\S+( at byte \d+)?: .+\. .*(Restore|Put|move) .*(a copy|back|aside|away)/;

function isRefusal(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  return code === 'walDamage' || code === 'walMissing' || code === 'ERR_DATA_DIRECTORY';
}

/** What a start found. */
interface Recovered {
  readonly opened: OpenedWal;
  readonly data: DataDirectory;
  readonly membership: StartMembership;
}

/** What a node asks of, and tells, the cluster around it. */
export interface NodePeers {
  identityOf(peer: number): PeerIdentity;
  died(): void;
  /** Whether enough others have everything for this node to lose something. */
  mayLose(node: number): boolean;
}

export class SimNode {
  readonly id: number;
  life: NodeLife | null = null;
  disk: SimulatedDisk;
  /** Groups in witness mode, as this node has recorded it. */
  readonly heldBack = new Set<number>();
  readonly #world: World;
  readonly #prng: Prng;
  readonly #peers: NodePeers;
  #identity: PeerIdentity = { incarnation: 0, bootId: 0 };
  #lives = 0;
  #syncUs: number | null = null;
  #isStarting = false;
  #supply: SlowSupply | null = null;
  readonly #damage: NodeDamage;
  readonly #readErrors: ReadErrors;
  readonly #lists: StartLists;
  /** Figures of disks and logs that are gone. */
  readonly #former = {
    lostSectors: 0,
    lostDirectoryOperations: 0,
    shortWrites: 0,
    orphanedSectors: 0,
    evictedSectors: 0,
  };

  constructor(world: World, id: number, peers: NodePeers) {
    this.#world = world;
    this.id = id;
    this.#peers = peers;
    this.#prng = new Prng(streamSeed(world.plan.seed, Stream.disk + id));
    this.disk = this.#newDisk();
    const { seed } = world.plan;
    this.#damage = new NodeDamage(new Prng(streamSeed(seed, Stream.nodeDamage + id)), world.counts);
    const readPrng = new Prng(streamSeed(seed, Stream.nodeReadErrors + id));
    this.#readErrors = new ReadErrors(readPrng, world.counts);
    const listPrng = new Prng(streamSeed(seed, Stream.startLists + id));
    this.#lists = new StartLists(listPrng, world.counts, id, world.plan.nodes);
  }

  #newDisk(): SimulatedDisk {
    this.heldBack.clear();
    return new SimulatedDisk(new Prng(this.#prng.u32()));
  }

  get identity(): PeerIdentity {
    return this.#identity;
  }

  get isUp(): boolean {
    return this.life !== null;
  }

  /** Its disk is damaged, or about to be, and no start has shown yet what that means. */
  get isDamaged(): boolean {
    const { isArmed, isPending, isRotten } = this.#damage;
    return isArmed || isPending || isRotten || this.#readErrors.isDue;
  }

  get hasLossToCome(): boolean {
    return this.#damage.isArmed;
  }

  get lossState(): LossState {
    return this.life === null ? 'waits' : this.#damage.look(this.disk, this.life.wal);
  }

  /** The process ends, and bits of a file flip before the next one reads it. */
  flipAtRest(part: DamagedPart): boolean {
    this.crash('kept');
    const path = this.#damage.flip(this.disk, part);
    if (path !== null) this.#world.event(this.id, `bits of ${path} flip`);
    return path !== null;
  }

  /** The process ends, and every snapshot is gone before the next one looks for them. */
  loseSnapshots(): boolean {
    this.crash('kept');
    const lost = this.#damage.loseSnapshots(this.disk);
    if (lost > 0) this.#world.event(this.id, `loses its ${lost} snapshots`);
    return lost > 0;
  }

  /** The process ends, and the next one cannot read its snapshots. */
  hideSnapshots(): void {
    this.crash('kept');
    this.#readErrors.isDue = true;
  }

  /** A bit of a snapshot flips while its process is about to send it. */
  #rot(path: string, group: number, index: number): void {
    this.#damage.rot(this.disk, path, { group, index });
    this.#world.event(this.id, `a bit of ${path} flips as it is asked for`);
  }

  /** The next write to such a file will not be where it belongs. */
  loseNextWrite(kind: 'lostWrite' | 'misdirectedWrite', part: DamagedPart): void {
    this.#damage.arm(this.disk, kind, part);
  }

  keepWrites(): void {
    if (this.life !== null) this.#damage.disarm(this.disk, this.life.wal);
  }

  /** Begins a start that takes a while; a node that is up or on its way is left alone. */
  restart(): void {
    if (this.isUp || this.#isStarting) return;
    this.#startAfter(this.#prng.between(1_000, 60_000));
  }

  #startAfter(delayUs: number): void {
    this.#isStarting = true;
    this.#world.scheduler.after(delayUs, () => {
      this.#isStarting = false;
      this.start();
    });
  }

  /** Recovers and begins a life, unless the power ends on the way. */
  start(): void {
    const world = this.#world;
    if (this.#damage.isForgotten) {
      world.counts.unprovenLosses += 1;
      this.wipe();
    }
    const process = new SimProcess(world.scheduler, this.#prng.below(1_000_000_000));
    const fuse = new FusedDisk(this.disk);
    const isFused = this.#prng.chance(world.plan.crashInRecovery);
    if (isFused) fuse.arm(this.#prng.below(RECOVERY_CHANGES_MAX));
    this.#readErrors.arm(this.disk, this.#mayFailReads ? world.plan.readErrors : 0);
    const failedSyncs = this.disk.counters().syncError;
    let recovered: Recovered;
    try {
      recovered = this.#recover(fuse, process);
    } catch (cause) {
      process.kill();
      const isUnread = this.#readErrors.isRefusal(cause);
      this.#readErrors.lift(this.disk);
      if (isUnread) this.#onUnread(cause);
      else this.#onFailedStart(cause, fuse.isBlown, this.disk.counters().syncError > failedSyncs);
      return;
    }
    fuse.disarm();
    this.#begin(process, fuse, recovered);
  }

  /** Once the faults have ended nothing delays a start. */
  get #mayFailReads(): boolean {
    const { plan, scheduler } = this.#world;
    return scheduler.nowUs < plan.faultsEndUs;
  }

  /** What the refusal asks for: another start, once the disk can read. */
  #onUnread(cause: unknown): void {
    const { counts } = this.#world;
    counts.readRefusals += 1;
    const text = cause instanceof Error ? cause.message : String(cause);
    this.#world.event(this.id, `cannot read: ${text}`);
    this.disk.kill();
    this.#startAfter(this.#prng.between(10_000, RETRY_US));
  }

  #recover(fuse: FusedDisk, process: SimProcess): Recovered {
    const { plan, scheduler } = this.#world;
    const data = openDataDirectory(fuse, {
      path: DATA,
      clusterId: CLUSTER_ID,
      nodeId: this.id,
      randomU48: () => this.#randomU48(),
      nowMs: Math.floor(scheduler.nowUs / 1_000),
    });
    const { segmentBytes } = plan;
    const { logId, complete: mustExist } = data.meta;
    const identity = mustExist ? { logId } : { newLogId: logId, logId };
    const inline = new InlineSegmentSupply(fuse, data.paths.wal, segmentBytes);
    this.#supply = new SlowSupply(inline, process, this.#prng);
    const opened = Wal.open({
      disk: fuse,
      directory: data.paths.wal,
      clusterId: CLUSTER_ID,
      nodeId: this.id,
      mustExist,
      segmentBytes,
      sync: { mode: plan.sync, intervalMs: 10 },
      maxLogBytes: plan.segmentBytes * plan.logSegmentsMax,
      underWayBytesMax: 3 * (plan.groups * plan.arenaBytes + plan.segmentBytes),
      supply: this.#supply,
      ...identity,
    });
    const confirmed = data.fresh ? confirmDataDirectory(fuse, data) : data;
    const membership = this.#membershipAt(opened, confirmed);
    recordFirstMembers(fuse, confirmed, membership.firstMembers);
    return { opened, data: confirmed, membership };
  }

  #membershipAt(opened: OpenedWal, { meta }: DataDirectory): StartMembership {
    const numbers = Array.from({ length: this.#world.plan.groups }, (_, group) => group);
    const { firstMembers = [] } = meta;
    const members = this.#lists.next({
      isRecorded: firstMembers.length > 0,
      hasPast: numbers.every((group) => opened.groups.some((found) => found.group === group)),
    });
    const groups = numbers.map((group) => ({ name: `group-${group}` }));
    const inDoubt = numbers.filter((group) => isInDoubt(opened, group));
    const recorded = { groups: opened.groups, inDoubt, firstMembers };
    return membershipAtStart({ nodeId: this.id, members, groups }, recorded);
  }

  #onFailedStart(cause: unknown, isBlown: boolean, syncFailed: boolean): void {
    const world = this.#world;
    const text = cause instanceof Error ? cause.message : String(cause);
    if (this.#damage.isPending && isRefusal(cause)) {
      this.#onRefused(text);
      return;
    }
    if (!isBlown && !syncFailed && !text.includes('ENOSPC')) {
      throw new SimFailure(`node ${this.id} refuses to start: ${text}`);
    }
    world.event(this.id, `start failed: ${text}`);
    if (isBlown) world.counts.recoveryCrashes += 1;
    if (syncFailed) world.counts.failStops += 1;
    if (!isBlown || world.plan.sync !== 'always') this.disk.kill();
    else this.disk.crash();
    this.#startAfter(this.#prng.between(10_000, RETRY_US));
  }

  /** What an operator does with a node that says what is damaged: it becomes a new replica. */
  #onRefused(text: string): void {
    const { counts } = this.#world;
    counts.refusedStarts += 1;
    this.#world.event(this.id, `refuses to start: ${text}`);
    if (!REFUSAL.test(text)) throw new SimFailure(`node ${this.id} refuses without help: ${text}`);
    this.wipe();
    this.#startAfter(this.#prng.between(10_000, RETRY_US));
  }

  #begin(process: SimProcess, fuse: FusedDisk, recovered: Recovered): void {
    const world = this.#world;
    const { opened, data, membership } = recovered;
    const { report } = opened;
    this.#lives += 1;
    if (this.#lives > 1) world.counts.restarts += 1;
    if (report.tornBlocks > 0) world.counts.tornTails += 1;
    if (report.cut !== null) world.counts.cuts += 1;
    if (report.rewrittenBytes > 0) world.counts.rewrites += 1;
    this.#identity = { incarnation: data.meta.incarnation, bootId: this.#randomU48() };
    const { isHiding } = this.#readErrors;
    for (const witness of world.witnesses) {
      witness.reads(this.id);
      if (this.#damage.isPending) witness.damaged(this.id);
      else if (isHiding) witness.hides(this.id);
    }
    this.life = new NodeLife({
      world,
      node: this.id,
      number: this.#lives,
      identity: this.#identity,
      isHeldBack: (group) => this.heldBack.has(group),
      process,
      disk: fuse,
      opened,
      membership,
      walDirectory: data.paths.wal,
      snapshotDirectory: data.paths.snapshots,
      clusterId: CLUSTER_ID,
      identityOf: (peer) => this.#peers.identityOf(peer),
      failed: (cause) => this.#failStop(cause),
      stopped: (group) => this.#onStopped(group),
      mayRot: () => !this.isDamaged && this.#peers.mayLose(this.id),
      rot: (path, group, index) => this.#rot(path, group, index),
      replaced: (group, index) => this.#damage.replaced(group, index),
    });
    this.#readErrors.passedOver(this.disk);
    if (isHiding) world.counts.unreadableSnapshots += this.life.snapshots.damaged;
    if (this.#readErrors.lift(this.disk)) world.counts.readErrorsOutlived += 1;
    if (this.#damage.isPending) {
      world.counts.damagedSnapshots += this.life.snapshots.damaged;
      if (report.cut !== null) world.counts.damageCuts += 1;
    }
    this.#damage.ended();
    const cut = report.cut === null ? '' : `, cut ${report.cut.clearedBytes} bytes`;
    world.event(this.id, `up, life ${this.#lives}, ${report.blocks} blocks${cut}`);
    this.life.device.setSyncTime(this.#syncUs);
    world.network.attach(this.id, this.life);
    this.life.start();
  }

  #randomU48(): number {
    return this.#prng.u32() * 0x1_0000 + this.#prng.below(0xffff) + 1;
  }

  setSyncTime(syncUs: number | null): void {
    this.#syncUs = syncUs;
    this.life?.device.setSyncTime(syncUs);
  }

  /** The power ends in the middle of the next write, or after a while without one. */
  crashWriting(): void {
    const { life } = this;
    if (life === null) return;
    const strike = (): void => {
      if (this.life === life) this.crash('torn', 1);
    };
    life.device.interrupt(strike);
    this.#world.scheduler.after(TORN_WITHIN_US, strike);
  }

  /** The process dies; what it was writing reaches the disk in part, as far as `changes` go. */
  crash(aftermath: Aftermath, changes: number = this.#prng.pick(LAST_CHANGES)): void {
    const { life } = this;
    if (life === null) return;
    this.#world.event(this.id, `dies, unsynced bytes are ${aftermath}`);
    life.device.die(changes, () => this.#supply?.finish());
    this.#end(life);
    if (aftermath === 'kept') this.disk.kill();
    else this.disk.crash({ keepSector: aftermath === 'lost' ? 0 : 0.5 });
  }

  /** A group stopped alone: the process is started again later, and the others go on until then. */
  #onStopped(group: number): void {
    const { life } = this;
    if (life === null) return;
    const others = life.groups.filter((each) => each.group !== group);
    const before = others.map(({ runtime }) => runtime.appliedIndex);
    this.#world.scheduler.after(this.#prng.between(10_000, STOPPED_MAX_US), () => {
      if (this.life !== life) return;
      const went = others.filter(({ runtime }, at) => runtime.appliedIndex > before[at]!);
      this.#world.counts.groupsBeside += went.length;
      this.crash('kept');
      this.restart();
    });
  }

  /** The log cannot go on: everything that waits is answered, then the process ends. */
  #failStop(cause: unknown): void {
    const { life } = this;
    if (life === null) throw cause;
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'walFailed')) throw cause;
    this.#world.event(this.id, `stops: ${cause.message}`);
    this.#world.counts.failStops += 1;
    life.process.kill();
    for (const { runtime } of life.groups) runtime.fail(ErrorNumber.storage, cause.message);
    this.#end(life);
    // Most often the process alone ends: the next life reads bytes that no later sync would write.
    if (this.#prng.chance(0.7)) this.disk.kill();
    else this.disk.crash();
  }

  #end(life: NodeLife): void {
    const { network, witnesses } = this.#world;
    life.process.kill();
    this.#damage.surface(this.disk, life.wal);
    this.life = null;
    network.detach(this.id);
    for (const witness of witnesses) witness.end(this.id);
    life.end();
    this.#countLife(life);
    this.#peers.died();
  }

  /** Adds what a life did; at its end, or at the end of the run. */
  #countLife(life: NodeLife): void {
    const { counts } = this.#world;
    counts.forwarded += life.forwarded;
    counts.oldLogLoads += life.device.loads;
    counts.rollOvers += life.wal.rollOvers;
    counts.diskFull += life.wal.refusals;
    counts.promises += life.wal.promises;
    counts.segmentsFreed += life.wal.freed;
    counts.leftoversCopied += life.wal.copies;
    counts.fullRefusals += life.fullRefusals;
  }

  /** A new, empty disk: nothing that this replica ever held is left. */
  wipe(): void {
    this.crash('kept');
    this.#world.counts.wipes += 1;
    this.#world.event(this.id, 'loses all its data');
    this.#keepFigures();
    this.disk = this.#newDisk();
    this.#damage.ended();
    this.#identity = { incarnation: 0, bootId: 0 };
    for (const witness of this.#world.witnesses) witness.wipe(this.id);
  }

  #keepFigures(): void {
    const figures = this.disk.counters();
    const { lostSector, lostDirectoryOperation, shortWrite } = figures;
    this.#former.orphanedSectors += figures.orphanedSector;
    this.#former.evictedSectors += figures.evictedSector;
    this.#former.lostSectors += lostSector;
    this.#former.lostDirectoryOperations += lostDirectoryOperation;
    this.#former.shortWrites += shortWrite;
  }

  /** At the end of the run: what the disks did. */
  countDisks(): void {
    this.#keepFigures();
    const { counts } = this.#world;
    counts.lostSectors += this.#former.lostSectors;
    counts.lostDirectoryOperations += this.#former.lostDirectoryOperations;
    counts.shortWrites += this.#former.shortWrites;
    counts.orphanedSectors += this.#former.orphanedSectors;
    counts.evictedSectors += this.#former.evictedSectors;
    if (this.life !== null) this.#countLife(this.life);
  }
}
