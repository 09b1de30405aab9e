/**
 * One client connection against a channel that answers when and how the test says: order, stalls,
 * limits, refusals, ends.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { CHANNEL_BUSY, CHANNEL_TOO_LARGE } from '../../engine/channel.js';
import { ErrorNumber } from '../../engine/errors.js';
import { array, bulk } from '../live/raw-client.js';
import { Harness, NIL, OK, valueResult } from './connection-harness.js';

const OK_REPLY = '+OK\r\n';

test('replies leave in the order of the requests, whatever the order of the results', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nGET b\r\nPING\r\nSET c 3\r\nGET d\r\nECHO e\r\n');
  assert.equal(on.sent(), '');
  on.complete(valueResult('d'), 3);
  on.complete(OK, 2);
  on.complete(NIL, 1);
  assert.equal(on.sent(), '');
  on.complete(OK, 0);
  assert.equal(on.sent(), `+OK\r\n$-1\r\n+PONG\r\n+OK\r\n${bulk('d')}${bulk('e')}`);
  assert.equal(on.connection.isBusy, false);
  assert.equal(on.commands, 6);
});

test('results of one round leave in one write', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nSET b 2\r\nSET c 3\r\n');
  let writes = 0;
  const write = on.socket.write.bind(on.socket);
  on.socket.write = (bytes) => {
    writes += 1;
    return write(bytes);
  };
  for (let i = 0; i < 3; i += 1) {
    const { sink, token } = on.channel.take();
    sink.result(token, OK, 0, 1, false, 0);
  }
  assert.equal(writes, 0);
  on.endRound();
  assert.equal(writes, 1);
  assert.equal(on.sent(), OK_REPLY.repeat(3));
});

test('any interleaving of requests and results gives the replies in order', () => {
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 50; round += 1) {
    const on = new Harness({ backlogMax: 1 + random(40) });
    let expected = '';
    let written = '';
    const results = new Map<number, Buffer>();
    const requests = Array.from({ length: 200 }, (_, i) => {
      const kind = random(3);
      if (kind === 0) expected += OK_REPLY;
      if (kind === 1) expected += bulk(`v${i}`);
      if (kind === 2) expected += bulk(`e${i}`);
      results.set(i, kind === 0 ? OK : valueResult(`v${i}`));
      const words = [
        ['SET', `k${i}`, 'x'],
        ['GET', `k${i}`],
        ['ECHO', `e${i}`],
      ][kind];
      return array(...(words as string[]));
    });
    const bytes = Buffer.concat(requests);
    for (let at = 0; at < bytes.length || on.channel.operations.length > 0; ) {
      if (at < bytes.length && !on.socket.isPaused() && random(2) === 0) {
        const size = 1 + random(300);
        on.receive(bytes.subarray(at, at + size));
        at += size;
      } else if (on.channel.operations.length > 0) {
        const which = random(on.channel.operations.length);
        const { payload } = on.channel.operations[which] as { payload: Buffer };
        const number = Number(/k(\d+)/.exec(payload.toString('latin1'))?.[1]);
        on.complete(results.get(number), which);
      }
      written += on.sent();
    }
    assert.equal(written, expected);
  }
});

test('a read behind a write of its connection must see it; others need not wait', () => {
  const on = new Harness();
  on.receive('GET a\r\n');
  assert.equal(on.channel.operations[0]?.options.behindWrites, false);
  on.complete(NIL);
  on.terms.turnOver();
  on.receive('SET a 1\r\nGET a\r\n');
  assert.equal(on.channel.operations[1]?.options.behindWrites, true);
});

test('a write waits for reads of its key, not for others', () => {
  const on = new Harness();
  on.receive('GET a\r\nSET b 1\r\nSET a 2\r\nPING\r\n');
  assert.deepEqual(
    on.channel.operations.map(({ kind }) => kind),
    ['read', 'write'],
  );
  assert.equal(on.socket.isPaused(), true);
  on.complete(NIL, 0);
  assert.equal(on.sent(), '$-1\r\n');
  assert.equal(on.channel.operations.length, 2);
  assert.equal(on.socket.isPaused(), false);
  on.complete();
  on.complete();
  assert.equal(on.sent(), '+OK\r\n+OK\r\n+PONG\r\n');
});

test('reads of many keys hold any write back, and writes of many keys wait for any read', () => {
  const on = new Harness();
  on.receive('DBSIZE\r\nSET x 1\r\n');
  assert.equal(on.channel.operations.length, 1);
  on.complete(NIL);
  assert.equal(on.channel.operations.length, 1);
  on.complete();
  on.receive('GET y\r\nMSET a 1 b 2\r\n');
  assert.equal(on.channel.operations.length, 1);
  on.complete(NIL);
  assert.equal(on.channel.operations.length, 1);
  on.complete();
  on.receive('MGET y\r\nDEL y\r\n');
  assert.equal(on.channel.operations.length, 1, 'one key read, the same key deleted');
});

test('a full engine holds the request and its followers until there is room', () => {
  const on = new Harness();
  on.channel.answer = CHANNEL_BUSY;
  on.receive('SET a 1\r\nSET b 2\r\n');
  assert.equal(on.channel.operations.length, 0);
  assert.equal(on.waiting, 1);
  assert.equal(on.socket.isPaused(), true);
  on.channel.answer = 0;
  on.connection.goOn();
  assert.equal(on.channel.operations.length, 2);
  assert.equal(on.socket.isPaused(), false);
});

test('an engine without room for the whole timeout: busy, certainly not executed', () => {
  const on = new Harness();
  on.channel.answer = CHANNEL_BUSY;
  on.receive('SET a 1\r\n');
  on.sweep(4000);
  assert.equal(on.sent(), '');
  on.sweep(2000);
  assert.match(on.sent(), /^-ERR busy: .* not executed/);
  on.channel.answer = 0;
  on.receive('SET a 1\r\n');
  on.complete();
  assert.equal(on.sent(), OK_REPLY);
});

test('a command too large for the log is answered with both numbers', () => {
  const on = new Harness();
  on.channel.answer = CHANNEL_TOO_LARGE;
  on.receive('SET a 1\r\nPING\r\n');
  assert.match(on.sent(), /^-ERR command of \d+ bytes, at most 1048576 are allowed\r\n\+PONG\r\n$/);
});

test('refusals: inline writes are redirected, arrays are not, outcomes are told', () => {
  const on = new Harness();
  const rows: readonly (readonly [string | Buffer, ErrorNumber, RegExp])[] = [
    ['SET a 1\r\n', ErrorNumber.notLeader, /^-REDIRECT 3\r\n$/],
    [array('SET', 'a', '1'), ErrorNumber.notLeader, /^-ERR not leader: .* was not executed/],
    [array('SET', 'a', '1'), ErrorNumber.noLeader, /^-ERR no leader\r\n$/],
    [array('SET', 'a', '1'), ErrorNumber.outcomeUnknown, /^-ERR outcome unknown: /],
    [array('SET', 'a', '1'), ErrorNumber.busy, /^-ERR busy: /],
    [array('SET', 'a', '1'), ErrorNumber.closed, /^-ERR closing: /],
    [array('SET', 'a', '1'), ErrorNumber.tooLarge, /^-ERR outcome unknown: its reply is too large/],
    ['GET a\r\n', ErrorNumber.timeout, /^-ERR timeout: /],
    ['GET a\r\n', ErrorNumber.noLeader, /^-ERR no leader\r\n$/],
    ['GET a\r\n', ErrorNumber.tooLarge, /^-ERR the reply is too large to be sent/],
    ['GET a\r\n', ErrorNumber.stateMachine, /^-ERR the state machine /],
  ];
  for (const [request, code, pattern] of rows) {
    on.receive(request);
    on.refuse(code, 3);
    assert.match(on.sent(), pattern);
  }
  on.receive('SET a 1\r\n');
  on.refuse(ErrorNumber.notLeader, 0);
  assert.equal(on.sent(), '-ERR no leader\r\n');
});

test('a rejected command is an error of the state machine', () => {
  const on = new Harness();
  on.receive('INCR a\r\n');
  const { sink, token } = on.channel.take();
  const reason = Buffer.from('value is not an integer');
  sink.result(token, reason, 0, reason.length, true, 0);
  on.endRound();
  assert.equal(on.sent(), '-ERR value is not an integer\r\n');
});

test('STATUS answers also when its figures cannot be had', () => {
  const on = new Harness();
  on.receive('STATUS\r\n');
  on.refuse(ErrorNumber.stateMachine);
  assert.match(on.sent(), /^\$\d+\r\nnode_id:1\n/);
  on.channel.answer = CHANNEL_BUSY;
  on.receive('STATUS\r\n');
  assert.match(on.sent(), /^\$\d+\r\nnode_id:1\n/);
});

test('beyond the backlog the socket is not read until replies have gone', () => {
  const on = new Harness({ backlogMax: 3 });
  on.receive('SET a 1\r\n'.repeat(5));
  assert.equal(on.channel.operations.length, 3);
  assert.equal(on.socket.isPaused(), true);
  on.complete();
  assert.equal(on.channel.operations.length, 3);
  on.complete();
  on.complete();
  on.complete();
  assert.equal(on.socket.isPaused(), false);
  on.complete();
  assert.equal(on.sent(), OK_REPLY.repeat(5));
});

test('a client that does not read is not read from, and goes on when it does', () => {
  const on = new Harness({ outputBytesMax: 100 });
  on.socket.stuck = true;
  on.receive('ECHO 0123456789\r\n'.repeat(50));
  assert.equal(on.socket.isPaused(), true);
  assert.ok(on.socket.writableLength < 200);
  const before = on.commands;
  assert.ok(before < 50);
  on.socket.drained();
  assert.equal(on.commands, 50);
  assert.equal(on.socket.isPaused(), false);
});

test('a client that never reads is closed by time, one that takes bytes never', () => {
  const slow = new Harness({ outputBytesMax: 100, unreadMs: 1000 });
  slow.socket.stuck = true;
  slow.receive('ECHO 0123456789\r\n'.repeat(50));
  slow.sweep(500);
  assert.equal(slow.hasEnded, false);
  slow.sweep(1600);
  assert.equal(slow.hasEnded, true);
  const taking = new Harness({ outputBytesMax: 100, unreadMs: 1000 });
  taking.socket.stuck = true;
  for (let i = 0; i < 20; i += 1) {
    taking.receive('GET a\r\n');
    if (i > 0) taking.socket.emit('drain');
    while (taking.channel.operations.length > 0) taking.complete(valueResult('x'.repeat(200)));
    taking.sweep(900);
    // It took what it had; as much again is waiting at the next look.
    taking.socket.writableLength = 0;
  }
  assert.equal(taking.hasEnded, false);
});

test('a single reply fits whatever the limit of output is', () => {
  const on = new Harness({ outputBytesMax: 1000 });
  on.socket.stuck = true;
  on.receive('GET a\r\nGET b\r\nGET c\r\n');
  const value = 'x'.repeat(1024 * 1024);
  on.complete(valueResult(value));
  assert.equal(on.hasEnded, false);
  assert.equal(on.channel.operations.length, 1, 'the one that waited for it goes');
  on.complete(valueResult(value));
  assert.equal(on.hasEnded, false);
  assert.equal(on.channel.operations.length, 0, 'others wait until these are taken');
  on.socket.drained();
  on.complete(valueResult(value));
  assert.equal(on.sent(), bulk(value).repeat(3));
});

test('after many small values as many large ones stay within the part of the budget', () => {
  // A sixteenth of an entry's size each, half of the budget in all.
  const on = new Harness({ budgetBytes: 16 * 1024 * 1024 });
  on.receive('GET a\r\n'.repeat(1000));
  let open = 0;
  for (let i = 0; i < 1000; i += 1) {
    open = Math.max(open, on.channel.operations.length);
    on.complete(valueResult('small'));
  }
  assert.equal(open, 128);
  on.sent();
  const large = valueResult('x'.repeat(1_000_000));
  on.receive('GET b\r\n'.repeat(300));
  assert.equal(on.channel.operations.length, 128);
  for (let i = 0; i < 128; i += 1) {
    on.complete(large);
    on.sent();
  }
  assert.equal(on.channel.operations.length, 8, 'one large value is remembered');
  for (let i = 0; i < 40; i += 1) on.complete(valueResult('small'));
  assert.ok(on.channel.operations.length < 20, 'and forgotten slowly');
  assert.equal(on.hasEnded, false);
});

test('MGET counts as many reads as it has keys, one of many keys goes alone', () => {
  const on = new Harness({ outputBytesMax: 1024 * 1024 });
  const keys = ' a'.repeat(1000);
  on.receive(`MGET${keys}\r\n`.repeat(3));
  assert.equal(on.channel.operations.length, 1);
  on.complete(NIL);
  assert.equal(on.channel.operations.length, 1);
  const few = new Harness({ outputBytesMax: 1024 * 1024 });
  few.receive('MGET a b\r\n'.repeat(5));
  assert.equal(few.channel.operations.length, 2);
});

test('known replies behind a waiting one are booked with what each costs', () => {
  const on = new Harness();
  on.receive(`GET a\r\n${'PING\r\n'.repeat(16_383)}`);
  assert.ok(on.budget.held > 16_383 * 150, String(on.budget.held));
  on.complete(NIL);
  assert.equal(on.sent(), `$-1\r\n${'+PONG\r\n'.repeat(16_383)}`);
  assert.equal(on.budget.held, 0);
  const tight = new Harness({ outputBytesMax: 100_000 });
  tight.receive(`GET a\r\n${'PING\r\n'.repeat(16_383)}`);
  assert.ok(tight.commands < 1000, 'no more are read than may wait');
  tight.complete(NIL);
  assert.equal(tight.sent(), `$-1\r\n${'+PONG\r\n'.repeat(16_383)}`);
});

test('a connection gives back its memory for cut requests when nothing is unread', () => {
  const on = new Harness();
  on.receive('SET a');
  on.receive(' 1\r\n');
  on.complete();
  on.sweep(250);
  assert.equal(on.budget.held, 0);
  on.receive('*2\r\n$3\r\nGET\r\n');
  on.connection.trim();
  on.receive('$1\r\na\r\n');
  on.complete(valueResult('1'));
  assert.equal(on.sent(), `+OK\r\n${bulk('1')}`);
  const held = new Harness();
  held.receive('GET a\r\nSET');
  held.receive(' a 1\r\n');
  held.connection.trim();
  assert.equal(held.channel.operations.length, 1, 'the write waits for the read');
  held.complete(NIL);
  assert.match(held.channel.take().payload.toString('latin1'), /a/, 'and is still whole');
});

test('reads of large values go a few at a time', () => {
  const on = new Harness({ outputBytesMax: 1024 * 1024 });
  on.receive('GET a\r\n'.repeat(1000));
  const first = on.channel.operations.length;
  assert.ok(first > 1 && first <= 5, String(first));
  for (let i = 0; i < 300; i += 1) on.complete(valueResult('small'));
  assert.ok(on.channel.operations.length > 400, 'small replies open the window');
});

test('after garbage one error is sent, in its turn, and nothing behind it is read', () => {
  const on = new Harness();
  on.receive('SET a 1\r\n*x\r\nSET b 2\r\n');
  assert.equal(on.channel.operations.length, 1);
  assert.equal(on.socket.ended, false);
  on.complete();
  assert.equal(on.sent(), '+OK\r\n-ERR Protocol error: invalid multibulk length\r\n');
  assert.equal(on.socket.ended, true);
  on.receive('SET c 3\r\n');
  assert.equal(on.channel.operations.length, 0);
  on.sweep(3000);
  assert.equal(on.hasEnded, true);
});

test('QUIT and the end of input answer what is owed first', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nQUIT\r\nSET b 2\r\n');
  assert.equal(on.socket.ended, false);
  on.complete();
  assert.equal(on.sent(), '+OK\r\n+OK\r\n');
  assert.equal(on.socket.ended, true);
  const half = new Harness();
  half.receive('SET a 1\r\n');
  half.socket.emit('end');
  half.endRound();
  assert.equal(half.socket.ended, false);
  half.complete();
  assert.equal(half.sent(), OK_REPLY);
  assert.equal(half.socket.ended, true);
});

test('a request begun and not ended, and silence, end the connection in time', () => {
  const partial = new Harness({ partialMs: 1000 });
  partial.receive('*2\r\n$3\r\nGET\r\n$1\r\n');
  partial.sweep(900);
  assert.equal(partial.sent(), '');
  partial.sweep(200);
  assert.equal(partial.sent(), '-ERR a request was begun and not ended within 1 s\r\n');
  assert.equal(partial.socket.ended, true);
  const idle = new Harness({ idleMs: 1000 });
  idle.receive('SET a 1\r\n');
  idle.sweep(2000);
  assert.equal(idle.socket.ended, false, 'who waits for a reply is not idle');
  idle.complete();
  idle.sweep(2000);
  assert.equal(idle.socket.ended, true);
});

test('what a connection holds is booked, and given back when it ends', () => {
  const on = new Harness({ budgetBytes: 180_000 });
  on.receive('*2\r\n$3\r\nGET\r\n$200000\r\n');
  on.receive('x'.repeat(100_000));
  assert.ok(on.budget.held >= 100_000 && on.budget.held < 180_000, String(on.budget.held));
  assert.equal(on.overdraws, 0);
  on.receive('x'.repeat(60_000));
  assert.ok(on.overdraws > 0, 'memory that doubles while it grows is counted');
  on.connection.destroy();
  assert.equal(on.budget.held, 0);
});

test('untaken replies are booked; giving up loses the connection that does not take them', () => {
  const on = new Harness({ budgetBytes: 50_000 });
  on.socket.stuck = true;
  on.receive('GET a\r\n');
  on.complete(valueResult('x'.repeat(60_000)));
  assert.ok(on.overdraws > 0);
  assert.ok(on.connection.forfeitBytes >= 60_000);
  on.connection.giveUp();
  assert.equal(on.budget.held, 0);
  assert.equal(on.connection.forfeitBytes, 0);
  assert.equal(on.hasEnded, true);
});

test('an unfinished request is given up with an error behind the replies that are owed', () => {
  const on = new Harness();
  on.receive('SET a 1\r\n*2\r\n$3\r\nGET\r\n$200000\r\n');
  on.receive('x'.repeat(100_000));
  on.connection.giveUp();
  assert.ok(on.budget.held < 10_000, String(on.budget.held));
  on.receive('x'.repeat(100_000));
  assert.ok(on.budget.held < 10_000, 'what still comes is dropped');
  assert.equal(on.sent(), '');
  on.complete();
  const [ok, error, end] = on.sent().split('\r\n');
  assert.equal(ok, '+OK');
  assert.match(
    error as string,
    /^-ERR busy: clients hold \d+ bytes .*, at most 268435456 .*, 100022 bytes so far.*not exec/,
  );
  assert.equal(end, '');
  assert.equal(on.socket.ended, true);
});

test('a tight budget shrinks what a client may leave untaken, and it goes on by itself', () => {
  const on = new Harness({ budgetBytes: 400_000, outputBytesMax: 300_000 });
  on.budget.change(250_000);
  on.socket.stuck = true;
  on.receive('COMMAND LIST\r\n'.repeat(1000));
  assert.equal(on.socket.isPaused(), true);
  assert.ok(on.socket.writableLength < 110_000, String(on.socket.writableLength));
  const before = on.commands;
  on.budget.change(-250_000);
  on.sweep(250);
  assert.ok(on.commands > before, 'no event of its own was needed');
});

test('results for a connection that is gone are dropped', () => {
  const on = new Harness();
  on.receive('SET a 1\r\nGET b\r\nSET b 2\r\n');
  on.connection.destroy();
  assert.equal(on.hasEnded, true);
  on.complete(NIL, 1);
  on.complete();
  assert.equal(on.sent(), '');
  assert.equal(on.channel.operations.length, 0);
  assert.equal(on.connection.isBusy, false);
});

test('RESP3 is spoken from HELLO 3 on, and only to arrays', () => {
  const on = new Harness();
  on.receive(Buffer.concat([array('HELLO', '3'), array('GET', 'a')]));
  assert.match(on.sent(), /^%7\r\n/);
  on.complete(NIL);
  assert.equal(on.sent(), '_\r\n');
  on.receive('GET a\r\n');
  on.complete(NIL);
  assert.equal(on.sent(), '$-1\r\n');
});
