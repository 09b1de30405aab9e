/**
 * Followers at the bound of their log take what their leader has in its log. They took nothing:
 * entries that a few had were never committed, so no snapshot could cover them and make the log
 * shorter, and all nodes refused writes for ever.
 *
 * Found by the simulator: all processes killed in turn, four groups, logs of four segments.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { runSeed } from '../../tools/sim/run.js';

test('seed 20895: logs at their bound kept each other from committing', () => {
  assert.equal(runSeed(20_895, 6).failure, null);
});
