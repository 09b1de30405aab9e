/**
 * SCAN, and the glob patterns it shares with KEYS.
 *
 * The promise of a scan: a key that is there throughout is given, however the table changes, and
 * whichever node answers.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readU32 } from '../../engine/machines/kv/commands.js';
import { Glob } from '../../engine/machines/kv/glob.js';
import { rankOf } from '../../engine/machines/kv/key-index.js';
import type { KvMachine } from '../../engine/machines/kv/kv-machine.js';
import { SCAN_KEYS_MAX } from '../../engine/machines/kv/queries.js';
import { ARRAY_OFFSET_COUNT } from '../../engine/machines/kv/results.js';
import { KeyPages, PageOutcome } from '../../tools/server/key-pages.js';
import { apply, del, keyValue, scan, set } from './kv-harness.js';

function matches(pattern: string, text: string): boolean {
  const bytes = Buffer.from(`<${text}>`, 'latin1');
  return new Glob(Buffer.from(pattern, 'latin1')).matches(bytes, 1, bytes.length - 1);
}

function fill(machine: KvMachine, prefix: string, count: number): void {
  for (let i = 0; i < count; i += 1) apply(machine, set(`${prefix}:${i}`, 'v'));
}

/** Scans to the end; `between` runs after every step. */
function scanAll(machine: KvMachine, count: number, between?: (step: number) => void): string[] {
  const seen: string[] = [];
  let cursor = 0;
  let step = 0;
  do {
    const found = scan(machine, cursor, count);
    seen.push(...found.keys);
    cursor = found.cursor;
    between?.(step);
    step += 1;
    assert.ok(step < 100_000, 'a scan ends');
  } while (cursor !== 0);
  return seen;
}

test('glob patterns mean what they mean in Redis', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'hllo', true],
    ['h*llo', 'heeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['h[a-b]llo', 'hcllo', false],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'hello', false],
    ['[\\]]', ']', true],
    ['[a-', '-', true],
    ['[a', 'a', true],
    ['[', 'a', false],
    ['[^', 'a', true],
    ['[]a', 'a', false],
    ['a\\', 'a\\', true],
    ['*', '', true],
    ['**', 'abc', true],
    ['', '', true],
    ['', 'a', false],
    ['?', '', false],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXbYbZ', false],
    ['*\xff?', 'ab\xff\0', true],
    ['A', 'a', false],
  ];
  for (const [pattern, text, expected] of cases) {
    assert.equal(matches(pattern, text), expected, `${pattern} on ${JSON.stringify(text)}`);
  }
});

test('stars match as a regular expression would', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 12 });
  const texts = fc.array(fc.constantFrom('a', 'b'), { maxLength: 16 });
  fc.assert(
    fc.property(letters, texts, (pattern, text) => {
      const asRegexp = new Map([
        ['*', '.*'],
        ['?', '.'],
      ]);
      const regexp = pattern.map((step) => asRegexp.get(step) ?? step).join('');
      const expected = new RegExp(`^${regexp}$`, 's').test(text.join(''));
      assert.equal(matches(pattern.join(''), text.join('')), expected);
    }),
    { numRuns: 500 },
  );
});

test('no pattern takes exponential time', () => {
  assert.equal(matches('a*'.repeat(50).concat('b'), 'a'.repeat(5000)), false);
});

test('a rank is the hash with its bits reversed', () => {
  assert.equal(rankOf(1), 0x8000_0000);
  assert.equal(rankOf(0x8000_0000), 1);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (hash) => {
      assert.equal(rankOf(rankOf(hash)), hash);
      const text = hash.toString(2).padStart(32, '0');
      assert.equal(rankOf(hash), Number.parseInt([...text].reverse().join(''), 2));
    }),
  );
});

test('a scan of a quiet store gives every key exactly once', () => {
  for (const count of [0, 1, 10, 700, 5000]) {
    const machine = keyValue();
    fill(machine, 'k', count);
    for (const step of [1, 10, 100_000]) {
      const seen = scanAll(machine, step);
      assert.equal(seen.length, count);
      assert.equal(new Set(seen).size, count);
    }
  }
});

