/**
 * Snapshots: consistent while writes go on, restored from any cutting, never from damage.
 *
 * Chunks of 64 bytes make a few hundred keys enough for many moments between two chunks.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import {
  append,
  apply,
  clear,
  contents,
  del,
  get,
  keyValue,
  restore,
  set,
  sorted,
} from './kv-harness.js';

const SMALL_CHUNKS = { snapshotChunkBytes: 64 };

function filled(count: number, options: unknown = SMALL_CHUNKS): KvMachine {
  const machine = keyValue(options);
  for (let i = 0; i < count; i += 1) apply(machine, set(`key:${i}`, `value ${i}`));
  return machine;
}

/** Copies of the chunks that are left: each is lent until the next. */
function rest(image: Iterable<Uint8Array>): Buffer[] {
  return Array.from(image, (chunk) => Buffer.from(chunk));
}

function bytesOf(machine: KvMachine): Buffer {
  return Buffer.concat(rest(machine.snapshot()));
}

test('the stream is a header and then repeated key length, key, value length, value', () => {
  const machine = keyValue();
  apply(machine, set('ab', 'xyz'));
  const expected = [82, 82, 75, 86, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
  expected.push(2, 0, 0, 0, 97, 98, 3, 0, 0, 0, 120, 121, 122);
  assert.deepEqual([...bytesOf(machine)], expected);
});

test('chunks have the size asked for but for the last', () => {
  const sizes = [...filled(100).snapshot()].map((chunk) => chunk.length);
  assert.ok(sizes.length > 10);
  assert.ok(sizes.slice(0, -1).every((size) => size === 64));
  assert.ok(sizes.at(-1)! > 0 && sizes.at(-1)! <= 64);
});

/** One thing that happens between two chunks. */
const disturbance = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((i) => [set(`key:${i}`, `changed ${i}`)]),
  fc.integer({ min: 0, max: 400 }).map((i) => [append(`key:${i}`, 'x'.repeat(i))]),
  fc.integer({ min: 0, max: 400 }).map((i) => [del(`key:${i}`)]),
  fc.integer({ min: 0, max: 400 }).map((i) => [del(`key:${i}`), set(`key:${i}`, 'back')]),
  fc.constant(Array.from({ length: 900 }, (_, i) => set(`grow:${i}`, 'y'))),
  fc.constant(Array.from({ length: 300 }, (_, i) => del(`key:${i}`))),
);

test('a snapshot pulled while writes go on shows the state at its start', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300 }),
      fc.array(fc.tuple(fc.nat(12), disturbance), { maxLength: 40 }),
      (count, events) => {
        const machine = filled(count);
        const before = contents(machine);
        const image = machine.snapshot();
        const chunks: Uint8Array[] = [];
        for (const [pulls, commands] of events) {
          apply(machine, ...commands);
          for (let i = 0; i < pulls; i += 1) {
            const { done, value } = image.next();
            if (done !== true) chunks.push(Buffer.from(value));
          }
        }
        const after = contents(machine);
        chunks.push(...rest(image));
        const restored = keyValue();
        restore(restored, chunks);
        assert.deepEqual(contents(restored), sorted(before));
        assert.deepEqual(contents(machine), after, 'the snapshot itself changed nothing');
      },
    ),
    { numRuns: 40 },
  );
});

test('removing every key at once leaves a running snapshot whole', () => {
  const machine = filled(500);
  const digest = machine.digest();
  const image = machine.snapshot();
  const chunks = [Buffer.from(image.next().value)];
  apply(machine, clear(), set('key:1', 'new life'));
  const restored = keyValue();
  restore(restored, [...chunks, ...rest(image)]);
  assert.equal(restored.digest(), digest);
  assert.deepEqual(contents(machine), new Map([['key:1', 'new life']]));
});

test('a page that is given back and taken for slots of another size is not walked on', () => {
  const machine = keyValue(SMALL_CHUNKS);
  const zeros = '\0'.repeat(300);
  apply(machine, set('first', zeros), set('second', zeros), set('third', zeros));
  const before = contents(machine);
  const image = machine.snapshot();
  // The walk is within the first record: the page's next slots are still to come.
  const chunks = [Buffer.from(image.next().value), Buffer.from(image.next().value)];
  apply(machine, del('first'), del('second'), del('third'));
  const others = Array.from({ length: 200 }, (_, i) => set(`other:${i}`, '\0'.repeat(500)));
  apply(machine, ...others);
  const restored = keyValue();
  restore(restored, [...chunks, ...rest(image)]);
  assert.deepEqual(contents(restored), sorted(before));
});

test('a snapshot after most records were removed shows what is left', () => {
  const machine = filled(3000);
  const gone = Array.from({ length: 3000 }, (_, i) => i).filter((i) => i % 7 !== 0);
  apply(machine, ...gone.map((i) => del(`key:${i}`)), set('large', 'x'.repeat(300_000)));
  const restored = keyValue();
  restore(restored, machine.snapshot());
  assert.equal(restored.digest(), machine.digest());
});

