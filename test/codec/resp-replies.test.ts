/**
 * Replies: what the writer writes in both protocols, and what the client's parser makes of it.
 *
 * Streams are parsed whole, cut at every byte, and byte by byte, with the same outcome.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplyWriter } from '../../codec/resp/reply.js';
import { ReplyKind, ReplyParser } from '../../codec/resp/reply-parser.js';
import { decodeReply, ReplyError, type ReplyValue } from '../../codec/resp/reply-value.js';

function written(write: (reply: ReplyWriter) => void, resp3 = false): string {
  const reply = new ReplyWriter();
  reply.resp3 = resp3;
  write(reply);
  return reply.take().toString('latin1');
}

/** Kinds and values of all replies in the chunks, and what is wrong with the stream. */
function parseChunks(chunks: readonly Buffer[], bytesMax?: number) {
  const parser = new ReplyParser(bytesMax);
  const kinds: ReplyKind[] = [];
  const values: ReplyValue[] = [];
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    parser.push(lent);
    let kind = parser.next();
    for (; kind > ReplyKind.needMore; kind = parser.next()) {
      kinds.push(kind);
      values.push(decodeReply(parser.buffer, parser.start, parser.end));
    }
    if (kind === ReplyKind.malformed) break;
    lent.fill(0x21);
  }
  return { kinds, values, failure: parser.failure };
}

const parse = (text: string, bytesMax?: number) => parseChunks([Buffer.from(text)], bytesMax);

test('each kind of reply has its form in RESP2 and in RESP3', () => {
  const both: readonly (readonly [(reply: ReplyWriter) => void, string, string])[] = [
    [(reply) => reply.ok(), '+OK\r\n', '+OK\r\n'],
    [(reply) => reply.simple('PONG'), '+PONG\r\n', '+PONG\r\n'],
    [(reply) => reply.error('ERR no'), '-ERR no\r\n', '-ERR no\r\n'],
    [(reply) => reply.nil(), '$-1\r\n', '_\r\n'],
    [(reply) => reply.boolean(true), ':1\r\n', '#t\r\n'],
    [(reply) => reply.boolean(false), ':0\r\n', '#f\r\n'],
    [(reply) => reply.integer(-42), ':-42\r\n', ':-42\r\n'],
    [
      (reply) => reply.integer(2n ** 63n - 1n),
      ':9223372036854775807\r\n',
      ':9223372036854775807\r\n',
    ],
    [(reply) => reply.bulkText('é'), '$2\r\n\xc3\xa9\r\n', '$2\r\n\xc3\xa9\r\n'],
    [(reply) => reply.bulkText(''), '$0\r\n\r\n', '$0\r\n\r\n'],
    [(reply) => reply.array(2), '*2\r\n', '*2\r\n'],
    [(reply) => reply.map(2), '*4\r\n', '%2\r\n'],
    [(reply) => reply.raw(Buffer.from('+X\r\n')), '+X\r\n', '+X\r\n'],
  ];
  for (const [write, resp2, resp3] of both) {
    assert.equal(written(write), resp2);
    assert.equal(written(write, true), resp3);
  }
});

test('line ends in a text cannot forge a reply', () => {
  assert.equal(
    written((reply) => reply.error("ERR 'a\r\n+OK\r\n'")),
    "-ERR 'a +OK '\r\n",
  );
  assert.equal(
    written((reply) => reply.simple('a\nb')),
    '+a b\r\n',
  );
});

test('what take has handed out is never written again', () => {
  const reply = new ReplyWriter();
  const taken: Buffer[] = [];
  const expected: string[] = [];
  for (let i = 0; i < 2000; i += 1) {
    const text = `${i}`.repeat(i % 40);
    reply.bulkText(text);
    expected.push(`$${text.length}\r\n${text}\r\n`);
    if (i % 3 === 0) taken.push(reply.take());
  }
  assert.equal(reply.length, expected.at(-1)!.length);
  taken.push(reply.take());
  assert.equal(reply.length, 0);
  assert.equal(Buffer.concat(taken).toString(), expected.join(''));
  const big = Buffer.alloc(300_000, 'x');
  reply.ok();
  reply.bulk(big, 0, big.length);
  assert.equal(reply.take().length, 5 + 9 + big.length + 2);
});

