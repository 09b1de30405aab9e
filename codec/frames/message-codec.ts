/**
 * Messages of the core as bytes. Every body has one shape: the group, one small field, then words.
 *
 *   byte 0        4       8        16                    8 + 8 × words
 *        ┌────────┬───────┬────────┬─────────────────────┬──────────────────┐
 *        │ group  │ small │ term   │ further words       │ entry slab       │
 *        │ u32    │ u32   │ u64    │ u64 each            │ append only      │
 *        └────────┴───────┴────────┴─────────────────────┴──────────────────┘
 *
 *   kind                small                 words after the term
 *   preVote, vote       bit 0: transfer       lastIndex lastTerm recorded
 *   their replies       grant
 *   append              slab bytes            prevIndex prevTerm lastIndex entriesTerm commit round
 *   appendReply         bit 0: accepted       match refusedIndex conflictIndex conflictTerm round
 *   heartbeat           0                     commit round
 *   heartbeatReply      bit 0: needsSnapshot  round durable applied
 *   readIndex           0                     context
 *   readIndexReply      0                     context index
 *   timeoutNow          0
 *   snapshot            0                     lastIndex lastTerm round
 *
 * The body of a heartbeat (reply) frame is any number of such records one after the other, so that
 * a part of it is again a legal body. The slab is never read here, nor are `configurations`: they
 * are found in the slab by whoever receives it. Decoding never throws: null means malformed.
 */

import { type Message, MessageKind, type VoteGrant } from '../../engine/raft/message.js';
import {
  assert,
  incarnation,
  logIndex,
  type NodeId,
  type Term,
  term,
  unreachable,
} from '../../engine/raft/types.js';
import { readU64, writeU64 } from '../u64.js';

const OFFSET_GROUP = 0;
const OFFSET_SMALL = OFFSET_GROUP + 4;
const OFFSET_TERM = OFFSET_SMALL + 4;
const WORD_BYTES = 8;

const word = (place: number): number => OFFSET_TERM + place * WORD_BYTES;
const WORD_1 = word(1);
const WORD_2 = word(2);
const WORD_3 = word(3);
const WORD_4 = word(4);
const WORD_5 = word(5);
const WORD_6 = word(6);

const HEADER_BYTES: Readonly<Record<MessageKind, number>> = {
  [MessageKind.preVote]: word(4),
  [MessageKind.preVoteReply]: word(1),
  [MessageKind.vote]: word(4),
  [MessageKind.voteReply]: word(1),
  [MessageKind.append]: word(7),
  [MessageKind.appendReply]: word(6),
  [MessageKind.heartbeat]: word(3),
  [MessageKind.heartbeatReply]: word(4),
  [MessageKind.readIndex]: word(2),
  [MessageKind.readIndexReply]: word(3),
  [MessageKind.timeoutNow]: word(1),
  [MessageKind.snapshot]: word(4),
};

/** The largest message header; the entry slab of an append comes after it. */
export const MESSAGE_HEADER_BYTES_MAX = HEADER_BYTES[MessageKind.append];

const SMALL_MAX: Readonly<Record<MessageKind, number>> = {
  [MessageKind.preVote]: 1,
  [MessageKind.preVoteReply]: 2,
  [MessageKind.vote]: 1,
  [MessageKind.voteReply]: 2,
  [MessageKind.append]: 0xffff_ffff,
  [MessageKind.appendReply]: 1,
  [MessageKind.heartbeat]: 0,
  [MessageKind.heartbeatReply]: 1,
  [MessageKind.readIndex]: 0,
  [MessageKind.readIndexReply]: 0,
  [MessageKind.timeoutNow]: 0,
  [MessageKind.snapshot]: 0,
};

/** A word whose upper half reaches this does not fit a safe integer. */
const HIGH_HALF_MAX = 0x20_0000;

export interface GroupMessage {
  readonly group: number;
  readonly message: Message;
}

export function isMessageKind(kind: number): kind is MessageKind {
  return kind >= MessageKind.preVote && kind <= MessageKind.snapshot;
}

/** Bytes of a message's header (all of the message, but for the slab of an append). */
export function messageHeaderBytes(kind: MessageKind): number {
  return HEADER_BYTES[kind];
}

/** Kinds whose frames hold records of many groups. */
export function isHeartbeatKind(kind: number): boolean {
  return kind === MessageKind.heartbeat || kind === MessageKind.heartbeatReply;
}

/** Whether a body of this length can be of this kind: enough to read the group of each record. */
export function messageLengthFits(kind: MessageKind, length: number): boolean {
  const header = HEADER_BYTES[kind];
  if (kind === MessageKind.append) return length >= header;
  return isHeartbeatKind(kind) ? length > 0 && length % header === 0 : length === header;
}

