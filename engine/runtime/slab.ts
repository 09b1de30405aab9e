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
  EntryKind,
  entryBytes,
  entryKind,
  entryPayloadBytes,
} from '../../codec/entry.js';
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
 * Whether a checked slab holds commands only: the other kinds of entry are made by leaders, never
 * proposed.
 */
export function isOfCommands(slab: Buffer, start: number, end: number): boolean {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  for (let at = start; at < end; at += entryBytes(entryPayloadBytes(view, at))) {
    if (entryKind(view, at) !== EntryKind.command) return false;
  }
  return true;
}

/** Whether a checked slab holds nothing that a client proposed. */
export function isOfLeaders(slab: Buffer, start: number, end: number): boolean {
  const view = new DataView(slab.buffer, slab.byteOffset, slab.length);
  for (let at = start; at < end; at += entryBytes(entryPayloadBytes(view, at))) {
    const kind = entryKind(view, at);
    if (kind !== EntryKind.noop && kind !== EntryKind.configuration) return false;
  }
  return true;
}

/** A whole entry whose meaning this build does not know. */
export interface UnreadableEntry {
  readonly index: number;
  readonly problem: string;
}

/**
 * Configuration entries of a checked slab whose first entry has index `first`, or the first of them
 * that cannot be read: another version of ringraft may have written it.
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
    if (entryKind(view, at) === EntryKind.configuration) {
      const payload = slab.subarray(at + ENTRY_HEADER_BYTES, at + ENTRY_HEADER_BYTES + length);
      try {
        found.push({ index: index as LogIndex, configuration: decodeConfiguration(payload) });
      } catch (cause) {
        return { index, problem: cause instanceof Error ? cause.message : String(cause) };
      }
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
