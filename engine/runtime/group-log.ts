/**
 * One group's log in memory: entry bytes in the arena, index → position, and what may leave.
 *
 * Entries come from proposals, from peers and from the core itself; all are copied in exactly once,
 * here. They leave, oldest first, once durable, applied and sent; what left is read back from disk.
 * This file never decides an index or a term: those are the core's.
 */

import {
  ENTRY_HEADER_BYTES,
  type EntryKind,
  entryBytes,
  entryKind,
  entryPayloadBytes,
  entryTimeMs,
  stampEntryTime,
  writeEntryHeader,
} from '../../codec/entry.js';
import { assert, type LogIndex, logIndex } from '../raft/types.js';
import { ARENA_FULL, Arena, type ArenaOptions } from './arena.js';
import { LogIndexMap, type LogPiece } from './log-index.js';

/** When the arena is full, at least this part of it is freed at once. */
const EVICT_PARTS = 8;
/** Entries whose index is in memory at most; small entries hit this before the arena's bytes. */
const ENTRIES_IN_MEMORY_MAX = 1 << 20;
/** Index slots that only the core's own entries may take. */
const OWN_ENTRIES_FREE = 64;
/**
 * What must stay free of the arena after a reservation, as one part in so many: proposals leave
 * room for what a follower must take, and both leave room for the core's own entries.
 */
const PARTS_FREE = { proposal: 4, peer: 64, own: 1 << 20 } as const;
export type Share = keyof typeof PARTS_FREE;

/** What may leave memory at this moment. */
export interface EvictionLimits {
  /** Entries up to here are durable and applied. */
  readonly upTo: LogIndex;
  /** Entries from here on are referenced by messages that were not sent yet. */
  readonly referencedFrom: LogIndex;
  /** Submissions up to this one are durable. */
  readonly storedSeq: number;
  /** Whether the network has taken everything sent before a mark out of the arena. */
  readonly isConsumed: (mark: number) => boolean;
}

export class GroupLog {
  readonly arena: Arena;
  readonly map: LogIndexMap;
  /** The newest leader's time in the log: entry times never decrease. */
  #lastTimeMs = 0;
  /** No region is released before this submission is durable: it may write truncated entries. */
  #guardSeq = 0;
  /** Nor before the network has consumed this mark: it may send truncated entries. */
  #guardMark: number | null = null;

  constructor(memory: SharedArrayBuffer, last: LogIndex, options: ArenaOptions = {}) {
    this.arena = new Arena(memory, options);
    this.map = new LogIndexMap(memory.byteLength, ENTRIES_IN_MEMORY_MAX, logIndex(last + 1));
  }

  has(index: LogIndex): boolean {
    return this.map.has(index);
  }

