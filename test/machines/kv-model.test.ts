/**
 * The key-value machine against a plain Map: random commands, growth, shrinking, sizes.
 *
 * After any run of commands the machine holds what the Map holds and has answered what the Map's
 * rules say, and a copy restored from its snapshot has the same digest.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SetFlag } from '../../engine/machines/kv/commands.js';
import type { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import { QueryType } from '../../engine/machines/kv/queries.js';
import {
  append,
  apply,
  clear,
  contents,
  del,
  deleteMany,
  get,
  getDelete,
  increment,
  keyValue,
  modelIncrement,
  query,
  type Result,
  restore,
  set,
  setConditional,
  setMany,
  sorted,
} from './kv-harness.js';

type Model = Map<string, string>;

/** One random step: what it does to the machine and what to the Map. */
interface Step {
  readonly command: Buffer;
  readonly expected: (model: Model) => Result;
  readonly name: string;
}

const keys = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'c', '__proto__', 'n'),
  fc.integer({ min: 0, max: 300 }).map((i) => `key:${i}`),
  fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const values = fc.oneof(
  fc.constantFrom('', '0', '-1', '9223372036854775807', 'x'),
  fc.integer({ min: 0, max: 3000 }).map((length) => 'v'.repeat(length)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
const amounts = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2 ** 52, -(2 ** 52)),
);

const oldOrNil = (model: Model, key: string): Result => {
  const value = model.get(key);
  return value === undefined ? null : { value };
};

function setStep(key: string, value: string): Step {
  const expected = (model: Model): Result => {
    model.set(key, value);
    return 'OK';
  };
  return { name: `SET ${key}`, command: set(key, value), expected };
}

function deleteStep(key: string): Step {
  const expected = (model: Model): Result => (model.delete(key) ? 1 : 0);
  return { name: `DEL ${key}`, command: del(key), expected };
}

function appendStep(key: string, value: string): Step {
  const expected = (model: Model): Result => {
    model.set(key, (model.get(key) ?? '') + value);
    return model.get(key)!.length;
  };
  return { name: `APPEND ${key}`, command: append(key, value), expected };
}

function conditionalStep(key: string, value: string, flags: number): Step {
  const expected = (model: Model): Result => {
    const old = oldOrNil(model, key);
    const wrong = model.has(key) ? SetFlag.ifAbsent : SetFlag.ifPresent;
    const stores = (flags & wrong) === 0;
    if (stores) model.set(key, value);
    if ((flags & SetFlag.answerOld) !== 0) return old;
    return stores ? 'OK' : null;
  };
  return { name: `SET ${key} if ${flags}`, command: setConditional(key, value, flags), expected };
}

function getDeleteStep(key: string): Step {
  const expected = (model: Model): Result => {
    const old = oldOrNil(model, key);
    model.delete(key);
    return old;
  };
  return { name: `GETDEL ${key}`, command: getDelete(key), expected };
}

function setManyStep(pairs: readonly (readonly [string, string])[]): Step {
  const expected = (model: Model): Result => {
    for (const [key, value] of pairs) model.set(key, value);
    return 'OK';
  };
  return { name: `MSET ${pairs.length}`, command: setMany(pairs), expected };
}

function deleteManyStep(gone: readonly string[]): Step {
  const expected = (model: Model): Result => gone.filter((key) => model.delete(key)).length;
  return { name: `DEL ${gone.join(' ')}`, command: deleteMany(gone), expected };
}

const clearStep: Step = {
  name: 'FLUSHALL',
  command: clear(),
  expected: (model) => {
    model.clear();
    return 'OK';
  },
};

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(keys, values).map(([key, value]) => setStep(key, value)) },
  { weight: 4, arbitrary: keys.map(deleteStep) },
  { weight: 4, arbitrary: fc.tuple(keys, values).map(([key, value]) => appendStep(key, value)) },
  {
    weight: 4,
    arbitrary: fc.tuple(keys, amounts).map(([key, amount]) => ({
      name: `INCR ${key} ${amount}`,
      command: increment(key, amount),
      expected: (model: Model) => modelIncrement(model, key, amount),
    })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(keys, values, fc.constantFrom(0, 1, 2, 4, 5, 6))
      .map(([key, value, flags]) => conditionalStep(key, value, flags)),
  },
  { weight: 2, arbitrary: keys.map(getDeleteStep) },
  { weight: 1, arbitrary: fc.array(fc.tuple(keys, values), { minLength: 1 }).map(setManyStep) },
  { weight: 1, arbitrary: fc.array(keys, { minLength: 1 }).map(deleteManyStep) },
  { weight: 1, arbitrary: fc.constant(clearStep) },
);

test('any commands leave the machine as they leave a Map, and answer the same', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const machine = keyValue();
      const model: Model = new Map();
      for (const { command, expected, name } of steps) {
        assert.deepEqual(apply(machine, command), [expected(model)], name);
      }
      assert.deepEqual(contents(machine), sorted(model));
      assert.equal(query(machine, QueryType.size), model.size);
      const copy = keyValue();
      restore(copy, machine.snapshot());
      assert.equal(copy.digest(), machine.digest());
      assert.equal(copy.stats().memoryBytes, machine.stats().memoryBytes);
    }),
    { numRuns: 60 },
  );
});

