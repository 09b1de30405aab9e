/**
 * The write-ahead log of a node: all groups' requests, one block per group commit, in segments.
 *
 *   stage(request) … stage(request)   copied into one block
 *   promise(request)                  without room for the whole: what must not wait for it
 *   commit(nowMs)                     one write, one sync when the mode asks for it, all acks
 *   reclaim() · recycleFreed()        old segments that are given back, a step at a time
 *
 * One thread owns it and calls it synchronously. It must never acknowledge before the sync that the
 * mode owes, never read a clock, and never go on after a failed write or sync.
 */

import { BlockKind, blockBytesFor } from './block-format.js';
import { BlockWriter, type NextSegment } from './block-writer.js';
import { Admission, admit, isShortOfRoom, usesReserve } from './group-commit.js';
import { GroupTable } from './group-table.js';
import type { Holding } from './holdings.js';
import { Reclaim } from './reclaim.js';
import { type Recovered, recover } from './recovery.js';
import { requestRecordBytes } from './request-record.js';
import { checkSegmentBytes } from './segment-format.js';
import { SegmentList } from './segment-list.js';
import { createLog, requestBytesMax, spareNow } from './segment-start.js';
import { isNoSpace, type SegmentSupply } from './segment-supply.js';
import { StagedBlock } from './staged-block.js';
import { WalError } from './wal-errors.js';
import type { OpenedWal, WalCounters, WalOptions } from './wal-options.js';
import type { MovedEntries, PersistAck, PersistRequest } from './wal-types.js';

export type { OpenedWal, WalCounters, WalOptions };

const NO_ACKS: readonly PersistAck[] = [];
/** Share of a segment that entries leave to term, vote and membership while no spare is ready. */
const RESERVE_SHARE = 8;
/** Bytes of copies that one block takes: a commit that comes meanwhile waits for no more. */
const COPY_BLOCK_BYTES_MAX = 256 * 1024;

export class Wal {
  readonly #logId: number;
  readonly #segmentBytes: number;
  readonly #supply: SegmentSupply;
  readonly #writer: BlockWriter;
  readonly #groups: GroupTable;
  readonly #staged: StagedBlock;
  readonly #segments: SegmentList;
  readonly #reclaim: Reclaim;
  #moved: MovedEntries[] = [];
  /** A segment has lost entries since it was last asked which ones are free. */
  #isReleased = false;
  #busy = false;
  #closed = false;
  #next: NextSegment | null = null;
  readonly #counters = { requests: 0, refusals: 0, promises: 0, freed: 0, copies: 0 };

