/**
 * What each command and query of the key-value machine answers, and what it refuses.
 *
 * A refusal must leave the state as it was: the digest is compared.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandType, SetFlag } from '../../engine/machines/kv/commands.js';
import { QueryType } from '../../engine/machines/kv/queries.js';
import {
  append,
  apply,
  applyUnwanted,
  clear,
  contents,
  del,
  deleteMany,
  get,
  getDelete,
  increment,
  keyValue,
  query,
  queryMany,
  set,
  setConditional,
  setMany,
} from './kv-harness.js';

const { ifAbsent, ifPresent, answerOld } = SetFlag;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const MALFORMED = { error: 'malformed key-value command: its lengths do not add up' };

test('the four commands of the server guide have its byte layout', () => {
  assert.deepEqual([...set('ab', 'xyz')], [1, 2, 0, 3, 0, 0, 0, 97, 98, 120, 121, 122]);
  assert.deepEqual([...del('ab')], [2, 2, 0, 0, 0, 0, 0, 97, 98]);
  const minusTwo = [254, 255, 255, 255, 255, 255, 255, 255];
  assert.deepEqual([...increment('a', -2)], [3, 1, 0, 8, 0, 0, 0, 97, ...minusTwo]);
  assert.deepEqual([...append('a', 'z')], [4, 1, 0, 1, 0, 0, 0, 97, 122]);
});

test('set, get, delete and append', () => {
  const machine = keyValue();
  assert.deepEqual(apply(machine, set('k', 'v'), append('k', 'w'), append('new', '12')), [
    'OK',
    2,
    2,
  ]);
  assert.deepEqual(get(machine, 'k'), { value: 'vw' });
  assert.deepEqual(apply(machine, del('k'), del('k')), [1, 0]);
  assert.equal(get(machine, 'k'), null);
  assert.deepEqual(get(machine, 'new'), { value: '12' });
});

test('keys and values are bytes: empty, non-UTF-8, and names that objects have', () => {
  const machine = keyValue();
  const keys = ['', '\0', '\xff\xfe', '__proto__', 'constructor', 'a\r\nb', 'x'.repeat(65_535)];
  for (const key of keys) assert.deepEqual(apply(machine, set(key, `${key}!`)), ['OK']);
  for (const key of keys) assert.deepEqual(get(machine, key), { value: `${key}!` });
  assert.equal(query(machine, QueryType.size), keys.length);
  apply(machine, set('empty', ''));
  assert.deepEqual(get(machine, 'empty'), { value: '' });
});

test('a counter is exact in 64 bits, and stored as text', () => {
  const machine = keyValue();
  assert.deepEqual(apply(machine, increment('n', 1), increment('n', 41)), [1, 42]);
  assert.deepEqual(get(machine, 'n'), { value: '42' });
  apply(machine, set('n', '9007199254740991'));
  assert.deepEqual(apply(machine, increment('n', 1), increment('n', 1)), [
    2n ** 53n,
    2n ** 53n + 1n,
  ]);
  assert.deepEqual(apply(machine, increment('n', -2)), [2 ** 53 - 1]);
  apply(machine, set('n', '9223372036854775806'));
  assert.deepEqual(apply(machine, increment('n', 1)), [INT64_MAX]);
  const overflow = { error: 'increment or decrement would overflow' };
  assert.deepEqual(apply(machine, increment('n', 1), increment('n', INT64_MAX)), [
    overflow,
    overflow,
  ]);
  assert.deepEqual(get(machine, 'n'), { value: '9223372036854775807' }, 'unchanged by the refusal');
  assert.deepEqual(apply(machine, increment('n', INT64_MIN)), [-1]);
  assert.deepEqual(apply(machine, increment('low', INT64_MIN)), [INT64_MIN]);
  assert.deepEqual(apply(machine, increment('low', -1)), [overflow]);
});

test('what is not a canonical integer cannot be incremented', () => {
  const machine = keyValue();
  for (const text of ['', 'a', ' 1', '01', '+1', '-0', '1.5', '9223372036854775808']) {
    apply(machine, set('n', text));
    const error = 'value is not an integer or out of range';
    assert.deepEqual(apply(machine, increment('n', 1)), [{ error }], JSON.stringify(text));
    assert.deepEqual(get(machine, 'n'), { value: text });
  }
});

test('a conditional set stores only when the condition holds, and can answer the old value', () => {
  const machine = keyValue();
  assert.deepEqual(apply(machine, setConditional('k', '1', ifPresent)), [null]);
  assert.deepEqual(apply(machine, setConditional('k', '1', ifAbsent)), ['OK']);
  assert.deepEqual(apply(machine, setConditional('k', '2', ifAbsent)), [null]);
  assert.deepEqual(get(machine, 'k'), { value: '1' });
  assert.deepEqual(apply(machine, setConditional('k', '3', ifPresent)), ['OK']);
  assert.deepEqual(apply(machine, setConditional('k', '4', answerOld)), [{ value: '3' }]);
  assert.deepEqual(apply(machine, setConditional('k', '5', answerOld | ifAbsent)), [
    { value: '4' },
  ]);
  assert.deepEqual(get(machine, 'k'), { value: '4' });
  assert.deepEqual(apply(machine, setConditional('new', '1', answerOld)), [null]);
  assert.deepEqual(get(machine, 'new'), { value: '1' });
  assert.deepEqual(apply(machine, setConditional('k', '', 8)), [{ error: 'unknown SET flags 8' }]);
});

test('commands on many keys, and those that read what they remove', () => {
  const machine = keyValue();
  const pairs = [
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
  ] as const;
  assert.deepEqual(apply(machine, setMany(pairs)), ['OK']);
  assert.deepEqual(
    contents(machine),
    new Map([
      ['a', '3'],
      ['b', '2'],
    ]),
  );
  assert.deepEqual(apply(machine, deleteMany(['a', 'a', 'none', 'b'])), [2]);
  apply(machine, set('k', 'v'));
  assert.deepEqual(apply(machine, getDelete('k'), getDelete('k')), [{ value: 'v' }, null]);
  apply(machine, set('a', '1'), set('b', '2'));
  assert.deepEqual(apply(machine, clear()), ['OK']);
  assert.equal(query(machine, QueryType.size), 0);
});

test('a malformed command is rejected and changes nothing', () => {
  const machine = keyValue();
  apply(machine, set('k', 'v'));
  const before = machine.digest();
  const pairs = setMany([
    ['k', '1'],
    ['l', '2'],
  ]);
  const broken = [
    Buffer.alloc(0),
    Buffer.from([CommandType.set, 0, 0]),
    set('k', 'new').subarray(0, -1),
    Buffer.concat([set('k', 'new'), Buffer.from('x')]),
    Buffer.from([CommandType.set, 255, 255, 255, 255, 255, 255, 1]),
    increment('k', 1).with(3, 7).subarray(0, -1) as Buffer,
    setMany([]),
    deleteMany([]),
  ];
  for (const command of broken) assert.deepEqual(apply(machine, Buffer.from(command)), [MALFORMED]);
  const inner = Buffer.from(pairs);
  inner.writeUInt32LE(100, pairs.length - 6);
  assert.deepEqual(apply(machine, inner), [MALFORMED], 'the second pair lies about its length');
  assert.deepEqual(apply(machine, Buffer.from([99, 0, 0, 0, 0, 0, 0])), [
    { error: 'unknown command type 99' },
  ]);
  assert.equal(machine.digest(), before);
});

test('a value may not exceed the limit, by whatever way it grows', () => {
  const machine = keyValue({ valueBytesMax: 10 });
  const error = 'value of 11 bytes exceeds the maximum of 10';
  const eleven = 'x'.repeat(11);
  assert.deepEqual(apply(machine, set('k', eleven)), [{ error }]);
  assert.deepEqual(apply(machine, setConditional('k', eleven, 0)), [{ error }]);
  assert.deepEqual(
    apply(
      machine,
      setMany([
        ['a', '1'],
        ['k', eleven],
      ]),
    ),
    [{ error }],
  );
  assert.deepEqual(apply(machine, set('k', '0123456789'), append('k', '!')), ['OK', { error }]);
  assert.deepEqual(contents(machine), new Map([['k', '0123456789']]));
});

test('results that nobody waits for are not sent, refusals are', () => {
  const machine = keyValue();
  assert.deepEqual(applyUnwanted(machine, set('k', 'v'), del('k'), increment('n', 1)), []);
  assert.deepEqual(applyUnwanted(machine, set('n', 'x'), increment('n', 1)).length, 1);
});

test('queries answer values, presence, length, type and size', () => {
  const machine = keyValue();
  apply(machine, set('a', '12345'), set('b', ''));
  assert.deepEqual(queryMany(machine, QueryType.getMany, ['a', 'x', 'b', 'a']), {
    items: ['12345', null, '', '12345'],
  });
  assert.equal(queryMany(machine, QueryType.exists, ['a', 'a', 'x', 'b']), 3);
  assert.equal(query(machine, QueryType.valueLength, 'a'), 5);
  assert.equal(query(machine, QueryType.valueLength, 'x'), 0);
  assert.deepEqual(query(machine, QueryType.type, 'b'), { value: 'string' });
  assert.deepEqual(query(machine, QueryType.type, 'x'), { value: 'none' });
  assert.equal(query(machine, QueryType.size), 2);
  assert.deepEqual(query(machine, 99 as QueryType), { error: 'unknown query type 99' });
  const malformed = { error: 'malformed key-value query: its lengths do not add up' };
  assert.deepEqual(query(machine, QueryType.getMany, '\x05\0abc'), malformed);
  assert.deepEqual(query(machine, QueryType.exists, 'x'), malformed);
  assert.deepEqual(query(machine, QueryType.scan, 'x'), malformed);
});

test('reads count as operations, questions about the store do not, and memory is what the records take', () => {
  const machine = keyValue();
  assert.deepEqual(machine.stats(), {
    keys: 0,
    memoryBytes: 0,
    operations: 0,
    reservedBytes: 8192,
  });
  apply(machine, set('a', '1'), set('a', '2'));
  get(machine, 'a');
  query(machine, QueryType.size);
  query(machine, QueryType.digest);
  const stat = { value: 'kv_keys:1\nkv_memory:16\nkv_ops:3' };
  assert.deepEqual(query(machine, QueryType.stat), stat);
  assert.deepEqual(query(machine, QueryType.stat), stat, 'asking changes nothing');
  apply(machine, del('a'));
  assert.equal(machine.stats().memoryBytes, 0);
});

test('answers are bounded, and say what to do instead', () => {
  const machine = keyValue({ answerBytesMax: 1024 });
  for (let i = 0; i < 200; i += 1) apply(machine, set(`key-${i}`, 'v'.repeat(100)));
  assert.deepEqual(query(machine, QueryType.keys, '*'), {
    error: 'KEYS would answer more than 1024 bytes, use SCAN',
  });
  const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
  assert.deepEqual(queryMany(machine, QueryType.getMany, keys), {
    error: 'MGET would answer more than 1024 bytes, ask for fewer keys',
  });
  const few = query(machine, QueryType.keys, 'key-1?');
  assert.equal(few !== null && typeof few === 'object' && 'items' in few && few.items.length, 10);
});

test('options are checked at once and all problems are named', () => {
  assert.throws(
    () => keyValue({ valueBytesMax: 0, hashSeed: 1.5, colour: 'red' }),
    (error: Error) => {
      assert.match(error.message, /valueBytesMax must be an integer from 1 to 536870912, not 0/);
      assert.match(error.message, /hashSeed must be/);
      assert.match(error.message, /unknown option colour/);
      return true;
    },
  );
  assert.throws(() => keyValue('fast'), /must be an object/);
  assert.doesNotThrow(() => keyValue({ hashSeed: 7 }));
});