/** A machine and a Map with keys `0 … count − 1`. */
function filled(count: number): { machine: KvMachine; model: Model } {
  const machine = keyValue();
  const model: Model = new Map();
  for (let i = 0; i < count; i += 1) {
    apply(machine, set(`key:${i}`, `value ${i}`));
    model.set(`key:${i}`, `value ${i}`);
  }
  return { machine, model };
}

test('tables grow and shrink through many sizes without losing a key', () => {
  const { machine, model } = filled(20_000);
  for (let i = 0; i < 20_000; i += 7)
    assert.deepEqual(get(machine, `key:${i}`), { value: `value ${i}` });
  for (let i = 0; i < 20_000; i += 1) {
    if (i % 50 === 0) continue;
    assert.deepEqual(apply(machine, del(`key:${i}`)), [1]);
    model.delete(`key:${i}`);
    // Read behind the deletions while the table shrinks under them.
    if (i % 97 === 0) assert.deepEqual(get(machine, 'key:19950'), { value: 'value 19950' });
  }
  assert.deepEqual(contents(machine), sorted(model));
  const { reservedBytes } = machine.stats();
  for (let i = 0; i < 20_000; i += 50) apply(machine, del(`key:${i}`));
  assert.equal(machine.stats().keys, 0);
  assert.equal(machine.stats().memoryBytes, 0);
  assert.ok(machine.stats().reservedBytes <= reservedBytes);
});

test('values of every size class, up and down, keep their bytes and give their memory back', () => {
  const machine = keyValue();
  const sizes = [0, 1, 4, 5, 20, 21, 1000, 1020, 1021, 4096, 70_000, 262_000, 262_140, 300_000];
  const all = [...sizes, ...sizes.toReversed(), 1_500_000, 3, 1_500_000];
  for (const size of all) {
    const value = String.fromCharCode(97 + (size % 26)).repeat(size);
    apply(machine, set('k', value), set(`n${size}`, value));
    assert.deepEqual(get(machine, 'k'), { value });
  }
  for (const size of all) apply(machine, del(`n${size}`));
  apply(machine, del('k'));
  assert.equal(machine.stats().memoryBytes, 0);
  assert.ok(machine.stats().reservedBytes <= 5 * 1024 * 1024, 'a few spare pages at most');
});

test('a value grown by appending across slots and pages keeps every byte', () => {
  const machine = keyValue();
  let expected = '';
  for (let i = 0; i < 3000; i += 1) {
    const piece = `${i},`.repeat(1 + (i % 40));
    expected += piece;
    assert.deepEqual(apply(machine, append('log', piece)), [expected.length]);
  }
  assert.deepEqual(get(machine, 'log'), { value: expected });
});

test('the digest does not depend on the order of insertion, nor on the hash seed', () => {
  const pairs = Array.from({ length: 3000 }, (_, i): [string, string] => [`k${i}`, `v${i * 7}`]);
  const forward = keyValue();
  const backward = keyValue({ hashSeed: 12_345 });
  for (const [key, value] of pairs) apply(forward, set(key, value));
  apply(backward, ...Array.from({ length: 2000 }, (_, i) => set(`gone${i}`, 'x')));
  for (const [key, value] of pairs.toReversed()) apply(backward, set(key, 'old'), set(key, value));
  apply(backward, ...Array.from({ length: 2000 }, (_, i) => del(`gone${i}`)));
  assert.equal(backward.digest(), forward.digest());
  assert.deepEqual(query(forward, QueryType.digest, ''), { value: forward.digest() });
});

test('the digest tells apart what is almost the same', () => {
  const digestOf = (...pairs: [string, string][]) => {
    const machine = keyValue();
    for (const [key, value] of pairs) apply(machine, set(key, value));
    return machine.digest();
  };
  const digests = [
    digestOf(),
    digestOf(['', '']),
    digestOf(['a', 'b']),
    digestOf(['b', 'a']),
    digestOf(['ab', '']),
    digestOf(['', 'ab']),
    digestOf(['a', '1'], ['b', '2']),
    digestOf(['a', '2'], ['b', '1']),
    digestOf(['a', '1'], ['b', '1']),
  ];
  assert.equal(new Set(digests).size, digests.length);
});

test('keys that arrive in the order of another table are all stored', () => {
  const source = filled(30_000).machine;
  const keysInOrder = query(source, QueryType.keys, '*');
  assert.ok(keysInOrder !== null && typeof keysInOrder === 'object' && 'items' in keysInOrder);
  const copy = keyValue();
  restore(copy, source.snapshot());
  for (const key of keysInOrder.items) apply(copy, set(String(key), 'again'));
  assert.equal(copy.stats().keys, 30_000);
});
