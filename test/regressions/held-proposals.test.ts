/**
 * What proposals were held without a leader becomes several requests of the log: it came beside
 * what one turn takes in anyway, and the log refuses a request larger than half of a segment.
 *
 * Found by the simulator: a new leader submitted 36,528 bytes to segments of 64 KiB.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { runSeed } from '../../tools/sim/run.js';

test('seed 20187: proposals that were held made a request too large for the log', () => {
  assert.equal(runSeed(20_187, 6).failure, null);
});
