/**
 * Each house rule of tidy: a file that keeps it passes, one that breaks it is named with its line.
 *
 * Forbidden words are put together at run time, or this file would break the rules it tests.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { applyExemptions, type Problem } from '../../tools/house/problem.js';
import { readSource } from '../../tools/house/source-text.js';
import { trackedFiles } from '../../tools/house/tracked-files.js';
import { checkFile } from '../../tools/tidy.js';

const HEADER = '/**\n * What this is.\n *\n * What it must never do.\n */\n\n';
const HEADER_LINES = 6;

/** The rules that `code`, under a proper header, breaks at `path`, each with its line in `code`. */
function broken(code: string, path = 'engine/some.ts'): string[] {
  return checkFile(path, `${HEADER}${code}\n`).map(
    ({ rule, line }) => `${rule}:${line === 0 ? 0 : line - HEADER_LINES}`,
  );
}

test('a clean file has no problems', () => {
  assert.deepEqual(broken("export const answer: unknown = 'yes';"), []);
});

test('a line may have a hundred columns and not one more', () => {
  const fits = `// ${'x'.repeat(97)}`;
  assert.deepEqual(broken(fits), []);
  assert.deepEqual(broken(`\n${fits}x`), ['columns:2']);
  assert.deepEqual(broken(`// ${'─'.repeat(97)}`), [], 'characters count, not bytes');
});

test('a file may have five hundred lines and not one more', () => {
  const lines = (count: number): string => 'x;\n'.repeat(count - HEADER_LINES - 1).concat('x;');
  assert.deepEqual(broken(lines(500)), []);
  assert.deepEqual(broken(lines(501)), ['file-length:0']);
});

test('a file opens with a comment that says something, after #! if need be', () => {
  const rules = (text: string): string[] => checkFile('io/x.ts', text).map(({ rule }) => rule);
  assert.deepEqual(rules('export const x = 1;\n'), ['header']);
  assert.deepEqual(rules('/** Too short. */\nexport const x = 1;\n'), ['header']);
  assert.deepEqual(rules(`/**\n${' * Too long.\n'.repeat(11)} */\n`), ['header']);
  assert.deepEqual(rules(`/**\n${' * Just right.\n'.repeat(10)} */\n`), []);
  assert.deepEqual(rules(`#!/usr/bin/env node\n${HEADER}`), []);
  assert.deepEqual(rules('// One.\n// Two.\n// Three.\nexport const x = 1;\n'), []);
  const drawing = ' *   ┌───┐ ──▶\n'.repeat(8);
  assert.deepEqual(rules(`/**\n${' * Prose.\n'.repeat(6)}${drawing} */\n`), []);
});

test('the type any is found, the word in text or as a method is not', () => {
  assert.deepEqual(broken('let x: any;\nconst y = z as any;\nconst a: any[] = [];'), [
    'any:1',
    'any:2',
    'any:3',
  ]);
  assert.deepEqual(
    broken("// any file\nconst text = 'any';\nawait Promise.any(list);\nmany();"),
    [],
  );
});

test('unfinished work and silenced checks are found, in comments too', () => {
  assert.deepEqual(broken(`// ${'TO'}DO later`), ['unfinished:1']);
  assert.deepEqual(broken(`/* ${'FIX'}ME */`), ['unfinished:1']);
  assert.deepEqual(broken(`x;\n// @ts-${'ignore'}`), ['unfinished:2']);
  assert.deepEqual(broken('// @ts-expect-error: the test passes a wrong type on purpose'), []);
});

test('a focused or silently skipped test is found, one skipped with a reason is not', () => {
  assert.deepEqual(broken("test.only('x', () => {});"), ['focused-test:1']);
  assert.deepEqual(broken("describe.skip('x', () => {});"), ['focused-test:1']);
  assert.deepEqual(broken("test('x', { skip: true }, () => {});"), ['focused-test:1']);
  assert.deepEqual(broken("test('x', { skip: 'redis-cli is missing' }, () => {});"), []);
});

test('a name that says nothing is refused for files and folders', () => {
  const rules = (path: string): string[] => checkFile(path, HEADER).map(({ rule }) => rule);
  for (const path of ['engine/utils.ts', 'io/helpers/x.ts', 'common/x.ts', 'test/misc/y.ts']) {
    assert.deepEqual(rules(path), ['vague-name'], path);
  }
  for (const path of ['engine/utility-bill.ts', 'io/commonplace.ts'])
    assert.deepEqual(rules(path), []);
});

