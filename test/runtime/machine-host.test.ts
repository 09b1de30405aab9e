/**
 * The machine that lives in the worker: commands and queries are answered in order, in bounded
 * portions, and only while whoever takes the answers has room; what a machine does instead of what
 * it must is named.
 */

import assert from 'node:assert/strict';
import test from 'node:test';
import { EntryKind, entryBytes, writeEntryHeader } from '../../codec/entry.js';
import { ResultReader } from '../../codec/results.js';
import { type HostEvents, InWorkerHost } from '../../engine/runtime/machine-host.js';
import type { ReadBatch } from '../../engine/runtime/pending-reads.js';
import type { BatchPart } from '../../engine/runtime/pending-writes.js';
import type { ApplyBatch, StateMachine } from '../../engine/state-machine.js';

function batchOf(id: number, queries: readonly string[]): ReadBatch {
  const parts = queries.flatMap((query) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(query.length);
    return [length, Buffer.from(query)];
  });
  return { id, count: queries.length, queries: Buffer.concat(parts), deadline: 0 };
}

/** A machine that answers a query by that many bytes. */
class Asked {
  readonly answers: string[] = [];
  portionBytesMax = 0;
  room = Number.POSITIVE_INFINITY;
  asked = 0;
  /** The stopwatch, and how long a query takes. */
  ms = 0;
  queryMs = 0;
  readonly host: InWorkerHost;

  constructor() {
    const machine = {
      query: (query: Uint8Array) => {
        this.asked += 1;
        this.ms += this.queryMs;
        const size = Number(Buffer.from(query).toString());
        if (Number.isNaN(size)) throw new Error('not a number');
        return Buffer.alloc(size, 'x');
      },
    } as unknown as StateMachine;
    const hasRoom = (): boolean => this.room > 0;
    this.host = new InWorkerHost(machine, hasRoom, undefined, () => this.ms);
    this.host.attach({
      queried: (batch: ReadBatch, offset: number, count: number, results: Uint8Array) => {
        this.room -= 1;
        this.portionBytesMax = Math.max(this.portionBytesMax, results.length);
        const buffer = Buffer.from(results);
        const reader = new ResultReader(buffer, 0, buffer.length);
        for (let i = offset; reader.next(); i += 1) {
          const mark = reader.rejected ? '!' : '';
          this.answers.push(`${batch.id}.${i}:${reader.end - reader.start}${mark}`);
        }
        assert.equal(this.answers.at(-1)?.split(':')[0], `${batch.id}.${offset + count - 1}`);
      },
    } as unknown as HostEvents);
  }
}

test('batches are answered in order, each query by its own answer', () => {
  const on = new Asked();
  on.host.query(batchOf(1, ['3', 'oops', '0']));
  on.host.query(batchOf(2, ['7']));
  assert.deepEqual(on.answers, ['1.0:3', '1.1:12!', '1.2:0', '2.0:7']);
  assert.equal(on.host.isWaiting, false);
});

test('large answers leave in portions of bounded size', () => {
  const on = new Asked();
  on.host.query(batchOf(1, new Array<string>(100).fill('10000')));
  assert.equal(on.answers.length, 100);
  assert.ok(on.portionBytesMax <= 64 * 1024);
});

test('slow queries are answered over several turns, of one batch and of several', () => {
  const on = new Asked();
  on.queryMs = 0.4;
  on.host.query(batchOf(1, new Array<string>(4).fill('1')));
  on.host.query(batchOf(2, ['2']));
  assert.deepEqual([on.asked, on.host.canGoOn], [3, true], 'the time of one turn');
  assert.equal(on.host.waitsForImage, false, 'an image may have its pauses');
  on.host.goOn();
  assert.equal(on.asked, 3, 'of which nothing is left');
  on.queryMs = 70;
  for (const asked of [4, 5]) {
    on.host.beginTurn();
    on.host.goOn();
    on.host.query(batchOf(2 * asked, ['3']));
    assert.equal(on.asked, asked, 'one a turn at least');
  }
  on.queryMs = 0;
  on.host.beginTurn();
  on.host.goOn();
  assert.deepEqual(on.answers.slice(-4), ['1.3:1', '2.0:2', '8.0:3', '10.0:3']);
  assert.equal(on.host.isWaiting, false);
});

test('without room nothing more is asked of the machine, and later it goes on where it was', () => {
  const on = new Asked();
  on.room = 2;
  on.host.query(batchOf(1, new Array<string>(50).fill('30000')));
  on.host.query(batchOf(2, ['1']));
  assert.ok(on.answers.length < 8, `${on.answers.length} answers went into no room`);
  assert.equal(on.asked, on.answers.length, 'no answer is kept back');
  assert.equal(on.host.isWaiting, true);
  on.host.goOn();
  assert.equal(on.asked, on.answers.length);
  while (on.host.isWaiting) {
    on.room = 1;
    on.host.goOn();
  }
  const expected = Array.from({ length: 50 }, (_, i) => `1.${i}:30000`);
  assert.deepEqual(on.answers, [...expected, '2.0:1']);
});

