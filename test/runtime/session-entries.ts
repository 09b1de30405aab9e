/**
 * Entries of client sessions as bytes, and slabs of them, for tests.
 *
 * It encodes what it is told, also what no client would send.
 */

import { EntryMark, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import {
  SESSION_ENTRY_BYTES,
  SESSION_HEAD_BYTES,
  SessionAction,
  writeSessionAction,
  writeSessionHead,
} from '../../codec/session-entry.js';
import type { EntrySlab } from '../../engine/runtime/apply-cursor.js';

export function entry(mark: number, payload: Uint8Array, timeMs = 1): Buffer {
  const bytes = Buffer.alloc(entryBytes(payload.length));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes.set(payload, writeEntryHeader(view, 0, mark as EntryMark, payload.length, timeMs));
  return bytes;
}

export const plain = (text: string): Buffer => entry(EntryMark.command, Buffer.from(text));

export function opening(ttlMs = 10_000, timeMs = 1): Buffer {
  const payload = Buffer.alloc(SESSION_ENTRY_BYTES);
  writeSessionAction(viewOf(payload), 0, SessionAction.open, ttlMs);
  return entry(EntryMark.session, payload, timeMs);
}

export function closing(session: number): Buffer {
  const payload = Buffer.alloc(SESSION_ENTRY_BYTES);
  writeSessionAction(viewOf(payload), 0, SessionAction.close, session);
  return entry(EntryMark.session, payload);
}

export function inSession(session: number, sequence: number, text: string, timeMs = 1): Buffer {
  const payload = Buffer.alloc(SESSION_HEAD_BYTES + text.length);
  payload.write(text, writeSessionHead(viewOf(payload), 0, session, sequence));
  return entry(EntryMark.sessionCommand, payload, timeMs);
}

export function slabOf(first: number, entries: readonly Buffer[]): EntrySlab {
  const buffer = Buffer.concat(entries);
  return { buffer, view: viewOf(buffer), start: 0, end: buffer.length, first, term: 1 };
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
