/**
 * The block that is being gathered: one preallocated buffer into which each request is copied
 * once, in the very bytes that go to disk, and the acknowledgements that its commit will release.
 *
 * It must never grow: what does not fit is refused by the policy before it comes here.
 */

import {
  BLOCK_BYTES_MAX,
  type BlockPlan,
  BODY_BYTES_MAX,
  blockBytesFor,
  FRAME_BYTES,
  finishBlock,
  type GroupMask,
  maskWith,
  NO_GROUPS,
} from './block-format.js';
import { mustSync } from './group-commit.js';
import { writeRequestRecord } from './request-record.js';
import { frameTerm } from './term-floor.js';
import type { PersistAck, PersistRequest } from './wal-types.js';

/** An acknowledgement that only lacks the place where its block will lie. */
type PendingAck = Omit<PersistAck, 'segment' | 'offset'>;

export class StagedBlock {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #bodyBytes = 0;
  #mask: GroupMask = NO_GROUPS;
  #termMax = 0;
  #strict = false;
  #requests = 0;
  #pending: PendingAck[] = [];

  constructor(bodyBytesMax: number) {
    const bytes = bodyBytesMax === BODY_BYTES_MAX ? BLOCK_BYTES_MAX : blockBytesFor(bodyBytesMax);
    this.bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  get requests(): number {
    return this.#requests;
  }

  get mask(): GroupMask {
    return this.#mask;
  }

  /** The highest hard-state term in it; 0 when it holds none. */
  get termMax(): number {
    return this.#termMax;
  }

  /** True when a request in it must be synced before its acknowledgement in every mode. */
  get strict(): boolean {
    return this.#strict;
  }

  /** Copies a request that was admitted; `lastIndex` is the group's last index after it. */
  add(request: PersistRequest, lastIndex: number, promiseOnly = false): void {
    this.#write(request, lastIndex, false);
    const { group, seq, generation, term } = request;
    this.#mask = maskWith(this.#mask, group);
    this.#termMax = Math.max(this.#termMax, frameTerm(request.hardState?.term ?? 0));
    this.#strict ||= mustSync(request);
    const ack = { group, seq, generation, term, lastIndex };
    this.#pending.push(promiseOnly ? { ...ack, promiseOnly } : ack);
  }

  /**
   * Adds what nobody waits for: a copy of old entries, or a compaction ahead of its request. When
   * the block is cut nobody is in doubt for it, so the mask does not name its group.
   */
  addQuietly(request: PersistRequest, lastIndex: number, isCopy: boolean): void {
    this.#write(request, lastIndex, isCopy);
    this.#strict = true;
  }

  #write(request: PersistRequest, lastIndex: number, isCopy: boolean): void {
    const start = FRAME_BYTES + this.#bodyBytes;
    const end = writeRequestRecord(this.bytes, this.#view, start, request, lastIndex, isCopy);
    this.#bodyBytes = end - FRAME_BYTES;
    this.#requests += 1;
  }

  /** Completes the block in place; returns the frame's CRC. */
  finish(plan: BlockPlan, seed: number): number {
    return finishBlock(this.bytes, this.#view, 0, plan, seed);
  }

  /** Empties the block and returns its acknowledgements, now that it lies at this place. */
  release(segment: number, offset: number): PersistAck[] {
    const acks = this.#pending.map((ack) => ({ ...ack, segment, offset }));
    this.drop();
    return acks;
  }

  /** Empties the block without acknowledging anything. */
  drop(): void {
    this.#bodyBytes = 0;
    this.#mask = NO_GROUPS;
    this.#termMax = 0;
    this.#strict = false;
    this.#requests = 0;
    this.#pending = [];
  }
}