  /** Whether `bytes` of entries (`count` of them) fit now, after evicting what may leave. */
  makeRoom(bytes: number, count: number, share: Share, limits: EvictionLimits): boolean {
    if (bytes > this.arena.reserveBytesMax) return false;
    const keepFree = this.arena.capacity / PARTS_FREE[share];
    if (this.#fits(bytes, count, keepFree)) return true;
    if (this.#isUnguarded(limits)) this.#evict(bytes, count, keepFree, limits);
    return this.#fits(bytes, count, keepFree);
  }

  /** What a truncation dropped is written and sent: positions may be released again. */
  #isUnguarded(limits: EvictionLimits): boolean {
    if (limits.storedSeq < this.#guardSeq) return false;
    if (this.#guardMark !== null && !limits.isConsumed(this.#guardMark)) return false;
    this.#guardMark = null;
    return true;
  }

  #fits(bytes: number, count: number, keepFree: number): boolean {
    // A reservation that would wrap skips what is left before the end: count it twice, to be sure.
    const { arena, map } = this;
    return arena.freeBytes >= bytes * 2 + keepFree && map.room >= count + OWN_ENTRIES_FREE;
  }

  #evict(bytes: number, count: number, keepFree: number, limits: EvictionLimits): void {
    const { map, arena } = this;
    const target = bytes * 2 + keepFree + arena.capacity / EVICT_PARTS;
    const end = Math.min(limits.upTo + 1, limits.referencedFrom, map.last + 1);
    let at: number = map.firstInMemory;
    let freed = arena.freeBytes;
    let room = map.room - OWN_ENTRIES_FREE;
    while (at < end && (freed < target || room < count)) {
      const last = map.pieceLast(logIndex(at), logIndex(end - 1), target);
      freed += (map.endPositionOf(last) - map.positionOf(logIndex(at))) >>> 0;
      room += last - at + 1;
      at = last + 1;
    }
    // Without an entry to evict, what truncations left dead before the first one still goes.
    const position = at <= map.last ? map.positionOf(logIndex(at)) : arena.next;
    if (at > map.firstInMemory) map.evictBefore(logIndex(at));
    arena.release(position);
  }

  /**
   * Copies `count` well-formed entries of `slab[start, end)` behind the last one. With `timeMs`
   * they are this leader's own and are stamped; without, they keep the time they came with.
   * `makeRoom` has said yes.
   */
  append(slab: Buffer, start: number, end: number, first: LogIndex, timeMs: number | null): number {
    const { arena, map } = this;
    const bytes = end - start;
    const position = arena.reserve(bytes);
    assert(position !== ARENA_FULL, 'room was made for the entries');
    assert(first === map.last + 1, 'entries are placed in index order');
    const base = arena.offsetOf(position);
    slab.copy(arena.bytes, base, start, end);
    const { view } = arena;
    const stamp = timeMs === null ? 0 : Math.max(timeMs, this.#lastTimeMs);
    let offset = 0;
    let lastAt = base;
    while (offset < bytes) {
      lastAt = base + offset;
      const size = entryBytes(entryPayloadBytes(view, lastAt));
      if (timeMs !== null) stampEntryTime(view, lastAt, stamp);
      map.append((position + offset) >>> 0, size);
      offset += size;
    }
    assert(offset === bytes, 'a slab holds whole entries');
    this.#lastTimeMs = Math.max(this.#lastTimeMs, entryTimeMs(view, lastAt));
    return position;
  }

  /** Encodes an entry of the core's own: a no-op or a configuration. */
  appendOwn(kind: EntryKind, payload: Uint8Array, timeMs: number): void {
    const { arena, map } = this;
    const bytes = entryBytes(payload.length);
    const position = arena.reserve(bytes);
    assert(position !== ARENA_FULL, 'the arena keeps room for the entries of the core');
    const base = arena.offsetOf(position);
    this.#lastTimeMs = Math.max(this.#lastTimeMs, timeMs);
    const at = writeEntryHeader(arena.view, base, kind, payload.length, this.#lastTimeMs);
    arena.bytes.set(payload, at);
    map.append(position, bytes);
  }

  /**
   * Drops entries after `index`; their bytes stay until submission `seq` has been written and what
   * was sent before `mark` has left.
   */
  truncateAfter(index: LogIndex, seq: number, mark: number): void {
    this.map.truncateAfter(index);
    this.#guardSeq = seq;
    this.#guardMark = mark;
  }

  /** Drops everything: the log goes on behind `index`. Bytes stay as after a truncation. */
  resetTo(index: LogIndex, seq: number, mark: number): void {
    this.map.resetTo(logIndex(index + 1));
    this.#guardSeq = seq;
    this.#guardMark = mark;
  }

  /** Payload bytes of an entry in memory: a view, valid until it leaves. */
  payload(index: LogIndex): Buffer {
    const at = this.arena.offsetOf(this.map.positionOf(index));
    const length = entryPayloadBytes(this.arena.view, at);
    const start = at + ENTRY_HEADER_BYTES;
    return this.arena.bytes.subarray(start, start + length);
  }

  kind(index: LogIndex): number {
    return entryKind(this.arena.view, this.arena.offsetOf(this.map.positionOf(index)));
  }

  pieces(first: LogIndex, last: LogIndex, bytesMax?: number): LogPiece[] {
    return this.map.pieces(first, last, bytesMax);
  }
}
