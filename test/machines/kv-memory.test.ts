/**
 * The parts under the key-value store: slots and pages, and the index while it changes its size.
 *
 * The smallest table has 1,024 slots and grows at the 717th key; the tests stay around there and
 * look at every key at every moment.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashBytes } from '../../engine/machines/kv/bytes.js';
import { RANK_END } from '../../engine/machines/kv/key-index.js';
import { PAGE_BYTES, Pages } from '../../engine/machines/kv/pages.js';
import {
  SHARED_SLOT_BYTES_MAX,
  SIZE_CLASSES,
  sizeClass,
  slotBytes,
} from '../../engine/machines/kv/size-classes.js';
import { Store } from '../../engine/machines/kv/store.js';

/** Slots of the smallest table, and the keys it takes before it grows. */
const SLOTS_MIN = 1024;
const KEYS_BEFORE_GROWTH = 716;
const SLOT_BYTES = 8;

const bytesOf = (text: string) => Buffer.from(text, 'latin1');

/** A store with a Map beside it; every key is checked by `check`. */
class Pair {
  readonly store = new Store(0);
  readonly model = new Map<string, string>();

  set(key: string, value = `value of ${key}`): void {
    const [keyBytes, valueBytes] = [bytesOf(key), bytesOf(value)];
    this.store.set(keyBytes, 0, keyBytes.length, valueBytes, 0, valueBytes.length);
    this.model.set(key, value);
  }

  delete(key: string): void {
    assert.equal(this.store.delete(bytesOf(key), 0, key.length), this.model.delete(key));
  }

  get(key: string): string | undefined {
    const handle = this.store.find(bytesOf(key), 0, key.length);
    if (handle === 0) return undefined;
    const { records } = this.store;
    const start = records.valueStart(handle);
    return records.bytes(handle).toString('latin1', start, records.valueEnd(handle));
  }

  keysIn(from: number, to: number): string[] {
    const keys: string[] = [];
    this.store.index.visit(from, to, (handle) => keys.push(this.#keyOf(handle)));
    return keys;
  }

  check(): void {
    assert.equal(this.store.keys, this.model.size);
    for (const [key, value] of this.model) assert.equal(this.get(key), value, key);
    const expected = [...this.model.keys()].sort();
    assert.deepEqual(this.keysIn(0, RANK_END).sort(), expected);
    const all: string[] = [];
    this.store.visitAll((handle) => all.push(this.#keyOf(handle)));
    assert.deepEqual(all.sort(), expected);
  }

  #keyOf(handle: number): string {
    const { records } = this.store;
    const start = records.keyStart(handle);
    return records.bytes(handle).toString('latin1', start, records.valueStart(handle));
  }
}

function pairOf(count: number): Pair {
  const pair = new Pair();
  for (let i = 0; i < count; i += 1) pair.set(`k${i}`);
  return pair;
}

test('a size class holds the sizes of one slot, and wastes at most an eighth', () => {
  let slot = 0;
  let kind = 0;
  for (let bytes = 1; bytes <= SHARED_SLOT_BYTES_MAX; bytes += 1) {
    const nextSlot = slotBytes(bytes);
    const nextKind = sizeClass(bytes);
    if (nextSlot < bytes || nextKind >= SIZE_CLASSES) assert.fail(`${bytes} bytes`);
    if (nextSlot % 16 !== 0 || nextSlot - bytes > Math.max(15, bytes / 8)) assert.fail(`${bytes}`);
    if ((nextSlot === slot) !== (nextKind === kind)) assert.fail(`${bytes} bytes`);
    slot = nextSlot;
    kind = nextKind;
  }
  assert.equal(kind, SIZE_CLASSES - 1);
  assert.equal(sizeClass(SHARED_SLOT_BYTES_MAX + 1), 0);
  assert.ok(slotBytes(500_000_000) >= 500_000_000);
});

test('slots never overlap, and stay within their page', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 60 }), (sizes) => {
      const pages = new Pages();
      const held: { handle: number; bytes: number; mark: number }[] = [];
      for (const [i, bytes] of sizes.entries()) {
        if (i % 3 === 2) {
          const { handle, bytes: size } = held.splice(bytes % held.length, 1)[0]!;
          pages.release(handle, size);
        }
        const handle = pages.allocate(bytes);
        const at = (handle & 0xffff) * 16;
        pages.bytes[handle >>> 16]!.fill(i % 251, at, at + bytes);
        held.push({ handle, bytes, mark: i % 251 });
      }
      for (const { handle, bytes, mark } of held) {
        const at = (handle & 0xffff) * 16;
        const slot = pages.bytes[handle >>> 16]!.subarray(at, at + bytes);
        assert.equal(slot.length, bytes);
        assert.ok(slot.every((byte) => byte === mark));
      }
    }),
  );
});

test('slots freed in full pages are used again before another page is taken', () => {
  const pages = new Pages();
  const slots = Array.from({ length: 5000 }, () => pages.allocate(1000));
  assert.equal(new Set(slots).size, slots.length);
  const { reservedBytes } = pages;
  assert.equal(reservedBytes, 5 * PAGE_BYTES);
  for (let i = 0; i < 5000; i += 2) pages.release(slots[i]!, 1000);
  const again = Array.from({ length: 2500 }, () => pages.allocate(1000));
  assert.equal(pages.reservedBytes, reservedBytes);
  assert.equal(new Set(again).size, again.length);
  for (let i = 1; i < 5000; i += 2) assert.ok(!again.includes(slots[i]!));
  for (const handle of again) pages.release(handle, 1000);
  for (let i = 1; i < 5000; i += 2) pages.release(slots[i]!, 1000);
  assert.equal(pages.usedBytes, 0);
  assert.equal(pages.reservedBytes, 4 * PAGE_BYTES, 'the spare pages');
  pages.allocate(2000);
  assert.equal(pages.reservedBytes, 4 * PAGE_BYTES, 'another class takes a spare page');
});

