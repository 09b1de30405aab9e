/**
 * The write-ahead log of a node: all groups' requests, one block per group commit, in segments.
 *
 *   stage(request) … stage(request)   copied into one block
 *   promise(request)                  without room for the whole: its term and vote alone
 *   commit(nowMs)                     one write, one sync when the mode asks for it, all acks
 *
 * One thread owns it and calls it synchronously. It must never acknowledge before the sync that the
 * mode owes, never read a clock, and never go on after a failed write or sync.
 */

import type { Disk } from '../disk/disk.js';
import {
  BLOCK_BYTES_MIN,
  BlockKind,
  blockBytesFor,
  finishBlock,
  NO_GROUPS,
} from './block-format.js';
import {
  Admission,
  admit,
  isShortOfRoom,
  SEAL_RESERVE_BYTES,
  type SyncPolicy,
  SyncSchedule,
  usesReserve,
} from './group-commit.js';
import { GroupTable } from './group-table.js';
import { LiveSegment } from './live-segment.js';
import { type Recovered, recover, type WalReport } from './recovery.js';
import { requestRecordBytes } from './request-record.js';
import { checkSegmentBytes, segmentPath, type WalIdentity } from './segment-format.js';
import {
  createLog,
  encodeSegmentStart,
  orFail,
  requestBytesMax,
  startSegment,
} from './segment-start.js';
import { isNoSpace, type SegmentSupply } from './segment-supply.js';
import { StagedBlock } from './staged-block.js';
import { WalError, WalFailed } from './wal-errors.js';
import type { PersistAck, PersistRequest, RecoveredGroup } from './wal-types.js';

export interface WalOptions {
  readonly disk: Disk;
  /** Holds the segments and nothing else; made when absent. */
  readonly directory: string;
  readonly clusterId: number;
  readonly nodeId: number;
  /** The log that must be here; another one is refused. Absent: whatever log is found. */
  readonly logId?: number;
  /** Random 53-bit id for a log that has to be created; `logId` is used when that is given. */
  readonly newLogId?: number;
  /** True when the caller knows that a log was made here before: its absence is refused. */
  readonly mustExist?: boolean;
  /** Size of segments to come, and of the supply's spares; existing ones keep theirs. */
  readonly segmentBytes: number;
  readonly sync: SyncPolicy;
  readonly supply: SegmentSupply;
}

export interface OpenedWal {
  readonly wal: Wal;
  readonly groups: readonly RecoveredGroup[];
  readonly report: WalReport;
}

/** What the log has done since it was opened. */
export interface WalCounters {
  readonly blocks: number;
  readonly requests: number;
  readonly bytesWritten: number;
  readonly syncs: number;
  readonly rollOvers: number;
  /** How often a request found no prepared room. */
  readonly refusals: number;
  /** Terms and votes that went ahead of entries that found none. */
  readonly promises: number;
}

const NO_ACKS: readonly PersistAck[] = [];
/** Share of a segment that entries leave to term, vote and membership while no spare is ready. */
const RESERVE_SHARE = 8;

