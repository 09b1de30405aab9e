/**
 * SNAPSHOT on one client connection: its reply waits in order, behind the connection's own writes,
 * and nothing else waits for it.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ErrorNumber, RingraftError } from '../../engine/errors.js';
import { bulk } from '../live/raw-client.js';
import { Harness, valueResult } from './connection-harness.js';

const TAKEN = { index: 7, term: 2, imageBytes: 10, fileBytes: 300 };
const REPLY = bulk('size:300\nlast_index:7\nlast_term:2');

test('what comes behind it is carried out at once, and answered after it', async () => {
  const on = new Harness();
  on.receive('SNAPSHOT\r\nGET a\r\nPING\r\nSNAPSHOT\r\n');
  assert.deepEqual([on.snapshots.length, on.channel.operations.length], [2, 1]);
  on.complete(valueResult('1'));
  assert.equal(on.sent(), '');
  on.snapshots[0]?.resolve(TAKEN);
  await turn();
  on.endRound();
  assert.equal(on.sent(), `${REPLY}${bulk('1')}+PONG\r\n`);
  on.snapshots[1]?.reject(new RingraftError(ErrorNumber.snapshot, { detail: 'no\nspace' }));
  await turn();
  on.endRound();
  assert.match(on.sent(), /^-ERR snapshot: no snapshot was taken\. [^\r\n]+ no.space\r\n$/);
  assert.equal(on.connection.isBusy, false);
});

test('it covers what the connection wrote before it: writes in flight end first', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nGET b\r\nSNAPSHOT\r\nSET a 2\r\n');
  assert.deepEqual([on.snapshots.length, on.channel.operations.length], [0, 2]);
  on.complete();
  assert.equal(on.snapshots.length, 1);
  assert.equal(on.channel.operations.length, 2, 'the read, and the write behind');
});

test('an answer for a client that has gone harms nobody', async () => {
  const on = new Harness();
  on.receive('SNAPSHOT\r\n');
  on.socket.destroy();
  on.snapshots[0]?.resolve(TAKEN);
  await turn();
  on.endRound();
  assert.equal(on.sent(), '');
  assert.equal(on.budget.held, 0);
});
