/**
 * The end of the log: the live segment, the chain of blocks in it, which of them are durable, and
 * the step into the next segment.
 *
 * It knows blocks, not requests. It must never retry a failed write or sync: the first one is
 * final, and everything after it throws the same.
 */

import type { Disk } from '../disk/disk.js';
import {
  BLOCK_BYTES_MIN,
  BlockKind,
  finishBlock,
  type GroupMask,
  NO_GROUPS,
} from './block-format.js';
import type { GroupState } from './checkpoint-record.js';
import { type SyncPolicy, SyncSchedule } from './group-commit.js';
import { LiveSegment } from './live-segment.js';
import type { LogTail } from './recovery.js';
import { segmentPath, type WalIdentity } from './segment-format.js';
import { encodeSegmentStart, orFail, startSegment } from './segment-start.js';
import { isNoSpace } from './segment-supply.js';
import { WalFailed } from './wal-errors.js';

/** A spare that was taken for the next segment; `named` once it bears its name. */
export interface NextSegment {
  readonly spare: string;
  named: boolean;
}

/** What a checkpoint says of all groups. */
export interface Checkpoint {
  states(): readonly GroupState[];
  readonly doubt: GroupMask;
  readonly termFloor: number;
}

export class BlockWriter {
  readonly schedule: SyncSchedule;
  readonly counters = { blocks: 0, bytesWritten: 0, syncs: 0, rollOvers: 0 };
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #identity: WalIdentity;
  readonly #small = new Uint8Array(BLOCK_BYTES_MIN);
  readonly #smallView = new DataView(this.#small.buffer);
  #live: LiveSegment;
  #previousCrc: number;
  #sealed: boolean;
  /** The live segment is not one of an older build, which nothing is added to. */
  #isOwn: boolean;
  #failure: WalFailed | null = null;

  constructor(
    disk: Disk,
    directory: string,
    identity: WalIdentity,
    tail: LogTail,
    policy: SyncPolicy,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#identity = identity;
    this.schedule = new SyncSchedule(policy, tail.sequence - 1);
    this.#previousCrc = tail.previousCrc;
    this.#sealed = tail.sealed;
    this.#isOwn = tail.compacts;
    this.#live = new LiveSegment(disk, directory, tail);
  }

  get live(): LiveSegment {
    return this.#live;
  }

  /** Why nothing is accepted any more; null as long as something is. */
  get failure(): WalFailed | null {
    return this.#failure;
  }

  /** A plan for an empty block at the end of the live segment. */
  plan(kind: BlockKind) {
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
      sequence: this.schedule.writtenSeq + 1,
      durableSeq: this.schedule.durableSeq,
    };
  }

  /** Appends the block that was planned last, finished to this CRC. */
  append(bytes: Uint8Array, length: number, crc: number): void {
    try {
      this.#live.append(bytes, length);
    } catch (cause) {
      throw this.#fail(`writing ${this.#live.path}`, cause);
    }
    this.#previousCrc = crc;
    this.#sealed = false;
    this.counters.blocks += 1;
    this.counters.bytesWritten += length;
  }

  sync(): void {
    try {
      this.#live.sync();
    } catch (cause) {
      throw this.#fail(`syncing ${this.#live.path}`, cause);
    }
    this.schedule.synced();
    this.counters.syncs += 1;
  }

  /** Writes and syncs a seal; false when the last block needs none, or is not synced. */
  seal(): boolean {
    if (this.#sealed || this.schedule.dirty || this.#live.room < BLOCK_BYTES_MIN) return false;
    const plan = this.plan(BlockKind.seal);
    const crc = finishBlock(this.#small, this.#smallView, 0, plan, this.#live.seed);
    this.append(this.#small, BLOCK_BYTES_MIN, crc);
    this.schedule.written(plan.sequence, true, 0);
    this.sync();
    this.#sealed = true;
    return true;
  }

  /**
   * Goes on in a new segment of this size. A lack of space is thrown as the disk's own error: the
   * same `next` may be tried again, and nothing is lost.
   */
  rollOver(next: NextSegment, segmentBytes: number, checkpoint: Checkpoint): void {
    if (this.schedule.dirty) this.sync();
    const segment = this.#live.segment + 1;
    try {
      this.#begin(next, segment, segmentBytes, checkpoint);
    } catch (cause) {
      if (isNoSpace(cause)) throw cause;
      throw this.#fail(`beginning ${segmentPath(this.#directory, segment)}`, cause);
    }
  }

  #begin(next: NextSegment, segment: number, segmentBytes: number, checkpoint: Checkpoint): void {
    if (!next.named) {
      this.#disk.rename(next.spare, segmentPath(this.#directory, segment));
      next.named = true;
      orFail('syncing the directory', () => this.#disk.syncDirectory(this.#directory));
    }
    const sequence = this.schedule.writtenSeq + 1;
    const { bytes, crc } = encodeSegmentStart({
      identity: this.#identity,
      segment,
      segmentBytes,
      sequence,
      previousCrc: this.#previousCrc,
      durableSeq: this.schedule.durableSeq,
      states: checkpoint.states(),
      doubt: checkpoint.doubt,
      termFloor: checkpoint.termFloor,
    });
    const { logId } = this.#identity;
    const place = { segment, segmentBytes, logId, offset: 0 };
    const live = startSegment(this.#disk, this.#directory, bytes, place);
    try {
      orFail(`handing over from ${this.#live.path}`, () => this.#handOver(sequence, crc));
    } catch (cause) {
      live.close();
      throw cause;
    }
    this.#live.close();
    this.#live = live;
    this.#previousCrc = crc;
    this.#sealed = true;
    this.#isOwn = true;
    this.schedule.written(sequence, true, 0);
    this.schedule.synced();
    this.counters.rollOvers += 1;
    this.counters.bytesWritten += bytes.length;
    this.counters.syncs += 1;
  }

  /** Says durably, at the end of the old segment, that the next one is begun. */
  #handOver(sequence: number, crc: number): void {
    // A segment that was filled before there were handovers may have no room for one.
    if (!this.#isOwn || this.#live.room < BLOCK_BYTES_MIN) return;
    const end = { sequence: sequence + 1, previousCrc: crc, durableSeq: sequence };
    const plan = { ...this.plan(BlockKind.handover), ...end };
    finishBlock(this.#small, this.#smallView, 0, plan, this.#live.seed);
    this.#live.append(this.#small, BLOCK_BYTES_MIN);
    this.#live.sync();
  }

  #fail(what: string, cause: unknown): WalFailed {
    this.#failure = cause instanceof WalFailed ? cause : new WalFailed(what, cause);
    return this.#failure;
  }

  close(): void {
    this.#live.close();
  }
}
