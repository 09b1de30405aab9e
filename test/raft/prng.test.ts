/**
 * The seeded generator: the same sequence on every machine, within bounds, without obvious bias.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Prng } from '../../engine/raft/prng.js';

const take = (prng: Prng, count: number): number[] =>
  Array.from({ length: count }, () => prng.u32());

test('a seed always gives this sequence', () => {
  assert.deepEqual(take(new Prng(1), 4), [541368761, 2279795973, 3244615139, 4156877882]);
});

test('equal seeds agree, different seeds part at once', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, other) => {
      fc.pre(one !== other);
      assert.deepEqual(take(new Prng(one), 8), take(new Prng(one), 8));
      assert.notDeepEqual(take(new Prng(one), 8), take(new Prng(other), 8));
    }),
  );
});

test('numbers stay within their bounds and reach both ends', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 8 }), fc.nat(9), (seed, bound, low) => {
      const prng = new Prng(seed);
      const seen = new Set<number>();
      for (let at = 0; at < 400; at += 1) {
        const value = prng.between(low, low + bound - 1);
        assert.ok(Number.isInteger(value) && value >= low && value < low + bound);
        seen.add(value);
        assert.ok(prng.below(bound) < bound);
      }
      assert.equal(seen.size, bound);
    }),
    { numRuns: 50 },
  );
});

test('the widest bound gives every unsigned 32-bit integer a chance', () => {
  const prng = new Prng(7);
  const highest = Math.max(...Array.from({ length: 5000 }, () => prng.below(2 ** 32)));
  assert.ok(highest > 0xff00_0000 && highest < 2 ** 32);
});

test('chances are about as likely as they say', () => {
  const prng = new Prng(3);
  const hits = Array.from({ length: 20_000 }, () => prng.chance(0.25)).filter(Boolean).length;
  assert.ok(hits > 4600 && hits < 5400, `${hits} of 20000`);
  assert.equal(prng.chance(0), false);
  assert.equal(prng.chance(1), true);
});

test('picks come from the list, and an empty list is refused', () => {
  const prng = new Prng(5);
  const picked = new Set(Array.from({ length: 100 }, () => prng.pick(['a', 'b', 'c'])));
  assert.deepEqual([...picked].sort(), ['a', 'b', 'c']);
  assert.throws(() => prng.pick([]), /empty list/);
});
