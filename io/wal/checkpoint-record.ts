/**
 * One group's state as the checkpoint block of a segment repeats it.
 *
 *   ┌────────────┬──────────────────────────────┐
 *   │ head, 64 B │ configuration (record-cursor)│
 *   └────────────┴──────────────────────────────┘
 *   head  u32 group, flags · u64 term, vote, generation, lastIndex, compactedIndex, compactedTerm,
 *         snapshotId
 *
 * Compacted index and term are the newest entry that the group's log forgot, 0 when it holds all.
 * The snapshot id is room: always 0.
 * No other file holds an offset into this record.
 */

import { writeU64 } from '../../codec/u64.js';
import {
  CONFIGURATION_HEAD_BYTES,
  padded,
  RecordCursor,
  type WalConfiguration,
  writeConfiguration,
} from './record-cursor.js';

const OFFSET_GROUP = 0;
const OFFSET_FLAGS = OFFSET_GROUP + 4;
const OFFSET_TERM = OFFSET_FLAGS + 4;
const OFFSET_VOTE = OFFSET_TERM + 8;
const OFFSET_GENERATION = OFFSET_VOTE + 8;
const OFFSET_LAST = OFFSET_GENERATION + 8;
const OFFSET_COMPACTED = OFFSET_LAST + 8;
const OFFSET_COMPACTED_TERM = OFFSET_COMPACTED + 8;
const OFFSET_SNAPSHOT = OFFSET_COMPACTED_TERM + 8;
const HEAD_BYTES = OFFSET_SNAPSHOT + 8;

const IN_DOUBT = 1;
const HAS_CONFIGURATION = 2;

/** What a checkpoint repeats of one group. */
export interface GroupState {
  readonly group: number;
  readonly term: number;
  readonly vote: number;
  readonly generation: number;
  readonly lastIndex: number;
  readonly compactedIndex: number;
  readonly compactedTerm: number;
  readonly snapshotId: number;
  readonly inDoubt: boolean;
  readonly configuration: WalConfiguration | null;
}

/** Bytes that these states take in a checkpoint's body. */
export function groupStatesBytes(states: readonly GroupState[]): number {
  let bytes = 0;
  for (const state of states) {
    bytes += HEAD_BYTES + CONFIGURATION_HEAD_BYTES;
    bytes += padded(state.configuration?.bytes.length ?? 0);
  }
  return bytes;
}

/** Writes the states one after the other from `start`. */
export function writeGroupStates(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  states: readonly GroupState[],
): void {
  let at = start;
  for (const state of states) {
    const { configuration } = state;
    let flags = 0;
    if (state.inDoubt) flags |= IN_DOUBT;
    if (configuration !== null) flags |= HAS_CONFIGURATION;
    view.setUint32(at + OFFSET_GROUP, state.group, true);
    view.setUint32(at + OFFSET_FLAGS, flags, true);
    writeU64(view, at + OFFSET_TERM, state.term);
    writeU64(view, at + OFFSET_VOTE, state.vote);
    writeU64(view, at + OFFSET_GENERATION, state.generation);
    writeU64(view, at + OFFSET_LAST, state.lastIndex);
    writeU64(view, at + OFFSET_COMPACTED, state.compactedIndex);
    writeU64(view, at + OFFSET_COMPACTED_TERM, state.compactedTerm);
    writeU64(view, at + OFFSET_SNAPSHOT, state.snapshotId);
    at = writeConfiguration(bytes, view, at + HEAD_BYTES, configuration);
  }
}

/** Decodes the group states of a verified body; null when they do not fill it exactly. */
export function readGroupStates(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  bodyBytes: number,
  count: number,
): GroupState[] | null {
  const cursor = new RecordCursor(bytes, view, start, start + bodyBytes);
  const states: GroupState[] = [];
  for (let n = 0; n < count; n += 1) {
    const state = readGroupState(cursor);
    if (state === null) return null;
    states.push(state);
  }
  return cursor.at === start + bodyBytes ? states : null;
}

function readGroupState(cursor: RecordCursor): GroupState | null {
  if (!cursor.has(HEAD_BYTES)) return null;
  const flags = cursor.u32(OFFSET_FLAGS);
  const head = {
    group: cursor.u32(OFFSET_GROUP),
    term: cursor.u64(OFFSET_TERM),
    vote: cursor.u64(OFFSET_VOTE),
    generation: cursor.u64(OFFSET_GENERATION),
    lastIndex: cursor.u64(OFFSET_LAST),
    compactedIndex: cursor.u64(OFFSET_COMPACTED),
    compactedTerm: cursor.u64(OFFSET_COMPACTED_TERM),
    snapshotId: cursor.u64(OFFSET_SNAPSHOT),
    inDoubt: (flags & IN_DOUBT) !== 0,
  };
  cursor.at += HEAD_BYTES;
  const found = cursor.configuration();
  if (found === null) return null;
  return { ...head, configuration: (flags & HAS_CONFIGURATION) === 0 ? null : found };
}
