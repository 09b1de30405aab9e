/**
 * The index map over a real arena: where entries are, what a truncation or an eviction leaves, and
 * that the pieces of a range are contiguous, maximal and cover it. Model: a plain array.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type LogIndex, logIndex } from '../../engine/raft/types.js';
import { ARENA_FULL, Arena, createArena } from '../../engine/runtime/arena.js';
import { LogIndexMap, type LogPiece } from '../../engine/runtime/log-index.js';

const FIRST_POSITIONS = [0, 2 ** 31 - 64, 2 ** 31 - 8, 2 ** 32 - 64, 2 ** 32 - 8];
const FIRST_INDEXES = [1, 2 ** 31 - 3, 2 ** 32 - 3, 2 ** 45];
const at = logIndex;

function fill(map: LogIndexMap, arena: Arena, sizes: readonly number[]): void {
  for (const bytes of sizes) map.append(arena.reserve(bytes), bytes);
}

test('an empty map has nothing in memory and knows which index comes next', () => {
  const map = new LogIndexMap(256, 16, at(41));
  assert.deepEqual([map.firstInMemory, map.last, map.count, map.room], [41, 40, 0, 16]);
  assert.equal(map.has(at(41)), false);
  assert.throws(() => map.positionOf(at(41)), /in memory/);
});

for (const firstPosition of FIRST_POSITIONS) {
  test(`a range over the end of the arena is two pieces, positions from ${firstPosition}`, () => {
    const arena = new Arena(createArena(256), {
      firstPosition: (firstPosition + 2 ** 32 - 120) % 2 ** 32,
    });
    const map = new LogIndexMap(256, 64);
    fill(map, arena, Array(10).fill(24));
    const pieces = map.pieces(at(1), at(10));
    assert.equal(pieces.length, 2);
    assert.equal(arena.offsetOf(pieces[1]!.position), 0);
    assert.equal(pieces[0]!.bytes + pieces[1]!.bytes, 240);
    assert.equal(map.bytesBetween(at(1), at(10)), 240);
    assert.equal(map.endPositionOf(at(10)), arena.next);
    assert.equal(map.pieces(at(1), at(1)).length, 1);
  });
}

test('an entry at offset 0 begins a piece, though positions go on without a gap', () => {
  const arena = new Arena(createArena(256), { firstPosition: 2 ** 32 - 32 });
  const map = new LogIndexMap(256, 64);
  fill(map, arena, [16, 16, 16]);
  assert.deepEqual(map.pieces(at(1), at(3)), [
    { first: 1, last: 2, position: 2 ** 32 - 32, bytes: 32 },
    { first: 3, last: 3, position: 0, bytes: 16 },
  ]);
});

test('a truncation changes the map only, and the dead bytes break the piece', () => {
  const arena = new Arena(createArena(1024));
  const map = new LogIndexMap(1024, 64);
  fill(map, arena, [8, 16, 24, 32]);
  map.truncateAfter(at(2));
  assert.deepEqual([map.last, map.count], [2, 2]);
  assert.throws(() => map.positionOf(at(3)), /in memory/);
  fill(map, arena, [40]);
  assert.deepEqual(map.pieces(at(1), at(3)), [
    { first: 1, last: 2, position: 0, bytes: 24 },
    { first: 3, last: 3, position: 80, bytes: 40 },
  ]);
  map.truncateAfter(at(2));
  assert.deepEqual(map.pieces(at(1), at(2)), [{ first: 1, last: 2, position: 0, bytes: 24 }]);
});

test('a truncation below what is in memory leaves an empty map that goes on there', () => {
  const map = new LogIndexMap(256, 16, at(100));
  map.append(0, 8);
  map.truncateAfter(at(90));
  assert.deepEqual([map.firstInMemory, map.last, map.count], [91, 90, 0]);
  assert.equal(map.append(8, 8), 91);
});

test('an eviction forgets the old end, and the arena can be released up to the new one', () => {
  const arena = new Arena(createArena(256), { firstPosition: 2 ** 32 - 8, poison: true });
  const map = new LogIndexMap(256, 16);
  fill(map, arena, [8, 16, 24]);
  map.evictBefore(at(3));
  map.evictBefore(at(2));
  assert.deepEqual([map.firstInMemory, map.last], [3, 3]);
  arena.release(map.positionOf(map.firstInMemory));
  assert.equal(arena.liveBytes, 24);
  map.evictBefore(at(4));
  assert.deepEqual([map.firstInMemory, map.last, map.count], [4, 3, 0]);
  map.resetTo(at(1000));
  assert.deepEqual([map.firstInMemory, map.last], [1000, 999]);
});

test('a piece can be cut to a number of bytes, but never below one entry', () => {
  const map = new LogIndexMap(1024, 64);
  const arena = new Arena(createArena(1024));
  fill(map, arena, [64, 8, 8, 8, 16]);
  assert.equal(map.pieceLast(at(1), at(5), 10), 1);
  assert.equal(map.pieceLast(at(1), at(5), 79), 2);
  assert.equal(map.pieceLast(at(1), at(5), 80), 3);
  assert.equal(map.pieceLast(at(1), at(4), 1000), 4);
  assert.deepEqual(
    map.pieces(at(1), at(5), 24).map((piece) => [piece.first, piece.last, piece.bytes]),
    [
      [1, 1, 64],
      [2, 4, 24],
      [5, 5, 16],
    ],
  );
});

test('the map grows by doubling and keeps every entry, up to its bound', () => {
  for (const first of FIRST_INDEXES) {
    const map = new LogIndexMap(2 ** 20, 8192, at(first));
    for (let i = 0; i < 700; i += 1) map.append(i * 8, 8);
    map.evictBefore(at(first + 600));
    for (let i = 700; map.room > 0; i += 1) map.append(i * 8, 8);
    assert.deepEqual([map.count, map.last], [8192, first + 600 + 8191]);
    for (let i = 600; i < 8792; i += 1) {
      assert.equal(map.positionOf(at(first + i)), i * 8);
      assert.equal(map.bytesOf(at(first + i)), 8);
    }
    assert.throws(() => map.append(0, 8), /room/);
    assert.equal(map.count, 8192);
  }
});

test('mistakes of a programmer are refused', () => {
  const map = new LogIndexMap(256, 16);
  assert.throws(() => new LogIndexMap(256, 15), /2\^n entries/);
  assert.throws(() => new LogIndexMap(100, 16), /2\^n bytes/);
  assert.throws(() => map.append(0, 0), /has bytes/);
  assert.throws(() => map.truncateAfter(at(1)), /within the log/);
  assert.throws(() => map.evictBefore(at(2)), /within the log/);
  map.append(0, 8);
  assert.throws(() => map.pieceLast(at(1), at(2)), /range is in memory/);
  assert.throws(() => map.endPositionOf(at(2)), /in memory/);
});

interface ModelEntry {
  readonly position: number;
  readonly bytes: number;
}

/** The pieces by definition: entry by entry, a new one wherever the memory does not go on. */
function piecesByDefinition(
  entries: ReadonlyMap<number, ModelEntry>,
  arena: Arena,
  first: number,
  last: number,
): LogPiece[] {
  const pieces: LogPiece[] = [];
  for (let index = first; index <= last; index += 1) {
    const { position, bytes } = entries.get(index)!;
    const before = pieces.at(-1);
    const end = before && arena.offsetOf(before.position) + before.bytes;
    if (before !== undefined && end === arena.offsetOf(position)) {
      pieces[pieces.length - 1] = {
        ...before,
        last: at(index),
        bytes: before.bytes + bytes,
      };
    } else {
      pieces.push({ first: at(index), last: at(index), position, bytes });
    }
  }
  return pieces;
}