test('a query that answers with no bytes fails alone, by what it returned', async () => {
  const answers = [Buffer.from('a'), undefined, 'text', Promise.reject(new Error('unseen')), 'b'];
  const seen: string[] = [];
  const machine = {
    query: () => (answers.length === 1 ? Buffer.from('b') : answers.shift()),
  } as unknown as StateMachine;
  const host = new InWorkerHost(machine);
  host.attach({
    queried: (_: ReadBatch, offset: number, count: number) =>
      seen.push(`${offset}+${count} answered`),
    queryFailed: (_: ReadBatch, offset: number, text: string) => seen.push(`${offset} ${text}`),
  } as unknown as HostEvents);
  host.query(batchOf(1, ['1', '2', '3', '4', '5', '6']));
  const rule = 'it must return bytes, a Uint8Array such as a Buffer, at once';
  assert.deepEqual(seen, [
    '0+1 answered',
    `1 query returned undefined: ${rule}`,
    `2 query returned "text": ${rule}`,
    `3 query returned a Promise: ${rule}`,
    '4+2 answered',
  ]);
  await new Promise((resolve) => setImmediate(resolve));
});

/** A host with a machine, and what it said of the slabs it was given. */
class Applying {
  readonly results: string[] = [];
  readonly applied: number[] = [];
  readonly failed: { index: number; cause: unknown }[] = [];
  /** Bytes of each portion. */
  readonly portions: number[] = [];
  room = Number.POSITIVE_INFINITY;
  readonly host: InWorkerHost;

  constructor(apply: (batch: ApplyBatch) => unknown) {
    const machine = { apply, query: (query: Uint8Array) => query } as unknown as StateMachine;
    this.host = new InWorkerHost(machine, () => this.room > 0);
    this.host.attach({
      applied: (last: number) => this.applied.push(last),
      failed: (index: number, cause: unknown) => this.failed.push({ index, cause }),
      partDone: (batch: number, offset: number, count: number, bytes: Uint8Array) => {
        this.room -= 1;
        this.portions.push(bytes.length);
        const reader = new ResultReader(Buffer.from(bytes), 0, bytes.length);
        let i = offset;
        for (; reader.next(); i += 1) {
          const length = reader.end - reader.start;
          this.results.push(`${batch}.${i}${reader.rejected ? '!' : '='}${length}`);
        }
        assert.equal(i, offset + count);
      },
    } as unknown as HostEvents);
  }

  /** A slab of `noops`, then one-byte commands; one batch from another waits for all of it. */
  apply(commands: string, parts: readonly BatchPart[], noops = 0): void {
    const buffer = Buffer.alloc(noops * entryBytes(0) + commands.length * entryBytes(1));
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    let at = 0;
    for (let i = 0; i < noops; i += 1) {
      writeEntryHeader(view, at, EntryKind.noop, 0, 5);
      at += entryBytes(0);
    }
    for (const command of commands) {
      buffer.write(command, writeEntryHeader(view, at, EntryKind.command, 1, 5));
      at += entryBytes(1);
    }
    const slab = { buffer, view, start: 0, end: buffer.length, first: 1, term: 1 };
    this.host.apply(slab, noops + commands.length, parts);
  }
}

const part = (batch: number, first: number, last: number, offset = 0): BatchPart => ({
  batch,
  offset,
  first,
  last,
});

/** A machine that applies everything and answers each command by `bytes` bytes. */
const answering = (bytes: number) => (batch: ApplyBatch) => {
  while (batch.next()) batch.reply(Buffer.alloc(bytes));
};

test('a machine that returns a promise fails at what it was given, and nothing counts as done', async () => {
  let late: ApplyBatch | null = null;
  for (const apply of [
    async (batch: ApplyBatch) => {
      while (batch.next());
      await null;
    },
    async (batch: ApplyBatch) => {
      late = batch;
      await null;
      while (batch.next()) batch.reply(Buffer.from('late'));
    },
    async () => {
      throw new Error('never seen');
    },
  ]) {
    const on = new Applying(apply);
    on.apply('abc', [part(1, 1, 3)]);
    assert.equal(on.failed[0]?.index, 1);
    assert.match(String(on.failed[0]?.cause), /TypeError: apply returned a Promise: apply must be/);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([on.results, on.applied, on.failed.length], [[], [], 1]);
  }
  assert.equal((late as ApplyBatch | null)?.next(), false, 'its batch is over for good');
});

