/**
 * KEYS in pages, against a channel that answers when the test says: the pages become one reply in
 * its turn, nothing of the connection overtakes it that must not, and every end is an answer.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { CHANNEL_BUSY } from '../../engine/channel.js';
import { ErrorNumber } from '../../engine/errors.js';
import { readU32 } from '../../engine/machines/kv/commands.js';
import {
  QueryType,
  SCAN_OFFSET_CURSOR,
  SCAN_OFFSET_PATTERN,
} from '../../engine/machines/kv/queries.js';
import { ResultWriter } from '../../engine/machines/kv/results.js';
import { array, bulk } from '../live/raw-client.js';
import { Harness, NIL } from './connection-harness.js';

/** What the machine answers to a page: keys, and the cursor of the next one. */
function page(keys: readonly string[], cursor: number): Buffer {
  const writer = new ResultWriter();
  writer.beginScan();
  for (const key of keys) writer.item(Buffer.from(key), 0, key.length);
  return Buffer.from(writer.finishScan(cursor));
}

/** Cursor and pattern of the page that is asked; only the first counts as an operation. */
function asked(on: Harness): [number, string] {
  const { payload, kind } = on.channel.operations.at(-1) as { payload: Buffer; kind: string };
  assert.equal(kind, 'read');
  const cursor = readU32(payload, SCAN_OFFSET_CURSOR);
  assert.equal(payload[0], cursor === 0 ? QueryType.scan : QueryType.scanOn);
  return [cursor, payload.toString('latin1', SCAN_OFFSET_PATTERN)];
}

test('all pages have the deadline of the first, whatever else is asked meanwhile', () => {
  const on = new Harness();
  on.receive(array('KEYS', '*'));
  const deadline = on.channel.operations.at(-1)?.options.deadline;
  for (let cursor = 1; cursor <= 3; cursor += 1) {
    on.sweep(1000);
    on.complete(page([], cursor));
    assert.equal(on.channel.operations.at(-1)?.options.deadline, deadline);
  }
  on.receive('GET g\r\n');
  assert.equal(on.channel.operations.at(-1)?.options.deadline, (deadline as number) + 3000);
});

test('pages become one reply, in its turn; reads go on meanwhile, writes wait', () => {
  const on = new Harness();
  on.receive(array('KEYS', 'k*'));
  assert.deepEqual(asked(on), [0, 'k*']);
  on.receive('GET g\r\nSET k9 1\r\n');
  assert.equal(on.channel.operations.length, 2, 'the write would change what is walked');
  on.complete(page(['k1', 'k2'], 77));
  assert.deepEqual(asked(on), [77, 'k*']);
  assert.equal(on.channel.operations.at(-1)?.options.consistency, 1, 'as applied here');
  on.complete(NIL, 0);
  on.complete(page([], 99));
  assert.deepEqual(asked(on), [99, 'k*']);
  assert.equal(on.sent(), '');
  on.complete(page(['k3'], 0));
  assert.equal(on.sent(), `*3\r\n${bulk('k1')}${bulk('k2')}${bulk('k3')}$-1\r\n`);
  on.complete();
  assert.equal(on.sent(), '+OK\r\n');
  assert.equal(on.connection.isBusy, false);
});

test('inline, all keys are one bulk of lines; a pipeline of KEYS goes one by one', () => {
  const on = new Harness();
  on.receive('KEYS\r\nKEYS z*\r\nPING\r\n');
  assert.deepEqual(asked(on), [0, '*']);
  assert.equal(on.channel.operations.length, 1);
  on.complete(page(['a', 'b c'], 0));
  assert.equal(on.sent(), bulk('a\n"b c"'));
  assert.deepEqual(asked(on), [0, 'z*']);
  on.complete(page([], 0));
  assert.equal(on.sent(), `${bulk('')}+PONG\r\n`);
});

test('an answer that grows too large is an error that names SCAN, and nothing more is asked', () => {
  const on = new Harness({ answerBytesMax: 1000 });
  on.receive(array('KEYS', '*'));
  on.complete(page(['x'.repeat(600)], 5));
  assert.ok(on.budget.held > 600, 'what was gathered is booked');
  on.complete(page(['y'.repeat(600)], 6));
  assert.equal(on.sent(), '-ERR KEYS would answer more than 1000 bytes, use SCAN\r\n');
  assert.equal(on.channel.operations.length, 0);
  assert.ok(on.budget.held < 600 + 1000);
});

test('no room, a refusal and a client that is gone end a walk between two pages', () => {
  const on = new Harness();
  on.receive(array('KEYS', '*'));
  on.channel.answer = CHANNEL_BUSY;
  on.complete(page(['a'], 5));
  assert.match(on.sent(), /^-ERR busy: /);
  on.channel.answer = 0;
  on.receive(array('KEYS', '*'));
  on.complete(page(['a'], 5));
  on.refuse(ErrorNumber.timeout);
  assert.match(on.sent(), /^-ERR timeout: /);
  on.receive(array('KEYS', '*'));
  on.connection.destroy();
  on.complete(page(['a'], 5));
  assert.equal(on.channel.operations.length, 0);
  assert.equal(on.budget.held, 0);
});

test('an engine without room holds KEYS back until there is some', () => {
  const on = new Harness();
  on.channel.answer = CHANNEL_BUSY;
  on.receive(array('KEYS', '*'));
  assert.equal(on.waiting, 1);
  on.channel.answer = 0;
  on.connection.goOn();
  on.complete(page(['a'], 0));
  assert.equal(on.sent(), `*1\r\n${bulk('a')}`);
});
