/**
 * What entries of client sessions answer, in the worker: results and refusals in their order, the
 * same again for a command that comes again; and entries that this version does not know.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryMark } from '../../codec/entry.js';
import { ResultReader } from '../../codec/results.js';
import { ErrorNumber } from '../../engine/errors.js';
import { type HostEvents, InWorkerHost } from '../../engine/runtime/machine-host.js';
import type { BatchPart } from '../../engine/runtime/pending-writes.js';
import type { ApplyBatch, StateMachine } from '../../engine/state-machine.js';
import { closing, entry, inSession, opening, plain, slabOf } from './session-entries.js';

/** Answers how many commands it has seen; `no` is rejected, `quiet` is not answered. */
class Counter {
  readonly host: InWorkerHost;
  readonly seen: string[] = [];
  readonly answers: string[] = [];
  readonly failures: string[] = [];
  #last = 0;

  constructor() {
    const machine = {
      apply: (batch: ApplyBatch) => {
        while (batch.next()) this.#apply(batch);
      },
    } as unknown as StateMachine;
    this.host = new InWorkerHost(machine);
    this.host.attach({
      applied: (last: number) => {
        this.#last = last;
      },
      failed: (index: number, cause: unknown) => this.failures.push(`${index}: ${cause}`),
      partDone: (batch: number, offset: number, count: number, bytes: Uint8Array) => {
        const reader = new ResultReader(Buffer.from(bytes), 0, bytes.length);
        for (let at = offset; at < offset + count; at += 1) {
          reader.next();
          const text = Buffer.from(bytes).toString('latin1', reader.start, reader.end);
          this.answers.push(`${batch}.${at}${reader.rejected ? '!' : '='}${text}`);
        }
      },
      partRefused: (batch: number, offset: number, code: ErrorNumber) =>
        this.answers.push(`${batch}.${offset}?${code}`),
    } as unknown as HostEvents);
  }

  #apply(batch: ApplyBatch): void {
    const text = Buffer.from(batch.data).toString();
    this.seen.push(text);
    if (!batch.wanted) return;
    if (text === 'no') batch.reject('no');
    else if (text !== 'quiet') batch.reply(Buffer.from(String(this.seen.length)));
  }

  /** `parts`: of a batch, where it begins in the slab and how many entries it has. */
  apply(entries: readonly Buffer[], ...parts: [batch: number, from: number, count: number][]) {
    const first = this.#last + 1;
    const wanted: BatchPart[] = parts.map(([batch, from, count]) => {
      return { batch, offset: 0, first: first + from, last: first + from + count - 1 };
    });
    this.answers.length = 0;
    this.host.apply(slabOf(first, entries), first + entries.length - 1, wanted);
    return this.answers;
  }
}

const { sessionUnknown, sessionForgotten } = ErrorNumber;

test('results and refusals come in the order of the entries', () => {
  const on = new Counter();
  assert.deepEqual(on.apply([opening()], [5, 0, 1]), ['5.0=\u0001\0\0\0\0\0\0\0'], 'its id');
  const entries = [
    plain('a'),
    inSession(1, 1, 'b'),
    inSession(9, 1, 'lost'),
    inSession(1, 1, 'b'),
    inSession(1, 2, 'no'),
    inSession(1, 0, 'old'),
    inSession(1, 2, 'no'),
    inSession(1, 3, 'quiet'),
    plain('c'),
  ];
  assert.deepEqual(on.apply(entries, [6, 0, 4], [7, 4, 5]), [
    '6.0=1',
    '6.1=2',
    `6.2?${sessionUnknown}`,
    '6.3=2',
    '7.0!no',
    `7.1?${sessionForgotten}`,
    '7.2!no',
    '7.3=',
    '7.4=5',
  ]);
  assert.deepEqual(on.seen, ['a', 'b', 'no', 'quiet', 'c']);
  assert.deepEqual(on.apply([closing(1), closing(1)], [8, 0, 2]), ['8.0=\u0001', '8.1=\0']);
});

test('a replica that nobody waits at keeps the same results as one that answers', () => {
  const [leader, follower] = [new Counter(), new Counter()];
  const entries = [opening(), inSession(1, 1, 'a'), inSession(1, 2, 'no'), inSession(1, 1, 'a')];
  leader.apply(entries, [1, 0, 4]);
  assert.deepEqual(follower.apply(entries), []);
  assert.equal(follower.host.sessionsDigest(), leader.host.sessionsDigest());
  assert.deepEqual(follower.apply([inSession(1, 2, 'no'), inSession(1, 1, 'a')], [3, 0, 2]), [
    '3.0!no',
    '3.1=1',
  ]);
});

test('sessions expire by the time of the log, which never goes back', () => {
  const on = new Counter();
  on.apply([opening(1000, 5000), inSession(1, 1, 'a', 6000), inSession(1, 2, 'b', 6900)]);
  on.apply([inSession(1, 3, 'c', 10), entry(EntryMark.command, Buffer.from('late'), 7901)]);
  const answers = on.apply([inSession(1, 3, 'c', 10), inSession(1, 1, 'a', 10)], [1, 0, 2]);
  assert.deepEqual(answers, [`1.0?${sessionUnknown}`, `1.1?${sessionUnknown}`]);
  assert.equal(on.host.sessions, 0);
});

test('an entry of a later version stops the group by name, and is not passed over', () => {
  for (const [mark, payload, what] of [
    [EntryMark.session, Buffer.from([3, ...new Uint8Array(15)]), /does 3 to a session/],
    [EntryMark.session, Buffer.from([1]), /it has 1 bytes, what opens or closes a session has 16/],
    [EntryMark.command + 0x200, Buffer.alloc(16), /of kind 2 with flags 2/],
    [EntryMark.sessionCommand, Buffer.alloc(15), /a command in a session has 15 bytes/],
    [EntryMark.sessionCommand, Buffer.alloc(16, 255), /past 2\^53/],
  ] as const) {
    const on = new Counter();
    on.apply([plain('a'), entry(mark, payload), plain('b')]);
    assert.equal(on.failures.length, 1);
    assert.match(on.failures[0] ?? '', /^2: Error: entry 2 cannot be applied: /);
    assert.match(on.failures[0] ?? '', what);
    assert.deepEqual(on.seen, ['a']);
  }
});
