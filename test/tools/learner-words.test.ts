/**
 * Learners as fields of STATUS, read back as they were written, and as a line for people.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type Learner, learnerInWords, learnersIn } from '../../tools/load/learner-words.js';

test('the fields of STATUS are read back, whatever ends a line, and others are passed over', () => {
  const text =
    'standing:full\r\nlearner_4:match=10,lag=5,state=replicate,left_ms=1500\r\n' +
    'learner_5:match=0,lag=15,state=snapshot\r\nlearner_6:unwell\r\n';
  const learners: Learner[] = [
    { id: 4, match: 10, lag: 5, state: 'replicate', leftMs: 1500 },
    { id: 5, match: 0, lag: 15, state: 'snapshot', leftMs: null },
  ];
  assert.deepEqual(learnersIn(text), learners);
  assert.deepEqual(learnersIn(text.replaceAll('\r', '')), learners);
});

test('each state has its words', () => {
  const words = (state: string, lag: number, leftMs: number | null): string =>
    learnerInWords({ match: 7, lag, state, leftMs });
  assert.equal(words('replicate', 0, 0), 'at entry 7, 0 behind');
  assert.equal(words('replicate', 9, 1500), 'at entry 7, 9 behind; about 2 s to go');
  assert.equal(words('replicate', 9, null), 'at entry 7, 9 behind; comes no nearer');
  assert.equal(words('snapshot', 9, null), 'at entry 7, 9 behind; it is sent a snapshot');
  assert.equal(words('probe', 9, null), 'at entry 7, 9 behind; it has not answered yet');
});
