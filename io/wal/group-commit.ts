/**
 * The policy of the group commit, without a disk: what may join the block that is being gathered,
 * when a sync is due in each mode, and what may be said to be durable.
 *
 *   always  every block is synced before its requests are acknowledged
 *   batch   entries are acknowledged when written; a sync follows within `intervalMs`
 *   none    entries are never synced on their own account
 *
 * In every mode a block with a term, vote, configuration, compaction, reset or end of doubt is
 * synced before its acknowledgements. It must never import a disk or read a clock.
 */

import { blockBytesFor } from './block-format.js';
import { SECTOR_BYTES } from './segment-format.js';
import type { PersistRequest } from './wal-types.js';

export type SyncMode = 'always' | 'batch' | 'none';

export interface SyncPolicy {
  readonly mode: SyncMode;
  /** In mode `batch`: how long a written block may stay unsynced, in milliseconds. */
  readonly intervalMs: number;
}

/** Kept free at the end of a segment: for the seal of its last block, and for the handover. */
export const END_RESERVE_BYTES = 2 * SECTOR_BYTES;

/** True when no mode may acknowledge this request before a sync. */
export function mustSync(request: PersistRequest): boolean {
  return (
    request.hardState !== undefined ||
    request.configuration !== undefined ||
    request.compact !== undefined ||
    request.reset !== undefined ||
    request.clearsDoubt === true
  );
}

/**
 * True when a request may use the reserve: it must not wait behind what clients wrote. Beside
 * entries a term and vote may not: they go ahead by themselves (`Wal.promise`), the entries wait.
 */
export function usesReserve(request: PersistRequest): boolean {
  return request.usesReserve === true || (mustSync(request) && request.runs.length === 0);
}

/**
 * True when new entries must not come any more: the disk has no room for another segment, and what
 * is left of this one is for what is under way already, and for the reserve.
 */
export function isShortOfRoom(liveBytes: number, segmentBytes: number, starved: boolean): boolean {
  return starved && liveBytes < segmentBytes / 2;
}

/** What is to be done with a request before (or instead of) staging it. */
export const Admission = {
  stage: 'stage',
  /** The block is full for this request: write it first. */
  commitFirst: 'commitFirst',
  /** The segment is full for this request, and a spare is ready. */
  rollOver: 'rollOver',
  /** No prepared room: nothing is lost, the caller tries again later. */
  busy: 'busy',
} as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

/** The prepared room at the moment of the question. */
export interface Room {
  /** Body bytes gathered for the next block. */
  readonly stagedBytes: number;
  readonly bodyBytesMax: number;
  /** Bytes left in the live segment. */
  readonly liveBytes: number;
  readonly spares: number;
  /** Entries leave this much of the last prepared segment to term, vote and membership. */
  readonly reserveBytes: number;
}

/** Decides about one request of `recordBytes`; `reserved` ones may use the reserve. */
export function admit(recordBytes: number, reserved: boolean, room: Room): Admission {
  const gathering = room.stagedBytes > 0;
  const bodyBytes = room.stagedBytes + recordBytes;
  if (gathering && bodyBytes > room.bodyBytesMax) return Admission.commitFirst;
  const left = room.liveBytes - END_RESERVE_BYTES - blockBytesFor(bodyBytes);
  if (left < 0) {
    if (gathering) return Admission.commitFirst;
    return room.spares > 0 ? Admission.rollOver : Admission.busy;
  }
  if (reserved || room.spares > 0 || left >= room.reserveBytes) return Admission.stage;
  return gathering ? Admission.commitFirst : Admission.busy;
}

/** Which blocks are durable, and when the next sync is due. */
export class SyncSchedule {
  readonly #policy: SyncPolicy;
  #writtenSeq: number;
  #durableSeq: number;
  #nextSyncAt = Number.POSITIVE_INFINITY;

  /** Everything up to `durableSeq` was written and synced. */
  constructor(policy: SyncPolicy, durableSeq: number) {
    this.#policy = policy;
    this.#writtenSeq = durableSeq;
    this.#durableSeq = durableSeq;
  }

  get writtenSeq(): number {
    return this.#writtenSeq;
  }

  /** The last sequence whose sync has completed. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  get dirty(): boolean {
    return this.#durableSeq < this.#writtenSeq;
  }

  /** Infinity when no sync is owed by time. */
  get nextSyncAt(): number {
    return this.#nextSyncAt;
  }

  /** A block was written: true when it must be synced before its requests are acknowledged. */
  written(sequence: number, strict: boolean, nowMs: number): boolean {
    this.#writtenSeq = sequence;
    if (strict || this.#policy.mode === 'always') return true;
    if (this.#policy.mode === 'none') return false;
    this.#nextSyncAt = Math.min(this.#nextSyncAt, nowMs + this.#policy.intervalMs);
    return this.due(nowMs);
  }

  due(nowMs: number): boolean {
    return nowMs >= this.#nextSyncAt;
  }

  /** A sync that began after the last write has completed. */
  synced(): void {
    this.#durableSeq = this.#writtenSeq;
    this.#nextSyncAt = Number.POSITIVE_INFINITY;
  }
}