  private constructor(options: WalOptions, recovered: Recovered) {
    const { tail, groups, report } = recovered;
    const { clusterId, nodeId } = options;
    const identity = { clusterId, nodeId, logId: tail.logId };
    this.#logId = tail.logId;
    this.#segmentBytes = options.segmentBytes;
    this.#supply = options.supply;
    this.#writer = new BlockWriter(options.disk, options.directory, identity, tail, options.sync);
    this.#groups = new GroupTable(groups, report, nodeId);
    this.#staged = new StagedBlock(requestBytesMax(options.segmentBytes));
    this.#segments = new SegmentList(recovered.segments);
    this.#reclaim = new Reclaim({
      ...options,
      logId: tail.logId,
      maxLogBytes: options.maxLogBytes ?? Number.POSITIVE_INFINITY,
      underWayBytesMax: options.underWayBytesMax ?? 0,
      groups: this.#groups,
      segments: this.#segments,
    });
  }

  /**
   * Recovers or creates the log. Throws `WalDamage`, `WalMissing`, `WalVersionError` or
   * `WalForeign` when it must not be used, and `WalNoSpace` when there is no room for the first
   * segment, or for the one that the log of an older build goes on in.
   */
  static open(options: WalOptions): OpenedWal {
    checkSegmentBytes(options.segmentBytes);
    const { disk, directory, clusterId, nodeId } = options;
    const expected = { clusterId, nodeId, logId: options.logId ?? null };
    const mustExist = options.mustExist === true;
    const recovered = recover(disk, directory, expected, mustExist) ?? createLog(options);
    const wal = new Wal(options, recovered);
    try {
      // An older build must not find compactions behind its own segment's header.
      if (!recovered.tail.compacts) wal.#begin({ spare: spareNow(options), named: false });
      wal.seal();
      wal.#free();
      wal.#reclaim.note();
    } catch (error) {
      wal.#writer.close();
      throw error;
    }
    options.supply.want();
    return { wal, groups: recovered.groups, report: recovered.report };
  }

  get logId(): number {
    return this.#logId;
  }

  /** Bytes of all segments that are not free; spares are not counted. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  get segmentCount(): number {
    return this.#segments.count;
  }

  /** The oldest segment that was not handed over to be recycled. */
  get oldestSegment(): number {
    return this.#segments.oldestFile;
  }

  /** The segment that is being written, and where its next block will begin. */
  get position(): { readonly segment: number; readonly offset: number } {
    const { segment, offset } = this.#writer.live;
    return { segment, offset };
  }

  /** The sequence of the last block whose sync has completed. */
  get durableSeq(): number {
    return this.#writer.schedule.durableSeq;
  }

  /** When `syncDue` owes a sync, on the caller's clock; Infinity when it owes none. */
  get nextSyncAt(): number {
    return this.#writer.schedule.nextSyncAt;
  }

  /** The last `stage` found no prepared room: try again when the supply has had time. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * The disk has no room for another segment, or the log is as long as it may be, and this one is
   * needed for what is under way: whoever proposes entries should be refused now, before they are
   * in a log.
   */
  get isShort(): boolean {
    return this.#isShort(this.#reclaim.isLimited);
  }

  /** Not even entries that a leader has in its log already should be taken. */
  get isFull(): boolean {
    return this.#isShort(this.#reclaim.isFull);
  }

  #isShort(isAtBound: boolean): boolean {
    if (this.#next !== null) return true;
    const { ready, isStarved } = this.#supply;
    const noneComes = (isStarved && ready === 0) || isAtBound;
    return isShortOfRoom(this.#writer.live.room, this.#segmentBytes, noneComes);
  }

  get counters(): WalCounters {
    return { ...this.#writer.counters, ...this.#counters };
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
      const { segment } = this.#writer.live;
      if (this.#groups.apply(request, lastIndex, segment)) this.#isReleased = true;
      return true;
    }
    if (admission !== Admission.commitFirst) this.#refuse();
    return false;
  }

  /**
   * Stages the term and vote of a request that waits for room, and the compaction that may make
   * some, ahead of everything that waits before it: no entry may keep its group from voting. The
   * rest of the request is staged in its turn. Of several terms that wait, only the newest may be
   * promised. False: not now, or not needed.
   */
  promise(request: PersistRequest): boolean {
    this.#assertUsable();
    const promise = this.#groups.promiseOf(request);
    if (promise === null) return false;
    if (this.#admit(requestRecordBytes(promise), promise) !== Admission.stage) return false;
    const { lastIndex, released } = this.#groups.promised(promise);
    if (released) this.#isReleased = true;
    if (promise.hardState === undefined) this.#staged.addQuietly(promise, lastIndex, false);
    else this.#staged.add(promise, lastIndex, true);
    this.#counters.promises += 1;
    return true;
  }

  #admit(recordBytes: number, request: PersistRequest): Admission {
    // A roll-over that met a full disk half-way is finished before anything else is written.
    if (this.#next !== null) return Admission.rollOver;
    const isReserved = usesReserve(request);
    const spares = this.#reclaim.isOver && !isReserved ? 0 : this.#supply.ready;
    return admit(recordBytes, isReserved, { ...this.#room(), spares });
  }

  #room() {
    return {
      stagedBytes: this.#staged.bodyBytes,
      bodyBytesMax: this.requestBytesMax,
      liveBytes: this.#writer.live.room,
      spares: this.#supply.ready,
      reserveBytes: Math.floor(this.#segmentBytes / RESERVE_SHARE),
    };
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
    const { segment, offset } = this.#writer.live;
    this.#writeStaged(nowMs);
    this.#counters.requests += staged.requests;
    const acks = staged.release(segment, offset);
    this.#free();
    return acks;
  }

  #writeStaged(nowMs: number): void {
    const staged = this.#staged;
    const writer = this.#writer;
    const { mask, termMax, requests, bodyBytes } = staged;
    const plan = { ...writer.plan(BlockKind.batch), mask, termMax, requests, bodyBytes };
    const crc = staged.finish(plan, writer.live.seed);
    writer.append(staged.bytes, blockBytesFor(bodyBytes), crc);
    if (writer.schedule.written(plan.sequence, staged.strict, nowMs)) writer.sync();
  }

  /**
   * Frees what nobody holds, and only while everything that says so is durable: what is staged, or
   * written and not synced, may never have been.
   */
  #free(): void {
    if (this.#writer.schedule.dirty || this.#staged.requests > 0) return;
    const { holdings } = this.#groups;
    const before = this.#segments.count;
    if (this.#segments.free((segment) => holdings.isHeld(segment))) this.#isReleased = true;
    this.#counters.freed += before - this.#segments.count;
    if (!this.#isReleased) return;
    this.#isReleased = false;
    this.#reclaim.note();
  }

  /**
   * A step towards a shorter log, when it has grown beyond half of `maxLogBytes`: looks, reads a
   * slice of the oldest segment, or writes a block of copies. True when there is more to do at
   * once. For moments between two commits, with nothing staged.
   */
  reclaim(): boolean {
    this.#assertUsable();
    if (this.#staged.requests > 0) return false;
    return this.#reclaim.work() || this.#copyLeftovers();
  }

  #copyLeftovers(): boolean {
    const copied: Holding[] = [];
    for (let copy = this.#reclaim.ready; copy !== null; copy = this.#reclaim.ready) {
      const { holding, runs } = copy;
      const { request, last } = this.#groups.copyOf(holding.group, runs);
      if (!this.#hasRoomToCopy(requestRecordBytes(request))) break;
      this.#staged.addQuietly(request, last, true);
      this.#reclaim.copied();
      copied.push(holding);
    }
    if (copied.length === 0) return false;
    const { segment, offset } = this.#writer.live;
    this.#writeStaged(0);
    this.#staged.drop();
    this.#counters.copies += 1;
    for (const { group, first, last, bytes } of copied) {
      this.#groups.holdings.move({ group, segment, first, last, bytes });
      this.#moved.push({ group, first, last, segment, offset });
    }
    this.#isReleased = true;
    this.#free();
    return true;
  }

  /** Copies give a segment back, so they may take a part of the reserve, and leave as much. */
  #hasRoomToCopy(recordBytes: number): boolean {
    const gathered = this.#staged.bodyBytes + recordBytes;
    if (this.#staged.requests > 0 && gathered > COPY_BLOCK_BYTES_MAX) return false;
    if (this.#next === null) {
      const room = this.#room();
      const reserveBytes = Math.floor(room.reserveBytes / 2);
      const admission = admit(recordBytes, false, { ...room, reserveBytes });
      if (admission === Admission.stage) return true;
      if (admission !== Admission.rollOver) return false;
    }
    return this.#rollOver();
  }

  /** Where entries lie now that were copied since the last call: their old segment will go. */
  takeMoved(): readonly MovedEntries[] {
    const moved = this.#moved;
    this.#moved = [];
    return moved;
  }

  /** The log has grown so that its oldest segment is to go: see `lookAgain`. */
  get isLong(): boolean {
    return this.#reclaim.isLong;
  }

  /** It is so long that groups should forget also what they keep for others. */
  get isUrgent(): boolean {
    return this.#reclaim.isUrgent;
  }

  /**
   * The next `reclaim` looks once more who keeps the log from shrinking. To be called now and then
   * while it `isLong`: at its bound no entry comes that would be a reason to look.
   */
  lookAgain(): void {
    this.#reclaim.note();
  }

  /**
   * The group has stopped and forgets nothing before a restart. Where its entries keep the log from
   * shrinking, that has no bound any more: others are not refused for what no snapshot can mend.
   */
  stopped(group: number): void {
    this.#groups.stopped(group);
    this.#reclaim.note();
  }

  /** Groups that keep the log from shrinking with more than is copied: they should snapshot. */
  takePinning(): readonly number[] {
    return this.#reclaim.takePinning();
  }

  /**
   * Hands free segments over to the supply, to be renamed or removed. To be called once everybody
   * who reads old entries has been told what `takeMoved` said. Returns how many there were.
   */
  recycleFreed(): number {
    const freed = this.#segments.takeFreed();
    for (const segment of freed) this.#supply.recycle(segment);
    return freed.length;
  }

  /** Performs the sync that mode `batch` owes by now; true when it did. */
  syncDue(nowMs: number): boolean {
    this.#assertUsable();
    if (!this.#writer.schedule.due(nowMs)) return false;
    this.#writer.sync();
    this.#free();
    return true;
  }

  /**
   * Writes and syncs an empty block that repeats `durableSeq`, so that damage to the last
   * acknowledged block is told from a torn write. For idle moments; true when there was anything
   * to seal.
   */
  seal(): boolean {
    this.#assertUsable();
    if (this.#next !== null || this.#staged.requests > 0) return false;
    return this.#writer.seal();
  }

  /** Syncs, seals and closes. What was staged and not committed is dropped: nobody was told. */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#writer.failure !== null) return;
      this.#staged.drop();
      if (this.#writer.schedule.dirty) this.#writer.sync();
      this.seal();
    } finally {
      this.#closed = true;
      this.#reclaim.close();
      this.#writer.close();
    }
  }

  /** Continues in a new segment. False when the disk has no room for it: nothing is lost. */
  #rollOver(): boolean {
    const spare = this.#next === null ? this.#supply.take() : null;
    if (spare !== null) this.#next = { spare, named: false };
    if (this.#next === null) return false;
    try {
      this.#begin(this.#next);
    } catch (cause) {
      if (isNoSpace(cause)) return false;
      throw cause;
    }
    this.#supply.want();
    return true;
  }

  #begin(next: NextSegment): void {
    const bytes = this.#segmentBytes;
    this.#writer.rollOver(next, bytes, this.#groups);
    this.#next = null;
    this.#segments.add({ segment: this.#writer.live.segment, bytes });
    this.#isReleased = true;
    this.#free();
  }

  #assertUsable(): void {
    if (this.#writer.failure !== null) throw this.#writer.failure;
    if (this.#closed) throw new WalError('walFailed', 'the log is closed');
  }
}