test('replies of every kind are found whole, wherever the stream is cut', () => {
  const stream = Buffer.from(
    '+OK\r\n-REDIRECT 2\r\n:12\r\n$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n' +
      '(12345678901234567890\r\n*3\r\n:1\r\n*2\r\n+a\r\n$1\r\nb\r\n-ERR in\r\n%1\r\n+k\r\n' +
      '*0\r\n~1\r\n:7\r\n=7\r\ntxt:abc\r\n!7\r\nERR bad\r\n*0\r\n',
  );
  const whole = parseChunks([stream]);
  assert.equal(whole.failure, null);
  assert.deepEqual(whole.values, [
    'OK',
    new ReplyError('REDIRECT 2'),
    12,
    'a\r\nbc',
    null,
    null,
    null,
    true,
    1.5,
    12345678901234567890n,
    [1, ['a', 'b'], new ReplyError('ERR in')],
    new Map([['k', []]]),
    [7],
    'abc',
    new ReplyError('ERR bad'),
    [],
  ]);
  const { simple, error, integer, bulk, nil, scalar, aggregate } = ReplyKind;
  const expected: ReplyKind[] = [simple, error, integer, bulk, nil, nil, nil];
  expected.push(scalar, scalar, scalar);
  expected.push(aggregate, aggregate, aggregate, bulk, error, aggregate);
  assert.deepEqual(whole.kinds, expected);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const parts = [stream.subarray(0, cut), stream.subarray(cut)];
    assert.deepEqual(parseChunks(parts), whole, `cut at ${cut}`);
  }
  assert.deepEqual(parseChunks(Array.from(stream, (byte) => Buffer.from([byte]))), whole);
});

test("a reply's payload can be looked at without building it", () => {
  const parser = new ReplyParser();
  parser.push(Buffer.from('-REDIRECT 2\r\n$3\r\nabc\r\n'));
  assert.equal(parser.next(), ReplyKind.error);
  assert.equal(parser.text(), 'REDIRECT 2');
  assert.ok(parser.startsWith(Buffer.from('REDIRECT ')));
  assert.ok(!parser.startsWith(Buffer.from('REDIRECT 22')));
  assert.equal(parser.next(), ReplyKind.bulk);
  assert.equal(parser.text(), 'abc');
  assert.equal(parser.next(), ReplyKind.needMore);
});

test('a stream that is not RESP is an error for good', () => {
  const wrong = ['HTTP/1.1 400\r\n', '$x\r\n', '$1\r\nabc', '*1\r\nx', '$-\r\n', '+a\rb', '|1\r\n'];
  for (const text of wrong) assert.match(parse(text).failure ?? '', /not a Redis reply/, text);
  assert.match(parse(`+${'x'.repeat(70_000)}`).failure ?? '', /line without an end/);
  assert.match(parse('$1000\r\n', 100).failure ?? '', /larger than the limit/);
  assert.match(parse('*1000\r\n', 100).failure ?? '', /larger than the limit/);
  assert.equal(parse('$10\r\n', 100).failure, null);
});

test('what the writer writes, the parser reads back', () => {
  const value = fc.oneof(
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    fc.string({ unit: 'binary' }),
    fc.constant(null),
  );
  fc.assert(
    fc.property(fc.array(fc.array(value)), fc.boolean(), (rows, resp3) => {
      const reply = new ReplyWriter();
      reply.resp3 = resp3;
      for (const row of rows) {
        reply.array(row.length);
        for (const item of row) {
          if (item === null) reply.nil();
          else if (typeof item === 'bigint') reply.integer(item);
          else reply.bulkText(item);
        }
      }
      const read = parseChunks([reply.take()]);
      const expected = rows.map((row) =>
        row.map((item) => {
          if (typeof item === 'bigint')
            return Number.isSafeInteger(Number(item)) ? Number(item) : item;
          return item === null ? null : Buffer.from(item).toString();
        }),
      );
      assert.deepEqual(read.values, expected);
    }),
    { numRuns: 50 },
  );
});
