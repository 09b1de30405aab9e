/**
 * The request parser: framing, quoting, limits, and streams that are not RESP at all.
 *
 * Every stream is also parsed in pieces, and each piece is overwritten once it has been parsed, so
 * that a parser which kept somebody else's memory would be seen.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DEFAULT_REQUEST_LIMITS,
  Parsed,
  type RequestLimits,
  RequestParser,
} from '../../codec/resp/request-parser.js';

interface Seen {
  readonly requests: readonly { readonly inline: boolean; readonly args: readonly string[] }[];
  readonly error: string | null;
}

/** Feeds the chunks one by one, overwriting each afterwards, and notes every request. */
function parseChunks(chunks: readonly Buffer[], limits: Partial<RequestLimits> = {}): Seen {
  const parser = new RequestParser({ ...DEFAULT_REQUEST_LIMITS, ...limits });
  const requests: { inline: boolean; args: string[] }[] = [];
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    parser.push(lent);
    let parsed = parser.next();
    for (; parsed === Parsed.request; parsed = parser.next()) {
      const args: string[] = [];
      for (let i = 0; i < parser.count; i += 1) {
        const start = parser.ranges[2 * i]!;
        args.push(parser.buffer.toString('latin1', start, parser.ranges[2 * i + 1]!));
      }
      requests.push({ inline: parser.inline, args });
    }
    if (parsed === Parsed.error) break;
    lent.fill(0x21);
  }
  return { requests, error: parser.error };
}

function parse(text: string, limits: Partial<RequestLimits> = {}): Seen {
  return parseChunks([Buffer.from(text, 'latin1')], limits);
}

function encode(args: readonly Uint8Array[]): Buffer {
  const parts = args.flatMap((arg) => [
    Buffer.from(`$${arg.length}\r\n`),
    arg,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...parts]);
}

const inlineArgs = (text: string) => parse(`${text}\r\n`).requests.map(({ args }) => args);

test('an array of bulk strings and an inline command are both requests, told apart', () => {
  assert.deepEqual(parse('*2\r\n$3\r\nGET\r\n$1\r\nk\r\nGET k\r\nPING\n').requests, [
    { inline: false, args: ['GET', 'k'] },
    { inline: true, args: ['GET', 'k'] },
    { inline: true, args: ['PING'] },
  ]);
});

test('a stream cut at any byte gives the same requests', () => {
  const stream = Buffer.concat([
    encode([Buffer.from('SET'), Buffer.from('key'), Buffer.from('a\r\n$b')]),
    Buffer.from('SET greeting "Hello, \\x52aft!"\r\n\r\n'),
    encode([Buffer.from('MSET'), Buffer.alloc(0), Buffer.from([0, 255, 13, 10])]),
    Buffer.from("*0\r\n*-1\r\nECHO 'it\\'s'\n"),
    encode([Buffer.from('GET'), Buffer.from('k')]),
  ]);
  const whole = parseChunks([stream]);
  assert.equal(whole.requests.length, 5);
  assert.equal(whole.error, null);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const parts = [stream.subarray(0, cut), stream.subarray(cut)];
    assert.deepEqual(parseChunks(parts), whole, `cut at ${cut}`);
  }
  const bytes = Array.from(stream, (byte) => Buffer.from([byte]));
  assert.deepEqual(parseChunks(bytes), whole, 'byte by byte');
});

test('any arguments survive any cutting', () => {
  const requests = fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1 }));
  fc.assert(
    fc.property(requests, fc.array(fc.integer({ min: 1, max: 50 })), (wanted, sizes) => {
      const stream = Buffer.concat(wanted.map(encode));
      const chunks: Buffer[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i += 1) {
        const size = sizes.length > 0 ? sizes[i % sizes.length]! : stream.length;
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      const seen = parseChunks(chunks);
      assert.equal(seen.error, null);
      const expected = wanted.map((args) => args.map((arg) => Buffer.from(arg).toString('latin1')));
      assert.deepEqual(
        seen.requests.map(({ args }) => args),
        expected,
      );
    }),
  );
});

