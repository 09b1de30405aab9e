/**
 * The ring in one thread: claims, padding at the wrap, full as a value, and a model test against a
 * plain queue whose cursors are unbounded numbers. Two real threads meet in two-threads.test.ts.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  createRing,
  openRing,
  RING_CAPACITY_MIN,
  RING_HEADER_BYTES,
  WORD_HEAD,
  WORD_TAIL,
} from '../../workers/ring/layout.js';
import { payloadBytesMax, RECORD_HEADER_BYTES, recordBytes } from '../../workers/ring/record.js';
import {
  RECORD_LEFT,
  RECORD_TAKEN,
  RING_FULL,
  RingConsumer,
  RingProducer,
} from '../../workers/ring/spsc-ring.js';

const FIRST_CURSORS = [0, 2 ** 31 - 64, 2 ** 31 - 8, 2 ** 32 - 64, 2 ** 32 - 8];
const UNLIMITED = 1_000_000;

function open(capacity: number, firstCursor: number) {
  const memory = createRing(capacity, firstCursor);
  return { memory, producer: new RingProducer(memory), consumer: new RingConsumer(memory) };
}

function send(producer: RingProducer, kind: number, payload: readonly number[]): boolean {
  const at = producer.tryClaim(kind, payload.length);
  if (at === RING_FULL) return false;
  producer.bytes.set(payload, at);
  return true;
}

function receive(consumer: RingConsumer, limit = UNLIMITED): { kind: number; bytes: number[] }[] {
  const records: { kind: number; bytes: number[] }[] = [];
  const taken = consumer.drain((kind, at, bytes) => {
    records.push({ kind, bytes: [...consumer.bytes.subarray(at, at + bytes)] });
    return RECORD_TAKEN;
  }, limit);
  assert.equal(taken, records.length);
  return records;
}

test('cursors lie on lines of their own, 128 bytes apart from each other and from the data', () => {
  const places = [0, WORD_TAIL * 4, WORD_HEAD * 4, RING_HEADER_BYTES];
  for (let i = 1; i < places.length; i += 1) assert.ok(places[i]! - places[i - 1]! >= 128);
});

for (const firstCursor of FIRST_CURSORS) {
  test(`records arrive in order and whole when cursors start at ${firstCursor}`, () => {
    const { producer, consumer } = open(1024, firstCursor);
    for (let round = 0; round < 200; round += 1) {
      const payload = Array.from({ length: round % 121 }, (_, i) => (round + i) & 255);
      assert.ok(send(producer, 1 + (round % 5), payload));
      assert.ok(producer.commit());
      assert.deepEqual(receive(consumer), [{ kind: 1 + (round % 5), bytes: payload }]);
      assert.equal(consumer.consumed, producer.position);
      assert.equal(consumer.published, producer.position);
    }
  });

  test(`a full ring answers RING_FULL and recovers when cursors start at ${firstCursor}`, () => {
    const { producer, consumer } = open(256, firstCursor);
    let sent = 0;
    while (send(producer, 1 + sent, [])) sent += 1;
    assert.equal(sent, 256 / recordBytes(0));
    assert.equal(producer.hasRoom(0), false);
    assert.equal(producer.tryClaim(7, 0), RING_FULL);
    producer.commit();
    assert.equal(producer.tryClaim(7, 0), RING_FULL, 'published is not yet consumed');
    assert.equal(receive(consumer, 1).length, 1);
    assert.equal(producer.hasRoom(0), true);
    assert.ok(send(producer, 1 + sent, []));
    producer.commit();
    assert.deepEqual(
      receive(consumer).map((record) => record.kind),
      Array.from({ length: sent }, (_, i) => i + 2),
    );
  });

  test(`hasConsumed follows published drains when cursors start at ${firstCursor}`, () => {
    const { producer, consumer } = open(256, firstCursor);
    const positions: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      assert.ok(send(producer, 1, [i]));
      positions.push(producer.position);
    }
    assert.deepEqual(positions.map(has), [false, false, false], 'not even committed');
    producer.commit();
    assert.deepEqual(positions.map(has), [false, false, false]);
    consumer.drain(() => {
      assert.equal(has(positions[0]!), false, 'bytes in use by a handler are not given back');
      return RECORD_TAKEN;
    }, 2);
    assert.deepEqual(positions.map(has), [true, true, false]);
    receive(consumer);
    assert.deepEqual(positions.map(has), [true, true, true]);

    function has(position: number): boolean {
      return producer.hasConsumed(position);
    }
  });
}

test('a record that does not fit before the end is padded and begins at offset 0', () => {
  const { producer, consumer } = open(256, 0);
  for (let i = 0; i < 10; i += 1) assert.ok(send(producer, 1, Array(16).fill(i)));
  producer.commit();
  assert.equal(receive(consumer).length, 10);
  const at = producer.tryClaim(2, 16);
  assert.equal(at, RECORD_HEADER_BYTES, '16 bytes were left, 24 are needed');
  producer.bytes.fill(9, at, at + 16);
  producer.commit();
  assert.deepEqual(receive(consumer), [{ kind: 2, bytes: Array(16).fill(9) }]);
});

test('claims become visible together, by one commit', () => {
  const { producer, consumer } = open(256, 2 ** 32 - 16);
  send(producer, 1, [1]);
  send(producer, 2, [2]);
  assert.equal(consumer.hasRecords(), false);
  assert.deepEqual(receive(consumer), []);
  assert.equal(producer.commit(), true);
  assert.equal(producer.commit(), false, 'nothing new to publish');
  assert.equal(consumer.hasRecords(), true);
  assert.equal(receive(consumer).length, 2);
  assert.equal(consumer.hasRecords(), false);
});

test('a claim shrinks to what was filled, also to nothing, and its bytes are free again', () => {
  const { producer, consumer } = open(1024, 2 ** 31 - 128);
  const at = producer.tryClaim(3, producer.payloadBytesMax);
  producer.bytes.set([5, 6, 7], at);
  producer.shrink(10);
  producer.shrink(3);
  assert.equal(producer.tryClaim(4, 8), at + recordBytes(3));
  producer.shrink(0);
  send(producer, 5, [8]);
  producer.commit();
  assert.deepEqual(receive(consumer), [
    { kind: 3, bytes: [5, 6, 7] },
    { kind: 4, bytes: [] },
    { kind: 5, bytes: [8] },
  ]);
  assert.throws(() => producer.shrink(0), /newest uncommitted claim/);
});

test('a handler without room leaves the record, and meets it first next time', () => {
  const { producer, consumer } = open(256, 2 ** 32 - 24);
  for (const value of [1, 2, 3]) send(producer, value, [value]);
  producer.commit();
  const seen: number[] = [];
  const taken = consumer.drain((kind) => {
    if (kind === 2) return RECORD_LEFT;
    seen.push(kind);
    return RECORD_TAKEN;
  }, UNLIMITED);
  assert.equal(taken, 1);
  assert.deepEqual(seen, [1]);
  assert.ok(consumer.hasRecords());
  assert.deepEqual(
    receive(consumer).map((record) => record.kind),
    [2, 3],
  );
});

test('bulk kinds leave the reserved share to urgent ones', () => {
  const { producer } = open(256, 0);
  const bulk = () => producer.tryClaim(1, 8, 64);
  let claims = 0;
  while (bulk() !== RING_FULL) claims += 1;
  assert.equal(claims, (256 - 64) / recordBytes(8));
  assert.equal(producer.hasRoom(8, 64), false);
  assert.notEqual(producer.tryClaim(2, 8), RING_FULL);
});

test('mistakes of a programmer are refused', () => {
  const { producer, consumer, memory } = open(RING_CAPACITY_MIN, 0);
  assert.equal(producer.payloadBytesMax, payloadBytesMax(RING_CAPACITY_MIN));
  assert.throws(() => producer.tryClaim(1, producer.payloadBytesMax + 1), /capacity \/ 8/);
  assert.throws(() => producer.tryClaim(1, -1), /capacity \/ 8/);
  assert.throws(() => producer.tryClaim(0, 1), /kind is positive/);
  assert.throws(() => producer.shrink(0), /newest uncommitted claim/);
  producer.tryClaim(1, 4);
  assert.throws(() => producer.shrink(5), /only shrinks/);
  producer.commit();
  const nested = () => consumer.drain(() => consumer.drain(() => RECORD_TAKEN, 1) > 0, 1);
  assert.throws(nested, /neither nested nor resumed/);
  assert.throws(() => receive(consumer), /neither nested nor resumed/);
  assert.throws(() => createRing(1000), /power of two/);
  assert.throws(() => createRing(64), /power of two/);
  assert.throws(() => createRing(128, 4), /multiple of 8/);
  assert.throws(() => openRing(new SharedArrayBuffer(1024)), /magic/);
  new Int32Array(memory)[2] = 256;
  assert.throws(() => openRing(memory), /as long as its capacity/);
});

test('the consumer checks what the producer asserted: torn headers are not believed', () => {
  const torn: readonly [string, number, number, RegExp][] = [
    ['kind', 1, 0, /sort of kind/],
    ['negative length', 0, -5, /length is in bounds/],
    ['long length', 0, 1 << 20, /length is in bounds/],
    ['length past the tail', 0, 20, /at or before the tail/],
  ];
  for (const [name, word, value, pattern] of torn) {
    const { producer, consumer, memory } = open(256, 0);
    producer.tryClaim(1, 4);
    producer.commit();
    new Int32Array(memory, RING_HEADER_BYTES)[word] = value;
    assert.throws(() => receive(consumer), pattern, name);
  }
});

type Step =
  | { readonly op: 'claim'; readonly kind: number; readonly bytes: number; readonly keep: number }
  | { readonly op: 'shrink'; readonly part: number }
  | { readonly op: 'commit' }
  | { readonly op: 'drain'; readonly limit: number; readonly leaveAt: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('claim' as const),
      kind: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      bytes: fc.nat(56),
      keep: fc.constantFrom(0, 0, 32),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('shrink' as const), part: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('commit' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('drain' as const),
      limit: fc.nat(8),
      leaveAt: fc.constantFrom(-1, -1, 0, 2),
    }),
  },
);

interface ModelRecord {
  readonly kind: number;
  payload: number[];
  /** Where the record ends, as an unbounded number. */
  end: number;
}

