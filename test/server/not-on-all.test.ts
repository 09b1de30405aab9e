/**
 * What the client port answers to writes that wait for all and are not on all in time.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { Harness } from './connection-harness.js';

test('a write that is not on all is answered in its order, with its index and who is missing', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nSET b 2\r\nSET c 3\r\n');
  const [a, b, c] = [on.channel.take(), on.channel.take(), on.channel.take()];
  c.sink.notOnAll?.(c.token, 19, []);
  b.sink.notOnAll?.(b.token, 18, [2, 3]);
  on.endRound();
  assert.equal(on.sent(), '');
  a.sink.notOnAll?.(a.token, 17, [3]);
  on.endRound();
  const lines = on.sent().split('\r\n');
  assert.deepEqual(lines, [
    '-ERR not on all: committed at 17, missing node 3',
    '-ERR not on all: committed at 18, missing nodes 2, 3',
    '-ERR not on all: committed at 19, who is missing is unknown: leadership moved',
    '',
  ]);
  assert.equal(on.connection.isBusy, false);
});