test('large arguments survive chunks that are smaller, and small requests around them', () => {
  const big = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 0xff));
  const wanted = [[big(3)], [big(100_000), big(5)], [big(20_000)], [big(1)], [big(300_000)]];
  const stream = Buffer.concat(wanted.map(encode));
  for (const size of [1000, 7001, 65_536]) {
    const count = Math.ceil(stream.length / size);
    const chunks = Array.from({ length: count }, (_, i) =>
      stream.subarray(i * size, i * size + size),
    );
    const seen = parseChunks(chunks).requests.map(({ args }) => args);
    assert.deepEqual(
      seen,
      wanted.map((args) => args.map((arg) => arg.toString('latin1'))),
    );
  }
});

test('inline values are quoted as in redis-cli', () => {
  assert.deepEqual(inlineArgs('SET  a   "b c"'), [['SET', 'a', 'b c']]);
  assert.deepEqual(inlineArgs('SET greeting "Hello, Raft!"'), [
    ['SET', 'greeting', 'Hello, Raft!'],
  ]);
  assert.deepEqual(inlineArgs('SET s "10.0.1.5:8080"'), [['SET', 's', '10.0.1.5:8080']]);
  assert.deepEqual(inlineArgs('a "\\n\\r\\t\\b\\a\\"\\\\\\q"'), [['a', '\n\r\t\b\x07"\\q']]);
  assert.deepEqual(inlineArgs('a "\\x00\\xfF\\xg0\\x1"'), [['a', '\0\xffxg0x1']]);
  assert.deepEqual(inlineArgs("a 'b\\'c\\n\"'"), [['a', 'b\'c\\n"']]);
  assert.deepEqual(inlineArgs('a "" \'\''), [['a', '', '']]);
  assert.deepEqual(inlineArgs('a b\\nc'), [['a', 'b\\nc']]);
  assert.deepEqual(inlineArgs('a x"y z"'), [['a', 'xy z']]);
  assert.deepEqual(inlineArgs('   '), []);
});

test('quotes that do not close or are followed by more text are an error', () => {
  for (const line of ['a "b', "a 'b", 'a "b"c', "a 'b'c", 'a "b\\"']) {
    const { error, requests } = parse(`${line}\r\n`);
    assert.equal(error, 'Protocol error: unbalanced quotes in request', line);
    assert.deepEqual(requests, []);
  }
});

test('a wrong length is an error that names which, and the parser stays in it', () => {
  const multibulk = 'Protocol error: invalid multibulk length';
  const bulk = 'Protocol error: invalid bulk length';
  const cases: readonly (readonly [string, string])[] = [
    ['*\r\n', multibulk],
    ['*a\r\n', multibulk],
    ['*1a\r\n', multibulk],
    ['*01\r\n', multibulk],
    ['*+1\r\n', multibulk],
    ['*1\n$1\r\n', multibulk],
    ['*1048577\r\n', multibulk],
    ['*99999999999999999999\r\n', multibulk],
    ['*-a\r\n', multibulk],
    ['*-2\r\n', multibulk],
    ['*-5\r\n', multibulk],
    ['*-0\r\n', multibulk],
    ['*1\r\n$-7\r\n', bulk],
    ['*1\r\n$-1\r\n', bulk],
    ['*1\r\n$-\r\n', bulk],
    ['*1\r\n$\r\n', bulk],
    ['*1\r\n$01\r\n', bulk],
    ['*1\r\n$8388609\r\n', bulk],
    ['*1\r\n$4294967297\r\n', bulk],
    ['*1\r\n$99999999999', bulk],
    ['*1\r\n:1\r\n', "Protocol error: expected '$', got ':'"],
    ['*1\r\n\r\n', "Protocol error: expected '$', got '\\x0d'"],
    ['*1\r\n$1\r\nab\r\n', 'Protocol error: a bulk string is longer than its length says'],
  ];
  for (const [text, error] of cases) {
    const seen = parse(`*1\r\n$4\r\nPING\r\n${text}`);
    assert.equal(seen.error, error, JSON.stringify(text));
    assert.equal(seen.requests.length, 1, 'what came before is still a request');
  }
  const parser = new RequestParser();
  parser.push(Buffer.from('*x\r\n'));
  assert.equal(parser.next(), Parsed.error);
  parser.push(Buffer.from('*1\r\n$4\r\nPING\r\n'));
  assert.equal(parser.next(), Parsed.error);
});

