/**
 * What entries say of client sessions: the head of a command that was proposed in one, and the
 * entries that open and close them.
 *
 *   a command in a session (mark `sessionCommand`)      opens or closes one (kind `session`)
 *   byte 0          8          16                       byte 0        1       8            16
 *        ┌──────────┬──────────┬─────────┐                   ┌────────┬───────┬────────────┐
 *        │ session  │ sequence │ command │                   │ action │ zeros │ ttl ms, or │
 *        │ u64      │ u64      │         │                   │ u8     │       │ session u64│
 *        └──────────┴──────────┴─────────┘                   └────────┴───────┴────────────┘
 *
 * A session's id is the index of the entry that opened it. No other file holds an offset into
 * these. This file must never look into a command.
 */

import { EntryMark, entryMark, entryPayloadBytes } from './entry.js';
import { isReadableU64, readU64, writeU64 } from './u64.js';

const OFFSET_SEQUENCE = 8;
export const SESSION_HEAD_BYTES = OFFSET_SEQUENCE + 8;

export const SessionAction = { open: 1, close: 2 } as const;
export type SessionAction = (typeof SessionAction)[keyof typeof SessionAction];

const OFFSET_ARGUMENT = 8;
export const SESSION_ENTRY_BYTES = OFFSET_ARGUMENT + 8;

/** Writes the head of a command at `at`; the command follows at the returned offset. */
export function writeSessionHead(
  view: DataView,
  at: number,
  session: number,
  sequence: number,
): number {
  writeU64(view, at, session);
  writeU64(view, at + OFFSET_SEQUENCE, sequence);
  return at + SESSION_HEAD_BYTES;
}

/** The session of the head at `at`. */
export function readSessionId(view: DataView, at: number): number {
  return readU64(view, at);
}

export function readSessionSequence(view: DataView, at: number): number {
  return readU64(view, at + OFFSET_SEQUENCE);
}

/** Writes a payload of `SESSION_ENTRY_BYTES`. `argument`: the ttl to open with, or who to close. */
export function writeSessionAction(
  view: DataView,
  at: number,
  action: SessionAction,
  argument: number,
): void {
  writeU64(view, at, action);
  writeU64(view, at + OFFSET_ARGUMENT, argument);
}

export function readSessionAction(view: DataView, at: number): SessionAction {
  return view.getUint8(at) as SessionAction;
}

export function readSessionArgument(view: DataView, at: number): number {
  return readU64(view, at + OFFSET_ARGUMENT);
}

/**
 * Why this build cannot apply the entry whose header is at `entry` and whose payload at `payload`;
 * null when it can. To be asked of entries that are no plain commands.
 */
export function entryProblem(view: DataView, entry: number, payload: number): string | null {
  const mark = entryMark(view, entry);
  const bytes = entryPayloadBytes(view, entry);
  switch (mark) {
    case EntryMark.noop:
    case EntryMark.command:
    case EntryMark.configuration:
    case EntryMark.clock:
      return null;
    case EntryMark.sessionCommand:
      return sessionHeadProblem(view, payload, bytes);
    case EntryMark.session:
      return sessionEntryProblem(view, payload, bytes);
    default:
      return `it is of kind ${mark & 0xff} with flags ${mark >>> 8}, which this version knows not`;
  }
}

function sessionHeadProblem(view: DataView, payload: number, bytes: number): string | null {
  if (bytes < SESSION_HEAD_BYTES) {
    return `a command in a session has ${bytes} bytes, its head alone has ${SESSION_HEAD_BYTES}`;
  }
  const isReadable = isReadableU64(view, payload) && isReadableU64(view, payload + OFFSET_SEQUENCE);
  return isReadable ? null : 'its session or sequence is past 2^53';
}

function sessionEntryProblem(view: DataView, payload: number, bytes: number): string | null {
  const action = bytes > 0 ? view.getUint8(payload) : 0;
  if (action !== SessionAction.open && action !== SessionAction.close) {
    return `it does ${action} to a session, this version knows open (1) and close (2)`;
  }
  if (bytes !== SESSION_ENTRY_BYTES) {
    return `it has ${bytes} bytes, what opens or closes a session has ${SESSION_ENTRY_BYTES}`;
  }
  const isReadable = isReadableU64(view, payload + OFFSET_ARGUMENT);
  return isReadable ? null : 'its time to live or its session is past 2^53';
}
