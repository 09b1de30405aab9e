/**
 * Entry slabs that come from a peer: checked before anything else looks at them.
 *
 * A slab that is not a whole number of well-formed entries of the promised count never reaches the
 * core or the arena.
 */

import { decodeConfiguration } from '../../codec/configuration.js';
import {
  countEntries,
  ENTRY_HEADER_BYTES,
  EntryMark,
  entryBytes,
  entryMark,
  entryPayloadBytes,
} from '../../codec/entry.js';
import { entryProblem } from '../../codec/session-entry.js';
import type { ConfigurationEntry, LogIndex } from '../raft/types.js';

/** Whether `[start, end)` holds exactly `count` well-formed entries. */
export function isWholeSlab(
  slab: Buffer,
  start: number,
  end: number,
  count: number,
  payloadMax: number,
): boolean {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  return countEntries(view, start, end, payloadMax) === count;
}

/**
 * Whether a checked slab holds nothing but what clients propose, commands and what opens or closes
 * a session: the other kinds of entry are made by leaders.
 */
export function isOfCommands(slab: Buffer, start: number, end: number): boolean {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  for (let at = start; at < end; at += entryBytes(entryPayloadBytes(view, at))) {
    const mark = entryMark(view, at);
    if (mark === EntryMark.command) continue;
    const isProposed = mark === EntryMark.sessionCommand || mark === EntryMark.session;
    if (!isProposed || entryProblem(view, at, at + ENTRY_HEADER_BYTES) !== null) return false;
  }
  return true;
}

/** Whether a checked slab holds nothing that a client proposed. */
export function isOfLeaders(slab: Buffer, start: number, end: number): boolean {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  for (let at = start; at < end; at += entryBytes(entryPayloadBytes(view, at))) {
    const mark = entryMark(view, at);
    if (mark !== EntryMark.noop && mark !== EntryMark.configuration) return false;
  }
  return true;
}

/** A whole entry whose meaning this build does not know. */
export interface UnreadableEntry {
  readonly index: number;
  readonly problem: string;
}

/**
 * Configuration entries of a checked slab whose first entry has index `first`, or the first entry
 * of any kind that cannot be read: another version of ringraft may have written it.
 */
export function configurationsIn(
  slab: Buffer,
  start: number,
  end: number,
  first: LogIndex,
): ConfigurationEntry[] | UnreadableEntry {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  const found: ConfigurationEntry[] = [];
  let index: number = first;
  for (let at = start; at < end; index += 1) {
    const length = entryPayloadBytes(view, at);
    const mark = entryMark(view, at);
    if (mark === EntryMark.configuration) {
      const payload = slab.subarray(at + ENTRY_HEADER_BYTES, at + ENTRY_HEADER_BYTES + length);
      try {
        found.push({ index: index as LogIndex, configuration: decodeConfiguration(payload) });
      } catch (cause) {
        return { index, problem: cause instanceof Error ? cause.message : String(cause) };
      }
    } else if (mark !== EntryMark.command) {
      const problem = entryProblem(view, at, at + ENTRY_HEADER_BYTES);
      if (problem !== null) return { index, problem };
    }
    at += entryBytes(length);
  }
  return found;
}

/** Where the entry `skip` places after the one at `start` begins. */
export function skipEntries(slab: Buffer, start: number, skip: number): number {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  let at = start;
  for (let i = 0; i < skip; i += 1) at += entryBytes(entryPayloadBytes(view, at));
  return at;
}
