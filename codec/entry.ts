/**
 * The layout of one log entry: the same bytes in the arena, in a WAL block, in a peer frame and in
 * the inbox ring, so that an entry is encoded exactly once.
 *
 *   byte  0        4      5       6          8                16
 *         ┌────────┬──────┬───────┬──────────┬────────────────┬─────────────┬─────────┐
 *         │ length │ kind │ flags │ reserved │ leader's time  │ payload     │ padding │
 *         │ u32    │ u8   │ u8    │ u16 = 0  │ u64, ms        │ length bytes│ to 8    │
 *         └────────┴──────┴───────┴──────────┴────────────────┴─────────────┴─────────┘
 *
 * Index and term are not stored per entry: they follow from the run that holds it. The leader's
 * time is 0 until the leader stamps it (monotone by max: the only time a state machine sees).
 * No other file holds an offset into an entry. This file must never interpret a payload.
 */

import { readU64, writeU64 } from './u64.js';

export const EntryKind = {
  /** First entry of a term; carries nothing. */
  noop: 1,
  /** A proposal for the state machine. */
  command: 2,
  /** A full joint description of the membership. */
  configuration: 3,
  /** Opens or closes a client session: see session-entry.ts. */
  session: 4,
  /** Advances the group's clock only (room; not produced yet). */
  clock: 5,
} as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** Bit 0 of flags: the payload opens with a session and a sequence, see session-entry.ts. */
const FLAG_SESSION = 1;

/**
 * Kind and flags as one number, the kind in its low byte: a plain entry's mark is its kind. A mark
 * that this build does not know is of an entry that it cannot apply.
 */
export const EntryMark = {
  ...EntryKind,
  /** A command proposed in a session. */
  sessionCommand: EntryKind.command + FLAG_SESSION * 256,
} as const;
export type EntryMark = (typeof EntryMark)[keyof typeof EntryMark];

const OFFSET_LENGTH = 0;
const OFFSET_KIND = OFFSET_LENGTH + 4;
const OFFSET_FLAGS = OFFSET_KIND + 1;
const OFFSET_RESERVED = OFFSET_FLAGS + 1;
const OFFSET_TIME = OFFSET_RESERVED + 2;
export const ENTRY_HEADER_BYTES = OFFSET_TIME + 8;
export const ENTRY_ALIGNMENT = 8;

/** Bytes an entry with this payload takes, header and padding included. */
export function entryBytes(payloadBytes: number): number {
  return (ENTRY_HEADER_BYTES + payloadBytes + ENTRY_ALIGNMENT - 1) & ~(ENTRY_ALIGNMENT - 1);
}

/** Writes header and zero padding for a payload that the caller places at the returned offset. */
export function writeEntryHeader(
  view: DataView,
  offset: number,
  mark: EntryMark,
  payloadBytes: number,
  timeMs: number,
): number {
  const end = offset + entryBytes(payloadBytes);
  view.setUint32(end - 8, 0, true);
  view.setUint32(end - 4, 0, true);
  view.setUint32(offset + OFFSET_LENGTH, payloadBytes, true);
  view.setUint32(offset + OFFSET_KIND, mark, true);
  writeU64(view, offset + OFFSET_TIME, timeMs);
  return offset + ENTRY_HEADER_BYTES;
}

/** Payload length in bytes of the entry at `offset`. */
export function entryPayloadBytes(view: DataView, offset: number): number {
  return view.getUint32(offset + OFFSET_LENGTH, true);
}

export function entryKind(view: DataView, offset: number): number {
  return view.getUint8(offset + OFFSET_KIND);
}

/** Kind and flags, which may be of a later version. */
export function entryMark(view: DataView, offset: number): number {
  return view.getUint16(offset + OFFSET_KIND, true);
}

/** The leader's clock in milliseconds since the Unix epoch when it appended the entry. */
export function entryTimeMs(view: DataView, offset: number): number {
  return readU64(view, offset + OFFSET_TIME);
}

/** Stamps the leader's time into an entry that was encoded elsewhere with time 0. */
export function stampEntryTime(view: DataView, offset: number, timeMs: number): void {
  writeU64(view, offset + OFFSET_TIME, timeMs);
}

/**
 * Checks that `[start, end)` is a whole number of well-formed entries and returns how many, or -1.
 * Everything that arrives from a peer or a disk passes through here before it enters an arena.
 */
export function countEntries(
  view: DataView,
  start: number,
  end: number,
  payloadMax: number,
): number {
  let count = 0;
  let at = start;
  while (at < end) {
    if (end - at < ENTRY_HEADER_BYTES) return -1;
    const payload = entryPayloadBytes(view, at);
    const kind = entryKind(view, at);
    if (payload > payloadMax || kind < EntryKind.noop || kind > EntryKind.clock) return -1;
    at += entryBytes(payload);
    count += 1;
  }
  return at === end ? count : -1;
}
