/**
 * The fatal word: first death wins, its reason is readable by every thread.
 *
 * No thread is started: the word is shared memory and a few atomic words.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { createFatalWord, FatalWord, NOT_FATAL } from '../../workers/fatal.js';

test('a new fatal word says that nobody has died', () => {
  const word = new FatalWord(createFatalWord());
  assert.equal(word.code(), NOT_FATAL);
  assert.equal(word.message(), '');
});

test('the first death wins and is read through another window of the same memory', () => {
  const memory = createFatalWord();
  const reader = new FatalWord(memory);
  assert.equal(new FatalWord(memory).raise(3, 'disk: EIO at segment 7'), true);
  assert.equal(new FatalWord(memory).raise(4, 'a consequence'), false);
  assert.equal(reader.code(), 3);
  assert.equal(reader.message(), 'disk: EIO at segment 7');
});

test('a long message is cut between characters, never inside one', () => {
  const word = new FatalWord(createFatalWord());
  word.raise(1, 'ü€'.repeat(1000));
  assert.match(word.message(), /^(ü€)+ü?$/);
  assert.ok(Buffer.byteLength(word.message()) > 490);
});

test('codes that mean something else are refused', () => {
  const word = new FatalWord(createFatalWord());
  assert.throws(() => word.raise(0, 'x'), /positive/);
  assert.throws(() => word.raise(-1, 'x'), /positive/);
  assert.throws(() => new FatalWord(new SharedArrayBuffer(8)), /own memory/);
});