test('limits hold before anything is kept: a huge length is refused when it is announced', () => {
  const limits = { bulkBytesMax: 100, requestBytesMax: 150, argumentsMax: 3 };
  assert.equal(parse('*1\r\n$101\r\n', limits).error, 'Protocol error: invalid bulk length');
  assert.equal(parse('*4\r\n', limits).error, 'Protocol error: invalid multibulk length');
  const first = `*2\r\n$100\r\n${'x'.repeat(100)}\r\n`;
  assert.equal(parse(`${first}$10\r\n`, limits).error, null);
  assert.match(parse(`${first}$60\r\n`, limits).error ?? '', /more than 150 bytes/);
});

test('a line without end is cut off at the inline limit, wherever the stream is cut', () => {
  const limits = { inlineBytesMax: 20 };
  const tooBig = 'Protocol error: too big inline request';
  assert.deepEqual(parse(`${'x'.repeat(20)}\r\n`, limits).requests[0]?.args, ['x'.repeat(20)]);
  assert.equal(parse('x'.repeat(21), limits).error, null, 'the last byte may be the CR');
  assert.equal(parse('x'.repeat(22), limits).error, tooBig);
  assert.equal(parse(`${'x'.repeat(23)}\r\n`, limits).error, tooBig);
  const bytes = Array.from({ length: 30 }, () => Buffer.from('x'));
  assert.equal(parseChunks(bytes, limits).error, tooBig);
});

test('HTTP and TLS are recognised', () => {
  const http = 'Protocol error: this is not an HTTP port';
  const requests = [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /set HTTP/1.1\r\n',
    'post x\r\n',
    'Host: localhost:5101\r\n',
    'PRI * HTTP/2.0\r\n\r\n',
  ];
  for (const text of requests) assert.equal(parse(text).error, http, text);
  const hello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]);
  assert.equal(parseChunks([hello]).error, 'Protocol error: this port does not speak TLS');
  assert.equal(parse('SET page HTTP/1.1\r\n').error, null, 'as a value it is welcome');
  assert.equal(parse('GET HTTP/1.1\r\n').error, null);
});

test('garbage never throws and never grows without bound', () => {
  const limits = { inlineBytesMax: 64, bulkBytesMax: 256, requestBytesMax: 512, argumentsMax: 16 };
  const bytes = fc.oneof(fc.constantFrom(...Buffer.from('*$\r\n"\'0123-\\x ')), fc.nat(255));
  const chunks = fc.array(fc.array(bytes, { maxLength: 60 }), { maxLength: 30 });
  fc.assert(
    fc.property(chunks, (parts) => {
      const parser = new RequestParser(limits);
      for (const part of parts) {
        parser.push(Buffer.from(part));
        let parsed = parser.next();
        while (parsed === Parsed.request) parsed = parser.next();
        if (parsed === Parsed.error) return;
        assert.ok(parser.pendingBytes <= limits.requestBytesMax + 64);
      }
    }),
    { numRuns: 500 },
  );
});

test('parsing may stop between two requests and the chunk be reused after retain', () => {
  const parser = new RequestParser();
  const chunk = Buffer.from('*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n*1\r\n$');
  parser.push(chunk);
  assert.equal(parser.next(), Parsed.request);
  parser.retain();
  chunk.fill(0);
  assert.equal(parser.next(), Parsed.request);
  const name = () => parser.buffer.toString('latin1', parser.ranges[0]!, parser.ranges[1]!);
  assert.equal(name(), 'QUIT');
  assert.equal(parser.next(), Parsed.needMore);
  parser.push(Buffer.from('2\r\nAB\r\n'));
  assert.equal(parser.next(), Parsed.request);
  assert.equal(name(), 'AB');
});