/** The group that the message at `offset` belongs to. */
export function messageGroup(view: DataView, offset: number): number {
  return view.getUint32(offset + OFFSET_GROUP, true);
}

function smallOf(message: Message): number {
  switch (message.kind) {
    case MessageKind.preVote:
    case MessageKind.vote:
      return message.transfer ? 1 : 0;
    case MessageKind.preVoteReply:
    case MessageKind.voteReply:
      return message.grant;
    case MessageKind.append:
      return message.bytes;
    case MessageKind.appendReply:
      return message.accepted ? 1 : 0;
    case MessageKind.heartbeatReply:
      return message.needsSnapshot ? 1 : 0;
    default:
      return 0;
  }
}

/**
 * Writes the message at `offset` and returns how many bytes it took. The slab of an append is not
 * written: the caller attaches `message.bytes` bytes after the header.
 */
export function encodeMessageHeader(
  message: Message,
  group: number,
  view: DataView,
  offset: number,
): number {
  view.setUint32(offset + OFFSET_GROUP, group, true);
  view.setUint32(offset + OFFSET_SMALL, smallOf(message), true);
  writeU64(view, offset + OFFSET_TERM, message.term);
  writeWords(message, view, offset);
  return HEADER_BYTES[message.kind];
}

function writeWords(message: Message, view: DataView, offset: number): void {
  switch (message.kind) {
    case MessageKind.preVote:
    case MessageKind.vote:
      writeU64(view, offset + WORD_1, message.lastIndex);
      writeU64(view, offset + WORD_2, message.lastTerm);
      writeU64(view, offset + WORD_3, message.recorded);
      return;
    case MessageKind.append:
      writeU64(view, offset + WORD_1, message.prevIndex);
      writeU64(view, offset + WORD_2, message.prevTerm);
      writeU64(view, offset + WORD_3, message.lastIndex);
      writeU64(view, offset + WORD_4, message.entriesTerm);
      writeU64(view, offset + WORD_5, message.commit);
      writeU64(view, offset + WORD_6, message.round);
      return;
    case MessageKind.appendReply:
      writeU64(view, offset + WORD_1, message.match);
      writeU64(view, offset + WORD_2, message.refusedIndex);
      writeU64(view, offset + WORD_3, message.conflictIndex);
      writeU64(view, offset + WORD_4, message.conflictTerm);
      writeU64(view, offset + WORD_5, message.round);
      return;
    case MessageKind.heartbeat:
      writeU64(view, offset + WORD_1, message.commit);
      writeU64(view, offset + WORD_2, message.round);
      return;
    case MessageKind.heartbeatReply:
      writeU64(view, offset + WORD_1, message.round);
      writeU64(view, offset + WORD_2, message.durable);
      writeU64(view, offset + WORD_3, message.applied);
      return;
    case MessageKind.readIndex:
      writeU64(view, offset + WORD_1, message.context);
      return;
    case MessageKind.readIndexReply:
      writeU64(view, offset + WORD_1, message.context);
      writeU64(view, offset + WORD_2, message.index);
      return;
    case MessageKind.snapshot:
      writeU64(view, offset + WORD_1, message.lastIndex);
      writeU64(view, offset + WORD_2, message.lastTerm);
      writeU64(view, offset + WORD_3, message.round);
      return;
    case MessageKind.preVoteReply:
    case MessageKind.voteReply:
    case MessageKind.timeoutNow:
      return;
    default:
      unreachable(message);
  }
}

/** Writes heartbeats, or heartbeat replies, of many groups as one frame body; returns its bytes. */
export function encodeHeartbeats(
  list: readonly GroupMessage[],
  view: DataView,
  offset: number,
): number {
  let at = offset;
  for (const { group, message } of list) {
    assert(message.kind === list[0]?.message.kind, 'one heartbeat frame holds one kind');
    assert(isHeartbeatKind(message.kind), 'only heartbeats and their replies share a frame');
    at += encodeMessageHeader(message, group, view, at);
  }
  return at - offset;
}

function wordsFit(view: DataView, offset: number, end: number): boolean {
  for (let at = offset + OFFSET_TERM; at < end; at += WORD_BYTES) {
    if (view.getUint32(at + 4, true) >= HIGH_HALF_MAX) return false;
  }
  return true;
}

/**
 * The message in `[offset, offset + length)`, or null when it is not one. The slab of an append
 * starts at `offset + messageHeaderBytes(kind)` and is `message.bytes` long. Of a heartbeat frame
 * this takes one record: see `decodeMessages`.
 */
