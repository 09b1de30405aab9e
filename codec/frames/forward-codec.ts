/**
 * Proposals that a follower hands to the leader, and the leader's answer.
 *
 *   FORWARD,   byte 0       4            8       12           16     24
 *             ┌────────┬────────────┬───────┬────────────┬──────┬─────────────┐
 *             │ group  │ forward id │ count │ slab bytes │ term │ entry slab  │
 *             │ u32    │ u32        │ u32   │ u32        │ u64  │             │
 *             └────────┴────────────┴───────┴────────────┴──────┴─────────────┘
 *   FORWARDED, byte 0       4            8       12        16            24     32
 *             ┌────────┬────────────┬───────┬─────────┬─────────────┬──────┬─────────────┐
 *             │ group  │ forward id │ count │ outcome │ first index │ term │ leader hint │
 *             │ u32    │ u32        │ u32   │ u32     │ u64         │ u64  │ u64         │
 *             └────────┴────────────┴───────┴─────────┴─────────────┴──────┴─────────────┘
 *
 * A forward is meant for the leader of its term: one that was read late, by a leader of a later
 * term, might come behind commands that were proposed after it, and is turned away.
 * A forward id means something to the node that made it only. An answer that never comes means
 * "outcome unknown": whoever forwarded must never send the same proposals again by itself.
 */

import {
  type LogIndex,
  logIndex,
  type NodeId,
  nodeId,
  type Term,
  term,
} from '../../engine/raft/types.js';
import { isReadableU64, readU64, writeU64 } from '../u64.js';
import { FrameKind } from './frame-format.js';

export const ForwardOutcome = {
  /** Appended by the leader; committed when that index commits in that term. */
  appended: 1,
  /** Certainly not appended: the other node does not lead; the hint says who may. */
  notLeader: 2,
  /** Certainly not appended: overload; try again later. */
  busy: 3,
  /** Certainly not appended: malformed, too large, or the group is stopped there. */
  refused: 4,
} as const;
export type ForwardOutcome = (typeof ForwardOutcome)[keyof typeof ForwardOutcome];

export interface Forward {
  readonly group: number;
  readonly forwardId: number;
  /** Entries in the slab. */
  readonly count: number;
  /** Term of the leader that it is meant for. */
  readonly term: Term;
  /** Bytes of the slab that follows. */
  readonly bytes: number;
}

export interface Forwarded {
  readonly group: number;
  readonly forwardId: number;
  /** Entries appended; 0 unless the outcome is `appended`. */
  readonly count: number;
  readonly outcome: ForwardOutcome;
  readonly firstIndex: LogIndex;
  readonly term: Term;
  readonly leaderHint: NodeId;
}

const OFFSET_GROUP = 0;
const OFFSET_FORWARD_ID = OFFSET_GROUP + 4;
const OFFSET_COUNT = OFFSET_FORWARD_ID + 4;
const OFFSET_LAST_SMALL = OFFSET_COUNT + 4;
const OFFSET_FORWARD_TERM = OFFSET_LAST_SMALL + 4;
export const FORWARD_HEADER_BYTES = OFFSET_FORWARD_TERM + 8;
const OFFSET_FIRST_INDEX = OFFSET_LAST_SMALL + 4;
const OFFSET_TERM = OFFSET_FIRST_INDEX + 8;
const OFFSET_LEADER = OFFSET_TERM + 8;
export const FORWARDED_BYTES = OFFSET_LEADER + 8;

const NODE_ID_MAX = 0xffff_ffff;

/** Writes the header; the caller attaches `forward.bytes` bytes of entries. Returns its bytes. */
export function encodeForwardHeader(forward: Forward, view: DataView, offset: number): number {
  view.setUint32(offset + OFFSET_GROUP, forward.group, true);
  view.setUint32(offset + OFFSET_FORWARD_ID, forward.forwardId, true);
  view.setUint32(offset + OFFSET_COUNT, forward.count, true);
  view.setUint32(offset + OFFSET_LAST_SMALL, forward.bytes, true);
  writeU64(view, offset + OFFSET_FORWARD_TERM, forward.term);
  return FORWARD_HEADER_BYTES;
}

/** The forward id in a header that was made here. */
export function forwardNumber(view: DataView, offset: number): number {
  return view.getUint32(offset + OFFSET_FORWARD_ID, true);
}

/** The forward in `[offset, offset + length)`, its slab after `FORWARD_HEADER_BYTES`; or null. */
export function decodeForward(view: DataView, offset: number, length: number): Forward | null {
  if (length < FORWARD_HEADER_BYTES) return null;
  if (!isReadableU64(view, offset + OFFSET_FORWARD_TERM)) return null;
  const forward = {
    group: view.getUint32(offset + OFFSET_GROUP, true),
    forwardId: view.getUint32(offset + OFFSET_FORWARD_ID, true),
    count: view.getUint32(offset + OFFSET_COUNT, true),
    term: term(readU64(view, offset + OFFSET_FORWARD_TERM)),
    bytes: view.getUint32(offset + OFFSET_LAST_SMALL, true),
  };
  const whole = forward.bytes === length - FORWARD_HEADER_BYTES;
  return whole && forward.count > 0 && forward.bytes > 0 ? forward : null;
}

export function encodeForwarded(answer: Forwarded, view: DataView, offset: number): number {
  view.setUint32(offset + OFFSET_GROUP, answer.group, true);
  view.setUint32(offset + OFFSET_FORWARD_ID, answer.forwardId, true);
  view.setUint32(offset + OFFSET_COUNT, answer.count, true);
  view.setUint32(offset + OFFSET_LAST_SMALL, answer.outcome, true);
  writeU64(view, offset + OFFSET_FIRST_INDEX, answer.firstIndex);
  writeU64(view, offset + OFFSET_TERM, answer.term);
  writeU64(view, offset + OFFSET_LEADER, answer.leaderHint);
  return FORWARDED_BYTES;
}

function isOutcome(value: number): value is ForwardOutcome {
  return value >= ForwardOutcome.appended && value <= ForwardOutcome.refused;
}

/** The answer in `[offset, offset + length)`, or null when it is malformed. Never throws. */
export function decodeForwarded(view: DataView, offset: number, length: number): Forwarded | null {
  if (length !== FORWARDED_BYTES) return null;
  const outcome = view.getUint32(offset + OFFSET_LAST_SMALL, true);
  const count = view.getUint32(offset + OFFSET_COUNT, true);
  if (!isOutcome(outcome) || (outcome === ForwardOutcome.appended) !== count > 0) return null;
  try {
    const leader = readU64(view, offset + OFFSET_LEADER);
    if (leader > NODE_ID_MAX) return null;
    return {
      group: view.getUint32(offset + OFFSET_GROUP, true),
      forwardId: view.getUint32(offset + OFFSET_FORWARD_ID, true),
      count,
      outcome,
      firstIndex: logIndex(readU64(view, offset + OFFSET_FIRST_INDEX)),
      term: term(readU64(view, offset + OFFSET_TERM)),
      leaderHint: nodeId(leader),
    };
  } catch {
    return null;
  }
}

/** Whether a frame of this kind is of this family and long enough to read its group. */
export function isForwardLength(kind: number, length: number): boolean {
  if (kind === FrameKind.forward) return length > FORWARD_HEADER_BYTES;
  return kind === FrameKind.forwarded && length === FORWARDED_BYTES;
}