test('what is written after one snapshot is in the next', () => {
  const machine = filled(50);
  for (let round = 0; round < 3; round += 1) {
    apply(machine, set('key:7', `round ${round}`), set(`new:${round}`, ''));
    const restored = keyValue();
    restore(restored, machine.snapshot());
    assert.equal(restored.digest(), machine.digest());
  }
});

test('a snapshot left early is over, and a newer one ends the one before', () => {
  const machine = filled(200);
  for (const chunk of machine.snapshot()) {
    assert.equal(chunk.length, 64);
    break;
  }
  const old = machine.snapshot();
  old.next();
  const young = machine.snapshot();
  apply(machine, set('key:3', 'changed'));
  assert.throws(() => old.next(), /a newer snapshot of this machine began/);
  const restored = keyValue();
  restore(restored, young);
  assert.deepEqual(get(restored, 'key:3'), { value: 'value 3' });
});

test('an image cut anywhere restores the same state', () => {
  const machine = filled(8);
  apply(machine, set('', ''), set('empty', ''), set('\xff\0', 'x'.repeat(150)));
  const image = bytesOf(machine);
  for (let cut = 0; cut <= image.length; cut += 1) {
    const restored = keyValue();
    restore(restored, [image.subarray(0, cut), image.subarray(cut)]);
    assert.equal(restored.digest(), machine.digest(), `cut at ${cut}`);
  }
  const restored = keyValue();
  restore(
    restored,
    Array.from(image, (byte) => Uint8Array.of(byte)),
  );
  assert.equal(restored.digest(), machine.digest(), 'byte by byte');
});

test('restoring replaces what was there', () => {
  const machine = filled(10);
  const other = keyValue();
  apply(other, set('key:1', 'old'), set('stale', 'x'));
  restore(other, machine.snapshot());
  assert.equal(other.digest(), machine.digest());
});

test('a damaged image is refused, and a sound one is taken after it', () => {
  const source = filled(5);
  const digest = source.digest();
  const image = bytesOf(source);
  const changed = (at: number, byte: number) => {
    const copy = Buffer.from(image);
    copy[at] = byte;
    return copy;
  };
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ['nothing', Buffer.alloc(0), /ends within its header/],
    ['another magic', changed(0, 0), /does not begin with RRKV/],
    ['a newer version', changed(4, 2), /format version 2, this build reads 1/],
    ['a larger count', changed(8, 6), /ends 1 records early/],
    ['an absurd count', changed(15, 255), /absurd count/],
    ['a smaller count', changed(8, 4), /goes on after its last record/],
    ['a huge key', changed(18, 255), /key of \d+ bytes/],
    ['a huge value', changed(28, 255), /value of \d+ bytes/],
    ['a byte more', Buffer.concat([image, Buffer.from('x')]), /goes on after its last record/],
  ];
  for (const [what, bytes, message] of cases) {
    const machine = keyValue();
    apply(machine, set('before', 'yes'));
    assert.throws(() => restore(machine, [bytes]), message, what);
    restore(machine, [image]);
    assert.equal(machine.digest(), digest, what);
  }
  for (let length = 0; length < image.length; length += 1) {
    assert.throws(
      () => restore(keyValue(), [image.subarray(0, length)]),
      /ends/,
      `${length} bytes`,
    );
  }
});

test('beginning again drops what half an image brought', () => {
  const machine = filled(20);
  const image = bytesOf(machine);
  const restored = keyValue();
  const half = restored.restore();
  half.chunk(image.subarray(0, 200));
  restore(restored, [image]);
  assert.equal(restored.digest(), machine.digest());
});

test('a large value leaves a chunk per pull, whole although it changes on the way', () => {
  for (const change of [set('large', 'x'), append('large', 'x'), del('large'), set('small', 'y')]) {
    const machine = filled(1);
    apply(machine, set('large', 'abcdefgh'.repeat(500)), set('small', ''));
    const before = contents(machine);
    const image = machine.snapshot();
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < 20; i += 1) {
      chunks.push(Buffer.from(image.next().value));
      assert.ok(machine.imageBacklogBytes() <= 64, 'nothing is copied ahead of its pull');
    }
    apply(machine, change);
    const restored = keyValue();
    restore(restored, [...chunks, ...rest(image)]);
    assert.deepEqual(contents(restored), sorted(before));
  }
});

test('a walk that finds nothing to say answers with an empty chunk and goes on', () => {
  const machine = filled(30_000);
  const before = machine.digest();
  const image = machine.snapshot();
  for (let i = 0; i < 30_000; i += 1) apply(machine, set(`key:${i}`, 'changed'));
  assert.ok(machine.imageBacklogBytes() > 500_000, `${machine.imageBacklogBytes()} bytes wait`);
  const chunks = rest(image);
  assert.ok(chunks.some((chunk) => chunk.length === 0));
  assert.equal(machine.imageBacklogBytes(), 0);
  const restored = keyValue();
  restore(restored, chunks);
  assert.equal(restored.digest(), before);
});
