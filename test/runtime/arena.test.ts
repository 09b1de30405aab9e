/**
 * The log arena: reservations that never wrap, release oldest first, poison; and a model test whose
 * positions are unbounded numbers.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  ARENA_FULL,
  ARENA_POISON,
  Arena,
  ArenaView,
  createArena,
} from '../../engine/runtime/arena.js';

const FIRST_POSITIONS = [0, 2 ** 31 - 128, 2 ** 31 - 8, 2 ** 32 - 128, 2 ** 32 - 8];

for (const firstPosition of FIRST_POSITIONS) {
  test(`a full arena answers ARENA_FULL and recovers, positions from ${firstPosition}`, () => {
    const arena = new Arena(createArena(256), { firstPosition });
    assert.equal(arena.next, firstPosition);
    const positions: number[] = [];
    for (let at = arena.reserve(8); at !== ARENA_FULL; at = arena.reserve(8)) positions.push(at);
    assert.equal(positions.length, 32);
    assert.deepEqual(
      positions,
      positions.map((_, i) => (firstPosition + 8 * i) % 2 ** 32),
    );
    assert.deepEqual([arena.liveBytes, arena.freeBytes], [256, 0]);
    arena.release(positions[1]!);
    assert.deepEqual([arena.liveBytes, arena.freeBytes], [248, 8]);
    assert.equal(arena.reserve(8), (firstPosition + 256) % 2 ** 32);
    assert.equal(arena.reserve(8), ARENA_FULL);
    arena.release(arena.next);
    assert.equal(arena.liveBytes, 0);
    assert.equal(arena.oldest, arena.next);
  });
}

test('bytes that do not fit before the end begin at offset 0, and what was skipped is live', () => {
  const arena = new Arena(createArena(256), { firstPosition: 2 ** 32 - 8 });
  const position = arena.reserve(24);
  assert.equal(position, 0, 'the cursor passed 2^32 with the skipped bytes');
  assert.equal(arena.offsetOf(position), 0);
  assert.equal(arena.liveBytes, 32);
  arena.release(position);
  assert.equal(arena.liveBytes, 24);
});

test('every thread reads the same bytes through its own view', () => {
  const memory = createArena(256);
  const arena = new Arena(memory, { firstPosition: 2 ** 31 - 16 });
  const position = arena.reserve(16);
  arena.region(position, 16).set([1, 2, 3]);
  arena.view.setUint32(arena.offsetOf(position) + 8, 77, true);
  const reader = new ArenaView(memory);
  assert.deepEqual([...reader.region(position, 3)], [1, 2, 3]);
  assert.equal(reader.view.getUint32(reader.offsetOf(position) + 8, true), 77);
  assert.equal(arena.isLive(position, 16), true);
  assert.equal(arena.isLive(position, 17), false);
  arena.release(arena.next);
  assert.equal(arena.isLive(position, 16), false);
});

test('poison overwrites exactly what was released, across the end of the memory too', () => {
  const memory = createArena(256);
  const arena = new Arena(memory, { firstPosition: 224, poison: true });
  const parts = [16, 32, 32].map((bytes) => ({ bytes, position: arena.reserve(bytes) }));
  for (const { position, bytes } of parts) arena.region(position, bytes).fill(1);
  assert.equal(arena.offsetOf(parts[1]!.position), 0, '16 bytes at the end were skipped');
  const stale = arena.region(parts[1]!.position, 32);
  arena.release(parts[2]!.position);
  assert.deepEqual(new Set(stale), new Set([ARENA_POISON]));
  assert.deepEqual(new Set(arena.bytes.subarray(224)), new Set([ARENA_POISON]));
  assert.deepEqual(new Set(arena.region(parts[2]!.position, 32)), new Set([1]));
  assert.deepEqual(new Set(arena.bytes.subarray(64, 224)), new Set([0]));
});

test('without poison released bytes stay as they are until reserved again', () => {
  const arena = new Arena(createArena(256));
  const position = arena.reserve(8);
  arena.region(position, 8).fill(5);
  arena.release(arena.next);
  assert.deepEqual(new Set(arena.region(position, 8)), new Set([5]));
});

test('mistakes of a programmer are refused', () => {
  const arena = new Arena(createArena(256), { firstPosition: 2 ** 31 - 8 });
  assert.equal(arena.reserveBytesMax, 32);
  assert.throws(() => arena.reserve(40), /capacity \/ 8/);
  assert.throws(() => arena.reserve(0), /capacity \/ 8/);
  assert.throws(() => arena.reserve(12), /multiple of 8/);
  arena.reserve(16);
  assert.throws(() => arena.release(arena.next + 8), /only live bytes/);
  assert.throws(() => arena.release(arena.oldest - 8), /only live bytes/);
  assert.throws(() => arena.region(248, 16), /never wraps/);
  assert.throws(() => createArena(100), /power of two/);
  assert.throws(() => new Arena(new SharedArrayBuffer(100)), /createArena/);
  assert.throws(() => new Arena(createArena(256), { firstPosition: 4 }), /multiple of 8/);
});

test('any sequence of reservations and releases keeps live bytes and poisons the rest', () => {
  const capacity = 512;
  const steps = fc.array(
    fc.oneof(
      fc.record({ op: fc.constant('reserve' as const), amount: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ op: fc.constant('release' as const), amount: fc.integer({ min: 1, max: 12 }) }),
    ),
    { minLength: 1, maxLength: 150, size: 'max' },
  );
  fc.assert(
    fc.property(fc.constantFrom(...FIRST_POSITIONS), steps, (first, list) => {
      const arena = new Arena(createArena(capacity), { firstPosition: first, poison: true });
      const live: { start: number; bytes: number; fill: number }[] = [];
      let oldest = first;
      let next = first;
      for (const [number, { op, amount }] of list.entries()) {
        if (op === 'reserve') {
          const bytes = amount * 8;
          const toEnd = capacity - (next % capacity);
          const start = next + (bytes > toEnd ? toEnd : 0);
          const position = arena.reserve(bytes);
          const full = start + bytes - oldest > capacity;
          assert.equal(position, full ? ARENA_FULL : start % 2 ** 32);
          if (full) continue;
          arena.region(position, bytes).fill(number % 200);
          live.push({ start, bytes, fill: number % 200 });
          next = start + bytes;
        } else {
          live.splice(0, amount);
          oldest = live[0]?.start ?? next;
          arena.release(oldest % 2 ** 32);
        }
        assert.equal(arena.liveBytes, next - oldest);
        assert.deepEqual([arena.oldest, arena.next], [oldest % 2 ** 32, next % 2 ** 32]);
        for (const { start, bytes, fill } of live) {
          const region = arena.region(start % 2 ** 32, bytes);
          assert.ok(region.every((byte) => byte === fill));
        }
      }
    }),
    { numRuns: 200 },
  );
});