test('a scan step looks at about as many keys as it was asked for', () => {
  const machine = keyValue();
  fill(machine, 'k', 5000);
  const { keys, cursor } = scan(machine, 0, 50);
  assert.ok(keys.length >= 50 && keys.length < 100, `${keys.length} keys`);
  assert.notEqual(cursor, 0);
  const none = scan(machine, 0, 10, 'nothing*');
  assert.deepEqual(none.keys, []);
  assert.notEqual(none.cursor, 0, 'a step without a match is not the end');
});

test('no count makes a step look at more than its bound', () => {
  const machine = keyValue();
  fill(machine, 'k', 5000);
  const { keys, cursor } = scan(machine, 0, 4_000_000_000);
  assert.ok(keys.length >= SCAN_KEYS_MAX && keys.length < SCAN_KEYS_MAX + 50);
  assert.notEqual(cursor, 0);
});

test('a step ends early when matching is much work, and the scan still finds every key', () => {
  const machine = keyValue();
  const pattern = `*${'a'.repeat(200)}b`;
  for (let i = 0; i < 60; i += 1)
    apply(machine, set(`${i}${'a'.repeat(5000)}${i % 2 ? 'b' : ''}`, 'v'));
  let steps = 0;
  let cursor = 0;
  const seen: string[] = [];
  do {
    const found = scan(machine, cursor, 1000, pattern);
    seen.push(...found.keys);
    cursor = found.cursor;
    steps += 1;
  } while (cursor !== 0);
  assert.ok(steps >= 10 && steps <= 60, `${steps} steps`);
  assert.equal(new Set(seen).size, 30);
  assert.equal(seen.length, 30);
  assert.equal(scan(machine, 0, 1000, '*').cursor, 0, 'a lone star is no work');
});

test('an operation in pages counts once', () => {
  const machine = keyValue();
  fill(machine, 'k', 5000);
  const before = machine.stats().operations;
  const pages = new KeyPages(Buffer.from('*'), 1024 * 1024);
  for (let outcome: PageOutcome = PageOutcome.more; outcome === PageOutcome.more; ) {
    const answer = Buffer.from(machine.query(pages.query));
    outcome = pages.take(answer, 0, answer.length);
  }
  assert.equal(readU32(pages.result(), ARRAY_OFFSET_COUNT), 5000);
  assert.equal(machine.stats().operations, before + 1);
});

test('every key that is there throughout is found while the table grows and shrinks', () => {
  const machine = keyValue();
  fill(machine, 'stays', 500);
  const grown = scanAll(machine, 40, (step) => {
    for (let i = 0; i < 100; i += 1) apply(machine, set(`more:${step}:${i}`, 'v'));
    for (let i = 0; i < 20; i += 1) apply(machine, del(`more:${step - 1}:${i}`));
  });
  assert.equal(new Set(grown.filter((key) => key.startsWith('stays'))).size, 500);

  const all = scanAll(machine, 1000).filter((key) => !key.startsWith('stays'));
  let gone = 0;
  const shrunk = scanAll(machine, 20, () => {
    for (const key of all.slice(gone, gone + 500)) apply(machine, del(key));
    gone += 500;
  });
  assert.equal(new Set(shrunk.filter((key) => key.startsWith('stays'))).size, 500);
});

test('a cursor taken on one node goes on on another, whose table has another size', () => {
  const [small, large] = [keyValue(), keyValue()];
  fill(small, 'k', 600);
  fill(large, 'x', 20_000);
  fill(large, 'k', 600);
  const seen = new Set<string>();
  let cursor = 0;
  for (let step = 0; step === 0 || cursor !== 0; step += 1) {
    const found = scan(step % 2 === 0 ? small : large, cursor, 30);
    for (const key of found.keys) seen.add(key);
    cursor = found.cursor;
  }
  for (let i = 0; i < 600; i += 1) assert.ok(seen.has(`k:${i}`), `k:${i}`);
});