export class Wal {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #identity: WalIdentity;
  readonly #segmentBytes: number;
  readonly #supply: SegmentSupply;
  readonly #schedule: SyncSchedule;
  readonly #groups: GroupTable;
  readonly #staged: StagedBlock;
  readonly #small = new Uint8Array(BLOCK_BYTES_MIN);
  readonly #smallView = new DataView(this.#small.buffer);
  #live: LiveSegment;
  #previousCrc: number;
  #sealed: boolean;
  #bytes: number;
  #segments: number;
  #busy = false;
  #failure: WalFailed | null = null;
  #closed = false;
  /** A spare that was taken for the next segment; `named` once it bears its name. */
  #next: { readonly spare: string; named: boolean } | null = null;
  #counters = {
    blocks: 0,
    requests: 0,
    bytesWritten: 0,
    syncs: 0,
    rollOvers: 0,
    refusals: 0,
    promises: 0,
  };

  private constructor(options: WalOptions, recovered: Recovered, live: LiveSegment) {
    const { tail, groups, report } = recovered;
    const { clusterId, nodeId } = options;
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#identity = { clusterId, nodeId, logId: tail.logId };
    this.#segmentBytes = options.segmentBytes;
    this.#supply = options.supply;
    this.#schedule = new SyncSchedule(options.sync, tail.sequence - 1);
    this.#groups = new GroupTable(groups, report, nodeId);
    this.#staged = new StagedBlock(requestBytesMax(options.segmentBytes));
    this.#live = live;
    this.#previousCrc = tail.previousCrc;
    this.#sealed = tail.sealed;
    this.#bytes = recovered.bytes;
    this.#segments = report.segments;
  }

  /**
   * Recovers or creates the log. Throws `WalDamage`, `WalMissing`, `WalVersionError` or
   * `WalForeign` when it must not be used, and the disk's own error when there is no room for the
   * first segment.
   */
  static open(options: WalOptions): OpenedWal {
    checkSegmentBytes(options.segmentBytes);
    const { disk, directory, clusterId, nodeId } = options;
    const expected = { clusterId, nodeId, logId: options.logId ?? null };
    const mustExist = options.mustExist === true;
    const recovered = recover(disk, directory, expected, mustExist) ?? createLog(options);
    const live = new LiveSegment(disk, directory, recovered.tail);
    const wal = new Wal(options, recovered, live);
    try {
      wal.seal();
    } catch (error) {
      live.close();
      throw error;
    }
    options.supply.want();
    return { wal, groups: recovered.groups, report: recovered.report };
  }

  get logId(): number {
    return this.#identity.logId;
  }

  /** Bytes of all segments; spares are not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  get segmentCount(): number {
    return this.#segments;
  }

  /** The segment that is being written, and where its next block will begin. */
  get position(): { readonly segment: number; readonly offset: number } {
    return { segment: this.#live.segment, offset: this.#live.offset };
  }

  /** The sequence of the last block whose sync has completed. */
  get durableSeq(): number {
    return this.#schedule.durableSeq;
  }

  /** When `syncDue` owes a sync, on the caller's clock; Infinity when it owes none. */
  get nextSyncAt(): number {
    return this.#schedule.nextSyncAt;
  }

  /** The last `stage` found no prepared room: try again when the supply has had time. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * The disk has no room for another segment and this one is needed for what is under way: whoever
   * proposes entries should be refused now, before they are in a log.
   */
  get isShort(): boolean {
    if (this.#next !== null) return true;
    const { ready, isStarved } = this.#supply;
    return isShortOfRoom(this.#live.room, this.#segmentBytes, isStarved && ready === 0);
  }

  get counters(): WalCounters {
    return this.#counters;
  }

  /** Requests gathered and not yet committed. */
  get stagedRequests(): number {
    return this.#staged.requests;
  }

  /** Largest record of one request: see `requestBytes`. */
  get requestBytesMax(): number {
    return requestBytesMax(this.#segmentBytes);
  }

  /** Bytes that this request takes in a block. */
  requestBytes(request: PersistRequest): number {
    return requestRecordBytes(request);
  }

  /**
   * Copies the request into the next block. False: nothing was taken; commit what is staged and
   * stage again, or, when `busy` is set, wait for room. Requests of one group must come in order.
   */
  stage(submitted: PersistRequest): boolean {
    this.#assertUsable();
    const request = this.#groups.withoutPromised(submitted);
    const recordBytes = requestRecordBytes(request);
    if (recordBytes > this.requestBytesMax) {
      const bound = `at most ${this.requestBytesMax} with segments of ${this.#segmentBytes}`;
      throw new WalError('walTooLarge', `a request of ${recordBytes} bytes, ${bound}: split it`);
    }
    const lastIndex = this.#groups.check(request);
    this.#busy = false;
    let admission = this.#admit(recordBytes, request);
    if (admission === Admission.rollOver) {
      admission = this.#rollOver() ? this.#admit(recordBytes, request) : Admission.busy;
    }
    if (admission === Admission.stage) {
      this.#staged.add(request, lastIndex);
      this.#groups.apply(request, lastIndex);
      return true;
    }
    if (admission !== Admission.commitFirst) this.#refuse();
    return false;
  }

  /**
   * Stages the term and vote of a request that waits for room, alone and ahead of everything that
   * waits before it: no entry may keep its group from voting. The rest of the request is staged in
   * its turn. Of several that wait, only the newest may be promised. False: not now, or not needed.
   */
  promise(request: PersistRequest): boolean {
    this.#assertUsable();
    const promise = this.#groups.promiseOf(request);
    if (promise === null) return false;
    if (this.#admit(requestRecordBytes(promise), promise) !== Admission.stage) return false;
    this.#staged.add(promise, this.#groups.promised(promise), true);
    this.#counters.promises += 1;
    return true;
  }

  #admit(recordBytes: number, request: PersistRequest): Admission {
    // A roll-over that met a full disk half-way is finished before anything else is written.
    if (this.#next !== null) return Admission.rollOver;
    return admit(recordBytes, usesReserve(request), {
      stagedBytes: this.#staged.bodyBytes,
      bodyBytesMax: this.requestBytesMax,
      liveBytes: this.#live.room,
      spares: this.#supply.ready,
      reserveBytes: Math.floor(this.#segmentBytes / RESERVE_SHARE),
    });
  }

  #refuse(): void {
    this.#busy = true;
    this.#counters.refusals += 1;
    this.#supply.want();
  }

  /** Writes what is staged as one block and returns what may be acknowledged. */
  commit(nowMs: number): readonly PersistAck[] {
    this.#assertUsable();
    const staged = this.#staged;
    if (staged.requests === 0) return NO_ACKS;
    const { segment, offset } = this.#live;
    const sequence = this.#schedule.writtenSeq + 1;
    const { mask, termMax, requests, bodyBytes } = staged;
    const plan = { ...this.#plan(BlockKind.batch), mask, termMax, requests, bodyBytes };
    const crc = staged.finish(plan, this.#live.seed);
    this.#append(staged.bytes, blockBytesFor(staged.bodyBytes), crc);
    this.#counters.requests += staged.requests;
    if (this.#schedule.written(sequence, staged.strict, nowMs)) this.#sync();
    return staged.release(segment, offset);
  }

  /** Performs the sync that mode `batch` owes by now; true when it did. */
  syncDue(nowMs: number): boolean {
    this.#assertUsable();
    if (!this.#schedule.due(nowMs)) return false;
    this.#sync();
    return true;
  }

  /**
   * Writes and syncs an empty block that repeats `durableSeq`, so that damage to the last
   * acknowledged block is told from a torn write. For idle moments; true when there was anything
   * to seal.
   */
  seal(): boolean {
    this.#assertUsable();
    if (this.#sealed || this.#schedule.dirty || this.#staged.requests > 0) return false;
    if (this.#next !== null || this.#live.room < SEAL_RESERVE_BYTES) return false;
    const plan = this.#plan(BlockKind.seal);
    const crc = finishBlock(this.#small, this.#smallView, 0, plan, this.#live.seed);
    this.#append(this.#small, BLOCK_BYTES_MIN, crc);
    this.#schedule.written(plan.sequence, true, 0);
    this.#sync();
    this.#sealed = true;
    return true;
  }

  /** Syncs, seals and closes. What was staged and not committed is dropped: nobody was told. */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#failure !== null) return;
      this.#staged.drop();
      if (this.#schedule.dirty) this.#sync();
      this.seal();
    } finally {
      this.#closed = true;
      this.#live.close();
    }
  }

  /** A plan for an empty block at the end of the live segment. */
  #plan(kind: BlockKind) {
    return {
      kind,
      bodyBytes: 0,
      previousCrc: this.#previousCrc,
      requests: 0,
      offset: this.#live.offset,
      termMax: 0,
      mask: NO_GROUPS,
      logId: this.#identity.logId,
      segment: this.#live.segment,
      sequence: this.#schedule.writtenSeq + 1,
      durableSeq: this.#schedule.durableSeq,
    };
  }

  #append(bytes: Uint8Array, length: number, crc: number): void {
    try {
      this.#live.append(bytes, length);
    } catch (cause) {
      throw this.#fail(`writing ${this.#live.path}`, cause);
    }
    this.#previousCrc = crc;
    this.#sealed = false;
    this.#counters.blocks += 1;
    this.#counters.bytesWritten += length;
  }

  #sync(): void {
    try {
      this.#live.sync();
    } catch (cause) {
      throw this.#fail(`syncing ${this.#live.path}`, cause);
    }
    this.#schedule.synced();
    this.#counters.syncs += 1;
  }

  /** Continues in a new segment. False when the disk has no room for it: nothing is lost. */
  #rollOver(): boolean {
    if (this.#schedule.dirty) this.#sync();
    const spare = this.#next === null ? this.#supply.take() : null;
    if (spare !== null) this.#next = { spare, named: false };
    const next = this.#next;
    if (next === null) return false;
    const segment = this.#live.segment + 1;
    try {
      this.#begin(next, segment);
    } catch (cause) {
      if (isNoSpace(cause)) return false;
      throw this.#fail(`beginning ${segmentPath(this.#directory, segment)}`, cause);
    }
    this.#supply.want();
    return true;
  }

  #begin(next: { readonly spare: string; named: boolean }, segment: number): void {
    const segmentBytes = this.#segmentBytes;
    if (!next.named) {
      this.#disk.rename(next.spare, segmentPath(this.#directory, segment));
      next.named = true;
      orFail('syncing the directory', () => this.#disk.syncDirectory(this.#directory));
    }
    const sequence = this.#schedule.writtenSeq + 1;
    const { bytes, crc } = encodeSegmentStart({
      identity: this.#identity,
      segment,
      segmentBytes,
      sequence,
      previousCrc: this.#previousCrc,
      durableSeq: this.#schedule.durableSeq,
      states: this.#groups.states(),
      doubt: this.#groups.doubt,
      termFloor: this.#groups.termFloor,
    });
    const live = startSegment(this.#disk, this.#directory, bytes, {
      segment,
      segmentBytes,
      logId: this.#identity.logId,
      offset: 0,
    });
    this.#live.close();
    this.#live = live;
    this.#next = null;
    this.#previousCrc = crc;
    this.#sealed = true;
    this.#schedule.written(sequence, true, 0);
    this.#schedule.synced();
    this.#bytes += segmentBytes;
    this.#segments += 1;
    this.#counters.rollOvers += 1;
    this.#counters.bytesWritten += bytes.length;
    this.#counters.syncs += 1;
  }

  #fail(what: string, cause: unknown): WalFailed {
    this.#failure = cause instanceof WalFailed ? cause : new WalFailed(what, cause);
    return this.#failure;
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new WalError('walFailed', 'the log is closed');
  }
}
