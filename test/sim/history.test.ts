/**
 * Histories of clients: pairing of events, JSON lines there and back, merging; and the trace.
 *
 * Virtual time only: a test here must never wait.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHistory } from '../../tools/check/linearizability.js';
import { History, mergeHistories } from '../../tools/sim/history.js';
import { historyFromLines, historyToLines } from '../../tools/sim/history-lines.js';
import { describeOperation, describeOutcome } from '../../tools/sim/operation.js';
import { renderEvent, Trace } from '../../tools/sim/trace.js';

function sample(): History {
  const history = new History();
  const a = history.invoke(1, 1, { op: 'set', key: 'k', value: 'v\u00e9"\n' }, 10);
  const b = history.invoke(2, 3, { op: 'incr', key: 'c', by: -2 }, 20);
  history.ok(b, '-2', 30);
  const c = history.invoke(2, 3, { op: 'cas', key: 'k', expected: 'x', value: 'y' }, 40);
  history.fail(c, 'REDIRECT 1', 50);
  history.unknown(a, 'timeout', 60);
  const d = history.invoke(2, 3, { op: 'incr', key: 'k', by: 1 }, 70);
  history.ok(d, { error: 'notInteger' }, 80);
  history.invoke(3, 2, { op: 'del', key: 'k' }, 90);
  return history;
}

test('events are paired, and what has no outcome is unknown', () => {
  const history = sample();
  const invocations = history.invocations();
  assert.deepEqual(
    invocations.map(({ operation, outcome }) => {
      return `${describeOperation(operation)}: ${describeOutcome(outcome)}`;
    }),
    [
      'set k "vé\\"\\n": unknown: timeout',
      'incr c by -2: ok "-2"',
      'cas k "x" → "y": refused: REDIRECT 1',
      'incr k by 1: ok error notInteger',
      'del k: unknown: no outcome recorded',
    ],
  );
  assert.deepEqual(
    invocations.map(({ invokedAt, completedAt }) => [invokedAt, completedAt]),
    [
      [0, Number.POSITIVE_INFINITY],
      [1, 2],
      [3, 4],
      [6, 7],
      [8, Number.POSITIVE_INFINITY],
    ],
  );
  assert.equal(history.pending, 1);
});

test('JSON lines are read back as they were written', () => {
  const text = historyToLines(sample());
  assert.equal(text.split('\n').length, 10);
  const again = historyFromLines(text);
  assert.deepEqual(again.events, sample().events);
  assert.deepEqual(again.invocations(), sample().invocations());
});

test('a bad line is refused with its number', () => {
  const good = '{"event":"invoke","timeUs":1,"id":0,"client":1,"node":1,"op":"get","key":"k"}\n';
  const bad: [string, RegExp][] = [
    ['nonsense', /^Error: history line 2: /],
    ['[]', /line 2: field event must be a string/],
    [
      '{"event":"invoke","timeUs":1,"id":1,"client":1,"node":1,"op":"toString"}',
      /unknown operation/,
    ],
    [
      '{"event":"invoke","timeUs":1,"id":1,"client":1,"node":1,"op":"set","key":"k"}',
      /field value/,
    ],
    ['{"event":"ok","timeUs":1,"id":0}', /field result/],
    ['{"event":"ok","timeUs":1,"id":0,"result":{"error":"?"}}', /field result/],
    ['{"event":"perhaps","timeUs":1,"id":0}', /unknown event perhaps/],
    ['{"event":"fail","timeUs":1,"id":0}', /field why/],
    ['{"event":"fail","timeUs":1,"id":7,"why":""}', /has one outcome, after its invocation/],
  ];
  for (const [line, expected] of bad) {
    assert.throws(() => historyFromLines(`${good}${line}\n`), expected);
  }
});

test('an operation has one outcome', () => {
  const history = new History();
  const id = history.invoke(1, 1, { op: 'get', key: 'k' }, 1);
  history.unknown(id, 'timeout', 2);
  assert.throws(() => history.ok(id, null, 3), /one outcome/);
});

test('histories recorded apart are merged by time, and a tie orders nothing', () => {
  const writer = new History();
  writer.ok(writer.invoke(0, 1, { op: 'set', key: 'k', value: 'a' }, 10), null, 20);
  const reader = new History();
  reader.ok(reader.invoke(0, 1, { op: 'get', key: 'k' }, 20), null, 30);
  const merged = mergeHistories([writer, reader]);
  assert.deepEqual(
    merged.events.map(({ event, id }) => `${event} ${id}`),
    ['invoke 0', 'invoke 1', 'ok 0', 'ok 1'],
  );
  assert.deepEqual(
    merged.invocations().map(({ client }) => client),
    [0, 1],
  );
  assert.equal(checkHistory(merged).finding, 'explained');
  const late = new History();
  late.ok(late.invoke(0, 1, { op: 'get', key: 'k' }, 21), null, 30);
  assert.equal(checkHistory(mergeHistories([writer, late])).finding, 'contradiction');
});

test('an event is one aligned line', () => {
  assert.equal(
    renderEvent(1_234_567, 2, 'leader\nin term 3'),
    '    1234.567  n2  leader in term 3',
  );
  assert.equal(renderEvent(9, 0, 'heal'), '       0.009  --  heal');
});

test('a trace keeps the last lines and digests all', () => {
  const seen: string[] = [];
  const trace = new Trace({ keptLinesMax: 3, sink: (line) => seen.push(line) });
  const longer = new Trace({ keptLinesMax: 100 });
  for (let time = 0; time < 8; time += 1) {
    trace.event(time, 1, `event ${time}`);
    longer.event(time, 1, `event ${time}`);
  }
  assert.deepEqual(trace.lines(), seen.slice(-3));
  assert.deepEqual(longer.lines(), seen);
  assert.equal(trace.count, 8);
  assert.match(trace.digest(), /^[0-9a-f]{16}$/);
  assert.equal(trace.digest(), longer.digest());
  longer.event(8, 1, '');
  assert.notEqual(trace.digest(), longer.digest());
});
