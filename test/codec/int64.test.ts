/**
 * Signed 64-bit integers as bytes and as text, against BigInt.
 *
 * The interesting values are at the ends of 64 bits and where a number stops being exact.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addInt64,
  DECIMAL_BYTES_MAX,
  type Int64,
  negateInt64,
  parseInt64,
  readInt64,
  writeDecimal,
  writeInt64,
} from '../../codec/int64.js';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

const EDGES = [MIN, MIN + 1n, -(2n ** 53n), -(2n ** 53n) + 1n, -(2n ** 32n), -1n, 0n, 1n, 9n, 10n]
  .concat([99n, 100n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 10n ** 15n - 1n])
  .concat([10n ** 15n, 2n ** 53n - 1n, 2n ** 53n, MAX - 1n, MAX]);

/** Mostly edges and their neighbourhood, sometimes anything. */
const int64s = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt(MIN, MAX), fc.bigInt(-1000n, 1000n));

function int64(value: bigint): Int64 {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function parse(text: string): Int64 | null {
  const bytes = Buffer.from(`<${text}>`);
  return parseInt64(bytes, 1, bytes.length - 1);
}

test('bytes and text come back as the same value, a number whenever that is exact', () => {
  fc.assert(
    fc.property(int64s, (value) => {
      const bytes = Buffer.alloc(8);
      assert.equal(writeInt64(bytes, 0, int64(value)), 8);
      assert.equal(bytes.readBigInt64LE(), value);
      assert.equal(readInt64(bytes, 0), int64(value));
      const text = Buffer.alloc(DECIMAL_BYTES_MAX);
      const end = writeDecimal(text, 0, int64(value));
      assert.equal(text.toString('latin1', 0, end), value.toString());
      assert.equal(parseInt64(text, 0, end), int64(value));
    }),
  );
});

test('sums are exact, and null beyond 64 bits', () => {
  fc.assert(
    fc.property(int64s, int64s, (a, b) => {
      const sum = a + b;
      const expected = sum < MIN || sum > MAX ? null : int64(sum);
      assert.equal(addInt64(int64(a), int64(b)), expected);
    }),
  );
});

test('every value but the smallest can be negated, and zero stays a plain zero', () => {
  assert.equal(negateInt64(MIN), null);
  assert.equal(negateInt64(MAX), -MAX);
  assert.equal(negateInt64(5), -5);
  assert.ok(Object.is(negateInt64(0), 0));
});

test('only canonical decimal text of 64 bits is an integer', () => {
  const wrong = [
    '',
    '-',
    '+1',
    '01',
    '-01',
    '-0',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    '0x1',
    'a',
    '1a',
    '--1',
  ];
  for (const text of wrong) assert.equal(parse(text), null, JSON.stringify(text));
  for (const text of ['9223372036854775808', '-9223372036854775809', '99999999999999999999']) {
    assert.equal(parse(text), null, text);
  }
  assert.equal(parse('123456789012345678x'), null);
  assert.equal(parse('9223372036854775807'), MAX);
  assert.equal(parse('-9223372036854775808'), MIN);
  assert.equal(parse('0'), 0);
});