test('any sequence of appends, truncations and evictions behaves like a plain list', () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ op: fc.constant('append'), n: fc.nat(7) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('truncate'), n: fc.nat(6) }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('evict'), n: fc.nat(6) }) },
    ),
    { minLength: 1, maxLength: 150, size: 'max' },
  );
  const start = fc.record({
    position: fc.constantFrom(...FIRST_POSITIONS),
    index: fc.constantFrom(...FIRST_INDEXES),
  });
  fc.assert(
    fc.property(start, steps, fc.nat(), (begin, list, choice) => {
      const arena = new Arena(createArena(512), { firstPosition: begin.position, poison: true });
      const map = new LogIndexMap(512, 64, at(begin.index));
      const entries = new Map<number, ModelEntry>();
      let first = begin.index;
      let next = begin.index;
      for (const { op, n } of list) {
        if (op === 'append') {
          const bytes = 8 * (n + 1);
          const position = map.room > 0 ? arena.reserve(bytes) : ARENA_FULL;
          if (position === ARENA_FULL) continue;
          assert.equal(map.append(position, bytes), next);
          entries.set(next, { position, bytes });
          next += 1;
        } else if (op === 'truncate') {
          next = Math.max(first, next - n);
          map.truncateAfter(at(next - 1));
        } else {
          first = Math.min(next, first + n);
          map.evictBefore(at(first));
          arena.release(first < next ? map.positionOf(map.firstInMemory) : arena.next);
        }
        assert.deepEqual([map.firstInMemory, map.last, map.count], [first, next - 1, next - first]);
        if (first === next) continue;
        const from = first + (choice % (next - first));
        const expected = piecesByDefinition(entries, arena, from, next - 1);
        assert.deepEqual(map.pieces(at(from), map.last), expected);
        const total = expected.reduce((sum, piece) => sum + piece.bytes, 0);
        assert.equal(map.bytesBetween(at(from), map.last), total);
        checkCut(map, at(from), map.last, 8 + (choice % 90));
      }
    }),
    { numRuns: 200 },
  );
});

/** Pieces cut to `bytesMax` cover the range without a hole, each as long as allowed. */
function checkCut(map: LogIndexMap, first: LogIndex, last: LogIndex, bytesMax: number): void {
  let expected: number = first;
  for (const piece of map.pieces(first, last, bytesMax)) {
    assert.equal(piece.first, expected);
    assert.ok(piece.bytes <= bytesMax || piece.first === piece.last);
    const whole = map.pieceLast(piece.first, last);
    if (piece.last < whole) {
      assert.ok(piece.bytes + map.bytesOf(logIndex(piece.last + 1)) > bytesMax);
    }
    expected = piece.last + 1;
  }
  assert.equal(expected, last + 1);
}
