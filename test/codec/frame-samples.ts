/**
 * Arbitrary messages, and frames made of them, for the tests of codec/frames and io/net.
 */

import fc from 'fast-check';
import { FRAME_HEADER_BYTES, type FrameKind, sealFrame } from '../../codec/frames/frame-format.js';
import { encodeMessageHeader, messageHeaderBytes } from '../../codec/frames/message-codec.js';
import { type Message, MessageKind, type VoteGrant } from '../../engine/raft/message.js';
import {
  type Incarnation,
  incarnation,
  logIndex,
  nodeId,
  type Term,
  term,
} from '../../engine/raft/types.js';

export const FROM = nodeId(2);
export const TO = nodeId(1);

const word = fc.maxSafeNat();
const terms: fc.Arbitrary<Term> = word.map(term);
const indexes = word.map(logIndex);
const lives: fc.Arbitrary<Incarnation> = word.map(incarnation);
const grants = fc.constantFrom<VoteGrant>(0, 1, 2);
const addressed = { from: fc.constant(FROM), to: fc.constant(TO), term: terms };
const no = { configurations: fc.constant([]) };

const emptyAppend = fc
  .record({
    kind: fc.constant(MessageKind.append),
    ...addressed,
    ...no,
    prevIndex: indexes,
    prevTerm: terms,
    entriesTerm: fc.constant(term(0)),
    commit: indexes,
    round: word,
    bytes: fc.constant(0),
  })
  .map((message) => ({ ...message, lastIndex: message.prevIndex }));

const fullAppend = fc.record({
  kind: fc.constant(MessageKind.append),
  ...addressed,
  ...no,
  prevIndex: fc.nat(1_000_000).map(logIndex),
  prevTerm: terms,
  lastIndex: fc.integer({ min: 1_000_001, max: Number.MAX_SAFE_INTEGER }).map(logIndex),
  entriesTerm: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(term),
  commit: indexes,
  round: word,
  bytes: fc.integer({ min: 1, max: 3000 }),
});

const records: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constantFrom(MessageKind.preVote, MessageKind.vote),
    ...addressed,
    lastIndex: indexes,
    lastTerm: terms,
    recorded: lives,
    transfer: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom(MessageKind.preVoteReply, MessageKind.voteReply),
    ...addressed,
    grant: grants,
  }),
  emptyAppend,
  fullAppend,
  fc.record({
    kind: fc.constant(MessageKind.appendReply),
    ...addressed,
    accepted: fc.boolean(),
    match: indexes,
    refusedIndex: indexes,
    conflictIndex: indexes,
    conflictTerm: terms,
    round: word,
  }),
  fc.record({
    kind: fc.constant(MessageKind.heartbeat),
    ...addressed,
    commit: indexes,
    round: word,
  }),
  fc.record({
    kind: fc.constant(MessageKind.heartbeatReply),
    ...addressed,
    round: word,
    durable: indexes,
    applied: indexes,
    needsSnapshot: fc.boolean(),
  }),
  fc.record({ kind: fc.constant(MessageKind.readIndex), ...addressed, context: word }),
  fc.record({
    kind: fc.constant(MessageKind.readIndexReply),
    ...addressed,
    context: word,
    index: indexes,
  }),
  fc.record({ kind: fc.constant(MessageKind.timeoutNow), ...addressed }),
  fc.record({
    kind: fc.constant(MessageKind.snapshot),
    ...addressed,
    lastIndex: indexes,
    lastTerm: terms,
    round: word,
  }),
);

/** Every kind of message with every field over its whole range. */
export const messages = records.map((message): Message => ({ ...message }));

export const groups = fc.integer({ min: 0, max: 0xffff_ffff });

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes that no zero-filled or repeated buffer would equal by accident. */
export function slab(bytes: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff);
}

/** The whole frame of a message, its slab (when it has one) made up by `slab`. */
export function frameOf(message: Message, group: number): Uint8Array {
  const slabBytes = message.kind === MessageKind.append ? message.bytes : 0;
  const head = messageHeaderBytes(message.kind);
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + head + slabBytes);
  const view = viewOf(bytes);
  encodeMessageHeader(message, group, view, FRAME_HEADER_BYTES);
  bytes.set(slab(slabBytes), FRAME_HEADER_BYTES + head);
  sealFrame(bytes, view, 0, message.kind as FrameKind, head + slabBytes);
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