test('releasing a slot as another size is caught', () => {
  const pages = new Pages();
  const handle = pages.allocate(100);
  assert.throws(() => pages.release(handle, 200), /another size/);
});

test('every key is found at every moment while the table grows', () => {
  const keys = fc.integer({ min: 0, max: 900 });
  const steps = fc.array(fc.tuple(fc.constantFrom('set', 'set', 'delete'), keys), {
    minLength: 40,
    maxLength: 70,
  });
  fc.assert(
    fc.property(steps, (list) => {
      const pair = pairOf(KEYS_BEFORE_GROWTH);
      pair.set('the one that makes it grow');
      for (const [what, i] of list) {
        if (what === 'set') pair.set(`k${i}`, `again ${i}`);
        else pair.delete(`k${i}`);
        assert.equal(pair.get(`k${i}`), pair.model.get(`k${i}`));
        assert.equal(pair.get('absent'), undefined);
      }
      pair.check();
    }),
    { numRuns: 40 },
  );
  const pair = pairOf(KEYS_BEFORE_GROWTH);
  for (let i = 0; i < 70; i += 1) {
    pair.set(`new${i}`);
    pair.check();
  }
});

test('a deleted key stays deleted while the table it was moved out of is still there', () => {
  const pair = pairOf(KEYS_BEFORE_GROWTH + 1);
  for (let i = 0; i < 60; i += 1) pair.set('k0', `write ${i}`);
  for (let i = 0; i < KEYS_BEFORE_GROWTH; i += 300) pair.delete(`k${i}`);
  assert.ok(pair.store.index.tableBytes > 2 * SLOTS_MIN * SLOT_BYTES, 'still growing');
  for (let i = 0; i < KEYS_BEFORE_GROWTH; i += 300) assert.equal(pair.get(`k${i}`), undefined);
  for (let i = 0; i < KEYS_BEFORE_GROWTH; i += 300) pair.set(`k${i}`, 'back');
  pair.check();
});

test('growing ends after as many writes as the old table has sixteens of slots', () => {
  const pair = pairOf(KEYS_BEFORE_GROWTH);
  assert.equal(pair.store.index.tableBytes, SLOTS_MIN * SLOT_BYTES);
  pair.set('one more');
  assert.equal(pair.store.index.tableBytes, 3 * SLOTS_MIN * SLOT_BYTES);
  for (let i = 0; i < SLOTS_MIN / 16; i += 1) pair.set('one more', `${i}`);
  assert.equal(pair.store.index.tableBytes, 2 * SLOTS_MIN * SLOT_BYTES);
});

test('a table that shrinks takes as many keys again as it had', () => {
  const pair = pairOf(12_000);
  for (let i = 0; i < 2000; i += 1) pair.set('k0');
  const { tableBytes } = pair.store.index;
  let left = 12_000;
  while (pair.store.index.tableBytes === tableBytes) {
    left -= 1;
    pair.delete(`k${left}`);
  }
  assert.ok(left < tableBytes / SLOT_BYTES / 16);
  pair.check();
  for (let i = left; i < 4000; i += 1) {
    pair.set(`k${i}`);
    if (i % 300 === 0) pair.check();
  }
  for (let i = 0; i < 4000; i += 1) pair.delete(`k${i}`);
  pair.check();
  assert.ok(pair.store.index.tableBytes < tableBytes);
});

test('ranges of ranks divide the keys, wherever they are cut and while the table grows', () => {
  for (const count of [300, KEYS_BEFORE_GROWTH + 30, 3000]) {
    const pair = pairOf(count);
    const all = [...pair.model.keys()].sort();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: RANK_END - 1 }), { maxLength: 8 }), (cuts) => {
        const bounds = [0, ...cuts.sort((a, b) => a - b), RANK_END];
        const parts = bounds.slice(1).map((to, i) => pair.keysIn(bounds[i]!, to));
        assert.deepEqual(parts.flat().sort(), all);
      }),
      { numRuns: 20 },
    );
  }
});

test('the hash is MurmurHash3, so that a cursor means the same in every version', () => {
  const hash = (text: string, seed: number) => hashBytes(bytesOf(text), 0, text.length, seed);
  assert.equal(hash('', 0), 0);
  assert.equal(hash('', 1), 0x514e28b7);
  assert.equal(hash('\xff\xff\xff\xff', 0), 0x76293b50);
  assert.equal(hash('!Ce\x87', 0), 0xf55b516b);
  assert.equal(hash('!Ce', 0), 0x7e4a8634);
  assert.equal(hash('!C', 0), 0xa0f7b07a);
  assert.equal(hash('!', 0), 0x72661cf4);
  assert.equal(hash('Hello, world!', 0x9747b28c), 0x24884cba);
  assert.equal(hashBytes(bytesOf('xHello, world!x'), 1, 14, 0x9747b28c), 0x24884cba);
});
