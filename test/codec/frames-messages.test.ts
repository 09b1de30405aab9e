/**
 * Messages and forwards as bytes: every value comes back as it was, every malformed body is null
 * and never an exception.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeForward,
  decodeForwarded,
  encodeForwarded,
  encodeForwardHeader,
  FORWARD_HEADER_BYTES,
  FORWARDED_BYTES,
  ForwardOutcome,
} from '../../codec/frames/forward-codec.js';
import { FRAME_HEADER_BYTES } from '../../codec/frames/frame-format.js';
import {
  decodeMessage,
  decodeMessages,
  encodeHeartbeats,
  encodeMessageHeader,
  isHeartbeatKind,
  isMessageKind,
  MESSAGE_HEADER_BYTES_MAX,
  messageGroup,
  messageHeaderBytes,
  messageLengthFits,
} from '../../codec/frames/message-codec.js';
import { type Message, MessageKind } from '../../engine/raft/message.js';
import { Prng } from '../../engine/raft/prng.js';
import { logIndex, nodeId, term } from '../../engine/raft/types.js';
import { FROM, frameOf, groups, messages, TO, viewOf } from './frame-samples.js';

function roundTrip(message: Message, group: number): Message | null {
  const frame = frameOf(message, group);
  const view = viewOf(frame);
  const length = frame.length - FRAME_HEADER_BYTES;
  assert.equal(messageGroup(view, FRAME_HEADER_BYTES), group);
  assert.ok(messageLengthFits(message.kind, length));
  return decodeMessage(message.kind, view, FRAME_HEADER_BYTES, length, FROM, TO);
}

test('every kind of message comes back as it was', () => {
  fc.assert(
    fc.property(messages, groups, (message, group) => {
      assert.deepEqual(roundTrip(message, group), message);
    }),
    { numRuns: 1000 },
  );
});

test('the samples hold every kind, and no header is larger than the largest', () => {
  const kinds = new Set(fc.sample(messages, 2000).map((each) => each.kind));
  assert.deepEqual([...kinds].sort(), Object.values(MessageKind).sort());
  for (const kind of kinds) assert.ok(messageHeaderBytes(kind) <= MESSAGE_HEADER_BYTES_MAX);
});

test('heartbeats of many groups travel in one body, and any part of it is a body again', () => {
  for (const wanted of [MessageKind.heartbeat, MessageKind.heartbeatReply]) {
    const some = messages.filter((each) => each.kind === wanted);
    const list = fc.sample(some, 34).map((message, group) => ({ group, message }));
    const record = messageHeaderBytes(wanted);
    const view = new DataView(new ArrayBuffer(34 * record));
    assert.equal(encodeHeartbeats(list, view, 0), 34 * record);
    const back: { group: number; message: Message }[] = [];
    const sink = (group: number, message: Message) => back.push({ group, message });
    assert.ok(decodeMessages(wanted, view, 0, 34 * record, FROM, TO, sink));
    assert.deepEqual(back, list);
    back.length = 0;
    assert.ok(decodeMessages(wanted, view, 10 * record, 5 * record, FROM, TO, sink));
    assert.deepEqual(back, list.slice(10, 15));
  }
});

test('a body of a wrong length is refused for every kind', () => {
  fc.assert(
    fc.property(messages, fc.integer({ min: -8, max: 8 }), (message, change) => {
      const frame = frameOf(message, 1);
      const length = frame.length - FRAME_HEADER_BYTES + change;
      if (change === 0) return;
      const view = new DataView(new ArrayBuffer(frame.length + 16));
      new Uint8Array(view.buffer).set(frame);
      const decoded = decodeMessage(message.kind, view, FRAME_HEADER_BYTES, length, FROM, TO);
      assert.equal(decoded, null);
      const fits = messageLengthFits(message.kind, length);
      if (message.kind !== MessageKind.append) assert.equal(fits, false);
    }),
  );
});

test('an append whose range, term and bytes contradict each other is refused', () => {
  const message = {
    kind: MessageKind.append,
    from: FROM,
    to: TO,
    term: term(3),
    prevIndex: logIndex(10),
    prevTerm: term(2),
    lastIndex: logIndex(12),
    entriesTerm: term(3),
    commit: logIndex(9),
    round: 1,
    bytes: 48,
    configurations: [],
  };
  assert.deepEqual(roundTrip(message, 1), message);
  assert.equal(roundTrip({ ...message, lastIndex: logIndex(9) }, 1), null);
  assert.equal(roundTrip({ ...message, lastIndex: logIndex(10) }, 1), null);
  assert.equal(roundTrip({ ...message, entriesTerm: term(0) }, 1), null);
  assert.equal(roundTrip({ ...message, bytes: 0 }, 1), null);
});

test('undefined small values and words past 2^53 are refused', () => {
  for (const message of fc.sample(messages, 300)) {
    const head = messageHeaderBytes(message.kind);
    const view = new DataView(new ArrayBuffer(head));
    const decode = () => decodeMessage(message.kind, view, 0, head, FROM, TO);
    encodeMessageHeader(message, 1, view, 0);
    view.setUint32(4, 3, true);
    assert.equal(decode(), null);
    encodeMessageHeader(message, 1, view, 0);
    view.setUint32(head - 4, 0x20_0000, true);
    assert.equal(decode(), null);
  }
});

test('random bodies of every kind and length never throw', () => {
  const random = new Prng(5);
  const bytes = new Uint8Array(200);
  const view = viewOf(bytes);
  for (let run = 0; run < 20_000; run += 1) {
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = random.chance(0.6) ? 0 : random.below(256);
    const kind = random.between(0, 13);
    const length = random.below(bytes.length + 1);
    decodeForward(view, 0, length);
    decodeForwarded(view, 0, length);
    if (!isMessageKind(kind)) continue;
    decodeMessage(kind, view, 0, length, FROM, TO);
    decodeMessages(kind, view, 0, length, FROM, TO, () => {});
  }
  assert.equal(isMessageKind(0), false);
  assert.equal(isMessageKind(13), false);
  assert.ok(isHeartbeatKind(MessageKind.heartbeatReply));
});

test('a forward comes back with its slab whole, or not at all', () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  const positive = fc.integer({ min: 1, max: 0xffff_ffff });
  fc.assert(
    fc.property(
      u32,
      u32,
      positive,
      fc.maxSafeNat(),
      positive,
      (group, forwardId, count, at, bytes) => {
        const view = new DataView(new ArrayBuffer(FORWARD_HEADER_BYTES));
        const forward = { group, forwardId, count, term: term(at), bytes };
        encodeForwardHeader(forward, view, 0);
        const length = FORWARD_HEADER_BYTES + bytes;
        assert.deepEqual(decodeForward(view, 0, length), forward);
        assert.equal(decodeForward(view, 0, length - 1), null);
      },
    ),
  );
});

test('the answer to a forward comes back; contradictions in it are refused', () => {
  const view = new DataView(new ArrayBuffer(FORWARDED_BYTES));
  const answer = {
    group: 4,
    forwardId: 0xffff_ffff,
    count: 3,
    outcome: ForwardOutcome.appended,
    firstIndex: logIndex(2 ** 52),
    term: term(9),
    leaderHint: nodeId(3),
  };
  encodeForwarded(answer, view, 0);
  assert.deepEqual(decodeForwarded(view, 0, FORWARDED_BYTES), answer);
  const contradictions = [
    { count: 0 },
    { outcome: ForwardOutcome.notLeader },
    { leaderHint: nodeId(2 ** 33) },
  ];
  for (const change of contradictions) {
    encodeForwarded({ ...answer, ...change }, view, 0);
    assert.equal(decodeForwarded(view, 0, FORWARDED_BYTES), null);
  }
  for (const outcome of [ForwardOutcome.notLeader, ForwardOutcome.busy, ForwardOutcome.refused]) {
    encodeForwarded({ ...answer, count: 0, outcome }, view, 0);
    assert.equal(decodeForwarded(view, 0, FORWARDED_BYTES)?.outcome, outcome);
  }
});
