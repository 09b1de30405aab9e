/**
 * Every thread and every ring of a node: who writes, who reads, how large, what happens when full.
 *
 *                 main ══ inbox ═════════▶ consensus ══ persist ══▶ io
 *                   ▲ ◀══ completions ════ (one per    ◀═ stored ═══
 *                   │                       group, or  ══ toPeers ═▶ transport ◀──▶ peers
 *                   │                       several)   ◀═ fromPeers
 *                   └─ sockets of clients              ══ loads ═══▶ bulk
 *                                                      ◀═ loaded ═══
 *   and once per node:                     bulk ══ toTransport ═══▶ transport ◀──▶ peers
 *                                               ◀═ fromTransport ══
 *
 *   ring         full means
 *   inbox        the router refuses as busy
 *   completions  the worker keeps results in its own memory; past a bound the machine waits
 *   persist      submissions wait in the worker, in order
 *   stored       the io thread keeps the newest acknowledgements and tries again
 *   toPeers      the message is lost, as on any network; heartbeats have a reserved share, and
 *                the newest configuration is told in a later turn
 *   fromPeers    the transport drops the frame; Raft asks again
 *   loads        loads wait in the worker
 *   loaded       the bulk thread keeps the answer and tries again
 *   toTransport  the bulk thread keeps what it wants and tries again
 *   fromTransport  the transport keeps what it says (chunks have slots, so they are few) and
 *                refuses requests of peers
 *
 * Chunks of snapshots lie in one slab per node (snapshot-slab.ts), whose slots travel by number. In
 * memory mode the io thread does the bulk thread's work, and has its rings.
 *
 * All memory is made here, before any thread starts. This file must never know what a record holds.
 */

import { createArena } from '../engine/runtime/arena.js';
import { createFatalWord } from './fatal.js';
import { createDoorbells, createRing } from './ring/layout.js';
import { createSnapshotSlab } from './snapshot-slab.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Numbers of the doorbells: one per sleeping thread. */
export const Bell = { main: 0, io: 1, bulk: 2, transport: 3, consensus: 4 } as const;

/** Record bytes beyond one entry that a record of entries may need. */
const RECORD_OVERHEAD_BYTES = 64 * KIB;
const RECORDS_PER_RING_MIN = 8;
/** Headers of a record of entries: the ring's, the frame's and the message's. */
const RECORD_HEADERS_BYTES = 4 * KIB;
const ENTRIES_PER_ARENA_MIN = 16;

/** The memory of one group: its arena and its eight rings. */
export interface GroupMemory {
  readonly arena: SharedArrayBuffer;
  readonly inbox: SharedArrayBuffer;
  readonly completions: SharedArrayBuffer;
  readonly fromPeers: SharedArrayBuffer;
  readonly toPeers: SharedArrayBuffer;
  readonly persist: SharedArrayBuffer;
  readonly stored: SharedArrayBuffer;
  readonly loads: SharedArrayBuffer;
  readonly loaded: SharedArrayBuffer;
}

/** What the bulk and the transport thread share of snapshots. */
export interface SnapshotMemory {
  readonly toTransport: SharedArrayBuffer;
  readonly fromTransport: SharedArrayBuffer;
  readonly slab: SharedArrayBuffer;
}

export interface NodeMemory {
  readonly doorbells: SharedArrayBuffer;
  readonly fatal: SharedArrayBuffer;
  /** Int32: the stage of the shutdown, see `StopStage`. */
  readonly stop: SharedArrayBuffer;
  readonly groups: readonly GroupMemory[];
  readonly snapshots: SnapshotMemory;
}

/** Threads stop in this order, each when the word has reached its stage. */
export const StopStage = { running: 0, consensus: 1, disk: 2, transport: 3 } as const;

/** The smallest power of two that is at least `bytes`. */
export function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}

/** Capacity of a ring whose records hold entries. */
function entryRingBytes(entryBytesMax: number): number {
  const record = entryBytesMax + RECORD_OVERHEAD_BYTES;
  return powerOfTwo(Math.max(record * RECORDS_PER_RING_MIN, MIB));
}

/**
 * Entry bytes that fit one record, header included, and one reservation of the smallest arena: what
 * is larger than this and not a single entry would never reach a group, however often it is sent.
 */
export function appendBytesMax(entryBytesMax: number): number {
  return entryRingBytes(entryBytesMax) / RECORDS_PER_RING_MIN - RECORD_HEADERS_BYTES;
}

/** `firstCursor`, a multiple of 8: where the cursors of all rings start, see `createRing`. */
export function createGroupMemory(
  entryBytesMax: number,
  arenaBytesMin: number,
  firstCursor = 0,
): GroupMemory {
  const entries = entryRingBytes(entryBytesMax);
  const arena = powerOfTwo(Math.max(entryBytesMax * ENTRIES_PER_ARENA_MIN, arenaBytesMin));
  const ring = (capacity: number): SharedArrayBuffer => createRing(capacity, firstCursor);
  return {
    arena: createArena(arena),
    inbox: ring(entries),
    completions: ring(entries),
    fromPeers: ring(entries),
    // Entries forwarded or read back from disk travel inside the record, configurations as well.
    toPeers: ring(entries),
    persist: ring(MIB),
    stored: ring(256 * KIB),
    // An order to begin a snapshot carries the configuration: LIMITS.configurationBytesMax.
    loads: ring(256 * KIB),
    loaded: ring(entries),
  };
}

/** `chunkBytes`: bytes of an image per chunk. `firstCursor`: see `createRing`. */
export function createSnapshotMemory(chunkBytes: number, firstCursor = 0): SnapshotMemory {
  return {
    // A record with the largest configuration fits.
    toTransport: createRing(MIB, firstCursor),
    fromTransport: createRing(MIB, firstCursor),
    slab: createSnapshotSlab(chunkBytes),
  };
}

export function createNodeMemory(
  groups: readonly { readonly entryBytesMax: number; readonly arenaBytesMin: number }[],
  consensusThreads: number,
  snapshotChunkBytes: number,
): NodeMemory {
  return {
    doorbells: createDoorbells(Bell.consensus + consensusThreads),
    fatal: createFatalWord(),
    stop: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
    groups: groups.map((group) => createGroupMemory(group.entryBytesMax, group.arenaBytesMin)),
    snapshots: createSnapshotMemory(snapshotChunkBytes),
  };
}