test('anything else that apply returns fails as well', () => {
  for (const [returned, name] of [
    [3, '3'],
    [null, 'null'],
    [Buffer.from('x'), 'a Buffer'],
  ]) {
    const on = new Applying((batch) => {
      while (batch.next());
      return returned;
    });
    on.apply('ab', [part(1, 1, 2)]);
    assert.match(String(on.failed[0]?.cause), new RegExp(`apply returned ${name}: `));
  }
});

test('a machine that leaves commands unread fails at the first of them; those read are answered', () => {
  const on = new Applying((batch) => {
    if (batch.next() && batch.next()) batch.reply(Buffer.from('read'));
  });
  on.apply('abcd', [part(1, 1, 4)]);
  assert.equal(on.failed[0]?.index, 3);
  assert.match(String(on.failed[0]?.cause), /left this command unread: call batch\.next\(\) until/);
  assert.deepEqual([on.results, on.applied], [['1.0=0', '1.1=4'], []]);
});

test('what is no command need not be read', () => {
  const on = new Applying(() => {});
  on.apply('', [], 3);
  assert.deepEqual([on.applied, on.failed], [[3], []]);
});

test('a reply or a rejection that is neither bytes nor text fails at its entry, waited for or not', () => {
  for (const [answer, message] of [
    [
      (batch: ApplyBatch) => batch.reply('yes' as never),
      /batch\.reply was given "yes": give bytes/,
    ],
    [(batch: ApplyBatch) => batch.reply(undefined as never), /batch\.reply was given undefined/],
    [
      (batch: ApplyBatch) => batch.reject(new Error('no') as never),
      /batch\.reject was given an Err/,
    ],
    [(batch: ApplyBatch) => batch.reject(undefined as never), /batch\.reject was given undefined/],
  ] as const) {
    for (const parts of [[], [part(1, 1, 3)]]) {
      const on = new Applying((batch) => {
        while (batch.next()) {
          if (batch.index === 2) answer(batch);
          else batch.reply(Buffer.from('fine'));
        }
      });
      on.apply('abc', parts);
      assert.equal(on.failed[0]?.index, 2);
      assert.match(String(on.failed[0]?.cause), message);
      assert.deepEqual(on.results, parts.length === 0 ? [] : ['1.0=4']);
    }
  }
});

test('large results end a batch early; the rest is applied in turns, each entry once', () => {
  const given: string[] = [];
  const on = new Applying((batch) => {
    given.push('');
    while (batch.next()) {
      given[given.length - 1] += Buffer.from(batch.data).toString();
      batch.reply(Buffer.alloc(300_000));
    }
  });
  on.apply('abcdefghij', [part(1, 1, 4), part(2, 6, 10, 5)], 0);
  assert.equal(on.host.isWaiting, true);
  assert.deepEqual(on.applied, []);
  while (on.host.canGoOn) on.host.goOn();
  assert.deepEqual(on.applied, [10]);
  assert.ok(given.length >= 2, `${given.length} batches for 2.7 MB of results`);
  assert.equal(given.join(''), 'abcdefghij');
  const expected = [0, 1, 2, 3].map((i) => `1.${i}=300000`);
  const others = [5, 6, 7, 8, 9].map((i) => `2.${i}=300000`);
  assert.deepEqual(on.results, [...expected, ...others]);
  assert.ok(Math.max(...on.portions) < 300_100, 'a large result travels alone');
});

test('without room nothing more is applied, and with room it goes on behind what it did', () => {
  const on = new Applying(answering(40_000));
  on.room = 2;
  on.apply('x'.repeat(50), [part(1, 1, 50)]);
  assert.ok(on.results.length <= 4, `${on.results.length} results went into no room`);
  on.host.goOn();
  assert.ok(on.results.length <= 4, 'it waits');
  assert.deepEqual([on.host.isWaiting, on.host.canGoOn, on.applied], [true, false, []]);
  while (on.host.isWaiting) {
    on.room = 1;
    on.host.goOn();
  }
  assert.deepEqual(
    on.results,
    Array.from({ length: 50 }, (_, i) => `1.${i}=40000`),
  );
  assert.deepEqual(on.applied, [50]);
});

test('nobody waits: nothing is kept and a batch never ends early', () => {
  const on = new Applying(answering(1_000_000));
  on.room = 0;
  on.apply('x'.repeat(20), []);
  assert.deepEqual([on.applied, on.results], [[20], []]);
});

test('a large result and very many empty ones behind it travel in portions too', () => {
  const on = new Applying((batch) => {
    while (batch.next()) if (batch.index === 1) batch.reply(Buffer.alloc(500_000));
  });
  on.apply('x'.repeat(20_000), [part(1, 1, 20_000)]);
  while (on.host.canGoOn) on.host.goOn();
  assert.equal(on.results.length, 20_000);
  assert.deepEqual(on.portions.slice(0, 1), [500_004]);
  const largest = Math.max(...on.portions.slice(1));
  assert.ok(largest <= 64 * 1024, `a portion of ${largest} bytes`);
});
