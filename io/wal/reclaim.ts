/**
 * The policy that gives segments back when the log has grown: what is left in the oldest one is
 * copied forward when it is little, and else the groups that keep it are named, so that they take a
 * snapshot and forget their entries.
 *
 *   bytes ≤ maxLogBytes / 2   nothing: segments go as their groups forget them
 *   bytes > maxLogBytes / 2   the oldest segment is to go
 *   bytes ≥ 3/4 maxLogBytes   it is urgent: nothing that can be sent anew is kept for others
 *   bytes at maxLogBytes      new entries are refused, if snapshots can make some room; what
 *                             leaders have in their logs already, and what is under way, still
 *                             finds it, up to a bound
 *
 * It reads old segments in slices and must never write: the log writes what is `ready`.
 */

import type { Disk } from '../disk/disk.js';
import type { GroupTable } from './group-table.js';
import type { Holding } from './holdings.js';
import { cutRuns, isReadFailure, type Leftover, LeftoverReader } from './leftover-reader.js';
import type { SegmentList } from './segment-list.js';
import type { PersistRun } from './wal-types.js';

/** What one group may leave in a segment to be copied; beside it a share of the segment. */
const LEFTOVER_BYTES_MAX = 64 * 1024;
/** From this share of `maxLogBytes` on it is urgent. */
const URGENT_SHARE = 3 / 4;
/**
 * Share of what may go beyond the bound that entries of leaders may take. Without any, followers at
 * their bound would commit nothing, and what is not committed no snapshot can shorten.
 */
const LEADERS_SHARE = 3;
/** All groups together: what is copied for a segment must be much less than the segment. */
const LEFTOVERS_SHARE = 8;

export interface ReclaimParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly logId: number;
  readonly segmentBytes: number;
  readonly maxLogBytes: number;
  /** What may go beyond it, as it was under way: see `WalOptions`. */
  readonly underWayBytesMax: number;
  readonly groups: GroupTable;
  readonly segments: SegmentList;
}

/** Entries to be written once more: all that the group has in their segment. */
export interface ReadyCopy {
  readonly holding: Holding;
  readonly runs: readonly PersistRun[];
}

export class Reclaim {
  readonly #parts: ReclaimParts;
  readonly #leftoversMax: number;
  #isDue = false;
  #reader: LeftoverReader | null = null;
  #found: Leftover[] = [];
  #pinning = new Set<number>();
  #isLimited = false;
  #isFull = false;
  #isOver = false;

  constructor(parts: ReclaimParts) {
    this.#parts = parts;
    this.#leftoversMax = Math.floor(parts.segmentBytes / LEFTOVERS_SHARE);
  }

  /** Entries are to be refused: the log is as long as it may be, and snapshots can shorten it. */
  get isLimited(): boolean {
    return this.#isLimited;
  }

  /** Nor are entries to be taken that a leader has in its log: what is left is under way here. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** Not even entries that were under way find room any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The oldest segment is to go. */
  get isLong(): boolean {
    const { segments, maxLogBytes } = this.#parts;
    return segments.count > 1 && segments.bytes > maxLogBytes / 2;
  }

  get isUrgent(): boolean {
    const { segments, maxLogBytes } = this.#parts;
    return this.isLong && segments.bytes >= maxLogBytes * URGENT_SHARE;
  }

  /** There is a new segment, or one has lost some of its entries: everything is looked at anew. */
  note(): void {
    this.#isDue = true;
    const { segments, segmentBytes, maxLogBytes, underWayBytesMax } = this.#parts;
    const beyond = segments.count > 1 ? segments.bytes + segmentBytes - maxLogBytes : 0;
    this.#isLimited = beyond > 0 && this.#canShrink();
    this.#isFull = this.#isLimited && beyond > underWayBytesMax / LEADERS_SHARE;
    this.#isOver = this.#isLimited && beyond > underWayBytesMax;
  }

  /** A group that has never forgotten anything may have a machine that takes no snapshots. */
  #canShrink(): boolean {
    const { groups, segments } = this.#parts;
    const held = groups.holdings.of(segments.oldest);
    return held.every(({ group, bytes }) => this.#isSmall(bytes) || groups.compacts(group));
  }

  #isSmall(bytes: number): boolean {
    return bytes <= Math.min(LEFTOVER_BYTES_MAX, this.#leftoversMax);
  }

  /** Looks, or reads a slice; true when there is more to do at once. */
  work(): boolean {
    if (this.#reader !== null) this.#read(this.#reader);
    else if (this.#isDue && this.#found.length === 0) this.#look();
    return this.#reader !== null;
  }

  #look(): void {
    this.#isDue = false;
    const { disk, directory, logId, groups, segments } = this.#parts;
    if (!this.isLong) return;
    const { oldest } = segments;
    const held = groups.holdings.of(oldest);
    const pinning = this.#pinningOf(held);
    for (const group of pinning) this.#pinning.add(group);
    // While somebody keeps the segment anyway, copies would be made for nothing.
    if (pinning.size > 0 || held.length === 0) return;
    const termOf = (group: number, index: number): number => groups.termOf(group, index);
    try {
      this.#reader = new LeftoverReader(disk, directory, logId, oldest, held, termOf);
    } catch (error) {
      if (!isReadFailure(error)) throw error;
      // As what cannot be read in it: only forgetting it frees the segment.
      for (const { group } of held) this.#pinning.add(group);
    }
  }

  /** Groups with too much in a segment to be copied, also when it is only too much of them all. */
  #pinningOf(held: readonly Holding[]): Set<number> {
    const bytesOf = new Map<number, number>();
    for (const { group, bytes } of held) bytesOf.set(group, (bytesOf.get(group) ?? 0) + bytes);
    let total = 0;
    const pinning = new Set<number>();
    for (const [group, bytes] of [...bytesOf].sort(([, a], [, b]) => a - b)) {
      total += bytes;
      if (!this.#isSmall(bytes) || total > this.#leftoversMax) pinning.add(group);
    }
    return pinning;
  }

  #read(reader: LeftoverReader): void {
    if (reader.segment === this.#parts.segments.oldest) reader.step();
    else reader.close();
    if (!reader.isDone) return;
    this.#reader = null;
    this.#found = [...reader.leftovers];
  }

  /** What is to be copied next, as far as it is still part of the log; null when there is none. */
  get ready(): ReadyCopy | null {
    const { holdings } = this.#parts.groups;
    for (;;) {
      const [next] = this.#found;
      if (next === undefined) return null;
      const { holding, gathering } = next;
      if (holdings.has(holding)) {
        const runs = cutRuns(gathering.runs(), holding.first, holding.last);
        if (runs !== null) return { holding, runs };
        // It cannot be read where it lies: only forgetting it frees the segment.
        this.#pinning.add(holding.group);
      }
      this.#found.shift();
    }
  }

  /** What was `ready` is in the log once more. */
  copied(): void {
    this.#found.shift();
  }

  /** Groups that keep the oldest segment and should take a snapshot; each is named once a look. */
  takePinning(): readonly number[] {
    const pinning = [...this.#pinning];
    this.#pinning.clear();
    return pinning;
  }

  close(): void {
    this.#reader?.close();
  }
}