/** The ring as it should be: queues of records and cursors that never wrap. */
class Model {
  readonly claimed: ModelRecord[] = [];
  readonly published: ModelRecord[] = [];
  tail: number;
  head: number;
  #fill = 0;
  readonly capacity: number;

  constructor(capacity: number, first: number) {
    this.capacity = capacity;
    this.tail = first;
    this.head = first;
  }

  claim(producer: RingProducer, kind: number, bytes: number, keep: number): void {
    const toEnd = this.capacity - (this.tail % this.capacity);
    const padding = recordBytes(bytes) > toEnd ? toEnd : 0;
    const end = this.tail + padding + recordBytes(bytes);
    const full = end - this.head + keep > this.capacity;
    assert.equal(producer.hasRoom(bytes, keep), !full);
    const at = producer.tryClaim(kind, bytes, keep);
    assert.equal(at === RING_FULL, full);
    if (full) return;
    const payload = Array.from({ length: bytes }, () => (this.#fill = (this.#fill * 5 + 3) & 255));
    producer.bytes.set(payload, at);
    this.claimed.push({ kind, payload, end });
    this.tail = end;
  }

  shrink(producer: RingProducer, part: number): void {
    const newest = this.claimed.at(-1);
    if (newest === undefined) return;
    const bytes = Math.floor((newest.payload.length * part) / 100);
    producer.shrink(bytes);
    newest.end += recordBytes(bytes) - recordBytes(newest.payload.length);
    newest.payload = newest.payload.slice(0, bytes);
    this.tail = newest.end;
  }

  commit(producer: RingProducer): void {
    assert.equal(producer.commit(), this.claimed.length > 0);
    this.published.push(...this.claimed.splice(0));
  }

  drain(consumer: RingConsumer, limit: number, leaveAt: number): void {
    let seen = 0;
    let skippedTo = this.head;
    const taken = consumer.drain((kind, at, bytes) => {
      const expected = this.published[seen]!;
      const payload = [...consumer.bytes.subarray(at, at + bytes)];
      assert.deepEqual({ kind, payload }, { kind: expected.kind, payload: expected.payload });
      if (seen === leaveAt) {
        skippedTo = expected.end - recordBytes(bytes);
        return RECORD_LEFT;
      }
      seen += 1;
      skippedTo = expected.end;
      return RECORD_TAKEN;
    }, limit);
    assert.equal(taken, seen);
    this.published.splice(0, taken);
    this.head = skippedTo;
  }
}

test('any sequence of claims, shrinks, commits and drains behaves like a plain queue', () => {
  const cursors = FIRST_CURSORS.map((cursor) => cursor - (cursor % 8));
  fc.assert(
    fc.property(
      fc.constantFrom(...cursors),
      fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }),
      (firstCursor, steps) => {
        const { producer, consumer } = open(512, firstCursor);
        const model = new Model(512, firstCursor);
        for (const one of steps) {
          if (one.op === 'claim') model.claim(producer, one.kind, one.bytes, one.keep);
          else if (one.op === 'shrink') model.shrink(producer, one.part);
          else if (one.op === 'commit') model.commit(producer);
          else model.drain(consumer, one.limit, one.leaveAt);
          assert.equal(producer.position, model.tail % 2 ** 32);
          assert.equal(consumer.consumed, model.head % 2 ** 32);
          assert.equal(consumer.hasRecords(), model.published.length > 0);
          for (const record of [...model.published, ...model.claimed]) {
            assert.equal(producer.hasConsumed(record.end % 2 ** 32), false);
          }
          assert.equal(producer.hasConsumed(model.head % 2 ** 32), true);
        }
      },
    ),
    { numRuns: 300 },
  );
});
