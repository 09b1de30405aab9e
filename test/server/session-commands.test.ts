/**
 * SESSION on a client connection: what goes into the log, what comes back, and what is refused, for
 * inline lines and arrays alike.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryMark } from '../../codec/entry.js';
import { SessionAction } from '../../codec/session-entry.js';
import { ErrorNumber } from '../../engine/errors.js';
import { array } from '../live/raw-client.js';
import { Harness, OK } from './connection-harness.js';

const { session, sessionCommand } = EntryMark;

function u64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function id(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

test('OPEN and CLOSE become entries of sessions, and answer numbers', () => {
  const on = new Harness();
  on.receive('SESSION OPEN\r\nsession open ttl 5000\r\nSESSION CLOSE 77\r\nSESSION CLOSE 78\r\n');
  assert.deepEqual(on.channel.marks, [session, session, session, session]);
  const sent = on.channel.operations.map(({ payload }) => [payload[0], u64(payload, 8)]);
  assert.deepEqual(sent, [
    [SessionAction.open, 3_600_000],
    [SessionAction.open, 5000],
    [SessionAction.close, 77],
    [SessionAction.close, 78],
  ]);
  on.complete(id(2 ** 40));
  on.complete(id(8));
  on.complete(Buffer.from([1]));
  on.complete(Buffer.from([0]));
  assert.equal(on.sent(), `:${2 ** 40}\r\n:8\r\n:1\r\n:0\r\n`);
});

test('a write behind a place is the write that it would be alone, with the place before it', () => {
  for (const parts of [
    ['SET', 'key', 'a value'],
    ['SET', 'key', 'v', 'NX'],
    ['INCRBY', 'n', '-5'],
    ['MSET', 'a', '1', 'b', '2'],
    ['DEL', 'a', 'b'],
    ['APPEND', 'l', 'more'],
  ]) {
    const alone = new Harness();
    alone.receive(array(...parts));
    const on = new Harness();
    on.receive(array('SESSION', '12', '345', ...parts));
    assert.deepEqual(on.channel.marks, [sessionCommand]);
    const { payload } = on.channel.take();
    assert.deepEqual([u64(payload, 0), u64(payload, 8)], [12, 345]);
    assert.deepEqual(payload.subarray(16), alone.channel.take().payload, parts.join(' '));
  }
});

test('an inline line may have a place too, in a pipeline with others', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nSESSION 12 1 SET a "two words"\r\nSESSION 12 2 INCR n 5\r\nPING\r\n');
  assert.deepEqual(on.channel.marks, [sessionCommand, sessionCommand]);
  assert.match(on.channel.operations[1]?.payload.toString('latin1') ?? '', /two words$/);
  for (let left = 3; left > 0; left -= 1) on.complete(OK);
  assert.equal(on.sent(), '+OK\r\n+OK\r\n+OK\r\n+PONG\r\n');
});

test('a write with a place waits for a read of its key on the same connection', () => {
  const on = new Harness();
  on.receive('GET a\r\nSESSION 12 1 SET b 1\r\nSESSION 12 2 SET a 1\r\n');
  assert.deepEqual(on.channel.marks, [sessionCommand]);
  on.complete(Buffer.from([1]));
  assert.deepEqual(on.channel.marks, [sessionCommand, sessionCommand]);
});

test('refusals of the engine say what is known, in the words of a session', () => {
  const on = new Harness();
  const { outcomeUnknown, sessionUnknown, sessionForgotten, notLeader, tooLarge } = ErrorNumber;
  const refused = (code: ErrorNumber, line = 'SESSION 12 1 SET a 1\r\n'): string => {
    on.receive(line);
    on.refuse(code, 3);
    return on.sent();
  };
  assert.match(refused(outcomeUnknown), /^-ERR outcome unknown: send it again with its session/);
  assert.match(refused(outcomeUnknown, 'SET a 1\r\n'), /^-ERR outcome unknown: .* Read back/);
  assert.match(refused(sessionUnknown), /^-ERR session unknown: .* SESSION OPEN\r\n$/);
  assert.match(refused(sessionForgotten), /^-ERR session forgotten: .* Read back; at most 1024/);
  assert.equal(refused(notLeader), '-REDIRECT 3\r\n');
  assert.match(refused(tooLarge), /^-ERR outcome unknown/);
});

test('what is no session, place or write is refused with value, rule and remedy', () => {
  const on = new Harness();
  const refused = (line: string): string => {
    on.receive(`${line}\r\n`);
    assert.equal(on.channel.operations.length, 0, line);
    return on.sent();
  };
  assert.match(refused('SESSION'), /wrong number of arguments for 'session' command/);
  assert.match(refused('SESSION USE 4'), /unknown subcommand 'USE'. Try SESSION HELP/);
  assert.match(refused('SESSION HELP'), /OPEN \[TTL milliseconds\]/);
  assert.match(refused('SESSION OPEN TTL'), /syntax error: SESSION OPEN \[TTL milliseconds\]/);
  assert.match(refused('SESSION OPEN TTL 5'), /TTL is '5', must be from 1000 to 2592000000/);
  assert.match(refused('SESSION OPEN TTL x'), /TTL is 'x'/);
  assert.match(refused('SESSION CLOSE 0'), /session is '0', must be the number that SESSION OPEN/);
  assert.match(refused('SESSION CLOSE'), /wrong number of arguments for 'session\|close'/);
  assert.match(refused('SESSION 0 1 SET a 1'), /session is '0'/);
  assert.match(refused('SESSION 12 0 SET a 1'), /sequence is '0', must be a whole number from 1/);
  assert.match(refused('SESSION 12 9007199254740993 SET a 1'), /sequence is '9007199254740993'/);
  assert.match(refused('SESSION 12 1'), /SESSION id sequence COMMAND/);
  assert.match(refused('SESSION 12 1 GET a'), /GET is no write: send it alone/);
  assert.match(refused('SESSION 12 1 SESSION 12 2 SET a 1'), /SESSION is no write/);
  assert.match(refused('SESSION 12 1 NOPE a'), /unknown command 'NOPE', .*: 'a'/);
  assert.match(refused('SESSION 12 1 SET a'), /wrong number of arguments for 'set' command/);
  on.receive('SET a 1\r\n');
  assert.deepEqual(on.channel.marks, [], 'a place holds for its own request alone');
});