test('one file parks threads, one makes bytes durable', () => {
  const park = 'Atomics.wait(words, 0, 0);';
  assert.deepEqual(broken(park, 'workers/io-worker.ts'), ['parking:1']);
  assert.deepEqual(broken(park, 'workers/ring/doorbell.ts'), []);
  assert.deepEqual(broken('Atomics.waitAsync(words, 0, 0);', 'workers/router.ts'), []);
  const sync = 'fs.fdatasyncSync(fd);';
  assert.deepEqual(broken(sync, 'io/wal/wal.ts'), ['durability:1']);
  assert.deepEqual(broken('fsyncSync(fd);', 'io/wal/wal.ts'), ['durability:1']);
  assert.deepEqual(broken(sync, 'io/disk/fsync.ts'), []);
  assert.deepEqual(broken('// fdatasync(fd) is called elsewhere', 'io/wal/wal.ts'), []);
});

test('the core reaches for no clock, chance, promise or module outside itself', () => {
  const core = (code: string): string[] => broken(code, 'engine/raft/leader.ts');
  for (const code of [
    'const now = Date.now();',
    'const x = Math.random();',
    'performance.now();',
    'process.exit();',
    'setTimeout(f, 1);',
    'async function f() {}',
    'let p: Promise<void>;',
    "import { x } from 'node:fs';",
    "import { x } from '../errors.js';",
    "export * from '../../codec/u64.js';",
    "const m = import('../runtime/arena.js');",
  ]) {
    assert.deepEqual(core(code), ['pure-core:1'], code);
  }
  assert.deepEqual(core("import type { Term } from './types.js';"), []);
  assert.deepEqual(core('// Date.now() is the caller’s\nlet process: number; f(x.process);'), []);
  assert.deepEqual(broken('const now = Date.now();', 'engine/runtime/clock.ts'), []);
});

test('places of one machine and registries are found in any tracked file', () => {
  const rules = (text: string): string[] => checkFile('docs/x.md', text).map(({ rule }) => rule);
  assert.deepEqual(rules(`see /${'home'}/someone/x`), ['machine-path']);
  assert.deepEqual(rules(`see ..${'/shared'}/notes`), ['machine-path']);
  assert.deepEqual(rules(`https://registry.${'npmjs'}.org/x`), ['registry']);
  assert.deepEqual(rules(`"resolved": ${'"http'}s://x/y.tgz"`), ['registry']);
  assert.deepEqual(rules('how workers and farms work: docs/work/x, ~/root, ./work/y'), []);
});

test('a lock file that npm ci would refuse is found', () => {
  const lock = (packages: object): string[] =>
    checkFile('package-lock.json', JSON.stringify({ packages })).map(({ message }) => message);
  const parent = { version: '1.0.0', optionalDependencies: { '@x/other-os': '1.0.0' } };
  const [message] = lock({ 'node_modules/x': parent });
  assert.match(message ?? '', /no entry for @x\/other-os 1\.0\.0/);
  const entry = { version: '1.0.0', os: ['other'], optional: true };
  assert.deepEqual(lock({ 'node_modules/x': parent, 'node_modules/@x/other-os': entry }), []);
});

test('comments, strings, templates and regular expressions are no code', () => {
  // An opened placeholder, spelled so that the linter does not take it for a forgotten template.
  const open = '$'.concat('{');
  const code = (text: string): string => readSource('x.ts', text).code.replace(/\s+/g, ' ').trim();
  assert.equal(code("a('b // c'); // d"), 'a( );');
  assert.equal(code(`a(\`b ${open}c(\`d ${open}e}\`)} f\`, g);`), 'a( c( e ) , g);');
  assert.equal(code('a = b / c / d; x = /["/*]/g.test(y);'), 'a = b / c / d; x = g.test(y);');
  assert.equal(code("a = '\\'b'; c;"), 'a = ; c;');
  assert.equal(code('/* a\n`b */ c'), 'c');
  assert.equal(code(`f(\`${open}{ a: 1 }.a}\`, b)`), 'f( { a: 1 }.a , b)');
  const source = readSource('x.ts', 'a\n/* b\n */ c // d\ne');
  assert.equal(source.code.length, source.text.length);
  assert.equal(source.code.split('\n').length, 4);
});

test('an exemption excuses its rule in its file only, and is reported once unused', () => {
  const problem: Problem = { path: 'a.ts', line: 3, rule: 'parking', message: 'm' };
  const exempt = { path: 'a.ts', rule: 'parking', reason: 'because' };
  assert.deepEqual(applyExemptions([problem], [exempt]), []);
  assert.deepEqual(applyExemptions([problem], [{ ...exempt, path: 'b.ts' }]).length, 2);
  assert.deepEqual(
    applyExemptions([], [exempt]).map(({ rule }) => rule),
    ['exemption'],
  );
});

test('the list of tracked files has this file and nothing generated', () => {
  const paths = trackedFiles();
  assert.ok(paths.includes('package.json'));
  assert.ok(paths.every((path) => !/^(?:node_modules|dist|data|coverage)\//.test(path)));
});