export function decodeMessage(
  kind: MessageKind,
  view: DataView,
  offset: number,
  length: number,
  from: NodeId,
  to: NodeId,
): Message | null {
  const header = HEADER_BYTES[kind];
  if (length < header || (length > header && kind !== MessageKind.append)) return null;
  const small = view.getUint32(offset + OFFSET_SMALL, true);
  if (small > SMALL_MAX[kind] || !wordsFit(view, offset, offset + header)) return null;
  const current = term(readU64(view, offset + OFFSET_TERM));
  if (kind === MessageKind.append) {
    return readAppend(view, offset, length, { from, to, term: current });
  }
  return readMessage(kind, small, view, offset, { from, to, term: current });
}

interface Addressed {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: Term;
}

function readAppend(
  view: DataView,
  offset: number,
  length: number,
  addressed: Addressed,
): Message | null {
  const prevIndex = readU64(view, offset + WORD_1);
  const lastIndex = readU64(view, offset + WORD_3);
  const entriesTerm = readU64(view, offset + WORD_4);
  const bytes = view.getUint32(offset + OFFSET_SMALL, true);
  const empty = lastIndex === prevIndex;
  if (bytes !== length - HEADER_BYTES[MessageKind.append] || lastIndex < prevIndex) return null;
  if (empty !== (bytes === 0) || empty !== (entriesTerm === 0)) return null;
  return {
    kind: MessageKind.append,
    from: addressed.from,
    to: addressed.to,
    term: addressed.term,
    prevIndex: logIndex(prevIndex),
    prevTerm: term(readU64(view, offset + WORD_2)),
    lastIndex: logIndex(lastIndex),
    entriesTerm: term(entriesTerm),
    commit: logIndex(readU64(view, offset + WORD_5)),
    round: readU64(view, offset + WORD_6),
    bytes,
    configurations: [],
  };
}

function readMessage(
  kind: Exclude<MessageKind, typeof MessageKind.append>,
  small: number,
  view: DataView,
  offset: number,
  addressed: Addressed,
): Message {
  const at = (place: number): number => readU64(view, offset + place);
  switch (kind) {
    case MessageKind.preVote:
    case MessageKind.vote:
      return {
        kind,
        ...addressed,
        lastIndex: logIndex(at(WORD_1)),
        lastTerm: term(at(WORD_2)),
        recorded: incarnation(at(WORD_3)),
        transfer: small === 1,
      };
    case MessageKind.preVoteReply:
    case MessageKind.voteReply:
      return { kind, ...addressed, grant: small as VoteGrant };
    case MessageKind.appendReply:
      return {
        kind,
        ...addressed,
        accepted: small === 1,
        match: logIndex(at(WORD_1)),
        refusedIndex: logIndex(at(WORD_2)),
        conflictIndex: logIndex(at(WORD_3)),
        conflictTerm: term(at(WORD_4)),
        round: at(WORD_5),
      };
    case MessageKind.heartbeat:
      return { kind, ...addressed, commit: logIndex(at(WORD_1)), round: at(WORD_2) };
    case MessageKind.heartbeatReply: {
      const [durable, applied] = [logIndex(at(WORD_2)), logIndex(at(WORD_3))];
      const needsSnapshot = small === 1;
      return { kind, ...addressed, round: at(WORD_1), durable, applied, needsSnapshot };
    }
    case MessageKind.readIndex:
      return { kind, ...addressed, context: at(WORD_1) };
    case MessageKind.readIndexReply:
      return { kind, ...addressed, context: at(WORD_1), index: logIndex(at(WORD_2)) };
    case MessageKind.timeoutNow:
      return { kind, ...addressed };
    case MessageKind.snapshot: {
      const [lastIndex, lastTerm] = [logIndex(at(WORD_1)), term(at(WORD_2))];
      return { kind, ...addressed, lastIndex, lastTerm, round: at(WORD_3) };
    }
    default:
      return unreachable(kind);
  }
}

/**
 * Hands every message of a frame body to `sink`; false when the body, or a part of it, is
 * malformed.
 */
export function decodeMessages(
  kind: MessageKind,
  view: DataView,
  offset: number,
  length: number,
  from: NodeId,
  to: NodeId,
  sink: (group: number, message: Message) => void,
): boolean {
  if (!messageLengthFits(kind, length)) return false;
  const step = isHeartbeatKind(kind) ? HEADER_BYTES[kind] : length;
  for (let at = offset; at < offset + length; at += step) {
    const message = decodeMessage(kind, view, at, step, from, to);
    if (message === null) return false;
    sink(messageGroup(view, at), message);
  }
  return true;
}
